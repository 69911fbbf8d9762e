"""What a reader had in the last 60 days, as packed rows of 12 bytes: article id (8), revision (2), day number (2).

The highest bit of the revision says that it was a headline only, the next that it stood in full in a recap.
"""

import hashlib
import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from sqlalchemy import LargeBinary, bindparam, delete, func, select, true, update

from core import database
from core.clock import EPOCH_DAY
from core.database import db, insert_for, one_of
from delivery import incoming
from digests.models import Had, History
from digests.selection import Known

KEPT_DAYS = 60
PRUNED_AT_ONCE = 20_000
_UNUSED_DAYS = 2
"""Whole days for which a history is kept that nobody has. Until then readers of another wave may come to it."""
_ROW = struct.Struct(">QHH")
_HEADLINE = 0x8000
_RECAP = 0x4000
_MOST_REVISION = 0x3FFF
_NEVER = Known(0, in_full=False)
_MOVES = incoming.Numbers("moves", ("subscriber_id", "read", "new"))
_BEGUN = incoming.Numbers("begun", ("subscriber_id", "new"))


@dataclass(frozen=True, slots=True)
class Entry:
    """One story that went out to a reader: the article in that revision, on that day, in full or as a headline; in full
    `by_recap` when a recap brought it.
    """

    article_id: int
    revision: int
    day: date
    in_full: bool = True
    by_recap: bool = False


def pack(entries: Sequence[Entry]) -> bytes:
    """Return entries as bytes, in one fixed order, so that equal histories are equal bytes."""
    return b"".join(sorted(map(_row, entries)))


def _row(entry: Entry) -> bytes:
    return _ROW.pack(entry.article_id, _told(entry), (entry.day - EPOCH_DAY).days)


def _told(entry: Entry) -> int:
    how = 0 if entry.in_full else _HEADLINE
    return min(entry.revision, _MOST_REVISION) | how | (_RECAP if entry.by_recap else 0)


def unpack(packed: bytes) -> list[Entry]:
    """Read what `pack` wrote."""
    epoch = EPOCH_DAY.toordinal()
    return [
        Entry(
            article,
            told & _MOST_REVISION,
            date.fromordinal(epoch + day),
            in_full=not told & _HEADLINE,
            by_recap=bool(told & _RECAP),
        )
        for article, told, day in _ROW.iter_unpack(packed)
    ]


def known(packed: bytes, among: Collection[int] | None = None) -> dict[int, Known]:
    """Return how each article in a packed history was had, or each of those `among` it: its latest revision, and
    whether it ever stood in full, and in a recap.
    """
    found: dict[int, Known] = {}
    if among is not None:
        # Rows are in the order of their articles: what may be chosen is new, and stands at the end.
        packed = packed[_first_row(packed, min(among, default=0)) * _ROW.size :]
    for article, told, _day in _ROW.iter_unpack(packed):
        if among is None or article in among:
            before = found.get(article, _NEVER)
            revision, in_full = told & _MOST_REVISION, before.in_full or not told & _HEADLINE
            by_recap = before.by_recap or bool(told & _RECAP)
            found[article] = Known(max(before.revision, revision), in_full=in_full, by_recap=by_recap)
    return found


