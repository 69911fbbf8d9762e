"""Hubs that tell us when a feed has changed (WebSub, W3C Recommendation of 2018): found, asked, believed, left.

What changes a subscription is always ours: we ask, and a hub's question is answered for an hour after that alone.
"""

import hashlib
import hmac
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urljoin

from sqlalchemy import select

from articles.models import Feed
from articles.pushmodels import HubSubscription
from core import fetch, logs, tokens
from core.addresses import Keyring
from core.database import db

LEASE = timedelta(days=10)
"""What we ask for. A hub may promise less, and more than three times as much is not believed."""
LOOKS_APART = timedelta(hours=1)
"""How long apart a feed is read whose hub tells us: hubs forget, so never is not an answer."""
ANSWERED_FOR = timedelta(hours=1)
REPEATS_KEPT = timedelta(days=1)
MOST_MISSED = 3
"""Looks in a row that found what the hub had not told; from then on the feed is read as often as any other."""
SIGNATURES = ("sha1", "sha256", "sha384", "sha512")
"""Section 7.1. HMAC with SHA-1 is not broken (RFC 6151 on the like), and the largest hub signs with nothing else."""
_LEAST_LEASE, _MOST_LEASE = timedelta(minutes=5), timedelta(days=30)
_FIRST_WAIT, _LONGEST_WAIT, _DENIED = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
_MOST_TRIES = 5
_NOW = datetime(1970, 1, 2, tzinfo=UTC)
"""Due since ever."""
_LINK = re.compile(r'<([^<>]{1,2000})>((?:\s*;\s*[a-zA-Z*]+\s*=\s*(?:"[^"]{0,500}"|[^",;\s]{0,500}))*)')
_REL = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^",;\s]*))', re.IGNORECASE)

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Offer:
    """A hub that a feed names, and the address under which the hub knows the feed."""

    hub: str
    topic: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What to ask a hub: whether to tell us or to stop, of what, and where."""

    subscription_id: int
    hub: str
    topic: str
    callback: str
    leaves: bool


def offer(fetched: fetch.Fetched, hubs: Sequence[str], topic: str) -> Offer | None:
    """Return the first hub that a feed names, in its Link headers or else in itself (section 4); None without one.

    Only in TLS: a secret that travels openly protects nothing, and what is not signed cannot be believed.
    """
    linked = links(fetched.link)
    own = [urljoin(fetched.url, url) for url in (*linked.get("self", ()), topic) if url]
    for hub in (*linked.get("hub", ()), *hubs):
        try:
            if fetch.check(hub).scheme == "https":
                return Offer(hub, own[0] if own else fetched.url)
        except fetch.FetchRefused:
            continue
    return None


def links(header: str) -> dict[str, list[str]]:
    """Return the targets of a Link header by their relation (RFC 8288)."""
    found: dict[str, list[str]] = {}
    for url, parameters in _LINK.findall(header):
        rel = _REL.search(parameters)
        for name in (rel[1] or rel[2] or "").lower().split() if rel else ():
            found.setdefault(name, []).append(url)
    return found


def note_look(feed: Feed, offered: Offer | None, *, new: int) -> None:
    """Note what a look at a feed found: its hub, and whether that had told us of what is new."""
    known = _of(feed)
    if known is not None and offered is not None and (known.hub, known.topic) == (offered.hub, offered.topic):
        if known.state == "leaving":  # The feed was paused, and is read again.
            known.state, known.next_try_at = "wanted", _NOW
        known.missed = known.missed + 1 if new and known.state == "active" else known.missed
        return
    if known is not None:
        leave(feed, forget=True)
    if offered is not None:
        callback = tokens.encode(os.urandom(16))
        wanted = HubSubscription(
            feed_id=feed.id, callback=callback, hub=offered.hub, topic=offered.topic, next_try_at=_NOW
        )
        db.session.add(wanted)
    db.session.flush()


def leave(feed: Feed, *, forget: bool = False) -> None:
    """Have the hub of a feed told that we want no more; with `forget` the feed may go, or find another hub."""
    known = _of(feed)
    if known is None:
        return
    if known.state in ("wanted", "denied"):
        db.session.delete(known)
    else:
        known.state, known.next_try_at, known.fails = "leaving", _NOW, 0
        known.feed_id = None if forget else known.feed_id
    db.session.flush()


def is_told(feed: Feed, now: datetime) -> bool:
    """Return whether a hub tells us of a feed, so that it can be read less often."""
    known = _of(feed)
    if known is None or known.state != "active" or known.lease_until is None:
        return False
    return known.lease_until > now and known.missed < MOST_MISSED


def due(now: datetime, limit: int) -> list[int]:
    """Return the ids of subscriptions whose hub is to be asked now."""
    wanted = select(HubSubscription.id).where(HubSubscription.next_try_at <= now)
    return list(db.session.scalars(wanted.order_by(HubSubscription.next_try_at).limit(limit)))


def begin(subscription_id: int, now: datetime) -> Wish | None:
    """Note that a hub is asked now, and return what; it may answer before we have heard that it was asked.

    Each time it is asked again without an answer it is left alone for twice as long. A hub that does not answer a
    goodbye is forgotten: its questions find nobody here any more.
    """
    known = db.session.get(HubSubscription, subscription_id)
    if known is None:
        return None
    if known.state == "leaving" and known.fails >= _MOST_TRIES:
        db.session.delete(known)
        db.session.flush()
        return None
    if known.state in ("wanted", "denied"):
        known.state = "asked"
    known.asked_at = now
    known.next_try_at = now + min(_FIRST_WAIT * 2 ** min(known.fails, 10), _LONGEST_WAIT)
    known.fails += 1
    db.session.flush()
    return Wish(known.id, known.hub, known.topic, known.callback, leaves=known.state == "leaving")


def secret_of(callback: str, keyring: Keyring) -> str:
    """Return by what a hub signs what it tells us: derived, so that no database holds it."""
    return tokens.encode(keyring.blur("websub", callback))


def confirm(callback: str, *, mode: str, topic: str, lease_s: int | None, now: datetime) -> bool:
    """Return whether a hub's question is about what we asked of it, and note for how long it promises to tell us."""
    known = by_callback(callback)
    if known is None or known.topic != topic or known.asked_at is None or now - known.asked_at > ANSWERED_FOR:
        return False
    if mode == "unsubscribe" and known.state == "leaving":
        known.next_try_at, known.fails = _NOW, _MOST_TRIES  # Forgotten at the next look.
        return True
    if mode != "subscribe" or known.state not in ("asked", "active"):
        return False
    lease = min(max(timedelta(seconds=min(lease_s or 0, 10**9)), _LEAST_LEASE), _MOST_LEASE)
    known.state, known.lease_until, known.fails, known.missed = "active", now + lease, 0, 0
    known.next_try_at = now + lease / 2
    log.info("hub tells us", feed=known.feed_id, hub=known.hub, lease_s=round(lease.total_seconds()))
    return True


