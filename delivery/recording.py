"""Record what became of intents: the statement that ends a delivery, puts it off, or names its doubt.

Guarded by id, epoch and state as all moves are: what comes too late changes nothing, but may prove a doubt away.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    String,
    Update,
    and_,
    bindparam,
    case,
    insert,
    null,
    or_,
    select,
    true,
    update,
)

from core.database import UtcTime
from delivery import incoming, states
from delivery.models import Delivery, DeliveryEvent
from delivery.moves import Result
from delivery.states import MAX_DOUBTS, State

_RESULT = {
    "id": BigInteger,
    "epoch": Integer,
    "state": String,
    "code": Integer,
    "text": String,
    "again": UtcTime,
    "refund": Integer,
}


def record(connection: Connection, results: Sequence[Result], now: datetime) -> None:
    """sending → sent | failed | planned | in_doubt, and by late proof in_doubt → sent | failed | planned.

    What came too late changes nothing and is noted; so is every result that is not a plain hand-over. A result that
    stands there already was written before the answer to its COMMIT was lost: it is noted once.
    """
    dialect = connection.dialect.name
    changed = connection.execute(
        _record(dialect),
        {
            "results": _result_rows(dialect, results, now),
            "ids": incoming.ids(dialect, (one.id for one in results)),
            "now": now,
        },
    )
    recorded = {(row.id, row.epoch) for row in changed.all()}
    written = _written(connection, [one for one in results if (one.id, one.epoch) not in recorded])
    for one in results:
        if (one.id, one.epoch) not in recorded:
            if (one.id, one.epoch, one.state, one.code, one.text) not in written:
                note(connection, one, now, kind="late")
        elif one.state is not State.SENT and not one.refund:
            note(connection, one, now, kind=one.state.value)


def _written(connection: Connection, missed: Sequence[Result]) -> set[tuple[object, ...]]:
    """Return what stands in the ledger of deliveries that a result did not change, as results say it."""
    if not missed:
        return set()
    there = ("id", "epoch", "state", "last_code", "last_text")
    dialect = connection.dialect.name
    named = select(*(getattr(Delivery, name) for name in there)).where(incoming.among(dialect, "ids"))
    return {tuple(row) for row in connection.execute(named, {"ids": incoming.ids(dialect, (one.id for one in missed))})}


def note(connection: Connection, result: Result, now: datetime, *, kind: str) -> None:
    """Write down an abnormal step."""
    connection.execute(
        insert(DeliveryEvent).values(
            delivery_id=result.id, epoch=result.epoch, at=now, kind=kind, code=result.code, text=result.text
        )
    )


def _result_rows(dialect: str, results: Sequence[Result], now: datetime) -> str:
    return incoming.rows(
        {
            "id": one.id,
            "epoch": one.epoch,
            "state": one.state.value,
            "code": one.code,
            "text": one.text,
            "again": incoming.time_text(dialect, now + timedelta(seconds=one.delay)),
            "refund": int(one.refund),
        }
        for one in results
    )


@cache
def _record(dialect: str) -> Update:
    now = bindparam("now", type_=UtcTime)
    result = incoming.table(dialect, "results", _RESULT)
    # The sweeper may have called it doubtful already: one doubt is counted once, and a settled one is not planned.
    arrows = [
        and_(
            result.c.state == target.value,
            incoming.still(*states.sources(target)),
            Delivery.done_at.is_(None) if target is State.PLANNED else true(),
        )
        for target in (State.SENT, State.FAILED, State.PLANNED, State.IN_DOUBT)
    ]
    doubtful = result.c.state == State.IN_DOUBT.value
    waits = result.c.state == State.PLANNED.value
    last = and_(doubtful, Delivery.doubts + 1 >= MAX_DOUBTS)
    first_end = case((Delivery.done_at.is_(None), now), else_=Delivery.done_at)
    keeps = and_(or_(doubtful, waits), ~last)
    return (
        update(Delivery)
        .where(
            incoming.among(dialect, "ids"), Delivery.id == result.c.id, Delivery.epoch == result.c.epoch, or_(*arrows)
        )
        .values(
            state=result.c.state,
            worker_id=null(),
            lease_until=null(),
            last_code=result.c.code,
            last_text=result.c.text,
            next_attempt_at=case((waits, result.c.again), else_=Delivery.next_attempt_at),
            attempts=case(
                (and_(waits, result.c.refund == 1, Delivery.attempts > 0), Delivery.attempts - 1),
                else_=Delivery.attempts,
            ),
            doubts=Delivery.doubts + case((doubtful, 1), else_=0),
            doubt_at=case((doubtful, now), else_=Delivery.doubt_at),
            done_at=case((keeps, null()), else_=first_end),
            address_sealed=case((keeps, Delivery.address_sealed), else_=null()),
        )
        .returning(Delivery.id, Delivery.epoch)
    )
