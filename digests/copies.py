"""Copies: a mail as all those get it who get the same one, and the readers of a chunk who do."""

from dataclasses import dataclass

from digests.rendering import CorrectionView, Opening
from digests.showing import Shown
from subscribers.duereaders import DueReader


@dataclass(frozen=True, slots=True, eq=False)
class Copy:
    """The same stories, headlines below, format and opening, and `corrections` of stories that its readers had, and of
    which they were not told yet.

    Told apart by identity: one wave makes each copy once (digests.kept), and then it is compiled and written once.
    """

    format: str
    shown: Shown
    opening: Opening
    corrections: tuple[CorrectionView, ...] = ()

    @property
    def article_ids(self) -> frozenset[int]:
        """Return the articles of its stories and headlines."""
        full = frozenset(one.article_id for one in self.shown.stories)
        return full.union(one.article_id for one in self.shown.headlines)


@dataclass(frozen=True, slots=True)
class Group:
    """Readers of a chunk with one copy, and with one past; None: they had nothing yet."""

    readers: tuple[DueReader, ...]
    copy: Copy
    history_id: int | None


@dataclass(frozen=True, slots=True)
class SortedOut:
    """The readers of a chunk: those who get the same mail together, those for whom there is nothing, and those who wait
    until there are as many stories as the digest has at least.
    """

    groups: tuple[Group, ...] = ()
    empty: tuple[DueReader, ...] = ()
    waiting: tuple[DueReader, ...] = ()

    def __add__(self, other: "SortedOut") -> "SortedOut":
        return SortedOut(self.groups + other.groups, self.empty + other.empty, self.waiting + other.waiting)
