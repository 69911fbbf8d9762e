"""A file of addresses that must not be mailed, read line by line, however long it is and whatever is wrong with it."""

import csv
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from core import addresses, characters, errors, journal
from core.addresses import Address
from core.journal import Change

CHUNK = 500
"""Lines in one transaction: visitors wait for the turn of whoever writes."""
LISTED = 50
"""So many bad lines are told one by one."""
LONGEST_LINE = 4096
"""Octets; an address has 254 at most."""
COLUMNS = ("address", "scope", "reason", "source", "until")
_SEPARATORS = ";\t,"


@dataclass(frozen=True, slots=True)
class Given:
    """What holds for lines that do not say it themselves."""

    scope: str | None
    reason: str
    source: str
    until: datetime | None


class BadLine(Exception):
    """What is wrong with a line, and how to mend it. It holds no address."""


class BadFile(Exception):
    """The first line names columns that there are not, so that no other line can be read."""


class Reading:
    """One reading of a file: its good lines in chunks, and what was wrong with the others."""

    def __init__(
        self, path: Path, given: Given, *, scopes: Sequence[str], hashed: Callable[[Address], bytes], now: datetime
    ) -> None:
        self._path, self._given, self._scopes, self._hashed, self._now = path, given, scopes, hashed, now
        self._columns: tuple[str, ...] = ()
        self._began = time.monotonic()
        self._octets = self._told = 0
        self.size = os.path.getsize(path)
        self.good = self.refused = 0
        self.bad: list[tuple[int, str]] = []

    @property
    def speed(self) -> str:
        """Return how fast it goes, in words."""
        seconds = max(time.monotonic() - self._began, 0.001)
        return f"{(self.good + self.refused) / seconds:,.0f} lines a second"

    def taken(self) -> int:
        """Return how many octets were read since this was asked the last time."""
        new, self._told = self._octets - self._told, self._octets
        return new

    def chunks(self) -> Iterator[list[Change]]:
        """Yield what the good lines say. Raises BadFile and OSError."""
        chunk: list[Change] = []
        with self._path.open("rb") as file:
            for number, raw in enumerate(self._lines(file), 1):
                try:
                    change = self._change(raw, first=number == 1)
                except BadLine as error:
                    self._refuse(number, str(error))
                    continue
                if change is not None:
                    self.good += 1
                    chunk.append(change)
                if len(chunk) == CHUNK:
                    yield chunk
                    chunk = []
        yield chunk

    def _lines(self, file: BinaryIO) -> Iterator[bytes]:
        """Yield lines, of one that is far too long only its beginning."""
        while raw := file.readline(LONGEST_LINE + 1):
            self._octets += len(raw)
            rest = raw
            while len(rest) > LONGEST_LINE and not rest.endswith(b"\n"):
                rest = file.readline(LONGEST_LINE + 1)
                self._octets += len(rest)
            yield raw

    def _refuse(self, number: int, why: str) -> None:
        self.refused += 1
        if len(self.bad) < LISTED:
            self.bad.append((number, why))

    def _change(self, raw: bytes, *, first: bool) -> Change | None:
        """Return what a line says; None for an empty one, and for the first when it names the columns."""
        cells = self._cells(raw, first=first)
        if not any(cells):
            return None
        if first and self._named(cells):
            return None
        row = dict(zip(self._columns or COLUMNS[:1], cells, strict=False))
        if len(cells) > len(self._columns or COLUMNS[:1]):
            raise BadLine("It has more fields than the first line names. Put a field with a comma in it in quotes.")
        return Change(
            journal.SUPPRESS,
            self._hash_of(row.get("address", "")),
            self._scope(row.get("scope", "")),
            _word("reason", row.get("reason", "") or self._given.reason),
            _word("source", row.get("source", "") or self._given.source),
            self._until(row.get("until", "")),
        )

    def _cells(self, raw: bytes, *, first: bool) -> list[str]:
        if len(raw) > LONGEST_LINE:
            raise BadLine(f"It is longer than {LONGEST_LINE} octets. One line is one address.")
        try:
            text = raw.decode("utf-8-sig" if first else "utf-8").strip("\r\n")
        except UnicodeDecodeError as error:
            raise BadLine("It is not in UTF-8. Save the file in UTF-8.") from error
        if first:
            self._separator = next((one for one in _SEPARATORS if one in text), ",")
        try:
            (cells,) = csv.reader([text], delimiter=self._separator, strict=True) if text else ([""],)
        except (csv.Error, ValueError) as error:
            raise BadLine("A quote is opened and not closed, or stands in the middle of a field.") from error
        return [cell.strip() for cell in cells]

    def _named(self, cells: Sequence[str]) -> bool:
        """Take the names of the columns, if these are names; a first line with an address in it has none."""
        if any("@" in cell for cell in cells):
            return False
        names = tuple("address" if cell.lower() in ("email", "e-mail") else cell.lower() for cell in cells)
        strange = [name for name in names if name not in COLUMNS]
        if strange or "address" not in names or len(set(names)) < len(names):
            raise BadFile(f"It must name the columns: address, and if you like {', '.join(COLUMNS[1:])}, each once.")
        self._columns = names
        return True

    def _hash_of(self, text: str) -> bytes:
        try:
            return self._hashed(addresses.parse(text))
        except errors.Invalid as error:
            raise BadLine(str(error)) from error

    def _scope(self, text: str) -> str:
        scope = text or self._given.scope
        if scope is None:
            raise BadLine("It says no scope. Add a column scope, or give --scope.")
        if scope not in self._scopes:
            raise BadLine(f"There is no such scope. There are: {', '.join(self._scopes)}.")
        return scope

    def _until(self, text: str) -> datetime | None:
        if not text:
            return self._given.until
        try:
            read = datetime.fromisoformat(text)
        except ValueError as error:
            raise BadLine("Its end is no time. Write it like 2027-01-31 or 2027-01-31T12:00, in UTC.") from error
        until = read if read.tzinfo else read.replace(tzinfo=UTC)
        if until <= self._now:
            raise BadLine("Its end is over already, so it would keep nothing away. Leave the line out.")
        return until


def _word(column: str, text: str) -> str:
    if len(text) > 60 or " " in text or any(map(characters.is_hidden, text)):
        raise BadLine(f"Its {column} is not one word of at most 60 characters, such as: operator.")
    return text
