"""What a digest may choose from: the articles in its language on its shelves; and the shelves that a taste names."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from articles import flash, shelf, topics
from articles.shelf import Candidate
from digests.selection import Repeat
from subscribers.models import Digest, Taste


def topic_ids(taste: Taste) -> frozenset[int] | None:
    """Return the ids of the topics and countries of a taste; None for everything."""
    return topic_ids_of(taste, {topic.key: topic.id for topic in topics.all_topics()})


def topic_ids_of(taste: Taste, known: Mapping[str, int]) -> frozenset[int] | None:
    """Return the same where the ids of topics are known by their keys."""
    keys = (*taste.topics, *taste.countries)
    return frozenset(known[key] for key in keys if key in known) if keys else None


def candidates(
    digest: Digest,
    *,
    since: datetime | None,
    topic_ids: frozenset[int] | None = None,
    flashes_at: datetime | None = None,
) -> list[Candidate]:
    """Return the articles that an edition of this digest may hold; with `topic_ids`, those on one of these shelves.

    Among them are the flashes that wait for their story at `flashes_at`, if it is given; but not in a first edition,
    whose `since` is None.
    """
    updated = digest.repeat == Repeat.UPDATED
    found = shelf.candidates(digest.language, since=since, updated=updated, topic_ids=topic_ids)
    if flashes_at is not None and since is not None:
        found += shelf.flashes(digest.language, since=flashes_at - flash.FRESH)
    return of_digest(digest, found)


def of_digest(digest: Digest, found: Iterable[Candidate]) -> list[Candidate]:
    """Return those of articles in a digest's language that stand on its shelves; all, when it names none."""
    if not digest.selection:
        return list(found)
    wanted = frozenset(topic.id for topic in topics.by_keys(digest.selection))
    return [one for one in found if not wanted.isdisjoint(one.topic_ids)]
