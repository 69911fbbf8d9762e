"""Publishers' feeds are fetched and stored here."""

import time

from celery import shared_task

from articles import feeds, ingest
from core import clock, database, errors, fetch
from core.database import db

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
    """Fetch one feed and store what is new: read, then fetch and clean outside of any transaction, then write."""
    request = feeds.request_for(feed_id)
    db.session.rollback()
    result, read = _bring(feed_id, request)
    with database.write_turn():
        now = clock.utc_now()
        feeds.note_result(feed_id, result, now)
        if read is not None:
            ingest.store_entries(feed_id, read, now)
        db.session.commit()


def _bring(
    feed_id: int, request: fetch.FetchRequest
) -> tuple[fetch.Fetched | fetch.FetchError | errors.Invalid, ingest.ReadFeed | None]:
    """Return how the fetch ended, and what was read; a feed that is damaged or out of reach brings nothing."""
    try:
        fetched = fetch.get(request)
        return fetched, ingest.read_entries(feed_id, fetched) if fetched.body is not None else None
    except (fetch.FetchError, errors.Invalid) as error:
        return error, None
