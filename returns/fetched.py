"""What a mailbox gives: mails as they came, some at a time, and what a box can do with them afterwards."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

CHUNK = 100
"""Mails that are worked off in one transaction."""
CHUNK_OCTETS = 4 * 1024 * 1024
"""A chunk ends when it has so many octets, so memory stays flat however long the mails are."""


class BoxError(Exception):
    """A mailbox cannot be read. Its text says why and names the cure; for operators, in English."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """One mail. `raw` is its beginning, returns.mime.MAX_OCTETS at most; `octets` is how long it is in all.

    `place` is the box's own name for it: a file, or a number. `came_at` is when the box got it, if it says so. One that
    the box does not give has a `why`, no octets, and a `label` that it is known by instead.
    """

    place: str
    raw: bytes
    octets: int
    came_at: datetime | None = None
    why: str = ""
    label: str = ""

    @property
    def name(self) -> bytes:
        """Return what it is known by, wherever it lies: the same mail twice is one."""
        if self.label:
            return self.label.encode()
        return hashlib.sha256(self.raw).digest() + self.octets.to_bytes(8, "big")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some mails, and what to remember with them: from where to go on the next time, where the box has no flags."""

    mails: Sequence[Fetched]
    position: str | None = None


class Box(Protocol):
    """A mailbox that is open."""

    def chunks(self, position: str | None) -> Iterator[Chunk]:
        """Give what was not read yet, oldest first. Raises BoxError."""

    def put_away(self, done: Sequence[Fetched], unread: Sequence[Fetched]) -> None:
        """Flag what is done, and move aside what could not be read. Called after the commit. Raises BoxError."""

    def move_left(self, left: str) -> None:
        """Move aside what an earlier look had no time to: a position's first word, and places. Raises BoxError."""

    def close(self) -> None:
        """Give back what it holds."""
