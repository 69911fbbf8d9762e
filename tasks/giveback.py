"""Readers get back here what their mails did not bring: see digests.giveback."""

from celery import shared_task
from sqlalchemy.exc import OperationalError

from core import clock, database, logs
from core.database import db
from delivery import outcomes
from digests import giveback

log = logs.get(__name__)


@shared_task
def look() -> None:
    """Give back what ended unsent, and what is there again that mails went without, some at a time."""
    while giveback.anything_back():
        with database.write_turn():
            more = giveback.of_taken_out(now=clock.utc_now())
            db.session.commit()
        if not more:
            break
    if giveback.anything_unsent() and (until := _complete_until()) is not None:
        while _of_unsent(until) == giveback.AT_ONCE:
            pass
    db.session.rollback()


def _complete_until() -> int | None:
    """Return up to where the feed is complete; None while somebody writes to it for long."""
    try:
        with database.write_turn():
            until = outcomes.newest()
            db.session.commit()
    except OperationalError as error:
        log.info("outcomes read later", why=type(error.orig).__name__)
        return None
    return until


def _of_unsent(until: int) -> int:
    with database.write_turn():
        count = giveback.of_unsent(until, today=clock.utc_now().date())
        db.session.commit()
    return count
