"""What readers' rows learn from the post office: who left by mail, who complained, whose address is dead."""

from datetime import datetime

from sqlalchemy import select, update

from core import logs
from core.database import Mark, db, insert_for
from delivery import outcomes
from delivery.outcomes import Kind
from subscribers import unsubscribe
from subscribers.models import Subscriber

log = logs.get(__name__)

CURSOR = "outcomes read by subscribers"
BY_MAIL, BY_COMPLAINT = "mail", "complaint"
"""How somebody left, in the proof of it."""


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
        _record(one.kind, one.stream, one.reader_key, one.addr_hash, now)
    if found:
        db.session.execute(update(Mark).where(Mark.name == CURSOR).values(value=str(found[-1].id)))
    return len(found)


def _held_cursor() -> int:
    db.session.execute(insert_for(db.engine)(Mark).values(name=CURSOR, value="0").on_conflict_do_nothing())
    return int(db.session.execute(select(Mark.value).where(Mark.name == CURSOR).with_for_update()).scalar_one())


def _record(kind: str, stream: str, reader_key: bytes | None, addr_hash: bytes, now: datetime) -> None:
    subscriber = _reader(reader_key, addr_hash)
    if subscriber is None:
        return
    log.info("news of a reader's mail", subscriber=subscriber.id, kind=kind, stream=stream)
    if kind == Kind.COMPLAINT:
        unsubscribe.leave(subscriber, None, now=now, form=BY_COMPLAINT)
    elif kind == Kind.LEFT_BY_MAIL and (digest := unsubscribe.digest_of(stream)) is not None:
        unsubscribe.leave(subscriber, digest, now=now, form=BY_MAIL)


def _reader(reader_key: bytes | None, addr_hash: bytes) -> Subscriber | None:
    """Return whose mail it was; system mail does not name its reader, and then the address does."""
    if reader_key is not None:
        by_key = db.session.scalar(select(Subscriber).filter_by(public_id=reader_key))
        if by_key is not None:
            return by_key
    return db.session.scalar(select(Subscriber).filter_by(addr_hash=addr_hash))
