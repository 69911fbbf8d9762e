"""Publishers' feeds are fetched and stored here, and stories that were held are published."""

import time
from zoneinfo import ZoneInfo

from celery import shared_task

from articles import feedhealth, feeds, ingest, life, websub
from core import alerts, clock, database, errors, fetch, logs
from core.database import db
from core.services import current
from digests import recall, turn
from tasks import nudge

log = logs.get(__name__)
BATCH = 50
LONGEST_S = 45.0
Brought = fetch.Fetched | fetch.FetchError | errors.Invalid
"""How a fetch ended."""


@shared_task
def fetch_due() -> None:
    """Fetch the feeds that are due, one after the other; what is not reached now is due a minute later."""
    started = time.monotonic()
    for feed_id in feeds.due(clock.utc_now(), BATCH):
        try:
            fetch_one(feed_id)
        except Exception as error:  # a door: one feed that fails must not keep all others from being read
            db.session.rollback()
            log.exception("feed not stored", feed=feed_id)
            _put_off(feed_id, error)
        if time.monotonic() - started > LONGEST_S:
            break
    _watch()


def _watch() -> None:
    """Have operators told what is wrong with the feeds, and what no longer is."""
    now = clock.utc_now()
    found = feedhealth.troubles(now)
    known = {
        key for key in alerts.open_keys(db.session.connection()) if alerts.Trouble(key, "").kind == feedhealth.KIND
    }
    db.session.rollback()
    if found or known:
        with database.write_turn():
            alerts.keep(db.session.connection(), found, kinds=feedhealth.KINDS, now=now)
            db.session.commit()


@shared_task
def release_due() -> None:
    """Publish the stories that were held until now."""
    if not life.anything_due(clock.utc_now()):
        db.session.rollback()
        return
    with database.write_turn():
        turn.take()
        ingest.take_turn()
        for article in life.release_due(clock.utc_now()):
            recall.hold(article)
        db.session.commit()
    nudge.remake()


def fetch_one(feed_id: int) -> tuple[Brought, ingest.Ingested | None]:
    """Fetch one feed and store what is new: read, then fetch and clean outside of any transaction, then write.

    Return how the fetch ended, and what was stored.
    """
    request = feeds.request_for(feed_id)
    db.session.rollback()
    result, read = _bring(feed_id, request)
    with database.write_turn():
        # The time is asked in turn: who chooses stories meanwhile relies on later ones having later times.
        ingest.take_turn()
        now = clock.utc_now()
        feeds.note_result(feed_id, result, now)
        stored = None if read is None else ingest.store_entries(feed_id, read, now)
        if read is not None and stored is not None and isinstance(result, fetch.Fetched):
            _note_hub(feed_id, result, read, stored.new)
        db.session.commit()
    if stored is not None and stored.new + stored.changed:
        nudge.pictures()
        nudge.full_texts()
    return result, stored


def _note_hub(feed_id: int, result: fetch.Fetched, read: ingest.ReadFeed, new: int) -> None:
    """Note which hub a feed names. None is asked to tell a site that only this machine can reach."""
    if current().links.base_url.startswith("https://"):
        websub.note_look(feeds.by_id(feed_id), websub.offer(result, read.hubs, read.topic), new=new)


def _put_off(feed_id: int, error: Exception) -> None:
    """Ask for a feed that failed in an unforeseen way again later, like one that cannot be read."""
    with database.write_turn():
        feeds.note_result(feed_id, error, clock.utc_now())
        db.session.commit()


def _bring(feed_id: int, request: fetch.FetchRequest) -> tuple[Brought, ingest.ReadFeed | None]:
    """Return how the fetch ended, and what was read; a feed that is damaged or out of reach brings nothing."""
    try:
        fetched = fetch.get(request)
        if fetched.body is None:
            return fetched, None
        return fetched, ingest.read_entries(
            feed_id, fetched, name=request.url, zone=ZoneInfo(current().publication.zone)
        )
    except (fetch.FetchError, errors.Invalid) as error:
        return error, None