def deny(callback: str, *, topic: str, now: datetime) -> bool:
    """Note that a hub will not tell us (section 5.2); it is asked again in a week."""
    known = by_callback(callback)
    if known is None or known.topic != topic or known.state not in ("asked", "active"):
        return False
    known.state, known.next_try_at, known.lease_until = "denied", now + _DENIED, None
    log.warning(
        "hub denied", feed=known.feed_id, hub=known.hub, cure="None is needed: the feed is read as often as any."
    )
    return True


def by_callback(callback: str) -> HubSubscription | None:
    """Return the subscription that a hub's address names."""
    return db.session.scalar(select(HubSubscription).where(HubSubscription.callback == callback))


def is_signed(body: bytes, header: str, secret: str) -> bool:
    """Return whether `X-Hub-Signature: sha256=…` is of this body by this secret, compared in constant time."""
    method, _equals, given = header.strip().partition("=")
    if method not in SIGNATURES or not given.isascii():
        return False
    return hmac.compare_digest(hmac.new(secret.encode(), body, method).hexdigest(), given.lower())


def digest_of(body: bytes) -> bytes:
    """Return by which hash what a hub told is known again: its signature has no time in it."""
    return hashlib.sha256(b"hub\0" + body).digest()


def _of(feed: Feed) -> HubSubscription | None:
    return db.session.scalar(select(HubSubscription).where(HubSubscription.feed_id == feed.id))
