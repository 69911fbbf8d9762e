"""What a digest may choose from: the articles in its language on its shelves; and the shelves that a taste names."""

from collections.abc import Iterable
from datetime import datetime

from articles import shelf, topics
from articles.shelf import Candidate
from digests.selection import Repeat
from subscribers.models import Digest, Taste


def topic_ids(taste: Taste) -> frozenset[int] | None:
    """Return the ids of the topics and countries of a taste; None for everything."""
    keys = {*taste.topics, *taste.countries}
    if not keys:
        return None
    return frozenset(topic.id for topic in topics.all_topics() if topic.key in keys)


def candidates(digest: Digest, *, since: datetime | None, topic_ids: frozenset[int] | None = None) -> list[Candidate]:
    """Return the articles that an edition of this digest may hold; with `topic_ids`, those on one of these shelves."""
    updated = digest.repeat == Repeat.UPDATED
    return of_digest(digest, shelf.candidates(digest.language, since=since, updated=updated, topic_ids=topic_ids))


def of_digest(digest: Digest, found: Iterable[Candidate]) -> list[Candidate]:
    """Return those of articles in a digest's language that stand on its shelves; all, when it names none."""
    if not digest.selection:
        return list(found)
    wanted = frozenset(topic.id for topic in topics.by_keys(digest.selection))
    return [one for one in found if not wanted.isdisjoint(one.topic_ids)]
