"""What a reader had in the last 60 days, as packed rows of 12 bytes: article id (8), revision (2), day number (2).

The highest bit of the revision says that it was a headline only.
"""

import hashlib
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import BigInteger, LargeBinary, bindparam, func, select, update

from core.clock import EPOCH_DAY
from core.database import db, insert_for
from delivery import incoming
from digests.models import Had, History
from digests.selection import Known

KEPT_DAYS = 60
_ROW = struct.Struct(">QHH")
_HEADLINE = 0x8000
_MOST_REVISION = 0x7FFF


@dataclass(frozen=True, slots=True)
class Entry:
    """One story that went out to a reader: the article in that revision, on that day, in full or as a headline."""

    article_id: int
    revision: int
    day: date
    in_full: bool = True


def pack(entries: Sequence[Entry]) -> bytes:
    """Return entries as bytes, in one fixed order, so that equal histories are equal bytes."""
    rows = sorted((entry.article_id, _told(entry), (entry.day - EPOCH_DAY).days) for entry in entries)
    return b"".join(_ROW.pack(*row) for row in rows)


def _told(entry: Entry) -> int:
    return min(entry.revision, _MOST_REVISION) | (0 if entry.in_full else _HEADLINE)


def unpack(packed: bytes) -> list[Entry]:
    """Read what `pack` wrote."""
    epoch = EPOCH_DAY.toordinal()
    return [
        Entry(article, told & _MOST_REVISION, date.fromordinal(epoch + day), in_full=not told & _HEADLINE)
        for article, told, day in _ROW.iter_unpack(packed)
    ]


def holds(packed: bytes, article_id: int) -> bool:
    """Say whether an article is in a packed history, without reading all of it."""
    wanted = article_id.to_bytes(8, "big")
    place = packed.find(wanted)
    while place >= 0 and place % _ROW.size:
        place = packed.find(wanted, place + 1)
    return place >= 0


def known(packed: bytes) -> dict[int, Known]:
    """Return how each article in a packed history was had: its latest revision, and whether it ever stood in full."""
    found: dict[int, Known] = {}
    for entry in unpack(packed):
        before = found.get(entry.article_id, Known(0, in_full=False))
        found[entry.article_id] = Known(max(before.revision, entry.revision), in_full=before.in_full or entry.in_full)
    return found


def grown(entries: Sequence[Entry], new: Sequence[Entry], *, today: date) -> list[Entry]:
    """Return a history with new entries, without those older than 60 days."""
    return [entry for entry in (*entries, *new) if (today - entry.day).days <= KEPT_DAYS]


def of_readers(subscriber_ids: Sequence[int]) -> dict[int, tuple[int, bytes]]:
    """Return (history id, packed entries) of each subscriber who had anything."""
    rows = db.session.execute(
        select(Had.subscriber_id, Had.history_id, History.entries)
        .join(History, History.id == Had.history_id)
        .where(Had.subscriber_id.in_(subscriber_ids))
    )
    return {row.subscriber_id: (row.history_id, row.entries) for row in rows}


def who_had(subscriber_ids: Sequence[int], *, article_id: int, revision: int) -> set[int]:
    """Return the subscribers who had an article in full, in this revision or a later one."""
    rows = db.session.execute(select(Had.subscriber_id, Had.history_id).where(Had.subscriber_id.in_(subscriber_ids)))
    by_history: dict[int, set[int]] = {}
    for subscriber_id, history_id in rows:
        by_history.setdefault(history_id, set()).add(subscriber_id)
    packed = bindparam("packed", article_id.to_bytes(8, "big"), type_=LargeBinary)
    # The database looks through them first: they are long, and hardly any of them has what was flagged just now.
    is_sqlite = db.engine.dialect.name == "sqlite"
    place = func.instr(History.entries, packed) if is_sqlite else func.position(packed.op("IN")(History.entries))
    wanted = select(History.id, History.entries).where(History.id.in_(by_history), place > 0)
    found: set[int] = set()
    for row in db.session.execute(wanted):
        told = (one for one in unpack(row.entries) if one.article_id == article_id and one.in_full)
        if any(one.revision >= revision for one in told):
            found |= by_history[row.id]
    return found


def intern(packed: Iterable[bytes], *, today: date) -> dict[bytes, int]:
    """Return the ids of packed histories, new ones written: in one order, whoever writes."""
    prints = {hashlib.sha256(entries).digest(): entries for entries in packed}
    if not prints:
        return {}
    rows = [
        {"fingerprint": fingerprint, "entries": entries, "last_used_on": today}
        for fingerprint, entries in sorted(prints.items())
    ]
    # Taken again, a history is young again: the nightly clean-up must not find it unused.
    statement = insert_for(db.engine)(History).on_conflict_do_update(
        index_elements=[History.fingerprint], set_={"last_used_on": today}
    )
    found = db.session.execute(statement.values(rows).returning(History.fingerprint, History.id))
    return {prints[row.fingerprint]: row.id for row in found}


@dataclass(frozen=True, slots=True)
class Move:
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
    dialect = db.engine.dialect.name
    ids = [one.subscriber_id for one in moves]
    # Two digests of one instant share readers: each takes them in the same order.
    db.session.execute(
        select(Had.subscriber_id).where(Had.subscriber_id.in_(ids)).order_by(Had.subscriber_id).with_for_update()
    )
    wanted_rows = [{"subscriber_id": one.subscriber_id, "read": one.read, "new": one.new} for one in moves]
    wanted = incoming.table(dialect, "moves", {"subscriber_id": BigInteger, "read": BigInteger, "new": BigInteger})
    moved = (
        update(Had)
        .where(Had.subscriber_id == wanted.c.subscriber_id, Had.history_id == wanted.c.read)
        .values(history_id=wanted.c.new)
        .returning(Had.subscriber_id)
        .execution_options(synchronize_session=False)
    )
    return set(db.session.scalars(moved, {"moves": incoming.rows(wanted_rows)}))


def _begun(moves: Sequence[Move]) -> set[int]:
    if not moves:
        return set()
    rows = [
        {"subscriber_id": one.subscriber_id, "history_id": one.new}
        for one in sorted(moves, key=lambda one: one.subscriber_id)
    ]
    insert = insert_for(db.engine)(Had).values(rows).on_conflict_do_nothing()
    return set(db.session.scalars(insert.returning(Had.subscriber_id)))
