"""A publisher's signed push: by which key, what the signature says, and that one that comes twice is taken once."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, exists, select

from articles.models import Feed
from articles.pushmodels import FeedPush
from core import tokens
from core.addresses import Keyring
from core.database import db

HEADER = "Postrider-Signature"
WINDOW = timedelta(minutes=5)
"""How far the time in a signature may lie from ours, before it or behind it."""
KEPT = timedelta(minutes=15)
"""How long a push is known again: longer than its signature can be good."""
MOST_OVERLAP = timedelta(days=7)
_MOST_CODES = 4
_TIME, _CODE = re.compile(r"t=(\d{1,12})"), re.compile(r"v1=([0-9a-f]{64})")


class Unsigned(Exception):
    """There is no signature, or none that can be read. The text says what is missing, in English, for publishers."""


class Forged(Exception):
    """The signature is not this feed's, or not of now. The text says which, in English, for publishers."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a header says: when it was signed, in seconds since 1970, and the codes, one for each key in use."""

    at: int
    codes: tuple[str, ...]


def key_of(feed: Feed, version: int, keyring: Keyring) -> str:
    """Return the key of one version: 128 bits, derived, so that no database holds it."""
    return "prk_" + tokens.encode(keyring.blur("feed push", f"{feed.public_id}\0{version}"))


def keys_of(feed: Feed, keyring: Keyring, *, now: datetime) -> tuple[str, ...]:
    """Return the keys that are good now: the newest, and the one before while that has not ended."""
    versions = [feed.push_version] if feed.push_version else []
    if feed.push_version > 1 and feed.push_older_until is not None and now < feed.push_older_until:
        versions.append(feed.push_version - 1)
    return tuple(key_of(feed, version, keyring) for version in versions)


def renew_key(feed: Feed, keyring: Keyring, *, now: datetime, overlap: timedelta = timedelta(0)) -> str:
    """Make a new key and return it. The one before ends at once, or after `overlap`; any older one has ended."""
    feed.push_version += 1
    feed.push_older_until = now + overlap if overlap else None
    return key_of(feed, feed.push_version, keyring)


def sign(body: bytes, key: str, *, at: int) -> str:
    """Return the header's value: `t=<seconds>,v1=<HMAC-SHA256 in hex, by the key, of the seconds, a dot, the body>`."""
    return f"t={at},v1={_code(body, key, at)}"


def read(header: str | None, *, now: datetime) -> Signature:
    """Return what a header says, before anybody reads the body. Raises Unsigned and Forged."""
    if not header:
        raise Unsigned(f"This push is not signed. Send {HEADER}: t=…,v1=…")
    parts = [part.strip() for part in header[:1_000].split(",")]
    times = [match[1] for part in parts if (match := _TIME.fullmatch(part))]
    codes = [match[1] for part in parts if (match := _CODE.fullmatch(part))]
    if len(times) != 1 or not codes:
        raise Unsigned(f"This signature cannot be read. Write {HEADER}: t=<seconds since 1970>,v1=<64 hex digits>")
    at = int(times[0])
    if abs(at - now.timestamp()) > WINDOW.total_seconds():
        off = round(at - now.timestamp())
        raise Forged(f"It was signed {off:+d} seconds from our time, {now:%Y-%m-%dT%H:%M:%SZ}. Set the clock right.")
    return Signature(at, tuple(codes[:_MOST_CODES]))


def verify(signature: Signature, body: bytes, keys: tuple[str, ...]) -> bytes:
    """Return by which hash this push is known again. Raises Forged. Codes are compared in constant time."""
    for key in keys:
        expected = _code(body, key, signature.at)
        if any(hmac.compare_digest(expected, code) for code in signature.codes):
            return hashlib.sha256(expected.encode()).digest()
    raise Forged("The signature is not of this body by this feed's key. To have a new key: flask feeds push-key")


def is_known(feed_id: int, digest: bytes) -> bool:
    """Say whether a push was taken before. Ask inside the turn of storing: two copies come one after the other."""
    known = exists().where(FeedPush.feed_id == feed_id, FeedPush.digest == digest)
    return bool(db.session.scalar(select(known)))


def remember(feed: Feed, digest: bytes, *, now: datetime, kept: timedelta = KEPT) -> None:
    """Note that a push was taken, in the transaction that stores it; and forget those that nobody can copy any more."""
    old = delete(FeedPush).where(FeedPush.forget_at <= now)
    db.session.execute(old, execution_options={"synchronize_session": False})
    db.session.add(FeedPush(feed_id=feed.id, digest=digest, forget_at=now + kept))
    feed.last_push_at = now
    db.session.flush()


def _code(body: bytes, key: str, at: int) -> str:
    return hmac.new(key.encode(), b"%d." % at + body, "sha256").hexdigest()
