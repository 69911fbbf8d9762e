"""Claim and intend: the statements that move deliveries on their way out, each one for a whole group.

Every statement is guarded by id, epoch and state, so a late worker changes nothing, and may run twice when the answer
to a COMMIT was lost. Whoever calls them commits: see delivery.batches. What comes back is delivery.recording's.
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
    Update,
    and_,
    bindparam,
    case,
    exists,
    func,
    null,
    or_,
    select,
    update,
)

from core.database import Mark, UtcTime
from delivery import incoming, outcomes, suppression, tick
from delivery.models import Content, Delivery, Gate, Lane, Mailing, Suppression
from delivery.states import State


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
    decided = rows.all()
    unsent = [one for one in decided if one.state in _UNSENT and one.lane == Lane.DIGEST]
    outcomes.add_unsent(connection, unsent, at=now)
    return [Intent(*row[:-2]) for row in decided if row.state == State.SENDING]


_UNSENT = frozenset({State.SUPPRESSED, State.CANCELLED, State.EXPIRED})
"""In these a mail ends at its intent."""


def _suppressed(now: ColumnElement[datetime]) -> ColumnElement[bool]:
    bulk = and_(Suppression.scope == suppression.BULK, Delivery.lane != Lane.TRANSACTIONAL)
    scopes = or_(Suppression.scope == "all", Suppression.scope == Mailing.stream, bulk)
    return exists().where(Suppression.addr_hash == Delivery.addr_hash, scopes, suppression.holds(now))


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
                # It was decided already, and the answer to that COMMIT was lost: what was granted stays granted.
                (Delivery.state == State.SENDING.value, State.SENDING.value),
                (_suppressed(now), State.SUPPRESSED.value),
                (or_(Mailing.state == "cancelled", Content.recall == "ended"), State.CANCELLED.value),
                (Delivery.not_after < now, State.EXPIRED.value),
                (
                    or_(Mailing.state != "running", Content.recall == "held", _gated(now), _held()),
                    State.PLANNED.value,
                ),
                else_=State.SENDING.value,
            ).label("state"),
            func.coalesce(Content.replaced_by, Content.id).label("content_id"),
        )
        .join(asked, asked.c.id == Delivery.id)
        .join(Mailing, Mailing.id == Delivery.mailing_id)
        .join(Content, Content.id == Delivery.content_id)
        .where(incoming.among(dialect, "ids"))
        .cte("verdict")
        .prefix_with("MATERIALIZED")
    )
    goes = verdict.c.state == State.SENDING.value
    ends = verdict.c.state.in_(sorted(_UNSENT))
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
            # What was recalled meanwhile is not sent; and the row says of what its mail was made.
            content_id=case((goes, verdict.c.content_id), else_=Delivery.content_id),
            attempts=Delivery.attempts + case((first, 1), else_=0),
            dated_at=case((and_(goes, Delivery.dated_at.is_(None)), now), else_=Delivery.dated_at),
            intent_at=case((goes, now), else_=Delivery.intent_at),
            lease_until=case((goes, bindparam("until", type_=UtcTime)), else_=null()),
            worker_id=case((goes, bindparam("worker")), else_=null()),
            done_at=case((ends, now), else_=null()),
            address_sealed=case((ends, null()), else_=Delivery.address_sealed),
        )
        .returning(*(getattr(Delivery, name) for name in Intent.__slots__), Delivery.state, Delivery.lane)
    )
