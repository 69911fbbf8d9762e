"""The articles that a wave may choose from, sorted once: by topic, and by when each was new."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime

from articles.shelf import Candidate


class Pool:
    """A few hundred articles, in memory."""

    def __init__(self, found: Sequence[Candidate]) -> None:
        self.found = found
        self.article_ids = frozenset(one.article_id for one in found)
        self._by_topic: dict[int, list[Candidate]] = {}
        for one in found:
            for topic_id in one.topic_ids:
                self._by_topic.setdefault(topic_id, []).append(one)
        seen, updated = {one.first_seen_at for one in found}, {one.updated_at for one in found}
        self._instants = sorted(seen | {at for at in updated if at is not None})

    def on(self, topic_ids: frozenset[int] | None, *, front: int | None) -> Sequence[Candidate]:
        """Return what stands on one of these shelves, or on any; and the article on the front page wherever it is."""
        if topic_ids is None:
            return self.found
        wanted = {one.article_id: one for topic_id in topic_ids for one in self._by_topic.get(topic_id, ())}
        wanted |= {one.article_id: one for one in self.found if one.article_id == front} if front is not None else {}
        return list(wanted.values())

    def freshness(self, since: datetime | None) -> int:
        """Return a number that stands for all instants since which the same articles are fresh: readers who joined at
        different times have the same choice, where nothing came in between.
        """
        return -1 if since is None else bisect_right(self._instants, since)
