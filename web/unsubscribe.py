"""Leave one digest or all of them: a page with a button, and the one-click request of mail programs (RFC 8058)."""

from datetime import datetime

from flask import Blueprint, Response

from core import clock, database, services, tokens
from core.database import db
from core.links import PATHS
from subscribers import offer
from subscribers import preferences as choices_of
from subscribers import unsubscribe as leaving
from subscribers.models import Digest, Subscriber
from web import pages

unsubscribe = Blueprint("unsubscribe", __name__)


@unsubscribe.get(PATHS["unsubscribe"])
@unsubscribe.get(PATHS["unsubscribe_all"])
def ask(token: str, digest: str = "") -> Response:
    """Show one button. Some mail programs and scanners open every link, so opening it must not unsubscribe."""
    subscriber, left = _opened(token, digest)
    now = clock.utc_now()
    if not any(left in (None, one) for one in _received(subscriber, now)):
        return _done(subscriber, left, now)
    return pages.page("unsubscribe/ask.html", {"digest": left, "address": subscriber.mailbox.masked})


@unsubscribe.post(PATHS["unsubscribe"])
@unsubscribe.post(PATHS["unsubscribe_all"])
def leave(token: str, digest: str = "") -> Response:
    """Leave, whether a person pressed the button or a mail program did: at once, as often as it comes, never moved
    elsewhere (RFC 8058, section 3.1).
    """
    now = clock.utc_now()
    with database.write_turn():
        subscriber, left = _opened(token, digest)
        leaving.leave(subscriber, left, now=now)
        db.session.commit()
    return _done(subscriber, left, now)


def _opened(token: str, digest: str) -> tuple[Subscriber, Digest | None]:
    """Return who leaves what. The token is for this very digest, so a key that was never ours is a damaged link."""
    read = services.current().links.tokens.read(tokens.Purpose.UNSUBSCRIBE, token, scope=digest)
    subscriber = leaving.by_token(read)
    pages.speak(subscriber.language)
    return subscriber, offer.by_key(digest) if digest else None


def _received(subscriber: Subscriber, now: datetime) -> list[Digest]:
    return [choice.digest for choice in choices_of.view(subscriber, now) if choice.on]


def _done(subscriber: Subscriber, left: Digest | None, now: datetime) -> Response:
    """Say what happened, and offer what may come next: nothing at all any more, or everything again."""
    everything = services.current().links.unsubscribe(
        subscriber.public_id, digest="", version=subscriber.link_version, day=clock.day_number(now)
    )
    values = {
        "digest": left,
        "address": subscriber.mailbox.masked,
        "rest": _received(subscriber, now),
        "stop_all": pages.local(everything),
    }
    return pages.page("unsubscribe/done.html", values)
