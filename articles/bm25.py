"""BM25: how well a story suits some terms, by how often it has each, how rare each is, and how long it is.

Robertson and Zaragoza 2009, with the inverse document frequency of Lucene, which is never below zero.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

K1, B = 1.2, 0.75
MOST_OFTEN = 127
"""What is there more often counts as this."""
MOST_TERMS = 1 << 28
"""Ids of terms lie below this."""
KEY = 4
"""Octets of a term's id in packed counts; the next one says how often the term is there."""


@dataclass(frozen=True, slots=True)
class Scale:
    """What scores are measured by: how many stories there are, and how many terms one has on average."""

    stories: int
    average: float

    def weight(self, having: int) -> float:
        """Return what a term that so many stories have is worth: more than one story can score for it."""
        return math.log1p((self.stories - having + 0.5) / (having + 0.5)) * (K1 + 1)

    @property
    def flat(self) -> float:
        """Return what slows the counting of a term in a story without a length."""
        return K1 * (1 - B)

    @property
    def steep(self) -> float:
        """Return what slows it the more for each term of a story's length."""
        return K1 * B / self.average

    def score(self, counts: Mapping[int, int], length: int, weights: Mapping[int, float]) -> float:
        """Return the score of a story for these terms, given as their ids with their weights.

        It is what `articles.ranking` has the database work out, sum by sum.
        """
        base = self.flat + self.steep * length
        total = 0.0
        for term, weight in weights.items():
            often = counts.get(term, 0)
            total += weight * often / (often + base)
        return total


def pack(counts: Mapping[int, int]) -> bytes:
    """Return counts, by the ids of their terms, as bytes: of each the key, and one octet for how often.

    No octet of a key is below 128, and every other one is: so who looks for a key finds it in its own place only.
    """
    return b"".join(key(term) + bytes((min(counts[term], MOST_OFTEN),)) for term in sorted(counts))


def unpack(packed: bytes) -> dict[int, int]:
    """Return the counts that `pack` wrote."""
    return {
        (packed[at] & 127)
        | (packed[at + 1] & 127) << 7
        | (packed[at + 2] & 127) << 14
        | (packed[at + 3] & 127) << 21: (packed[at + KEY])
        for at in range(0, len(packed), KEY + 1)
    }


def key(term: int) -> bytes:
    """Return the octets that stand for a term in packed counts. The first ones differ most: a search meets few."""
    return bytes((128 | term & 127, 128 | term >> 7 & 127, 128 | term >> 14 & 127, 128 | term >> 21 & 127))
