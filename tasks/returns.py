"""What came back: worked off from rows, and forgotten after a while."""

from celery import shared_task
from sqlalchemy.exc import InterfaceError, OperationalError

from core import clock, database, logs
from core.database import db
from delivery import aftermath, judging, outcomes
from returns import arrivals
from subscribers import returned
from tasks import following

log = logs.get(__name__)

CHUNK = 100
"""So many of either kind are looked at in one transaction."""


@shared_task
def judge_failed() -> None:
    """Have follow what does from mails that the relay refused, some at a time."""
    count = CHUNK
    while count == CHUNK:
        with database.write_turn():
            count = judging.judge_failed(CHUNK, now=clock.utc_now())
            db.session.commit()


@shared_task
def record_outcomes() -> None:
    """Have readers' rows follow what came of their mail, some at a time."""
    if not outcomes.waiting(returned.cursor(), outcomes.ABOUT_READERS):
        return
    until = following.complete_until()
    if until is None:
        return
    while _record(until, limit=CHUNK) == CHUNK:
        pass


def _record(until: int, *, limit: int) -> int:
    """Record the next outcomes in one transaction; return how many. When one of them fails, each gets its own."""
    try:
        with database.write_turn():
            count = returned.record_outcomes(until, limit=limit, now=clock.utc_now())
            db.session.commit()
            return count
    except (OperationalError, InterfaceError):
        # The database, not an outcome: they wait for the next look.
        db.session.rollback()
        raise
    except Exception:  # a door: one outcome that fails must not keep all later ones waiting
        log.exception("outcomes not recorded", count=limit)
    ids = _unread(until, limit)
    for one in ids:
        _alone(one)
    return len(ids)


def _unread(until: int, limit: int) -> list[int]:
    with database.write_turn():
        ids = returned.unread(until, limit=limit)
        db.session.commit()
    return ids


def _alone(outcome_id: int) -> None:
    """Record one outcome in a transaction of its own. One that fails is stepped over, so that it fails once only."""
    try:
        with database.write_turn():
            returned.record_outcomes(outcome_id, limit=1, now=clock.utc_now())
            db.session.commit()
    except (OperationalError, InterfaceError):
        db.session.rollback()
        raise
    except Exception:  # the same door
        log.exception("outcome stepped over", outcome=outcome_id)
        with database.write_turn():
            returned.step_over(outcome_id)
            db.session.commit()


@shared_task
def forget_old() -> None:
    """Forget what came back long ago, some thousands at a time."""
    while True:
        with database.write_turn():
            now = clock.utc_now()
            gone = arrivals.forget(now) + aftermath.forget(now)
            db.session.commit()
        if not gone:
            return
