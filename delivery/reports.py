"""What a signal does to the one delivery that its token names, and to that delivery's address; nothing to any other.

Reports come twice, late, in any order, and from anybody: only a token that we signed has an effect, once, and for
14 days. Whoever calls this commits.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, case, insert, select, update

from core import errors
from core.database import db
from core.tokens import Tokens
from delivery import aftermath, classes, replies, verp
from delivery.aftermath import Returned
from delivery.classes import Class
from delivery.models import Delivery, DeliveryEvent, Lane, Mailing
from delivery.signals import Kind, Signal
from delivery.states import State

VALID = timedelta(days=14)
"""So long after the hand-over a report has an effect; relays give up after five days (RFC 5321, section 4.5.4.1)."""
FOREIGN, TOO_OLD, UNKNOWN = "foreign", "too_old", "unknown"
LEFT = "left"
"""The reason of a suppression that a reader's own wish made, as subscribers.joining has it."""
_ACTIONS: Final = {
    Kind.BOUNCE: "failed",
    Kind.DELAYED: "delayed",
    Kind.DELIVERED: "delivered",
    Kind.COMPLAINT: "complaint",
    Kind.NOT_SPAM: "not_spam",
    Kind.LEAVE: "leave",
}
_PREFIXES: Final = {
    Kind.LEAVE: (verp.LEAVE_PREFIX, verp.PREFIX),
    Kind.COMPLAINT: (verp.PREFIX, verp.LEAVE_PREFIX),
}
"""Whose tokens count. A complaint may have lost the envelope, and then names its mail by the address to leave by."""
_ON_THE_WIRE: Final = (State.SENDING, State.SENT, State.IN_DOUBT, State.FAILED)


@dataclass(frozen=True, slots=True)
class Applied:
    """What a signal came to. `name` is its class, or `foreign`, `too_old`, `unknown`, or what kind of news it was."""

    delivery_id: int | None
    name: str
    why: str | None = None


@dataclass(frozen=True, slots=True)
class _Seen:
    """A delivery as it was read. `intent_at` is when it left, the last time."""

    id: int
    epoch: int
    mailing_id: int
    reader_key: bytes | None
    addr_hash: bytes
    state: str
    doubts: int
    intent_at: datetime | None
    lane: int
    provider: int
    stream: str

    @property
    def left_at(self) -> datetime | None:
        """Return when it left; None if it cannot have come back, because it never did."""
        return self.intent_at if self.state in _ON_THE_WIRE or self.doubts else None


# Made once: many reports may come at once, and making a statement costs more than running it.
_SEEN = (
    select(*(getattr(Delivery, name) for name in _Seen.__slots__ if name != "stream"), Mailing.stream)
    .join(Mailing, Mailing.id == Delivery.mailing_id)
    .where(Delivery.id == bindparam("number"))
)
_NOTE = insert(DeliveryEvent)


def apply(signal: Signal, *, tokens: Tokens, now: datetime) -> Applied:
    """Have a signal take effect, if it may. It never raises for what a stranger can send, and never commits."""
    delivery_id = _named(signal, tokens)
    if delivery_id is None:
        return Applied(None, FOREIGN, "Its token is not one of ours.")
    found = _seen(delivery_id)
    if found is None or found.left_at is None:
        return Applied(None, UNKNOWN, "That mail never left.")
    # Whoever wants to leave may do so for ever: all it can do is to stop mail (RFC 8058, section 3.1).
    if now - found.left_at > VALID and signal.kind is not Kind.LEAVE:
        return Applied(found.id, TOO_OLD, f"That mail was handed over more than {VALID.days} days before.")
    if found.state == State.IN_DOUBT:
        _prove(found, signal, now)
    mail = Returned(found.id, found.mailing_id, found.reader_key, found.addr_hash, found.left_at)
    return _apply(found, mail, signal, now)


def _named(signal: Signal, tokens: Tokens) -> int | None:
    for prefix in _PREFIXES.get(signal.kind, (verp.PREFIX,)):
        try:
            return verp.read(signal.token, tokens=tokens, prefix=prefix)
        except errors.LinkDamaged:
            continue
    return None


def _seen(delivery_id: int) -> _Seen | None:
    row = db.session.connection().execute(_SEEN, {"number": delivery_id}).first()
    return None if row is None else _Seen(*row)


def _prove(found: _Seen, signal: Signal, now: datetime) -> None:
    """in_doubt → sent: who has news of a mail has taken it. A bounce, too, comes from one that had accepted it."""
    statement = (
        update(Delivery)
        .where(Delivery.id == found.id, Delivery.epoch == found.epoch, Delivery.state == State.IN_DOUBT)
        .values(
            state=State.SENT,
            done_at=case((Delivery.done_at.is_(None), now), else_=Delivery.done_at),
            address_sealed=None,
        )
        .returning(Delivery.id)
    )
    if db.session.execute(statement.execution_options(synchronize_session=False)).first() is None:
        return
    _note(found, "proof", f"It was taken after all: {signal.kind.value} from {signal.source}", signal, now)
    # A mailing that was counted for good is counted anew by the next sweep.
    counted = update(Mailing).where(Mailing.id == found.mailing_id, Mailing.counts.is_not(None))
    again = case((Mailing.state == "closed", "running"), else_=Mailing.state)
    db.session.execute(counted.values(counts=None, state=again).execution_options(synchronize_session=False))


def _apply(found: _Seen, mail: Returned, signal: Signal, now: datetime) -> Applied:
    row = classes.classify(
        action=_ACTIONS[signal.kind],
        code=signal.code,
        status=signal.status,
        text=signal.text,
        provider=found.provider,
    )
    if signal.kind is Kind.LEAVE:
        return _leave(found, mail, signal, now)
    if signal.kind is Kind.DELAYED or row.means is Class.NONE:
        return Applied(found.id, signal.kind.value)
    if not aftermath.mark(found.id, row.means, now=now):
        return Applied(found.id, row.means.value, "Nothing new.")
    _note(found, "returned", f"{row.means.value} ({row.name}), from {signal.source}: {_words(signal)}", signal, now)
    return Applied(found.id, row.means.value, aftermath.follow(mail, row, source=signal.source, now=now))


def _leave(found: _Seen, mail: Returned, signal: Signal, now: datetime) -> Applied:
    if found.lane == Lane.TRANSACTIONAL:
        return Applied(
            found.id, UNKNOWN, "System mail comes once, because it was asked for: there is nothing to leave."
        )
    news = aftermath.leave(mail, stream=found.stream, reason=LEFT, source=signal.source, now=now)
    return Applied(found.id, Class.LEFT.value, None if news else "Nothing new.")


def _words(signal: Signal) -> str:
    return " ".join(str(part) for part in (signal.code, signal.status, signal.text[: classes.LONGEST]) if part)


def _note(found: _Seen, kind: str, text: str, signal: Signal, now: datetime) -> None:
    code = signal.code if signal.code is not None and 200 <= signal.code < 600 else None
    values = {"delivery_id": found.id, "epoch": found.epoch, "at": now, "kind": kind, "code": code}
    db.session.connection().execute(_NOTE, {**values, "text": replies.short(text)})
