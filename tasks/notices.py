"""Readers are told what their links changed, and wishes for another address are answered, away from the pages."""

from collections.abc import Callable
from datetime import datetime, timedelta

from celery import shared_task

from core import clock, database, logs
from core.database import db
from core.services import Services, current
from subscribers import address, addressing, linkchanges, notices
from tasks import letters, nudge

log = logs.get(__name__)
BATCH = 100
FAILED_WAIT = timedelta(hours=1)


@shared_task
def tell() -> None:
    """Tell readers what was changed by their links, each in a transaction of its own."""
    waiting = notices.waiting(BATCH, now=clock.utc_now())
    for subscriber_id in waiting:
        _one(subscriber_id, _tell_one, _put_off_notice)
    if len(waiting) == BATCH:
        nudge.changes()
    if waiting:
        nudge.post()


@shared_task
def answer_addresses() -> None:
    """Answer the readers who want mail at another address, each in a transaction of its own."""
    waiting = addressing.waiting(BATCH, now=clock.utc_now())
    for change_id in waiting:
        _one(change_id, _answer_one, addressing.put_off)
    if len(waiting) == BATCH:
        nudge.addresses()
    if waiting:
        nudge.post()


@shared_task
def forget_old() -> None:
    """Forget changes, and addresses that nobody needs any more."""
    with database.write_turn():
        count = linkchanges.forget(clock.utc_now()) + address.forget(clock.utc_now())
        db.session.commit()
    if count:
        log.info("old changes forgotten", count=count)


def _one(row_id: int, work: Callable[[int, Services], None], put_off: Callable[..., None]) -> None:
    try:
        work(row_id, current())
    except Exception:  # a door: one that fails must not keep all others waiting
        db.session.rollback()
        log.exception("reader not told", row=row_id, of=work.__name__)
        with database.write_turn():
            put_off(row_id, now=clock.utc_now())
            db.session.commit()


def _put_off_notice(subscriber_id: int, *, now: datetime) -> None:
    notices.put_off(subscriber_id, until=now + FAILED_WAIT)


def _tell_one(subscriber_id: int, services: Services) -> None:
    letters.settle(
        lambda: notices.decide(subscriber_id, services=services, now=clock.utc_now()),
        lambda decision, made: notices.write(decision, made, services=services, now=clock.utc_now()),
        services=services,
    )


def _answer_one(change_id: int, services: Services) -> None:
    letters.settle(
        lambda: addressing.decide(change_id, services=services, now=clock.utc_now()),
        lambda decision, made: addressing.write(decision, made, services=services, now=clock.utc_now()),
        services=services,
    )
