"""Editions are opened and composed here."""

import time

import jinja2
from celery import shared_task

from core import clock, database, logs, mailtext
from core.database import db
from core.services import current
from digests import alarm, breaking, dispatch, editions, histories, recall, turn
from digests.preflight import Stopped
from tasks import chunks, nudge, ownparts, preflight

log = logs.get(__name__)

SLICE_S = 5.0
"""How long one task composes; the threads of a worker are few, and short tasks wait for them."""


@shared_task
def open_due() -> None:
    """Open the waves that are due, and have those composed that nobody composes."""
    now = clock.utc_now()
    if editions.anything_due(now):
        with database.write_turn():
            editions.open_due(now, current())
            db.session.commit()
    for wave_id in editions.unfinished(now):
        nudge.wave(wave_id)


@shared_task
def compose(wave_id: int) -> None:
    """Compose a wave, chunk by chunk; a second task for the same wave finds it taken and does nothing.

    Of a wave in parts each process composes one at a time; what comes to it beside that is for another one.
    """
    with ownparts.one_part(wave_id) as is_only:
        if is_only:
            _take(wave_id)
        elif editions.is_ready(wave_id, clock.utc_now()):
            nudge.wave(wave_id)


def _take(wave_id: int) -> None:
    until = time.monotonic() + SLICE_S
    with database.write_turn():
        ours = editions.begin(wave_id, clock.utc_now())
        db.session.commit()
    news = breaking.is_breaking(wave_id)
    if not ours or not preflight.look(wave_id, is_breaking=news):
        return
    if _compose_unless_wrong(wave_id, until, is_breaking=news):
        # Who joined while a first wave was composed is not kept waiting for the beat.
        nudge.digests()
    else:
        _hand_on(wave_id)


def _compose_unless_wrong(wave_id: int, until: float, *, is_breaking: bool) -> bool:
    """Compose until that moment; return whether there is nothing more to do here. A mistake in a template stops this
    wave, and no other one.
    """
    try:
        return _compose_breaking(wave_id, until) if is_breaking else _compose(wave_id, until)
    except jinja2.TemplateError as error:
        db.session.rollback()
        preflight.stop(wave_id, mailtext.mistake(error))
        return True


def _compose(wave_id: int, until: float) -> bool:
    """Compose a digest's wave until that moment of the monotonic clock, or news breaks; return whether it is done.

    Threads are few: whoever waits for a long digest waits a moment longer.
    """
    with chunks.of(wave_id) as wave:
        while not breaking.anything_waiting(clock.utc_now()):
            is_last = time.monotonic() > until
            finished = wave.compose(is_last=is_last)
            nudge.post()
            if finished or is_last:
                return finished
    return False


def _compose_breaking(wave_id: int, until: float) -> bool:
    while not (finished := _compose_news(wave_id)):
        nudge.post()
        if time.monotonic() > until:
            break
    nudge.post()
    return finished


def _hand_on(wave_id: int) -> None:
    """Go on with a long wave in a task of its own, behind what was asked for meanwhile, such as confirmations."""
    with database.write_turn():
        editions.release(wave_id)
        db.session.commit()
    nudge.wave(wave_id)


@shared_task
def forget_histories() -> None:
    """Delete histories that nobody has any more, some at a time: those who compose wait for each."""
    count = histories.PRUNED_AT_ONCE
    while count == histories.PRUNED_AT_ONCE:
        with database.write_turn():
            turn.take()
            count = histories.prune(today=clock.utc_now().date())
            db.session.commit()
        if count:
            log.info("histories forgotten", count=count)


@shared_task
def remake() -> None:
    """Make the mails anew that wait because a story was taken out of them, or came back."""
    while made := recall.remake(current()):
        db.session.rollback()
        with database.write_turn():
            recall.write(made, now=clock.utc_now())
            db.session.commit()
        nudge.post()
    db.session.rollback()


def _compose_news(wave_id: int) -> bool:
    """Read, make and write one chunk of a breaking mail; return whether there is nothing more to do here."""
    now, services = clock.utc_now(), current()
    chunk = alarm.read_chunk(wave_id, now, services)
    db.session.rollback()
    try:
        alarm.refuse_unfit(chunk, services)
    except Stopped as stopped:
        preflight.stop(wave_id, str(stopped))
        return True
    try:
        with database.write_turn():
            finished = alarm.write_chunk(chunk, now, services)
            db.session.commit()
    except dispatch.WaveTaken:
        log.info("breaking mail stopped, or taken over", wave=wave_id)
        return True
    log.info("chunk of a breaking mail composed", wave=wave_id, readers=sum(len(one.readers) for one in chunk.groups))
    return finished
