"""Where publishers' systems push what is new: who pushes is verified, it is stored at once, and the answer says so.

Whoever asks is a program, so answers are JSON, in English: one sentence that names the cure, or what was stored.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, current_app, jsonify, request

from articles import breaking, feeds, ingest, push
from articles.arriving import Manner
from articles.ingest import Ingested, ReadFeed
from articles.models import Feed
from core import clock, database, errors, fetch, logs, services
from core.database import db
from core.links import PATHS
from core.windows import Windows
from tasks import nudge

hooks = Blueprint("hooks", __name__)
log = logs.get(__name__)

MOST_OCTETS = fetch.LIMITS.max_bytes
"""As large as a feed that we fetch may be."""
PUSHES, WINDOW_S = 120, 60
"""Pushes of one feed within a minute."""
_WINDOWS = "postrider windows"


class Turned(Exception):
    """What is not taken: the status, and the sentence that says why."""

    def __init__(self, status: int, why: str) -> None:
        self.status, self.why = status, why
        super().__init__(why)


@hooks.post(PATHS["feed_hook"])
def take(feed: str) -> Response:
    """Store what a publisher pushes. 200 says that it is stored, or was already."""
    try:
        return _taken(feed)
    except Turned as error:
        log.warning("push refused", push=feed[:40], status=error.status, why=error.why)
        answer = jsonify(error=error.why)
        answer.status_code = error.status
        if error.status == 401:
            answer.headers["WWW-Authenticate"] = push.HEADER
        if error.status == 429:
            answer.headers["Retry-After"] = str(WINDOW_S)
        return answer


def _taken(public_id: str) -> Response:
    now = clock.utc_now()
    feed = _feed(public_id)
    feed_id, url, state = feed.id, feed.url, feed.state
    keys = push.keys_of(feed, services.current().keyring, now=now)
    db.session.rollback()
    digest, body = _verified(keys, now)
    if state == "paused":
        raise Turned(403, "This feed is paused here, so nothing was stored. To go on: flask feeds resume")
    try:
        read = ingest.read_entries(
            feed_id, body, name=url, zone=ZoneInfo(services.current().publication.zone), item=True
        )
    except errors.Invalid as error:
        raise Turned(422, str(error)) from error
    with database.write_turn():
        answer = store(feed_id, read, digest)
        db.session.commit()
    nudge.breaking()
    nudge.digests()
    nudge.full_texts()
    return answer


def _feed(public_id: str) -> Feed:
    """Return the feed of an address, if it may be pushed, and not too often."""
    feed = feeds.by_public_id(public_id)
    if feed is None or not feed.push_version:
        raise Turned(404, "Nothing is pushed to this address. For a feed's address and key: flask feeds push-key")
    windows: Windows = current_app.extensions[_WINDOWS]
    if not windows.hit(services.current().keyring.blur("push", public_id), limit=PUSHES, window_s=WINDOW_S):
        raise Turned(429, f"More than {PUSHES} pushes came within a minute. Please try again in a minute.")
    return feed


def _verified(keys: tuple[str, ...], now: datetime) -> tuple[bytes, bytes]:
    """Return by which hash this push is known, and its body, read only once its time is right."""
    try:
        signature = push.read(request.headers.get(push.HEADER), now=now)
        body = octets()
        return push.verify(signature, body, keys), body
    except push.Unsigned as error:
        raise Turned(401, str(error)) from error
    except push.Forged as error:
        raise Turned(403, str(error)) from error


def octets() -> bytes:
    """Return the body as it came. One that does not say how long it is would else be cut off without a word."""
    request.max_content_length = MOST_OCTETS + 1
    too_much = Turned(413, f"A push has at most {MOST_OCTETS} bytes. Please send fewer items at once.")
    if (request.content_length or 0) > MOST_OCTETS:
        raise too_much
    raw = request.get_data(cache=False)
    if len(raw) > MOST_OCTETS:
        raise too_much
    return raw


def store(feed_id: int, read: ReadFeed, digest: bytes) -> Response:
    """Store a push in the caller's turn at writing; one that was taken before changes nothing."""
    ingest.take_turn()
    now = clock.utc_now()
    if push.is_known(feed_id, digest):
        return jsonify(repeated=True, new=0, changed=0, known=len(read.entries), refused=read.refused)
    stored = ingest.store_entries(feed_id, read, now, manner=Manner.PUSHED)
    push.remember(feeds.by_id(feed_id), digest, now=now)
    counts = {name: getattr(stored, name) for name in ("new", "changed", "known", "refused")}
    refusals = [{"id": one.guid[:200], "why": one.why} for one in read.refusals]
    return jsonify(repeated=False, **counts, stories=_stories(stored), refusals=refusals)


def _stories(stored: Ingested) -> list[dict[str, object]]:
    to, now = services.current().links.to, clock.utc_now()
    return [
        {
            "id": guid,
            "url": to("story", language=one.language, story=one.ref),
            "state": one.state,
            "breaking": breaking.is_shown(one, now),
        }
        for guid, one in stored.articles
    ]
