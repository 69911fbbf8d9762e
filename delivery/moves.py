"""Claim, intend, record: the statements that move deliveries, each one for a whole group, one for each arrow.

Every statement is guarded by id, epoch and state, so a late worker changes nothing (but may prove a doubt away), and
may run twice when the answer to a COMMIT was lost. Whoever calls them commits: see delivery.batches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    String,
    Update,
    and_,
    bindparam,
    case,
    exists,
    insert,
    null,
    or_,
    select,
    true,
    update,
)

from core.database import Mark, UtcTime
from delivery import incoming, states, tick
from delivery.models import Delivery, DeliveryEvent, Gate, Lane, Mailing, Suppression
from delivery.states import MAX_DOUBTS, State


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is this worker's until its lease ends."""

    id: int
    epoch: int
    mailing_id: int
    content_id: int
    provider: int


@dataclass(frozen=True, slots=True)
class Intent:
    """A delivery that is durably `sending`: all that is needed to make and send its bytes."""

    id: int
    epoch: int
    mailing_id: int
    content_id: int
    reader_key: bytes | None
    link_set: int
    link_version: int
    addr_hash: bytes
    address_sealed: bytes
    dated_at: datetime
    attempts: int
    provider: int


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an intent. `state` is sent, failed, in_doubt, or planned: try again `delay` seconds from now.

    `refund` says that the attempt was not the recipient's: the relay's trouble costs nobody an attempt.
    """

    id: int
    epoch: int
    state: State
    code: int | None = None
    text: str | None = None
    delay: float = 0.0
    refund: bool = False


def take(connection: Connection, worker: str, ids: Sequence[int], *, lease: timedelta, now: datetime) -> list[Claimed]:
    """planned → claimed: epoch + 1 and a lease, for those of `ids` that are still planned, in the order given."""
    if not ids:
        return []
    rows = connection.execute(
        _take(connection.dialect.name),
        {"ids": incoming.ids(connection.dialect.name, ids), "worker": worker, "until": now + lease},
    )
    found = {row.id: Claimed(*row) for row in rows.all()}
    return [found[one] for one in ids if one in found]


@cache
def _take(dialect: str) -> Update:
    return (
        update(Delivery)
        .where(incoming.among(dialect, "ids"), incoming.still(State.PLANNED))
        .values(
            state=State.CLAIMED,
            epoch=Delivery.epoch + 1,
            worker_id=bindparam("worker"),
            lease_until=bindparam("until", type_=UtcTime),
        )
        .returning(*(getattr(Delivery, name) for name in Claimed.__slots__))
    )


def intend(
    connection: Connection, worker: str, relay: str, wanted: Sequence[Claimed], *, lease: timedelta, now: datetime
) -> list[Intent]:
    """claimed → sending, or suppressed, cancelled, expired, planned: decided inside this one statement."""
    dialect = connection.dialect.name
    rows = connection.execute(
        _intend(dialect),
        {
            "wanted": incoming.rows({"id": one.id, "epoch": one.epoch} for one in wanted),
            "ids": incoming.ids(dialect, (one.id for one in wanted)),
            "worker": worker,
            "relay": relay,
            "now": now,
            "until": now + lease,
        },
    )
    return [Intent(*row[:-1]) for row in rows.all() if row.state == State.SENDING]


def _suppressed() -> ColumnElement[bool]:
    bulk = and_(Suppression.scope == "bulk", Delivery.lane != Lane.TRANSACTIONAL)
    scopes = or_(Suppression.scope == "all", Suppression.scope == Mailing.stream, bulk)
    return exists().where(Suppression.addr_hash == Delivery.addr_hash, scopes)


def _gated(now: ColumnElement[datetime]) -> ColumnElement[bool]:
    """A relay that waits for a person, or a provider that must not be spoken to; its one probe may go."""
    paused = and_(Gate.provider == 0, Gate.paused_at.is_not(None))
    probing = and_(Gate.probe.is_not(None), Gate.probe == Delivery.id)
    closed = and_(Gate.provider == Delivery.provider, Gate.provider != 0, Gate.not_before > now, ~probing)
    return exists().where(Gate.relay == bindparam("relay"), or_(paused, closed))


def _held() -> ColumnElement[bool]:
    """A ledger that is older than what was sent; see delivery.tick."""
    return exists().where(Mark.name == tick.HOLD)


@cache
def _intend(dialect: str) -> Update:
    now = bindparam("now", type_=UtcTime)
    asked = incoming.table(dialect, "wanted", {"id": BigInteger, "epoch": Integer})
    verdict = (
        select(
            Delivery.id,
            asked.c.epoch,
            case(
                (_suppressed(), State.SUPPRESSED.value),
                (Mailing.state == "cancelled", State.CANCELLED.value),
                (Delivery.not_after < now, State.EXPIRED.value),
                (or_(Mailing.state != "running", _gated(now), _held()), State.PLANNED.value),
                else_=State.SENDING.value,
            ).label("state"),
        )
        .join(asked, asked.c.id == Delivery.id)
        .join(Mailing, Mailing.id == Delivery.mailing_id)
        .where(incoming.among(dialect, "ids"))
        .cte("verdict")
        .prefix_with("MATERIALIZED")
    )
    goes = verdict.c.state == State.SENDING.value
    ends = verdict.c.state.in_([State.SUPPRESSED.value, State.CANCELLED.value, State.EXPIRED.value])
    # A claim counts once, also when this statement runs again because the answer to its COMMIT was lost.
    first = and_(goes, Delivery.state == State.CLAIMED)
    return (
        update(Delivery)
        .where(
            Delivery.id == verdict.c.id,
            incoming.among(dialect, "ids"),
            Delivery.epoch == verdict.c.epoch,
            Delivery.worker_id == bindparam("worker"),
            incoming.still(State.CLAIMED, State.SENDING),
            Delivery.lease_until > now,
        )
        .values(
            state=verdict.c.state,
            attempts=Delivery.attempts + case((first, 1), else_=0),
            dated_at=case((and_(goes, Delivery.dated_at.is_(None)), now), else_=Delivery.dated_at),
            intent_at=case((goes, now), else_=Delivery.intent_at),
            lease_until=case((goes, bindparam("until", type_=UtcTime)), else_=null()),
            worker_id=case((goes, bindparam("worker")), else_=null()),
            done_at=case((ends, now), else_=null()),
            address_sealed=case((ends, null()), else_=Delivery.address_sealed),
        )
        .returning(*(getattr(Delivery, name) for name in Intent.__slots__), Delivery.state)
    )


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

    What came too late changes nothing and is noted; so is every result that is not a plain hand-over.
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
    for one in results:
        if (one.id, one.epoch) not in recorded:
            note(connection, one, now, kind="late")
        elif one.state is not State.SENT and not one.refund:
            note(connection, one, now, kind=one.state.value)


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
