"""BM25: how well a story suits some terms, by how often it has each, how rare each is, and how long it is.

Robertson and Zaragoza 2009, with the inverse document frequency of Lucene, which is never below zero.
"""

import math
import sys
from array import array
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

K1, B = 1.2, 0.75
_ID = 4
_MOST = 255


@dataclass(frozen=True, slots=True)
class Scale:
    """What scores are measured by: how many stories there are, and how many terms one has on average."""

    stories: int
    average: float

    def rarity(self, having: int) -> float:
        """Return the inverse document frequency of a term that so many stories have."""
        return math.log1p((self.stories - having + 0.5) / (having + 0.5))

    def score(self, counts: "Counts", length: int, rarities: Mapping[int, float]) -> float:
        """Return the score of a story for these terms, given as their ids with their rarities."""
        base = K1 * (1 - B + B * length / self.average)
        total = 0.0
        for term, rarity in rarities.items():
            found = counts.of(term)
            if found:
                total += rarity * found * (K1 + 1) / (found + base)
        return total


class Counts:
    """How often a story has which terms, as `pack` wrote it."""

    __slots__ = ("_ids", "_packed", "_start")

    def __init__(self, packed: bytes) -> None:
        self._start = len(packed) // (_ID + 1) * _ID
        self._ids = _ids(packed[: self._start])
        self._packed = packed

    def of(self, term: int) -> int:
        """Return how often it has a term."""
        at = bisect_left(self._ids, term)
        return self._packed[self._start + at] if at < len(self._ids) and self._ids[at] == term else 0

    def all(self) -> dict[int, int]:
        """Return all ids of terms with their counts."""
        return dict(zip(self._ids, self._packed[self._start :], strict=True))


def pack(counts: Mapping[int, int]) -> bytes:
    """Return counts as bytes: the ids of the terms in their order, four bytes each, then a byte for each count.

    What is there more than 255 times counts as 255.
    """
    ids = array("I", sorted(counts))
    tallies = bytes(min(counts[term], _MOST) for term in ids)
    if sys.byteorder == "big":
        ids.byteswap()
    return ids.tobytes() + tallies


def _ids(packed: bytes) -> "array[int]":
    ids = array("I", packed)
    if sys.byteorder == "big":
        ids.byteswap()
    return ids
