"""Requests from forms are decided here, away from the form: that is why the form answers everyone alike."""

from celery import shared_task

from core import clock, database, logs
from core.database import db
from core.services import Services, current
from subscribers import answers, mails, signup
from tasks import nudge

log = logs.get(__name__)
BATCH = 100
DECISIONS = 3
"""How often a request is decided anew because something changed while its mail was made; then the next look has it."""


@shared_task
def answer_waiting() -> None:
    """Answer the requests that wait: each gets one mail or none, in a transaction of its own."""
    waiting = answers.waiting(BATCH, now=clock.utc_now())
    for request_id in waiting:
        try:
            answer(request_id, current())
        except Exception:  # a door: one request that fails must not keep all others waiting
            db.session.rollback()
            log.exception("request not answered", request=request_id)
            _put_off(request_id)
    if waiting:
        log.info("requests answered", count=len(waiting))
        nudge.post()


def answer(request_id: int, services: Services) -> None:
    """Answer one request: read, then make its mail outside of any transaction, then write."""
    for _time in range(DECISIONS):
        decision = answers.decide(request_id, services=services, now=clock.utc_now())
        db.session.rollback()
        if decision is None:
            return
        made = mails.make(decision.letter, services) if decision.letter else None
        with database.write_turn():
            written = answers.write(decision, made, services=services, now=clock.utc_now())
            db.session.commit()
        if written:
            return


def _put_off(request_id: int) -> None:
    with database.write_turn():
        answers.put_off(request_id, now=clock.utc_now())
        db.session.commit()


@shared_task
def forget_unconfirmed() -> None:
    """Take the addresses out of requests that nobody confirmed."""
    with database.write_turn():
        count = signup.forget_unconfirmed(clock.utc_now())
        db.session.commit()
    if count:
        log.info("unconfirmed requests forgotten", count=count)
