"""Stories for friends: away from the page, where everything that depends on a friend is decided."""

from collections.abc import Callable

from celery import shared_task
from flask import current_app

from core import clock, database, logs
from core.database import db
from core.services import current
from core.settings import Settings
from core.shares import ShareSettings
from delivery import outcomes, private
from delivery.outcomes import Kind
from sharing import ending, friends, purging, returned, sending, signs, switch
from tasks import following, nudge

log = logs.get(__name__)

BATCH = 100
TRIES = 3
"""How often mails are made anew when their story changed meanwhile; then the next look does it."""
LOOK_EVERY = 10
"""Shares between two looks at the signs: so many more may go out than those allow."""
CHUNK = 5000
_ENDS_MAIL = (Kind.COMPLAINT, Kind.HARD_BOUNCE, Kind.LEFT_BY_MAIL)


@shared_task
def answer() -> None:
    """Ask senders who typed an address, queue what is confirmed, and decide on each friend, all oldest first.

    Each is a transaction of its own. Between a few of them it is looked for bad signs, which end it all.
    """
    given = _settings()
    _look(given)
    shares = sending.waiting(BATCH, now=clock.utc_now())
    for place, share_id in enumerate(shares, start=1):
        _try("share not answered", share_id, lambda one: _answer(one, given), sending.put_off)
        if place % LOOK_EVERY == 0:
            _look(given)
    waiting = friends.waiting(BATCH, now=clock.utc_now())
    for friend_id in waiting:
        _try("friend not decided on", friend_id, lambda one: _decide(one, given), friends.put_off)
    if BATCH in (len(shares), len(waiting)):
        nudge.sharing()
    if shares or waiting:
        nudge.post()


def _settings() -> ShareSettings:
    settings: Settings = current_app.extensions["postrider settings"]
    return settings.sharing


def _look(given: ShareSettings) -> None:
    """Turn the switch when there are bad signs, and let nothing go out of stories that were taken back."""
    now = clock.utc_now()
    why = signs.bad(signs.look(now=now), given) if switch.mode() is switch.Mode.VERIFIED else None
    gone = ending.any_gone()
    db.session.rollback()
    if why is None and not gone:
        return
    with database.write_turn():
        if why is not None:
            signs.fall_back(why, now=now)
        ending.call_back_gone(now=now)
        db.session.commit()


def _try(event: str, one: int, work: Callable[[int], None], put_off: Callable[..., None]) -> None:
    try:
        work(one)
    except Exception:  # a door: one that fails must not keep all others waiting
        db.session.rollback()
        log.exception(event, id=one)
        with database.write_turn():
            put_off(one, now=clock.utc_now())
            db.session.commit()


def _answer(share_id: int, given: ShareSettings) -> None:
    for _time in range(TRIES):
        made = sending.make(share_id, given=given, services=current())
        db.session.rollback()
        if made is None:
            return
        with database.write_turn():
            written = sending.write(made, given=given, services=current(), now=clock.utc_now())
            db.session.commit()
        if written:
            return


def _decide(friend_id: int, given: ShareSettings) -> None:
    with database.write_turn():
        friends.decide(friend_id, given=given, services=current(), now=clock.utc_now())
        db.session.commit()


@shared_task
def record_outcomes() -> None:
    """Have what came back of mails to friends end such mails for them, and look for bad signs at once."""
    if not outcomes.waiting(returned.cursor(), _ENDS_MAIL):
        return
    until = following.complete_until()
    if until is None:
        return
    count = CHUNK
    while count == CHUNK:
        with database.write_turn():
            count = returned.record_outcomes(until, limit=CHUNK, now=clock.utc_now())
            db.session.commit()
    _look(_settings())


@shared_task
def forget() -> None:
    """End what nobody confirmed, wipe addresses, names, notes and texts whose time is over, and forget old shares."""
    for step in (purging.end_unconfirmed, purging.wipe_due, private.wipe_due, purging.forget_old):
        count = purging.CHUNK
        while count >= purging.CHUNK:
            with database.write_turn():
                count = step(clock.utc_now())
                db.session.commit()
            if count:
                log.info("shares forgotten", step=step.__name__, count=count)
