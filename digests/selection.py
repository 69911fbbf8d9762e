"""Which stories a reader gets: set arithmetic over the few hundred candidates of a wave, in memory."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from articles.shelf import Candidate

FIRST_MOST = 10
"""The most stories in a reader's first edition, and in the one that makes up for a pause."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a reader wants: topic ids (None: everything), how many at the most, nothing seen here before `fresh_from`.

    `fresh_from` is None for a first edition: then the latest stories that match, however old.
    """

    topic_ids: frozenset[int] | None
    most: int
    fresh_from: datetime | None


def choose(
    candidates: Sequence[Candidate],
    wish: Wish,
    *,
    had: Iterable[int],
    without: Iterable[int] = (),
    best: bool = False,
) -> list[int]:
    """Return article ids, newest first: those that match, are fresh, and were not had; one version of each story.

    `had` are articles; of the stories in `without` no version comes. Of too many the newest come; with `best` those on
    the most of the wanted topics, and of these the newest: after a long pause the last day is not all that counts.
    """
    known = frozenset(had)
    chosen: list[Candidate] = []
    stories = set(without)
    wanted = wish.topic_ids if best and wish.topic_ids else frozenset[int]()
    for one in sorted(candidates, key=lambda one: (len(one.topic_ids & wanted), *_newest(one)), reverse=True):
        if one.article_id in known or one.story_id in stories or not matches(one, wish):
            continue
        stories.add(one.story_id)
        chosen.append(one)
        if len(chosen) == wish.most:
            break
    return [one.article_id for one in sorted(chosen, key=_newest, reverse=True)]


def _newest(one: Candidate) -> tuple[datetime, int]:
    return one.published_at, one.article_id


def matches(one: Candidate, wish: Wish) -> bool:
    """Return whether an article is fresh enough, and on a topic that is wanted."""
    if wish.fresh_from is not None and one.first_seen_at <= wish.fresh_from:
        return False
    return wish.topic_ids is None or not wish.topic_ids.isdisjoint(one.topic_ids)
