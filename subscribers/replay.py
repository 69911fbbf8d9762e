"""Bring back into a restored database who left since the backup was made."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from core.journal import Line
from delivery import suppression
from subscribers import unsubscribe


def bring_back(lines: Sequence[Line]) -> int:
    """Suppress again what these lines of a journal say, as of when it happened; return how many were forgotten.

    A reader's own leaving also turns the subscription off, with its proof. Nothing is ever lifted: whoever came back
    since the backup did so in a database that is gone, and is asked again.
    """
    stands = suppression.standing({line.change.addr_hash for line in lines})
    forgotten = [line for line in lines if not _covered(line, stands)]
    for line in forgotten:
        unsubscribe.keep_away([line.change], now=line.at)
    return len(forgotten)


def _covered(line: Line, stands: Mapping[tuple[bytes, str, str], datetime | None]) -> bool:
    """Return whether what stands holds for as long as the line says, at least."""
    what, until = _what(line), line.change.until
    if what not in stands:
        return False
    end = stands[what]
    return end is None or (until is not None and until <= end)


def _what(line: Line) -> tuple[bytes, str, str]:
    return line.change.addr_hash, line.change.scope, line.change.reason
