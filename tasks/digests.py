"""Editions are opened and composed here."""

import time

from celery import shared_task

from core import clock, database, logs
from core.database import db
from core.services import current
from digests import alarm, breaking, cohorts, dispatch, editions, making, recall, specialwaves
from digests.kept import Kept, give_back, lend
from digests.preflight import Stopped
from tasks import nudge, preflight

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
    """Compose a wave, chunk by chunk; a second task for the same wave finds it taken and does nothing."""
    started = time.monotonic()
    with database.write_turn():
        ours = editions.begin(wave_id, clock.utc_now())
        db.session.commit()
    news = breaking.is_breaking(wave_id)
    compose_chunk = _compose_breaking if news else _compose_chunk
    if ours and not preflight.look(wave_id, is_breaking=news):
        return
    while ours:
        if not news and breaking.anything_waiting(clock.utc_now()):
            # Threads are few: whoever waits for a long digest waits a moment longer.
            _hand_on(wave_id)
            return
        finished = compose_chunk(wave_id)
        nudge.post()
        if finished:
            # Who joined while a first wave was composed is not kept waiting for the beat.
            nudge.digests()
            return
        if time.monotonic() - started > SLICE_S:
            _hand_on(wave_id)
            return


def _hand_on(wave_id: int) -> None:
    """Go on with a long wave in a task of its own, behind what was asked for meanwhile, such as confirmations."""
    with database.write_turn():
        editions.release(wave_id)
        db.session.commit()
    nudge.wave(wave_id)


def _compose_chunk(wave_id: int) -> bool:
    """Read, make and write one chunk; return whether there is nothing more to do here."""
    kept = lend(db.engine, wave_id)
    finished = _compose_with(kept, wave_id)
    if not finished:
        give_back(db.engine, wave_id, kept)
    return finished


def _compose_with(kept: Kept, wave_id: int) -> bool:
    now, services = clock.utc_now(), current()
    if specialwaves.is_special(wave_id):
        chunk = specialwaves.read_chunk(wave_id, now, services)
    else:
        chunk = cohorts.read_chunk(wave_id, now, services, kept)
    db.session.rollback()
    try:
        made = making.make(chunk, services)
    except Stopped as stopped:
        preflight.stop(wave_id, str(stopped))
        return True
    try:
        with database.write_turn():
            finished = dispatch.write_chunk(made, now, services)
            db.session.commit()
        made.settle()
    except dispatch.WaveTaken:
        log.warning("wave taken over", wave=wave_id)
        return True
    except recall.StoryGone:
        log.info("chunk read anew", wave=wave_id)
        return False
    readers = sum(len(group.readers) for group in chunk.groups)
    log.info("chunk composed", wave=wave_id, readers=readers, groups=len(chunk.groups), nothing=len(chunk.empty))
    return finished


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


def _compose_breaking(wave_id: int) -> bool:
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
