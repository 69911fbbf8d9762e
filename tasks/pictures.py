"""Pictures of stories are fetched here, and made small enough for pages and mails."""

import threading
import time

from celery import shared_task

from articles import pictures_due, renditions
from core import apart, clock, database, fetch, logs
from core.database import db

log = logs.get(__name__)
BATCH = 10
"""Taken at a time: so many of them at most wait for each other."""
LONGEST_S = 45.0
_TURN = threading.Lock()
"""One at a time in each worker: slow servers must not keep all of its threads from the mails. Whoever has it, finds
what the others came for."""


@shared_task
def fetch_due() -> None:
    """Fetch the pictures that are due, one after the other; what is not reached now is left to the next look."""
    if not _TURN.acquire(blocking=False):
        return
    try:
        _fetch_due()
    finally:
        _TURN.release()


def _fetch_due() -> None:
    started = time.monotonic()
    while time.monotonic() - started < LONGEST_S and (taken := _take()):
        for source_id in taken:
            try:
                fetch_one(source_id)
            except Exception:  # a door: one picture that fails must not keep all others from being fetched
                db.session.rollback()
                log.exception("picture not stored", source=source_id)


def _take() -> list[int]:
    anything = pictures_due.anything(clock.utc_now())
    db.session.rollback()
    if not anything:
        return []
    with database.write_turn():
        taken = pictures_due.take(clock.utc_now(), BATCH)
        db.session.commit()
    return taken


def fetch_one(source_id: int) -> None:
    """Fetch one picture and keep its rendition: read, then fetch and make it outside of any transaction, then write."""
    request = pictures_due.request_for(source_id)
    db.session.rollback()
    made, why, for_good, wait_s = _brought(request)
    with database.write_turn():
        now = clock.utc_now()
        if made is not None:
            pictures_due.note_made(source_id, made, now)
        else:
            pictures_due.note_failure(source_id, why, now, for_good=for_good, wait_s=wait_s)
        db.session.commit()


def _brought(request: fetch.FetchRequest) -> tuple[renditions.Made | None, str, bool, int]:
    """Return the rendition, or why there is none, whether that stays so, and for how long its server wants no more."""
    try:
        answer = fetch.get(request, pictures_due.LIMITS)
        if answer.body is None:
            return None, f"its server answers {answer.status}", False, answer.retry_after or 0
        return renditions.made_of(answer.body), "", False, 0
    except (renditions.Refused, fetch.FetchRefused) as error:
        return None, str(error), True, 0
    except (fetch.FetchError, apart.FailedApart) as error:
        return None, str(error), False, 0
