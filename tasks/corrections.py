"""Readers are told of corrections here, and counted."""

from celery import shared_task

from core import clock, database
from core.database import db
from core.services import current
from digests import correctionmails, corrections
from tasks import nudge


@shared_task
def tell() -> None:
    """Compose the mails that tell of corrections at once, and count whom all corrections have reached."""
    while correctionmails.anything_to_compose() and (wave_id := _begin()) is not None:
        while not _compose(wave_id):
            nudge.post()
        nudge.post()
    now = clock.utc_now()
    counts = {one: corrections.count(one) for one in corrections.to_count(now)}
    db.session.rollback()
    if counts:
        with database.write_turn():
            corrections.keep_count(counts, now=now)
            db.session.commit()


def _begin() -> int | None:
    with database.write_turn():
        wave_id = correctionmails.begin(clock.utc_now())
        db.session.commit()
    return wave_id


def _compose(wave_id: int) -> bool:
    now, services = clock.utc_now(), current()
    chunk = correctionmails.read_chunk(wave_id, now, services)
    db.session.rollback()
    with database.write_turn():
        finished = correctionmails.write_chunk(chunk, now, services)
        db.session.commit()
    return finished
