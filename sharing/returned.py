"""What came back of mails to friends: a complaint, or an address without a reader, ends such mails for good."""

from datetime import datetime

from sqlalchemy import select, update

from core import logs
from core.database import Mark, db, insert_for
from delivery import outcomes, suppression
from delivery.outcomes import Kind
from sharing import optout
from sharing.models import Friend
from sharing.optout import SHARE
from sharing.signs import STREAM

log = logs.get(__name__)

CURSOR = "outcomes read by sharing"
_REASONS = {Kind.COMPLAINT.value: "complaint", Kind.HARD_BOUNCE.value: "hard", Kind.LEFT_BY_MAIL.value: "left"}


def cursor() -> int:
    """Return up to which outcome all were read."""
    return int(db.session.scalar(select(Mark.value).where(Mark.name == CURSOR)) or 0)


def record_outcomes(until: int, *, limit: int, now: datetime) -> int:
    """Let the next outcomes have their effect, up to `until` (delivery.outcomes.newest); return how many there were.

    A friend who subscribes later gets their digest, since a new opt-in lifts what came back; but nothing from friends.
    """
    db.session.execute(insert_for(db.engine)(Mark).values(name=CURSOR, value="0").on_conflict_do_nothing())
    after = int(db.session.execute(select(Mark.value).where(Mark.name == CURSOR).with_for_update()).scalar_one())
    found = outcomes.between(after, until, limit=limit)
    for one in found:
        if one.stream == STREAM and one.kind in _REASONS:
            _leave_alone(one.addr_hash, _REASONS[one.kind], now=now)
            log.info("friend left alone", why=one.kind)
    if found:
        db.session.execute(update(Mark).where(Mark.name == CURSOR).values(value=str(found[-1].id)))
    return len(found)


def _leave_alone(addr_hash: bytes, reason: str, *, now: datetime) -> None:
    friend = db.session.get(Friend, addr_hash)
    for one in optout.all_of({addr_hash, friend.inbox_hash if friend else addr_hash}):
        suppression.suppress(one, scope=SHARE, reason=reason, source="sharing", now=now)