def _first_row(packed: bytes, article_id: int) -> int:
    """Return the place of the first row of an article, or of the next one."""
    wanted = article_id.to_bytes(8, "big")
    return bisect_left(range(len(packed) // _ROW.size), wanted, key=lambda row: _article(packed, row))


def _article(packed: bytes, row: int) -> bytes:
    return packed[row * _ROW.size : row * _ROW.size + 8]


def grown(packed: bytes, new: Sequence[Entry], *, today: date) -> bytes:
    """Return a packed history with new entries, without those older than 60 days."""
    kept_from = max(0, (today - EPOCH_DAY).days - KEPT_DAYS)
    if packed and min(_days(packed)) < kept_from:
        packed = b"".join(row for row, day in zip(_rows(packed), _days(packed), strict=True) if day >= kept_from)
    rows = [_row(one) for one in new if (one.day - EPOCH_DAY).days >= kept_from]
    # What is new has the latest articles, most often: the rest stays as it is.
    end = _first_row(packed, min((one.article_id for one in new), default=0)) * _ROW.size
    return packed[:end] + b"".join(sorted([*_rows(packed[end:]), *rows]))


def _rows(packed: bytes) -> list[bytes]:
    return [packed[at : at + _ROW.size] for at in range(0, len(packed), _ROW.size)]


def _days(packed: bytes) -> "array[int]":
    """Return the days of the rows, by their numbers."""
    octets = bytearray(len(packed) // _ROW.size * 2)
    # The machine's own order: the lower half first.
    high, low = (0, 1) if sys.byteorder == "big" else (1, 0)
    octets[high::2], octets[low::2] = packed[10 :: _ROW.size], packed[11 :: _ROW.size]
    return array("H", bytes(octets))


def of_readers(subscriber_ids: Sequence[int]) -> dict[int, int]:
    """Return the history of each subscriber who had anything, by its id."""
    wanted = select(Had.subscriber_id, Had.history_id).where(one_of(Had.subscriber_id, subscriber_ids))
    return dict(db.session.connection().execute(wanted).all())


def entries(history_ids: Collection[int]) -> dict[int, bytes]:
    """Return histories, packed, by their ids."""
    if not history_ids:
        return {}
    rows = select(History.id, History.entries).where(one_of(History.id, sorted(history_ids)))
    return dict(db.session.connection().execute(rows).all())


def holding(history_ids: Collection[int], article_id: int) -> dict[int, bytes]:
    """Return those of the histories that hold an article, packed, by their ids.

    The database looks through them: they are long, and hardly any of them has what was flagged just now.
    """
    packed = bindparam("packed", article_id.to_bytes(8, "big"), type_=LargeBinary)
    is_sqlite = db.engine.dialect.name == "sqlite"
    place = func.instr(History.entries, packed) if is_sqlite else func.position(packed.op("IN")(History.entries))
    wanted = select(History.id, History.entries).where(one_of(History.id, sorted(history_ids)), place > 0)
    # The database may find the number across two rows; only whole ones count.
    return {row.id: row.entries for row in db.session.execute(wanted) if known(row.entries, {article_id})}


def who_had(subscriber_ids: Sequence[int], *, article_id: int, revision: int) -> set[int]:
    """Return the subscribers who had an article in full, in this revision or a later one."""
    had = of_readers(subscriber_ids)
    told = {
        history_id
        for history_id, packed in holding(set(had.values()), article_id).items()
        for article, how, _day in _ROW.iter_unpack(packed)
        if article == article_id and not how & _HEADLINE and how & _MOST_REVISION >= revision
    }
    return {subscriber_id for subscriber_id, history_id in had.items() if history_id in told}


def fingerprint(packed: bytes) -> bytes:
    """Return what tells a packed history from all others."""
    return hashlib.sha256(packed).digest()


def intern(packed: Iterable[bytes], *, today: date) -> dict[bytes, int]:
    """Return the ids of packed histories, new ones written: in one order, whoever writes."""
    prints = {fingerprint(entries): entries for entries in packed}
    rows = {one: {"entries": entries, "last_used_on": today} for one, entries in prints.items()}
    ids = database.intern_rows(History, rows) if rows else {}
    if ids:
        # Taken again, a history is young again: whoever cleans up must not find it unused.
        young = update(History).where(one_of(History.id, sorted(ids.values())), History.last_used_on < today)
        db.session.connection().execute(young.values(last_used_on=today))
    return {prints[one]: history_id for one, history_id in ids.items()}


def prune(*, today: date) -> int:
    """Delete histories that nobody has any more, some at a time; return how many. Whoever calls it has taken the turn:
    what composing took again just now is in somebody's hands by then.
    """
    is_old = History.last_used_on < today - timedelta(days=_UNUSED_DAYS)
    nobodys = select(History.id).outerjoin(Had, Had.history_id == History.id).where(is_old, Had.subscriber_id.is_(None))
    gone = delete(History).where(History.id.in_(nobodys.order_by(History.id).limit(PRUNED_AT_ONCE)), is_old)
    return db.session.connection().execute(gone).rowcount


class Move(NamedTuple):
    """A reader, the history that was read of them (None: nothing was had), and the one they are to have."""

    subscriber_id: int
    read: int | None
    new: int


def advance(moves: Sequence[Move]) -> set[int]:
    """Compare and set: give readers their new history who still have the one that was read; return who they are.

    Whoever had mail composed meanwhile has another history by now, is not moved, and must be looked at again.
    """
    return _changed([one for one in moves if one.read is not None]) | _begun([one for one in moves if one.read is None])


def _changed(moves: Sequence[Move]) -> set[int]:
    if not moves:
        return set()
    connection, ids = db.session.connection(), [one.subscriber_id for one in moves]
    # Two digests of one instant share readers: each takes them in the same order.
    ours = select(Had.subscriber_id).where(one_of(Had.subscriber_id, ids)).order_by(Had.subscriber_id)
    connection.execute(select(func.count()).select_from(ours.with_for_update().subquery()))
    dialect = connection.dialect.name
    wanted = _MOVES.table(dialect)
    moved = (
        update(Had)
        .where(Had.subscriber_id == wanted.c.subscriber_id, Had.history_id == wanted.c.read)
        .values(history_id=wanted.c.new)
        .returning(Had.subscriber_id)
    )
    given = _MOVES.given(dialect, [(reader, read or 0, new) for reader, read, new in moves])
    return set(connection.scalars(moved, given))


def _begun(moves: Sequence[Move]) -> set[int]:
    if not moves:
        return set()
    connection = db.session.connection()
    dialect = connection.dialect.name
    begun = _BEGUN.table(dialect)
    chosen = select(begun.c.subscriber_id, begun.c.new).where(true()).order_by(begun.c.subscriber_id)
    insert = insert_for(db.engine)(Had).from_select(["subscriber_id", "history_id"], chosen).on_conflict_do_nothing()
    rows = [(one.subscriber_id, one.new) for one in moves]
    return set(connection.scalars(insert.returning(Had.subscriber_id), _BEGUN.given(dialect, rows)))
