"""Take back what a link changed, and *this was not me*: a page with a button each."""

from collections.abc import Sequence
from datetime import datetime

from flask import Blueprint, Response

from core import clock, database, errors, services, tokens
from core.database import db
from core.links import PATHS
from subscribers import address, linkchanges, renewing
from subscribers.models import Subscriber
from subscribers.trail import AddressChange, LinkChange
from tasks import nudge
from web import pages
from web.unsubscribe import undo_path

undo = Blueprint("undo", __name__)


@undo.get(PATHS["undo_one"])
def ask(change: str, token: str) -> Response:
    """Show what would be taken back, and the button."""
    found = _one(change, token)
    if found.undone_at is not None:
        return _undone(linkchanges.Undone(found, again=True))
    if not linkchanges.can_be_undone(found, clock.utc_now()):
        raise errors.LinkExpired
    return pages.page("undo/ask.html", {"change": found})


@undo.post(PATHS["undo_one"])
def take_back(change: str, token: str) -> Response:
    """Take one change back, once."""
    with database.write_turn():
        done = linkchanges.undo(_one(change, token), now=clock.utc_now())
        db.session.commit()
    return _undone(done)


@undo.get(PATHS["undo"])
def latest(token: str) -> Response:
    """Show the latest changes with a button each; to an old address, that mail goes elsewhere now."""
    now, read = clock.utc_now(), _read(token)
    moved = _moved(read, now)
    if moved is not None:
        return pages.page("undo/address.html", {"done": False})
    subscriber = linkchanges.by_token(read)
    pages.speak(subscriber.language)
    return pages.page("undo/latest.html", {"changes": _described(subscriber, now)})


@undo.post(PATHS["undo"])
def take_address_back(token: str) -> Response:
    """Have mail come to the old address again."""
    now = clock.utc_now()
    with database.write_turn():
        moved = _moved(_read(token), now)
        if moved is None:
            raise errors.LinkExpired
        address.take_back(moved, now=now)
        db.session.commit()
    nudge.changes()
    return pages.page("undo/address.html", {"done": True, "preferences": _preferences(moved.subscriber, now)})


@undo.get(PATHS["not_me"])
def not_me(token: str) -> Response:
    """Show the button that renews all links; opening the page renews nothing."""
    read, subscriber = _suspected(token)
    return pages.page("undo/not_me.html", {"done": renewing.is_done(subscriber, read)})


@undo.post(PATHS["not_me"])
def renew(token: str) -> Response:
    """Renew all links of a reader, and show what was changed lately with the way back."""
    now = clock.utc_now()
    with database.write_turn():
        read, subscriber = _suspected(token)
        renewed = renewing.renew(subscriber, read)
        db.session.commit()
    if renewed.again:
        return pages.page("undo/not_me.html", {"done": True})
    values = {
        "ended": renewed.ended,
        "changes": _described(subscriber, now),
        "preferences": _preferences(subscriber, now),
    }
    return pages.page("undo/renewed.html", values)


def _read(token: str) -> tokens.Token:
    return services.current().links.tokens.read(tokens.Purpose.UNDO, token)


def _one(change: str, token: str) -> LinkChange:
    """Return the change that a link names: its token is for this very change."""
    read = services.current().links.tokens.read(tokens.Purpose.UNDO, token, scope=change)
    subscriber = linkchanges.by_token(read)
    pages.speak(subscriber.language)
    return linkchanges.by_public_id(subscriber, change)


def _moved(read: tokens.Token, now: datetime) -> AddressChange | None:
    found = address.to_take_back(read.key, read.version, now)
    if found is not None:
        pages.speak(found.subscriber.language)
    return found


def _suspected(token: str) -> tuple[tokens.Token, Subscriber]:
    read = services.current().links.tokens.read(tokens.Purpose.NOT_ME, token)
    subscriber = renewing.by_token(read, clock.utc_now())
    pages.speak(subscriber.language)
    return read, subscriber


def _undone(done: linkchanges.Undone) -> Response:
    return pages.page("undo/done.html", {"change": done.change, "late": done.late})


def _described(subscriber: Subscriber, now: datetime) -> Sequence[tuple[LinkChange, str | None]]:
    """Return the changes of a month, each with the path that takes it back, where that works still."""
    found = linkchanges.lately(subscriber, since=now - linkchanges.KEPT)
    return [(one, undo_path(subscriber, one, now) if linkchanges.can_be_undone(one, now) else None) for one in found]


def _preferences(subscriber: Subscriber, now: datetime) -> str:
    link = services.current().links.preferences(
        subscriber.public_id, version=subscriber.link_version, day=clock.day_number(now)
    )
    return pages.local(link)
