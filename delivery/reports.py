"""What a signal does to the one delivery that its token names, and to that delivery's address; nothing to any other.

Reports come twice, late, in any order, and from anybody: only a token that we signed has an effect, once, and for
14 days. Whoever calls this commits.
"""

import itertools
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, case, insert, select, update

from core import errors
from core.database import db
from core.tokens import Tokens
from delivery import aftermath, classes, replies, suppression, verp
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


@dataclass(slots=True)
class _Seen:
    """A delivery as it was read, and as what is applied to it makes it. `intent_at` is when it left, the last time."""

    id: int
    epoch: int
    mailing_id: int
    reader_key: bytes | None
    addr_hash: bytes
    state: str
    doubts: int
    intent_at: datetime | None
    returned_as: str | None
    lane: int
    provider: int
    stream: str

    @property
    def left_at(self) -> datetime | None:
        """Return when it left; None if it cannot have come back, because it never did."""
        return self.intent_at if self.state in _ON_THE_WIRE or self.doubts else None


@dataclass(slots=True)
class _Work:
    """What is to be written for some signals, once for all of them."""

    now: datetime
    marks: dict[int, Class] = field(default_factory=dict)
    events: list[Mapping[str, object]] = field(default_factory=list)
    returned: list[Returned] = field(default_factory=list)


# Locked in one order, so that two who work on the same mails cannot wait for each other. Nothing that refers to a
# mail waits for such a lock.
_SEEN = (
    select(*(getattr(Delivery, name) for name in _Seen.__slots__ if name != "stream"), Mailing.stream)
    .join(Mailing, Mailing.id == Delivery.mailing_id)
    .where(Delivery.id.in_(bindparam("numbers", expanding=True)))
    .order_by(Delivery.id)
    .with_for_update(of=Delivery, key_share=True)
)
_NOTE = insert(DeliveryEvent)


def apply(signals: Sequence[Signal], *, tokens: Tokens, now: datetime) -> list[Applied]:
    """Have signals take effect, each if it may, in their order; return what each came to.

    It never raises for what a stranger can send, and never commits. It takes a few statements for all of them together:
    one after the other each would wait for the database half a dozen times.
    """
    numbers = [_named(signal, tokens) for signal in signals]
    seen = _seen({number for number in numbers if number is not None})
    work = _Work(now)
    found: list[Applied | Returned] = []
    for signal, number in zip(signals, numbers, strict=True):
        if number is None:
            found.append(Applied(None, FOREIGN, "Its token is not one of ours."))
        else:
            found.append(_apply(seen.get(number), signal, work))
    _write(work)
    words = dict(zip(work.returned, aftermath.follow(work.returned, now=now), strict=True))
    return [Applied(one.id, one.row.means.value, words[one]) if isinstance(one, Returned) else one for one in found]


def _named(signal: Signal, tokens: Tokens) -> int | None:
    for prefix in _PREFIXES.get(signal.kind, (verp.PREFIX,)):
        try:
            return verp.read(signal.token, tokens=tokens, prefix=prefix)
        except errors.LinkDamaged:
            continue
    return None


def _seen(numbers: Collection[int]) -> Mapping[int, _Seen]:
    if not numbers:
        return {}
    rows = db.session.connection().execute(_SEEN, {"numbers": sorted(numbers)})
    return {seen.id: seen for seen in itertools.starmap(_Seen, rows)}


