"""What nobody holds any more: leases that are over, doubts that have waited, mails whose time or mailing has ended.

Each step moves a bounded number of rows, so that no transaction is long; whoever calls it commits between them.
"""

import json
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    any_,
    case,
    exists,
    func,
    null,
    or_,
    select,
    update,
)

from core.identity import Timing
from delivery import incoming, outcomes, refusals
from delivery.models import Delivery, Lane, Mailing
from delivery.moves import Result
from delivery.recording import note
from delivery.states import MAX_DOUBTS, State

CHUNK = 5000
NAMED = 500
"""Rows that are moved with a note for each."""
CLOSED_AFTER = timedelta(days=2)
"""A mailing is closed when it is so old and nothing of it is open: then senders need not look into it."""
FORGOTTEN_AFTER = timedelta(days=1)
"""A sender that was silent for so long is taken off the list."""
OPEN = (State.PLANNED, State.CLAIMED, State.SENDING)


@dataclass(slots=True)
class Swept:
    """How many deliveries the sweep moved, by what happened to them."""

    freed: int = 0
    doubted: int = 0
    resent: int = 0
    settled: int = 0
    expired: int = 0
    cancelled: int = 0

    def __bool__(self) -> bool:
        """Return whether anything moved."""
        return bool(self.moved())

    def moved(self) -> dict[str, int]:
        """Return those counts that are not zero."""
        counts = {field.name: int(getattr(self, field.name)) for field in fields(self)}
        return {name: count for name, count in counts.items() if count}


def _among(connection: Connection, query: Select[int], limit: int) -> ColumnElement[bool]:
    """Return the condition that a delivery is one of the first of a query that nobody else works on just now.

    On PostgreSQL they are listed once, as an array: a subquery may run again for each row, and move any number.
    """
    few = query.limit(limit).with_for_update(of=Delivery, skip_locked=True)
    if connection.dialect.name == "sqlite":
        return Delivery.id.in_(few)
    return Delivery.id == any_(func.array(few.scalar_subquery()))


def _over(now: datetime, alone: bool) -> Any:
    """A lease that is over; `alone` says that no other sender can be alive, so that every lease is."""
    return Delivery.lease_until.is_not(None) if alone else Delivery.lease_until < now


def free(connection: Connection, now: datetime, *, alone: bool = False) -> int:
    """claimed → planned: nothing was sent, so it costs nothing."""
    lost = select(Delivery.id).where(incoming.is_in(State.CLAIMED), _over(now, alone))
    return connection.execute(
        update(Delivery)
        .where(_among(connection, lost, CHUNK), incoming.is_in(State.CLAIMED))
        .values(state=State.PLANNED, worker_id=None, lease_until=None)
    ).rowcount


def doubt(connection: Connection, now: datetime, *, alone: bool = False) -> int:
    """sending → in_doubt: its sender was lost, and nobody knows how far it came. Each is named."""
    lost = select(Delivery.id).where(incoming.is_in(State.SENDING), _over(now, alone))
    last = Delivery.doubts + 1 >= MAX_DOUBTS
    rows = connection.execute(
        update(Delivery)
        .where(_among(connection, lost, NAMED), incoming.is_in(State.SENDING))
        .values(
            state=State.IN_DOUBT,
            worker_id=None,
            lease_until=None,
            doubts=Delivery.doubts + 1,
            doubt_at=now,
            done_at=case((last, now), else_=null()),
            address_sealed=case((last, null()), else_=Delivery.address_sealed),
        )
        .returning(Delivery.id, Delivery.epoch)
    ).all()
    for row in rows:
        note(connection, Result(row.id, row.epoch, State.IN_DOUBT, text="The sender was lost."), now, kind="lost")
    return len(rows)


