"""What follows when a mail came back: a count, a suppression, news for those above. The caller commits."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Update, bindparam, delete, or_, select, tuple_, update

from core.database import UtcTime, db, insert_for
from delivery import outcomes, suppression
from delivery.classes import COUNTING, RANK, Class, Counting, Row, Then
from delivery.models import Bounce, Delivery
from delivery.outcomes import Kind

KEPT = timedelta(days=90)
"""So long a mail that came back is counted at most; longer than any row of the table looks back."""


@dataclass(frozen=True, slots=True)
class Returned:
    """A delivery that came back, as far as what follows needs to know it. `handed_over_at` is its last intent."""

    id: int
    mailing_id: int
    reader_key: bytes | None
    addr_hash: bytes
    handed_over_at: datetime


def mark(delivery_id: int, means: Class, *, now: datetime) -> bool:
    """Write on a delivery as what it came back; return False when as much or more was known: it is never taken back."""
    found = db.session.connection().execute(_mark(means), {"number": delivery_id, "now": now})
    return found.first() is not None


@cache
def _mark(means: Class) -> Update:
    """Return the statement, made once: many reports may come at once, and making it costs more than running it."""
    less = [one.value for one in Class if RANK[one] < RANK[means]]
    return (
        update(Delivery)
        .where(
            Delivery.id == bindparam("number"),
            or_(Delivery.returned_as.is_(None), Delivery.returned_as.in_(less)),
        )
        .values(returned_at=bindparam("now", type_=UtcTime), returned_as=means.value)
        .returning(Delivery.id)
    )


def follow(mail: Returned, row: Row, *, source: str, now: datetime) -> str | None:
    """Have follow what the row says of the address; return it in words, None when nothing did."""
    if row.then is Then.SUPPRESS:
        _suppress(mail, row.means, source=source, now=now, until=None)
        _tell(mail, Kind.COMPLAINT if row.means is Class.COMPLAINT else Kind.HARD_BOUNCE, now)
        return "The address gets no more bulk mail."
    if row.then is Then.COUNT:
        return _count(mail, Class.SOFT if row.means is Class.UNDETERMINED else row.means, source=source, now=now)
    return None


def leave(mail: Returned, *, stream: str, reason: str, source: str, now: datetime) -> bool:
    """Have an address left alone in a stream, as its reader asked by mail; return whether that is news."""
    news = suppression.suppress(mail.addr_hash, scope=stream, reason=reason, source=source, now=now)
    if news:
        _tell(mail, Kind.LEFT_BY_MAIL, now)
    return news


def _suppress(mail: Returned, why: Class, *, source: str, now: datetime, until: datetime | None) -> None:
    suppression.suppress(mail.addr_hash, scope=suppression.BULK, reason=why.value, source=source, now=now, until=until)


def _tell(mail: Returned, kind: Kind, now: datetime) -> None:
    outcomes.add(
        kind,
        delivery_id=mail.id,
        mailing_id=mail.mailing_id,
        reader_key=mail.reader_key,
        addr_hash=mail.addr_hash,
        at=now,
    )


def _count(mail: Returned, kind: Class, *, source: str, now: datetime) -> str | None:
    row = {"addr_hash": mail.addr_hash, "kind": kind.value, "delivery_id": mail.id, "at": mail.handed_over_at}
    connection = db.session.connection()
    if connection.execute(_counting(connection.dialect.name), row).first() is None:
        return None
    rule = COUNTING[kind]
    times = connection.execute(_TIMES, {"address": mail.addr_hash, "counted": kind.value}).scalars().all()
    enough = is_enough(times, mail.handed_over_at, rule)
    if enough:
        until = None if rule.ends_after is None else now + rule.ends_after
        _suppress(mail, kind, source=source, now=now, until=until)
    _tell(mail, Kind.HARD_BOUNCE if enough and kind is Class.DOMAIN else Kind.SOFT_BOUNCE, now)
    return "Counted; it was enough, so the address gets no bulk mail for now." if enough else "Counted."


@cache
def _counting(_dialect: str) -> Any:
    return insert_for(db.engine)(Bounce).on_conflict_do_nothing().returning(Bounce.kind)


_TIMES = (
    select(Bounce.at)
    .where(Bounce.addr_hash == bindparam("address"), Bounce.kind == bindparam("counted"))
    .order_by(Bounce.at.desc())
    .limit(200)
)


def is_enough(times: Collection[datetime], newest: datetime, rule: Counting) -> bool:
    """Return whether some window of the rule's length holds so many of the times, `newest` among them.

    Reports come in any order, so `newest` need not be the latest; it is the one that was learned last.
    """
    near = sorted(one for one in times if newest - rule.within < one < newest + rule.within)
    for place, start in enumerate(near):
        if start > newest:
            break
        window = [one for one in near[place:] if one < start + rule.within]
        if len(window) >= rule.times and window[-1] - start >= rule.over and newest in window:
            return True
    return False


def forget(now: datetime, *, limit: int = 5000) -> int:
    """Forget what is too old to be counted, some at a time; return how many went."""
    key = (Bounce.addr_hash, Bounce.kind, Bounce.delivery_id)
    old = select(*key).where(Bounce.at < now - KEPT).limit(limit)
    gone = delete(Bounce).where(tuple_(*key).in_(old)).returning(Bounce.kind)
    return len(db.session.execute(gone.execution_options(synchronize_session=False)).all())
