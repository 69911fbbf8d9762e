"""Leave one digest or all of them: at once, for good, and as often as the button is pressed."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select

from core import logs, tokens
from core.database import db
from core.journal import Change
from delivery import suppression
from subscribers import consent, joining, preferences
from subscribers.models import Digest, Subscriber, Subscription

log = logs.get(__name__)


def by_token(token: tokens.Token) -> Subscriber:
    """Return who wants to leave. Neither age nor version counts: a link that only stops mail works for ever
    (RFC 8058, section 3.1). Raises LinkDamaged when there is no such reader.
    """
    return preferences.by_key(token.key)


def leave(subscriber: Subscriber, digest: Digest | None, *, now: datetime, form: str = "unsubscribe") -> list[str]:
    """Leave `digest`, or all of them when it is None; return the streams that are kept away by this, and were not.

    What was left before stays left, and proves nothing new. Mail that is queued already is stopped by the suppression,
    inside the sender's own statement.
    """
    joining.hold(subscriber)
    known = joining.subscriptions_of(subscriber)
    leaving = [found for found in known.values() if digest is None or found.digest_id == digest.id]
    streams = {found.digest.stream for found in leaving} | ({digest.stream} if digest else set())
    for subscription in leaving:
        _turn_off(subscription, form=form, now=now)
    kept_away = [
        stream
        for stream in sorted(streams)
        if suppression.suppress(subscriber.addr_hash, scope=stream, reason=joining.LEFT, source=form, now=now)
    ]
    if all(found.state == "off" for found in known.values()):
        subscriber.state = "left"
    db.session.flush()
    return kept_away


def leave_by_hash(addr_hash: bytes, stream: str, *, now: datetime, form: str) -> bool:
    """Leave the digest of a stream as the reader with this address did before; return whether there is such a reader.

    It is for a database that was restored and has forgotten it: the pages, the proof and the sender all learn it again.
    """
    subscriber = db.session.scalar(select(Subscriber).filter_by(addr_hash=addr_hash))
    digest = digest_of(stream)
    if subscriber is None or digest is None:
        return False
    leave(subscriber, digest, now=now, form=form)
    return True


def keep_away(changes: Iterable[Change], *, now: datetime) -> int:
    """Suppress addresses of which somebody else says so: a journal, an operator, a file; return how many are news.

    Where it is a reader who left a digest, they leave it here, too, as if they had pressed the button.
    """
    changes = list(changes)
    leaving = {one.addr_hash for one in changes if one.reason == joining.LEFT}
    readers = set(db.session.scalars(select(Subscriber.addr_hash).where(Subscriber.addr_hash.in_(leaving))))
    stands = suppression.standing(readers)
    rest, left = [], 0
    for one in changes:
        reader = one.reason == joining.LEFT and one.addr_hash in readers
        if reader and leave_by_hash(one.addr_hash, one.scope, now=now, form=one.source):
            left += (one.addr_hash, one.scope, one.reason) not in stands
        else:
            rest.append(one)
    return left + len(suppression.suppress_all(rest, now=now))


def digest_of(stream: str) -> Digest | None:
    """Return the digest that the post office knows as this stream."""
    return next((one for one in db.session.scalars(select(Digest)) if one.stream == stream), None)


def _turn_off(subscription: Subscription, *, form: str, now: datetime) -> None:
    if subscription.state == "off":
        return
    subscription.state = "off"
    subscription.first_due_at = None
    subscription.version += 1
    consent.record(
        "opt_out",
        subscriber=subscription.subscriber,
        digest=subscription.digest,
        wording="",
        form=form,
        origin=None,
        now=now,
    )
    log.info("digest left", subscription=subscription.id, digest=subscription.digest.key)
