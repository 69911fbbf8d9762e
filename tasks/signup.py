"""Requests from forms are decided here, away from the form: that is why the form answers everyone alike."""

from celery import shared_task

from core import clock, database, logs
from core.database import db
from core.services import Services, current
from subscribers import signup
from tasks import nudge

log = logs.get(__name__)
BATCH = 100


@shared_task
def answer_waiting() -> None:
    """Answer the requests that wait: each gets one mail or none, in a transaction of its own."""
    waiting = signup.waiting(BATCH)
    for request_id in waiting:
        answer(request_id, current())
    if waiting:
        log.info("requests answered", count=len(waiting))
        nudge.post()


def answer(request_id: int, services: Services) -> None:
    """Answer one request."""
    with database.write_turn():
        signup.answer(request_id, services=services, now=clock.utc_now())
        db.session.commit()


@shared_task
def forget_unconfirmed() -> None:
    """Take the addresses out of requests that nobody confirmed."""
    with database.write_turn():
        count = signup.forget_unconfirmed(clock.utc_now())
        db.session.commit()
    if count:
        log.info("unconfirmed requests forgotten", count=count)
