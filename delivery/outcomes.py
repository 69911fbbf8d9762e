"""What those above must learn of a reader's mail: a feed that is only added to, and read by a cursor.

Numbers are given out before they are committed, so a lower one may appear after a higher one. A reader therefore goes
no further than `newest` says: up to there every number is there, or never will be.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Row, func, insert, literal_column, select

from core.database import db
from delivery.models import Mailing, Outcome

_ADD = insert(Outcome)


class Kind(StrEnum):
    """What there is to learn."""

    HARD_BOUNCE = "hard_bounce"
    SOFT_BOUNCE = "soft_bounce"
    COMPLAINT = "complaint"
    LEFT_BY_MAIL = "left_by_mail"


def add(rows: Sequence[Mapping[str, object]]) -> None:
    """Add outcomes of deliveries, each with `kind`, `at`, `delivery_id`, `mailing_id`, `reader_key`, `addr_hash`."""
    if rows:
        db.session.connection().execute(_ADD, rows)


def waiting(after: int) -> bool:
    """Return whether there is anything beyond the cursor, as far as that can be seen without waiting for anybody."""
    return db.session.scalar(select(literal_column("1")).where(Outcome.id > after).limit(1)) is not None


def newest() -> int:
    """Return up to where the feed is complete. It waits for those who write just now, and new ones wait meanwhile.

    So call it in a transaction of its own, and end that at once. Raises OperationalError after two seconds.
    """
    if db.engine.dialect.name != "sqlite":
        db.session.connection().exec_driver_sql("SET LOCAL lock_timeout = '2s'")
        db.session.connection().exec_driver_sql("LOCK TABLE outcomes IN SHARE MODE")
    return db.session.scalar(select(func.max(Outcome.id))) or 0


def between(after: int, until: int, *, limit: int) -> Sequence[Row[int, datetime, str, str, bytes | None, bytes]]:
    """Return the first outcomes beyond a cursor, up to `until`, in their order, each with the stream it is about."""
    columns = (Outcome.id, Outcome.at, Outcome.kind, Mailing.stream, Outcome.reader_key, Outcome.addr_hash)
    wanted = select(*columns).join(Mailing, Mailing.id == Outcome.mailing_id)
    wanted = wanted.where(Outcome.id > after, Outcome.id <= until)
    return db.session.execute(wanted.order_by(Outcome.id).limit(limit)).all()
