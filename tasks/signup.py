"""Requests from forms are decided here, away from the form: that is why the form answers everyone alike."""

from celery import shared_task
from flask import current_app

from core import budgets, clock, database, logs
from core.database import db
from core.services import Services, current
from core.settings import Settings
from core.signups import SignupSettings
from subscribers import answers, breaker, signup
from tasks import letters, nudge

log = logs.get(__name__)
BATCH = 100
LOOK_EVERY = 10
"""Requests between two looks of the breaker: so many more may go out than it allows."""


@shared_task
def answer_waiting() -> None:
    """Answer the requests that wait: each gets one mail or none, in a transaction of its own.

    Between a few of them the breaker looks what became of the mails so far: it may keep the others waiting.
    """
    settings: Settings = current_app.extensions["postrider settings"]
    signups = _look(settings.signup)
    waiting = answers.waiting(BATCH, now=clock.utc_now(), signups=signups)
    for place, request_id in enumerate(waiting):
        if signups and place % LOOK_EVERY == LOOK_EVERY - 1 and not _look(settings.signup):
            break  # whoever asked for a fresh link is found by the next look
        try:
            answer(request_id, current(), settings.signup)
        except Exception:  # a door: one request that fails must not keep all others waiting
            db.session.rollback()
            log.exception("request not answered", request=request_id)
            _put_off(request_id)
    else:
        if len(waiting) == BATCH:
            nudge.signup()  # there are more, and nobody who waits must wait for beat
    if waiting:
        log.info("requests answered", count=len(waiting))
        nudge.post()


def _look(limits: SignupSettings) -> bool:
    """Return whether sign-ups are answered. That they are is found by reading; a turn is taken only to stop them."""
    now = clock.utc_now()
    judged = breaker.judge(now=now, limits=limits)
    db.session.rollback()
    if judged.trips:
        with database.write_turn():
            breaker.trip(judged, now=now)
            db.session.commit()
    return not (judged.stopped or judged.trips)


def answer(request_id: int, services: Services, limits: SignupSettings) -> None:
    """Answer one request: read, then make its mail outside of any transaction, then write."""
    letters.settle(
        lambda: answers.decide(request_id, services=services, now=clock.utc_now()),
        lambda decision, made: answers.write(decision, made, services=services, now=clock.utc_now(), limits=limits),
        services=services,
    )


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


@shared_task
def forget_budgets() -> None:
    """Delete what budgets keep of uses that do not count any more."""
    with database.write_turn():
        count = budgets.prune(db.session(), now=clock.utc_now())
        db.session.commit()
    if count:
        log.info("budgets forgotten", count=count)
