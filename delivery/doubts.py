"""Doubts, as an operator sees and settles them: listed, accepted as they are, or sent once more.

Both statements are guarded by id, epoch and state, as those of the senders are: of two operators only one moves it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, exists, insert, select, update

from core import errors
from core.database import db, ledger_now
from delivery import progress
from delivery.models import Delivery, DeliveryEvent, Mailing
from delivery.states import MAX_DOUBTS, State

_GOES_ON = ("running", "paused")


@dataclass(frozen=True, slots=True)
class Doubt:
    """A mail that may or may not have been accepted. `then` is what becomes of it if nobody does anything."""

    id: int
    mailing: str
    since: datetime
    doubts: int
    settled: bool
    then: str


@dataclass(frozen=True, slots=True)
class _Seen:
    """A delivery as it was read: what happens to it later does not change this."""

    id: int
    epoch: int
    state: str
    doubts: int
    done_at: datetime | None
    not_after: datetime
    mailing_id: int


def listed() -> list[Doubt]:
    """Return all doubts, the oldest first; settled ones too."""
    rows = db.session.execute(
        select(
            Delivery.id, Mailing.key, Delivery.doubt_at, Delivery.doubts, Delivery.done_at.is_not(None).label("settled")
        )
        .add_columns(Mailing.state, Mailing.doubt_policy)
        .join(Mailing, Mailing.id == Delivery.mailing_id)
        .where(progress.LEFT_THE_QUEUE, progress.IN_DOUBT)
        .order_by(Delivery.doubt_at, Delivery.id)
    )
    return [
        Doubt(row.id, row.key, row.doubt_at, row.doubts, row.settled, _then(row.settled, row.state, row.doubt_policy))
        for row in rows
    ]


def _then(settled: bool, mailing_is: str, policy: str) -> str:
    if settled:
        return "settled"
    if policy != "resend" or mailing_is not in _GOES_ON:
        return "left as it is"
    return "sent once more" if mailing_is == "running" else "sent once more when its mailing is resumed"


def unsettled_of(mailing_id: int) -> list[int]:
    """Return the numbers of a mailing's doubts that are not settled yet."""
    open_ones = (
        progress.LEFT_THE_QUEUE,
        progress.IN_DOUBT,
        Delivery.done_at.is_(None),
        Delivery.mailing_id == mailing_id,
    )
    return list(db.session.scalars(select(Delivery.id).where(*open_ones).order_by(Delivery.id)))


def accept(delivery_id: int) -> None:
    """in_doubt, settled now: it stays in doubt for good, counts as ended, and its address is forgotten."""
    now = ledger_now(db.session.connection())
    delivery = _unsettled(delivery_id)
    _move(delivery, {"done_at": now, "address_sealed": None}, [], now=now, text="Accepted as it is.")


def resend(delivery_id: int) -> None:
    """in_doubt → planned: the same mail once more, now. Raises Conflict if that could be a third copy, or too late."""
    now = ledger_now(db.session.connection())
    delivery = _unsettled(delivery_id)
    _refuse_to_resend(delivery, now)
    may_go = [
        Delivery.doubts < MAX_DOUBTS,
        Delivery.not_after > now,
        exists().where(Mailing.id == Delivery.mailing_id, Mailing.state.in_(_GOES_ON)),
    ]
    values = {"state": State.PLANNED, "next_attempt_at": now}
    _move(delivery, values, may_go, now=now, text="Sent once more.")


def _unsettled(delivery_id: int) -> _Seen:
    """Return a delivery whose doubt waits. Raises NotFound or Conflict, whose sentence says what it is instead."""
    columns = (getattr(Delivery, name) for name in _Seen.__slots__)
    row = db.session.execute(select(*columns).where(Delivery.id == delivery_id)).first()
    if row is None:
        raise errors.NotFound("There is no mail %(number)s. flask delivery doubts lists them.", number=delivery_id)
    delivery = _Seen(*row)
    if delivery.state != State.IN_DOUBT:
        word = "handed over" if delivery.state == State.SENT else delivery.state
        raise errors.Conflict("Mail %(number)s is not in doubt: it is %(state)s.", number=delivery_id, state=word)
    if delivery.doubts >= MAX_DOUBTS:
        message = "Mail %(number)s was in doubt twice, so two copies may have arrived already: it is settled for good."
        raise errors.Conflict(message, number=delivery_id)
    if delivery.done_at is not None:
        message = "Mail %(number)s is settled already, and its address forgotten: nothing more can happen to it."
        raise errors.Conflict(message, number=delivery_id)
    return delivery


def _refuse_to_resend(delivery: _Seen, now: datetime) -> None:
    """Raise Conflict with the reason why a doubt is not sent once more."""
    if delivery.not_after <= now:
        message = "Mail %(number)s is too old to be sent once more: it was not to leave after %(last)s UTC."
        raise errors.Conflict(message, number=delivery.id, last=f"{delivery.not_after:%Y-%m-%d %H:%M}")
    mailing = db.session.get_one(Mailing, delivery.mailing_id, populate_existing=True)
    if mailing.state not in _GOES_ON:
        message = "Mail %(number)s belongs to %(key)s, which is %(state)s: nothing more of it goes out."
        raise errors.Conflict(message, number=delivery.id, key=mailing.key, state=mailing.state)


def _move(
    delivery: _Seen,
    values: dict[str, object],
    guards: Sequence[ColumnElement[bool]],
    *,
    now: datetime,
    text: str,
) -> None:
    """Change a doubt that is still as it was read, and write down that a person did. Raises Conflict if it is not."""
    number, epoch = delivery.id, delivery.epoch
    unchanged = (Delivery.id == number, Delivery.epoch == epoch, Delivery.state == State.IN_DOUBT)
    moved = db.session.execute(
        update(Delivery)
        .where(*unchanged, Delivery.done_at.is_(None), *guards)
        .values(values)
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    )
    if moved.first() is None:
        raise errors.Conflict("Mail %(number)s has changed just now. Look again: flask delivery doubts", number=number)
    db.session.execute(
        insert(DeliveryEvent).values(delivery_id=number, epoch=epoch, at=now, kind="operator", text=text)
    )