def _apply(found: _Seen | None, signal: Signal, work: _Work) -> Applied | Returned:
    """Add what one signal does to the work. Returned is what has a mail come back as more than was known of it."""
    if found is None or found.left_at is None:
        return Applied(None, UNKNOWN, "That mail never left.")
    # Whoever wants to leave may do so for ever: all it can do is to stop mail (RFC 8058, section 3.1).
    if work.now - found.left_at > VALID and signal.kind is not Kind.LEAVE:
        return Applied(found.id, TOO_OLD, f"That mail was handed over more than {VALID.days} days before.")
    left_at = found.left_at
    if found.state == State.IN_DOUBT:
        _prove(found, signal, work)
    row = classes.classify(
        action=_ACTIONS[signal.kind],
        code=signal.code,
        status=signal.status,
        text=signal.text,
        provider=found.provider,
    )
    mail = Returned(
        found.id,
        found.mailing_id,
        found.reader_key,
        found.addr_hash,
        left_at,
        row=row,
        source=signal.source,
        scope=_scope(found, row.means),
    )
    if signal.kind is Kind.LEAVE:
        return _leave(found, mail, work.now)
    if signal.kind is Kind.DELAYED or row.means is Class.NONE:
        return Applied(found.id, signal.kind.value)
    if found.returned_as is not None and classes.RANK[found.returned_as] >= classes.RANK[row.means]:
        return Applied(found.id, row.means.value, "Nothing new.")
    found.returned_as = work.marks[found.id] = row.means
    _note(found, "returned", f"{row.means.value} ({row.name}), from {signal.source}: {_words(signal)}", signal, work)
    work.returned.append(mail)
    return mail


def _scope(found: _Seen, means: Class) -> str:
    """Return what an address is kept from: a complaint about a friend's mail is none about what they asked for."""
    of_a_friend = found.lane == Lane.SHARE and means is Class.COMPLAINT
    return found.stream if of_a_friend else suppression.BULK


def _prove(found: _Seen, signal: Signal, work: _Work) -> None:
    """in_doubt → sent: who has news of a mail has taken it. A bounce, too, comes from one that had accepted it."""
    statement = (
        update(Delivery)
        .where(Delivery.id == found.id, Delivery.epoch == found.epoch, Delivery.state == State.IN_DOUBT)
        .values(
            state=State.SENT,
            done_at=case((Delivery.done_at.is_(None), work.now), else_=Delivery.done_at),
            address_sealed=None,
        )
        .returning(Delivery.id)
    )
    if db.session.execute(statement.execution_options(synchronize_session=False)).first() is None:
        return
    found.state = State.SENT
    _note(found, "proof", f"It was taken after all: {signal.kind.value} from {signal.source}", signal, work)
    # A mailing that was counted for good is counted anew by the next sweep.
    counted = update(Mailing).where(Mailing.id == found.mailing_id, Mailing.counts.is_not(None))
    again = case((Mailing.state == "closed", "running"), else_=Mailing.state)
    db.session.execute(counted.values(counts=None, state=again).execution_options(synchronize_session=False))


def _leave(found: _Seen, mail: Returned, now: datetime) -> Applied:
    if found.lane == Lane.TRANSACTIONAL:
        return Applied(
            found.id, UNKNOWN, "System mail comes once, because it was asked for: there is nothing to leave."
        )
    news = aftermath.leave(mail, stream=found.stream, reason=LEFT, now=now)
    return Applied(found.id, Class.LEFT.value, None if news else "Nothing new.")


def _write(work: _Work) -> None:
    """Write down what came back, and as what: once for each class there is."""
    numbers: defaultdict[Class, list[int]] = defaultdict(list)
    for number, means in work.marks.items():
        numbers[means].append(number)
    for means, some in numbers.items():
        aftermath.mark(some, means, now=work.now)
    if work.events:
        db.session.connection().execute(_NOTE, work.events)


def _words(signal: Signal) -> str:
    return " ".join(str(part) for part in (signal.code, signal.status, signal.text[: classes.LONGEST]) if part)


def _note(found: _Seen, kind: str, text: str, signal: Signal, work: _Work) -> None:
    code = signal.code if signal.code is not None and 200 <= signal.code < 600 else None
    values = {"delivery_id": found.id, "epoch": found.epoch, "at": work.now, "kind": kind, "code": code}
    work.events.append({**values, "text": replies.short(text)})
