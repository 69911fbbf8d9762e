"""What the opt-out journals of several hosts say together: the last change of each address, scope and reason."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from core import journal
from core.journal import LIFT, SUPPRESS, Line

MARGIN = timedelta(minutes=10)
"""So much earlier than the backup we begin: a line is written a moment before the database has what it says."""


@dataclass(slots=True)
class Gathered:
    """What was read. `older` lines are of before the backup, which the database knows itself; `foreign` ones were
    written under another hash key; `unknown` counts lines by kinds that cannot be replayed.
    """

    lines: int = 0
    damaged: int = 0
    older: int = 0
    foreign: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    hosts: set[str] = field(default_factory=set)
    _last: dict[tuple[bytes, str, str], Line] = field(default_factory=dict)

    def left(self) -> list[Line]:
        """Return what is suppressed at the end, in the order of the addresses' hashes."""
        found = [line for line in self._last.values() if line.change.kind == SUPPRESS]
        return sorted(found, key=lambda line: (line.change.addr_hash, line.change.scope, line.change.reason))

    def take(self, line: Line | None, *, key: str, since: datetime | None) -> None:
        """Take in one line, in whatever order they come."""
        self.lines += 1
        if line is None:
            self.damaged += 1
            return
        self.hosts.add(line.host)
        if line.key != key:
            self.foreign += 1
        elif since is not None and line.at < since - MARGIN:
            self.older += 1
        elif line.change.kind not in (SUPPRESS, LIFT):
            self.unknown[line.change.kind] += 1
        else:
            self._keep(line)

    def _keep(self, line: Line) -> None:
        place = (line.change.addr_hash, line.change.scope, line.change.reason)
        known = self._last.get(place)
        if known is None or _order(known) < _order(line):
            self._last[place] = line


def _order(line: Line) -> tuple[datetime, bool]:
    """Later wins; at the same moment, who left has left."""
    return line.at, line.change.kind == SUPPRESS


def gather(
    paths: Iterable[Path], *, key: str, since: datetime | None, read: Callable[[int], object] = lambda _octets: None
) -> Gathered:
    """Read journals that were written under the hash key `key`; `read` is told of each piece how long it was.

    Raises OSError.
    """
    gathered = Gathered()
    for path in paths:
        for octets, line in journal.read(path):
            gathered.take(line, key=key, since=since)
            read(octets)
    return gathered
