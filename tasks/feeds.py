"""Publishers' feeds are fetched and stored here."""

import time
from datetime import datetime

from celery import shared_task

from articles import feeds, ingest
from core import clock, database, errors, fetch, logs
from core.database import db

log = logs.get(__name__)
BATCH = 50
LONGEST_S = 45.0


@shared_task
def fetch_due() -> None:
    """Fetch the feeds that are due, one after the other; what is not reached now is due a minute later."""
    started = time.monotonic()
    for feed_id in feeds.due(clock.utc_now(), BATCH):
        fetch_one(feed_id)
        if time.monotonic() - started > LONGEST_S:
            return


def fetch_one(feed_id: int) -> None:
    """Fetch one feed and store what is new: read, fetch outside of any transaction, write."""
    request = feeds.request_for(feed_id)
    db.session.rollback()
    try:
        fetched = fetch.get(request, fetch.FetchLimits())
    except (fetch.FetchRefused, fetch.FetchFailed) as error:
        log.warning("feed not fetched", feed=feed_id, error=str(error))
        fetched = None
    with database.write_turn():
        now = clock.utc_now()
        feeds.note_result(feed_id, fetched, now)
        if fetched is not None and fetched.body:
            _store(feed_id, fetched, now)
        db.session.commit()


def _store(feed_id: int, fetched: fetch.Fetched, now: datetime) -> None:
    """Store what a feed brought; a damaged one is one log line, and nothing of it is kept."""
    try:
        with db.session.begin_nested():
            ingested = ingest.store_entries(feed_id, fetched, now)
    except errors.Invalid as error:
        log.warning("feed damaged", feed=feed_id, error=str(error))
        return
    log.info("feed stored", feed=feed_id, new=ingested.new, changed=ingested.changed, refused=ingested.refused)