def resend(connection: Connection, now: datetime, timing: Timing) -> int:
    """in_doubt → planned: once, after the grace, where the mailing's policy says so."""
    waited = (
        select(Delivery.id)
        .join(Mailing, Mailing.id == Delivery.mailing_id)
        .where(
            incoming.is_in(State.IN_DOUBT),
            Delivery.done_at.is_(None),
            Delivery.doubts < MAX_DOUBTS,
            Delivery.doubt_at < now - timedelta(seconds=timing.doubt_grace_s),
            Delivery.not_after > now,
            Mailing.doubt_policy == "resend",
            Mailing.state == "running",
        )
    )
    rows = connection.execute(
        update(Delivery)
        .where(_among(connection, waited, NAMED), incoming.is_in(State.IN_DOUBT))
        .values(state=State.PLANNED, next_attempt_at=now)
        .returning(Delivery.id, Delivery.epoch)
    ).all()
    for row in rows:
        note(connection, Result(row.id, row.epoch, State.PLANNED), now, kind="resend")
    return len(rows)


def settle(connection: Connection, now: datetime) -> int:
    """in_doubt stays in doubt, for good: its time is over, so it is counted as ended and its address forgotten."""
    over = select(Delivery.id).where(
        incoming.is_in(State.IN_DOUBT), Delivery.done_at.is_(None), Delivery.not_after < now
    )
    return connection.execute(
        update(Delivery)
        .where(_among(connection, over, CHUNK), Delivery.done_at.is_(None))
        .values(done_at=now, address_sealed=None)
    ).rowcount


def expire(connection: Connection, now: datetime) -> int:
    """planned → expired: stale news is not sent, whatever held it back."""
    late = select(Delivery.id).where(incoming.is_in(State.PLANNED), Delivery.not_after < now)
    return _end(connection, late, State.EXPIRED, now)


def cancel(connection: Connection, now: datetime) -> int:
    """planned → cancelled: what is left of mailings that were cancelled."""
    mailings = select(Mailing.id).where(
        Mailing.state == "cancelled",
        exists().where(Delivery.mailing_id == Mailing.id, incoming.is_in(State.PLANNED)),
    )
    left = select(Delivery.id).where(incoming.is_in(State.PLANNED), Delivery.mailing_id.in_(mailings))
    return _end(connection, left, State.CANCELLED, now)


def _end(connection: Connection, which: Select[int], state: State, now: datetime) -> int:
    ended = connection.execute(
        update(Delivery)
        .where(_among(connection, which, CHUNK), incoming.is_in(State.PLANNED))
        .values(state=state, done_at=now, address_sealed=None)
        .returning(Delivery.id, Delivery.mailing_id, Delivery.reader_key, Delivery.addr_hash, Delivery.lane)
    ).all()
    outcomes.add_unsent(connection, [one for one in ended if one.lane == Lane.DIGEST], at=now)
    return len(ended)


def close(connection: Connection, now: datetime) -> None:
    """Count old mailings of which nothing is open for good, and close those that ran.

    One that was closed and got new mails meanwhile is opened again.
    """
    is_open = exists().where(
        Delivery.mailing_id == Mailing.id,
        or_(incoming.is_in(*OPEN), (incoming.is_in(State.IN_DOUBT)) & Delivery.done_at.is_(None)),
    )
    connection.execute(update(Mailing).where(Mailing.state == "closed", is_open).values(state="running", counts=None))
    old = select(Mailing.id).where(
        or_(Mailing.state == "running", and_(Mailing.state == "cancelled", Mailing.counts.is_(None))),
        Mailing.lane != Lane.TRANSACTIONAL,
        Mailing.created_at < now - CLOSED_AFTER,
        ~is_open,
    )
    for mailing in connection.scalars(old.limit(20)).all():
        counted = connection.execute(
            select(Delivery.state, func.count()).where(Delivery.mailing_id == mailing).group_by(Delivery.state)
        )
        ended = case((Mailing.state == "running", "closed"), else_=Mailing.state)
        connection.execute(
            update(Mailing)
            .where(Mailing.id == mailing, Mailing.state.in_(["running", "cancelled"]))
            .values(state=ended, counts=json.dumps({row[0]: row[1] for row in counted}))
        )


def forget_workers(connection: Connection, now: datetime) -> None:
    """Take senders that have not been heard of for long off the list; what they counted is kept."""
    refusals.forget_senders(connection, now - FORGOTTEN_AFTER)
