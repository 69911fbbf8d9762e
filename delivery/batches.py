"""Claim, intend, record, sweep: the only SQL that moves a delivery, one function per arrow.

Every statement is guarded by id, epoch and state, so a late worker changes nothing (but may prove a doubt away), and
may run twice when the answer to a COMMIT was lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, Row, and_, case, exists, insert, null, or_, select, update

from core import database
from delivery import retries, smtp, states
from delivery.models import Delivery, DeliveryEvent, Lane, Mailing, Suppression
from delivery.states import MAX_DOUBTS, State

CLAIM_LEASE = timedelta(seconds=120)
SENDING_LEASE = timedelta(seconds=smtp.LONGEST_S + 60)
"""Longer than a transaction can take, so that a living sender's mail is never called doubtful."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is this worker's until its lease ends."""

    id: int
    epoch: int


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


def claim(engine: Engine, worker: str, limit: int) -> list[Claimed]:
    """planned → claimed: take up to `limit` due deliveries of running mailings, best lane first; epoch + 1, lease."""
    with database.writing(engine) as connection:
        now = database.ledger_now(connection)
        # The CTE is a fence: PostgreSQL may otherwise run the LIMIT again while it updates.
        due = (
            select(Delivery.id)
            .join(Mailing, Mailing.id == Delivery.mailing_id)
            .where(Delivery.state == State.PLANNED, Delivery.next_attempt_at <= now, Mailing.state == "running")
            .order_by(Delivery.lane, Delivery.next_attempt_at, Delivery.id)
            .limit(limit)
            .with_for_update(of=Delivery, skip_locked=True)
            .cte("due")
        )
        rows = connection.execute(
            update(Delivery)
            .where(Delivery.id.in_(select(due.c.id)), Delivery.state == State.PLANNED)
            .values(state=State.CLAIMED, epoch=Delivery.epoch + 1, worker_id=worker, lease_until=now + CLAIM_LEASE)
            .returning(Delivery.id, Delivery.epoch, Delivery.lane, Delivery.next_attempt_at)
        ).all()
    return [Claimed(row.id, row.epoch) for row in sorted(rows, key=lambda row: (row.lane, row.next_attempt_at, row.id))]


def exchange(engine: Engine, worker: str, results: Sequence[Result], wanted: Sequence[Claimed]) -> list[Intent]:
    """Record results and make intents durable, in one transaction: the sender's one committing call.

    Returns an intent for each wanted delivery that may go out now; the others were suppressed, cancelled, expired,
    given back, or are no longer this worker's.
    """
    with database.writing(engine) as connection:
        now = database.ledger_now(connection)
        for result in results:
            record(connection, result, now)
        return [intent for one in wanted if (intent := intend(connection, worker, one, now))]


def _scopes() -> object:
    bulk = and_(Suppression.scope == "bulk", Delivery.lane != Lane.TRANSACTIONAL)
    return or_(Suppression.scope == "all", Suppression.scope == Mailing.stream, bulk)


def intend(connection: Connection, worker: str, wanted: Claimed, now: datetime) -> Intent | None:
    """claimed → sending, or suppressed, cancelled, expired, planned: decided inside this one statement."""
    suppressed = exists().where(Suppression.addr_hash == Delivery.addr_hash, _scopes())  # type: ignore[arg-type]
    verdict = (
        select(
            Delivery.id,
            case(
                (suppressed, State.SUPPRESSED.value),
                (Mailing.state == "cancelled", State.CANCELLED.value),
                (Delivery.not_after < now, State.EXPIRED.value),
                (Mailing.state != "running", State.PLANNED.value),
                else_=State.SENDING.value,
            ).label("state"),
        )
        .join(Mailing, Mailing.id == Delivery.mailing_id)
        .where(Delivery.id == wanted.id)
        .cte("verdict")
    )
    goes = verdict.c.state == State.SENDING.value
    ends = verdict.c.state.in_([State.SUPPRESSED.value, State.CANCELLED.value, State.EXPIRED.value])
    # A claim counts once, also when this statement runs again because the answer to its COMMIT was lost.
    first = and_(goes, Delivery.state == State.CLAIMED)
    row = connection.execute(
        update(Delivery)
        .where(
            Delivery.id == verdict.c.id,
            Delivery.epoch == wanted.epoch,
            Delivery.worker_id == worker,
            Delivery.state.in_([State.CLAIMED, State.SENDING]),
            Delivery.lease_until > now,
        )
        .values(
            state=verdict.c.state,
            attempts=Delivery.attempts + case((first, 1), else_=0),
            dated_at=case((and_(goes, Delivery.dated_at.is_(None)), now), else_=Delivery.dated_at),
            intent_at=case((goes, now), else_=Delivery.intent_at),
            lease_until=case((goes, now + SENDING_LEASE), else_=null()),
            worker_id=case((goes, worker), else_=null()),
            done_at=case((ends, now), else_=null()),
            address_sealed=case((ends, null()), else_=Delivery.address_sealed),
        )
        .returning(*(getattr(Delivery, name) for name in Intent.__slots__), Delivery.state)
    ).first()
    return _intent(row) if row is not None and row.state == State.SENDING else None


def _intent(row: "Row[tuple[object, ...]]") -> Intent:
    return Intent(**{name: getattr(row, name) for name in Intent.__slots__})


def record(connection: Connection, result: Result, now: datetime) -> None:
    """sending → sent | failed | planned | in_doubt, and by late proof in_doubt → sent | failed | planned."""
    values: dict[str, object] = {
        "state": result.state,
        "worker_id": None,
        "lease_until": None,
        "last_code": result.code,
        "last_text": result.text,
    }
    where = [Delivery.id == result.id, Delivery.epoch == result.epoch]
    if result.state is State.IN_DOUBT:
        # The sweeper may have called it doubtful already; one doubt is counted once.
        where.append(Delivery.state.in_(states.sources(State.IN_DOUBT)))
        values |= _doubt(now)
    elif result.state is State.PLANNED:
        where += [Delivery.state.in_(states.sources(State.PLANNED)), Delivery.done_at.is_(None)]
        values["next_attempt_at"] = now + timedelta(seconds=result.delay)
        if result.refund:
            values["attempts"] = case((Delivery.attempts > 0, Delivery.attempts - 1), else_=0)
    else:
        where.append(Delivery.state.in_(states.sources(result.state)))
        values |= {
            "done_at": case((Delivery.done_at.is_(None), now), else_=Delivery.done_at),
            "address_sealed": None,
        }
    changed = connection.execute(update(Delivery).where(*where).values(values)).rowcount
    if not changed:
        note(connection, result, now, kind="late")
    elif result.state is not State.SENT and not result.refund:
        note(connection, result, now, kind=result.state.value)


def _doubt(now: datetime) -> dict[str, object]:
    """Return the values of one more doubt; the last one settles the delivery."""
    last = Delivery.doubts + 1 >= MAX_DOUBTS
    return {
        "doubts": Delivery.doubts + 1,
        "doubt_at": now,
        "done_at": case((last, now), else_=null()),
        "address_sealed": case((last, null()), else_=Delivery.address_sealed),
    }


def note(connection: Connection, result: Result, now: datetime, *, kind: str) -> None:
    """Write down an abnormal step."""
    connection.execute(
        insert(DeliveryEvent).values(
            delivery_id=result.id, epoch=result.epoch, at=now, kind=kind, code=result.code, text=result.text
        )
    )


def give_back(engine: Engine, worker: str, claimed: Sequence[Claimed]) -> None:
    """claimed → planned: what this worker took and will not send after all."""
    if not claimed:
        return
    with database.writing(engine) as connection:
        connection.execute(
            update(Delivery)
            .where(
                Delivery.worker_id == worker,
                Delivery.state == State.CLAIMED,
                Delivery.id.in_([one.id for one in claimed]),
            )
            .values(state=State.PLANNED, worker_id=None, lease_until=None)
        )


@dataclass(frozen=True, slots=True)
class Swept:
    """How many deliveries the sweep moved."""

    freed: int
    doubted: int
    resent: int
    settled: int

    def __bool__(self) -> bool:
        """Return whether anything moved."""
        return bool(self.freed or self.doubted or self.resent or self.settled)


def sweep(engine: Engine, *, alone: bool = False) -> Swept:
    """Move what a lost worker left: claimed → planned, sending → in_doubt; resend or settle old doubts.

    `alone` says that no other sender can be alive (the embedded mode at its start): then every lease is over.
    """
    with database.writing(engine) as connection:
        now = database.ledger_now(connection)
        over = Delivery.lease_until.is_not(None) if alone else Delivery.lease_until < now
        free = {"worker_id": None, "lease_until": None}
        freed = connection.execute(
            update(Delivery).where(Delivery.state == State.CLAIMED, over).values(state=State.PLANNED, **free)
        ).rowcount
        doubted = connection.execute(
            update(Delivery)
            .where(Delivery.state == State.SENDING, over)
            .values(state=State.IN_DOUBT, **free, **_doubt(now))
            .returning(Delivery.id, Delivery.epoch)
        ).all()
        for row in doubted:
            note(
                connection,
                Result(row.id, row.epoch, State.IN_DOUBT, text="The sender was lost."),
                now,
                kind="lost",
            )
        return Swept(freed, len(doubted), _resend(connection, now), _settle(connection, now))


def _resend(connection: Connection, now: datetime) -> int:
    """in_doubt → planned: once, after the grace, where the mailing's policy says so."""
    resendable = select(Mailing.id).where(Mailing.doubt_policy == "resend", Mailing.state == "running")
    rows = connection.execute(
        update(Delivery)
        .where(
            Delivery.state == State.IN_DOUBT,
            Delivery.done_at.is_(None),
            Delivery.doubts < MAX_DOUBTS,
            Delivery.doubt_at < now - timedelta(seconds=retries.DOUBT_GRACE),
            Delivery.not_after > now,
            Delivery.mailing_id.in_(resendable),
        )
        .values(state=State.PLANNED, next_attempt_at=now)
        .returning(Delivery.id, Delivery.epoch)
    ).all()
    for row in rows:
        note(connection, Result(row.id, row.epoch, State.PLANNED), now, kind="resend")
    return len(rows)


def _settle(connection: Connection, now: datetime) -> int:
    """in_doubt stays in doubt, for good: its time is over, so it is counted as ended and its address forgotten."""
    return connection.execute(
        update(Delivery)
        .where(Delivery.state == State.IN_DOUBT, Delivery.done_at.is_(None), Delivery.not_after < now)
        .values(done_at=now, address_sealed=None)
    ).rowcount
