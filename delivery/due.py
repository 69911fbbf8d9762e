"""What may go now: which mailings have mails planned for which providers, and which of them are due.

A claim walks only what may go, running mailings and open providers. It never reads a row of a paused mailing or of a
gated provider, however many of them are due.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    Row,
    Select,
    SmallInteger,
    any_,
    bindparam,
    func,
    literal,
    select,
    true,
    tuple_,
)

from core.database import UtcTime
from delivery import incoming
from delivery.models import Delivery, Mailing
from delivery.states import State

_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Queue:
    """The planned mails of one mailing for one provider."""

    lane: int
    mailing_id: int
    provider: int


@dataclass(frozen=True, slots=True)
class Due:
    """A planned delivery whose time has come."""

    id: int
    at: datetime
    mailing_id: int
    provider: int


Cursors = Mapping[Queue, tuple[datetime, int]]
"""Behind which row of a queue to look on: what stands before it was taken already."""


def queues(connection: Connection, lanes: Sequence[int]) -> list[Queue]:
    """Return the queues of running mailings that have anything planned, best lane first.

    It steps through the index from one queue to the next; what a queue holds is not read.
    """
    return [Queue(row[0], row[1], row[2]) for row in connection.execute(_queues(), {"lanes": list(lanes)})]


@cache
def _queues() -> Select[int, int, int]:
    planned = incoming.is_in(State.PLANNED)
    lowest = select(func.min(Delivery.provider)).where(Delivery.mailing_id == Mailing.id, planned).scalar_subquery()
    steps = (
        select(Mailing.lane, Mailing.id.label("mailing_id"), lowest.label("provider"))
        .where(Mailing.state == "running", Mailing.lane.in_(bindparam("lanes", expanding=True)))
        .cte("steps", recursive=True)
    )
    following = (
        select(func.min(Delivery.provider))
        .where(Delivery.mailing_id == steps.c.mailing_id, Delivery.provider > steps.c.provider, planned)
        .scalar_subquery()
    )
    steps = steps.union_all(select(steps.c.lane, steps.c.mailing_id, following).where(steps.c.provider.is_not(None)))
    return (
        select(steps.c.lane, steps.c.mailing_id, steps.c.provider)
        .where(steps.c.provider.is_not(None))
        .order_by(steps.c.lane, steps.c.mailing_id, steps.c.provider)
    )


def first(
    connection: Connection, walked: Sequence[Queue], cursors: Cursors, *, each: int, limit: int, now: datetime
) -> list[Due]:
    """Return the first `limit` due mails of the queues, `each` at most of one, in the order in which they became due.

    On PostgreSQL they are locked until the transaction ends; what another worker is claiming just now is skipped.
    """
    if connection.dialect.name == "sqlite":
        found = [row for queue in walked for row in _of_one(connection, queue, cursors, each, now)]
        return sorted(found, key=lambda one: (one.at, one.id))[:limit]
    asked = (
        {
            "mailing_id": queue.mailing_id,
            "provider": queue.provider,
            "at": incoming.time_text("postgresql", cursors.get(queue, (_ALWAYS, 0))[0]),
            "id": cursors.get(queue, (_ALWAYS, 0))[1],
        }
        for queue in walked
    )
    rows = connection.execute(_first(), {"queues": incoming.rows(asked), "now": now, "each": each, "most": limit})
    return sorted((_due(row) for row in rows.all()), key=lambda one: (one.at, one.id))


def _due(row: Row[int, datetime, int, int]) -> Due:
    return Due(row[0], row[1], row[2], row[3])


_COLUMNS = (Delivery.id, Delivery.next_attempt_at, Delivery.mailing_id, Delivery.provider)


@cache
def _first() -> Select[int, datetime, int, int]:
    asked = incoming.table(
        "postgresql", "queues", {"mailing_id": BigInteger, "provider": SmallInteger, "at": UtcTime, "id": BigInteger}
    )
    now = bindparam("now", type_=UtcTime)
    head = (
        select(Delivery.id, Delivery.next_attempt_at)
        .where(
            Delivery.mailing_id == asked.c.mailing_id,
            Delivery.provider == asked.c.provider,
            incoming.is_in(State.PLANNED),
            Delivery.next_attempt_at <= now,
            tuple_(Delivery.next_attempt_at, Delivery.id) > tuple_(asked.c.at, asked.c.id),
        )
        .order_by(Delivery.next_attempt_at, Delivery.id)
        .limit(bindparam("each", type_=Integer))
        .lateral("head")
    )
    # Half as many again: those that another worker claims at this moment are skipped below.
    candidates = (
        select(head.c.id)
        .select_from(asked.join(head, true()))
        .order_by(head.c.next_attempt_at, head.c.id)
        .limit(bindparam("most", type_=Integer) * literal(3) / literal(2))
    )
    # As an array, so that each is looked up by its id: of a short ledger all rows would be read rather than joined.
    listed = func.array(candidates.scalar_subquery())
    return (
        select(*_COLUMNS)
        .where(Delivery.id == any_(listed), incoming.is_in(State.PLANNED))
        .order_by(Delivery.next_attempt_at, Delivery.id)
        .limit(bindparam("most", type_=Integer))
        .with_for_update(skip_locked=True)
    )


def _of_one(connection: Connection, queue: Queue, cursors: Cursors, each: int, now: datetime) -> list[Due]:
    at, last = cursors.get(queue, (_ALWAYS, 0))
    rows = connection.execute(
        _one(),
        {"mailing": queue.mailing_id, "provider": queue.provider, "now": now, "each": each, "at": at, "last": last},
    )
    return [_due(row) for row in rows]


@cache
def _one() -> Select[int, datetime, int, int]:
    behind = tuple_(bindparam("at", type_=UtcTime), bindparam("last", type_=Integer))
    return (
        select(*_COLUMNS)
        .where(
            Delivery.mailing_id == bindparam("mailing"),
            Delivery.provider == bindparam("provider"),
            incoming.is_in(State.PLANNED),
            Delivery.next_attempt_at <= bindparam("now", type_=UtcTime),
            tuple_(Delivery.next_attempt_at, Delivery.id) > behind,
        )
        .order_by(Delivery.next_attempt_at, Delivery.id)
        .limit(bindparam("each"))
    )
