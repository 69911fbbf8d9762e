"""What readers' rows learn from the post office: who left by mail, who complained, whose address is dead."""

from datetime import datetime

from sqlalchemy import select, update

from core import logs
from core.database import Mark, db, insert_for
from delivery import outcomes
from delivery.outcomes import Kind
from subscribers import joining, leaving, overall, unsubscribe
from subscribers.models import Digest, Subscriber
from subscribers.trail import FormerKey

log = logs.get(__name__)

CURSOR = "outcomes read by subscribers"
_LEAVES = {Kind.COMPLAINT.value: "complaint", Kind.LEFT_BY_MAIL.value: "mail"}
"""How somebody leaves, in the proof of it; what has no line here leaves the reader's choice alone."""


def cursor() -> int:
    """Return up to which outcome all were read."""
    return int(db.session.scalar(select(Mark.value).where(Mark.name == CURSOR)) or 0)


def record_outcomes(until: int, *, limit: int, now: datetime) -> int:
    """Let the next outcomes have their effect, up to `until` (delivery.outcomes.newest), and move the cursor on.

    Returns how many there were. Two that run at once do so one after the other, so each outcome counts once.
    """
    after = _held_cursor()
    found = outcomes.between(after, until, limit=limit)
    for one in found:
        subscriber = _reader(one.reader_key, one.addr_hash, at=one.at)
        if subscriber is not None:
            _record(subscriber, one.kind, one.stream, at=one.at, now=now)
    if found:
        _move_cursor(found[-1].id)
    return len(found)


def unread(until: int, *, limit: int) -> list[int]:
    """Return the ids of the next outcomes, up to `until`."""
    return [one.id for one in outcomes.between(cursor(), until, limit=limit)]


def step_over(outcome_id: int) -> None:
    """Move the cursor beyond an outcome that cannot be recorded, when all before it were read."""
    if _held_cursor() < outcome_id:
        _move_cursor(outcome_id)


def _move_cursor(outcome_id: int) -> None:
    db.session.execute(update(Mark).where(Mark.name == CURSOR).values(value=str(outcome_id)))


def _held_cursor() -> int:
    db.session.execute(insert_for(db.engine)(Mark).values(name=CURSOR, value="0").on_conflict_do_nothing())
    return int(db.session.execute(select(Mark.value).where(Mark.name == CURSOR).with_for_update()).scalar_one())


def _record(subscriber: Subscriber, kind: str, stream: str, *, at: datetime, now: datetime) -> None:
    """Have somebody leave what they left at `at`; but not what they have asked for again since then."""
    log.info("news of a reader's mail", subscriber=subscriber.id, kind=kind, stream=stream)
    if kind not in _LEAVES or stream == overall.SHARE:
        return  # what came from a friend says nothing of what they asked for themselves
    joining.hold(subscriber)
    again = joining.opted_in_since(subscriber, at)
    for one in joining.subscriptions_of(subscriber).values():
        if one.digest.key not in again and (kind == Kind.COMPLAINT or one.digest.stream == stream):
            _leave(subscriber, one.digest, kind, now)


def _leave(subscriber: Subscriber, digest: Digest, kind: str, now: datetime) -> None:
    """Leave as the outcome says. Who asked for it by mail is told, with a way back; who complained is let alone."""
    if kind == Kind.LEFT_BY_MAIL:
        # The news came with the suppression of this stream: nothing had kept it away before.
        leaving.leave(subscriber, digest, now=now, one_click=True, form=_LEAVES[kind], kept_away=[digest.stream])
    else:
        unsubscribe.leave(subscriber, digest, now=now, form=_LEAVES[kind])


def _reader(reader_key: bytes | None, addr_hash: bytes, *, at: datetime) -> Subscriber | None:
    """Return whose mail it was; system mail does not name its reader, and then the address does.

    What happened at an address that its reader has given up since counts for them only if they had it `at` that time.
    """
    if reader_key is not None:
        by_key = db.session.scalar(select(Subscriber).filter_by(public_id=reader_key))
        if by_key is not None:
            return by_key
        former = db.session.get(FormerKey, reader_key)
        if former is not None and at <= former.at:
            return db.session.get(Subscriber, former.subscriber_id)
    return db.session.scalar(select(Subscriber).filter_by(addr_hash=addr_hash))
