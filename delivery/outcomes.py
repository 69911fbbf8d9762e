"""What those above must learn of a reader's mail: a feed that is only added to, and read by a cursor.

Numbers are given out before they are committed, so a lower one may appear after a higher one. A reader therefore goes
no further than `newest` says: up to there every number is there, or never will be.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, func, insert, literal_column, select

from core.database import db
from delivery.models import Delivery, Mailing, Outcome

_ADD = insert(Outcome)


class Kind(StrEnum):
    """What there is to learn."""

    HARD_BOUNCE = "hard_bounce"
    SOFT_BOUNCE = "soft_bounce"
    COMPLAINT = "complaint"
    LEFT_BY_MAIL = "left_by_mail"
    ENDED_UNSENT = "ended_unsent"


ABOUT_READERS = frozenset(Kind) - {Kind.ENDED_UNSENT}
"""What says something of a reader or an address, and not of one mail alone."""


def add(rows: Sequence[Mapping[str, object]]) -> None:
    """Add outcomes of deliveries, each with `kind`, `at`, `delivery_id`, `mailing_id`, `reader_key`, `addr_hash`."""
    if rows:
        db.session.connection().execute(_ADD, rows)


def add_unsent(connection: Connection, ended: Sequence[Row[*tuple[Any, ...]]], *, at: datetime) -> None:
    """Add that mails to readers have ended unsent: rows with `id`, `mailing_id`, `reader_key`, `addr_hash`."""
    rows = [
        {
            "kind": Kind.ENDED_UNSENT,
            "at": at,
            "delivery_id": one.id,
            "mailing_id": one.mailing_id,
            "reader_key": one.reader_key,
            "addr_hash": one.addr_hash,
        }
        for one in ended
        if one.reader_key is not None
    ]
    if rows:
        connection.execute(_ADD, rows)


def waiting(after: int, kinds: Collection[Kind]) -> bool:
    """Return whether there is anything beyond the cursor, as far as that can be seen without waiting for anybody."""
    found: Select[int] = select(literal_column("1")).where(Outcome.id > after, Outcome.kind.in_(kinds))
    return db.session.scalar(found.limit(1)) is not None


def newest() -> int:
    """Return up to where the feed is complete. It waits for those who write just now, and new ones wait meanwhile.

    So call it in a transaction of its own, and end that at once. Raises OperationalError after two seconds.
    """
    if db.engine.dialect.name != "sqlite":
        db.session.connection().exec_driver_sql("SET LOCAL lock_timeout = '2s'")
        db.session.connection().exec_driver_sql("LOCK TABLE outcomes IN SHARE MODE")
    return db.session.scalar(select(func.max(Outcome.id))) or 0


def between(after: int, until: int, *, limit: int) -> Sequence[Row[int, datetime, str, str, bytes | None, bytes]]:
    """Return the first outcomes about readers beyond a cursor, up to `until`, in their order, each with its stream."""
    columns = (Outcome.id, Outcome.at, Outcome.kind, Mailing.stream, Outcome.reader_key, Outcome.addr_hash)
    wanted = select(*columns).join(Mailing, Mailing.id == Outcome.mailing_id)
    wanted = wanted.where(Outcome.id > after, Outcome.id <= until, Outcome.kind.in_(ABOUT_READERS))
    return db.session.execute(wanted.order_by(Outcome.id).limit(limit)).all()


class Unsent(NamedTuple):
    """A mail that ended without being handed over: whose it was, and what it was to be made of."""

    id: int
    reader_key: bytes
    content_id: int


def unsent(after: int, until: int, *, limit: int) -> list[Unsent]:
    """Return the first mails beyond a cursor, up to `until`, that ended unsent, in their order."""
    wanted = select(Outcome.id, Outcome.reader_key, Delivery.content_id).join(
        Delivery, Delivery.id == Outcome.delivery_id
    )
    wanted = wanted.where(Outcome.id > after, Outcome.id <= until, Outcome.kind == Kind.ENDED_UNSENT)
    rows = db.session.execute(wanted.order_by(Outcome.id).limit(limit))
    return [Unsent(row.id, row.reader_key or b"", row.content_id) for row in rows]
