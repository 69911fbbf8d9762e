"""Where hubs (WebSub) ask whether we meant it, and tell what is new.

By this protocol a hub asks with GET. Such a GET changes one thing alone, the note of a lease, and only for an address
that nobody can guess, within an hour of our having asked (docs/adr/0017).
"""

from zoneinfo import ZoneInfo

from flask import Blueprint, Response, abort, current_app, request

from articles import feeds, ingest, push, websub
from core import clock, database, errors, logs, services
from core.database import db
from core.links import PATHS
from core.windows import Windows
from tasks import nudge
from web import hooks

hubs = Blueprint("hubs", __name__)
log = logs.get(__name__)
_WINDOWS = "postrider windows"


@hubs.get(PATHS["hub_hook"])
def confirm(callback: str) -> Response:
    """Answer a hub that asks whether we want this: with its challenge, if we have asked it for just that."""
    mode, topic = request.args.get("hub.mode", ""), request.args.get("hub.topic", "")
    challenge = request.args.get("hub.challenge", "")
    lease = request.args.get("hub.lease_seconds", "")
    lease_s = int(lease) if lease.isascii() and lease.isdecimal() and len(lease) < 10 else None
    now = clock.utc_now()
    if request.method == "HEAD" or websub.by_callback(callback) is None or not _may_ask(callback):
        abort(404)
    db.session.rollback()
    with database.write_turn():
        if mode == "denied":
            known, challenge = websub.deny(callback, topic=topic, now=now), ""
        else:
            known = bool(challenge) and websub.confirm(callback, mode=mode, topic=topic, lease_s=lease_s, now=now)
        db.session.commit()
    if not known:
        abort(404)
    return Response(challenge, 200, content_type="text/plain; charset=utf-8")


@hubs.post(PATHS["hub_hook"])
def tell(callback: str) -> Response:
    """Store what a hub tells, if it is signed and about its topic. What is not is answered alike, and passed over.

    So nobody learns by trying whether a signature was right (section 7.1).
    """
    known = websub.by_callback(callback)
    if known is None:
        abort(404)
    if known.state not in ("asked", "active") or known.feed_id is None:
        return Response(status=410)  # The hub may stop (section 7).
    feed_id, topic = known.feed_id, known.topic
    db.session.rollback()
    if not _may_ask(callback):
        return Response(status=429, headers={"Retry-After": str(hooks.WINDOW_S)})
    try:
        body = hooks.octets()
    except hooks.Turned as error:
        return Response(status=error.status)
    if why := _unbelieved(callback, topic, body):
        log.warning("hub not believed", feed=feed_id, why=why, cure="None is needed: the feed is still read.")
    else:
        _store(callback, feed_id, body)
    return Response(status=202)


def _may_ask(callback: str) -> bool:
    windows: Windows = current_app.extensions[_WINDOWS]
    key = services.current().keyring.blur("hub", callback)
    return windows.hit(key, limit=hooks.PUSHES, window_s=hooks.WINDOW_S)


def _unbelieved(callback: str, topic: str, body: bytes) -> str:
    """Return why what came is not believed, if it is not."""
    secret = websub.secret_of(callback, services.current().keyring)
    if not websub.is_signed(body, request.headers.get("X-Hub-Signature", ""), secret):
        return "it is not signed with our secret"
    own = websub.links(request.headers.get("Link", "")[:8_000]).get("self", [topic])
    return "" if topic in own else "it is of another topic"


def _store(callback: str, feed_id: int, body: bytes) -> None:
    """Store what a hub told; what cannot be read has its feed looked at soon."""
    zone = ZoneInfo(services.current().publication.zone)
    feed = feeds.by_id(feed_id)
    url, is_on = feed.url, feed.state == "on"
    db.session.rollback()
    if not is_on:
        return
    try:
        read = ingest.read_entries(feed_id, body, name=url, zone=zone)
    except errors.Invalid:
        read = None
    with database.write_turn():
        ingest.take_turn()
        now, digest = clock.utc_now(), websub.digest_of(body)
        feed, known = feeds.by_id(feed_id), websub.by_callback(callback)
        if read is None:
            feed.next_fetch_at = now
        elif known is not None and not push.is_known(feed_id, digest):
            ingest.store_entries(feed_id, read, now)
            push.remember(feed, digest, now=now, kept=websub.REPEATS_KEPT)
            known.told_at, known.missed = now, 0
        db.session.commit()
    nudge.digests()
    nudge.full_texts()
