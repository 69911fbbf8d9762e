"""Readers get back here what their mails did not bring: see digests.giveback."""

from celery import shared_task

from core import clock, database
from core.database import db
from digests import giveback
from tasks import following


@shared_task
def look() -> None:
    """Give back what ended unsent, and what is there again that mails went without, some at a time."""
    while giveback.anything_back():
        with database.write_turn():
            more = giveback.of_taken_out(now=clock.utc_now())
            db.session.commit()
        if not more:
            break
    if giveback.anything_unsent() and (until := following.complete_until()) is not None:
        while _of_unsent(until) == giveback.AT_ONCE:
            pass
    db.session.rollback()


def _of_unsent(until: int) -> int:
    with database.write_turn():
        count = giveback.of_unsent(until, today=clock.utc_now().date())
        db.session.commit()
    return count
