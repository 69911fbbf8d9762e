"""What came back: worked off from rows, and forgotten after a while."""

from celery import shared_task
from sqlalchemy.exc import OperationalError

from core import clock, database, logs
from core.database import db
from delivery import aftermath, judging, outcomes
from returns import arrivals
from subscribers import returned

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
    if not outcomes.waiting(returned.cursor()):
        return
    try:
        with database.write_turn():
            until = outcomes.newest()
            db.session.commit()
    except OperationalError as error:
        log.info("outcomes read later", why=type(error.orig).__name__)
        return
    count = CHUNK
    while count == CHUNK:
        with database.write_turn():
            count = returned.record_outcomes(until, limit=CHUNK, now=clock.utc_now())
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
