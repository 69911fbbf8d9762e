"""What a reader had in the last 60 days, as packed rows of 12 bytes: article id (8), revision (2), day number (2)."""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select, update

from core.clock import EPOCH_DAY
from core.database import db, insert_for
from digests.models import Had, History

KEPT_DAYS = 60
_ROW = struct.Struct(">QHH")


@dataclass(frozen=True, slots=True)
class Entry:
    """One story that went out to a reader: the article in that revision, on that day."""

    article_id: int
    revision: int
    day: date


def pack(entries: Sequence[Entry]) -> bytes:
    """Return entries as bytes, in one fixed order, so that equal histories are equal bytes."""
    rows = sorted((entry.article_id, entry.revision, (entry.day - EPOCH_DAY).days) for entry in entries)
    return b"".join(_ROW.pack(article, min(revision, 0xFFFF), day) for article, revision, day in rows)


def unpack(packed: bytes) -> list[Entry]:
    """Read what `pack` wrote."""
    epoch = EPOCH_DAY.toordinal()
    return [
        Entry(article, revision, date.fromordinal(epoch + day)) for article, revision, day in _ROW.iter_unpack(packed)
    ]


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


def intern(entries: Sequence[Entry], *, today: date) -> int:
    """Return the id of the history with exactly these entries."""
    packed = pack(entries)
    fingerprint = hashlib.sha256(packed).digest()
    insert = insert_for(db.engine)(History).values(fingerprint=fingerprint, entries=packed, last_used_on=today)
    # Taken again, a history is young again: the nightly clean-up must not find it unused.
    return int(
        db.session.execute(
            insert.on_conflict_do_update(index_elements=[History.fingerprint], set_={"last_used_on": today}).returning(
                History.id
            )
        ).scalar_one()
    )


def advance(subscriber_ids: Sequence[int], *, read: int | None, new: int) -> set[int]:
    """Compare and set: move to the history `new` those who still have the one that was `read`; return who they are.

    Whoever had mail composed meanwhile has another history by now, is not moved, and must be looked at again.
    """
    if read is None:
        rows = [{"subscriber_id": one, "history_id": new} for one in subscriber_ids]
        insert = insert_for(db.engine)(Had).values(rows).on_conflict_do_nothing()
        return set(db.session.scalars(insert.returning(Had.subscriber_id)))
    moved = (
        update(Had)
        .where(Had.subscriber_id.in_(subscriber_ids), Had.history_id == read)
        .values(history_id=new)
        .returning(Had.subscriber_id)
        .execution_options(synchronize_session=False)
    )
    return set(db.session.scalars(moved))
