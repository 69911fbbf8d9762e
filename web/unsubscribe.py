"""Leave one digest or all of them: a page with a button, and the one-click request of mail programs (RFC 8058)."""

from datetime import datetime

from flask import Blueprint, Response, request

from core import clock, database, services, tokens
from core.database import db
from core.errors import _
from core.links import PATHS
from subscribers import leaving, offer
from subscribers import preferences as choices_of
from subscribers.models import Digest, Subscriber
from subscribers.trail import FormerKey, LinkChange
from web import headers, pages

unsubscribe = Blueprint("unsubscribe", __name__)

REASONS = {
    "too_many": _("Too many mails"),
    "not_for_me": _("Not what I am interested in"),
    "elsewhere": _("I read it elsewhere"),
    "never_asked": _("I never asked for it"),
    "other": _("Another reason"),
}


@unsubscribe.get(PATHS["unsubscribe"])
@unsubscribe.get(PATHS["unsubscribe_all"])
def ask(token: str, digest: str = "") -> Response:
    """Show one button. Some mail programs and scanners open every link, so opening it must not unsubscribe."""
    reader, left = _opened(token, digest)
    now = clock.utc_now()
    if isinstance(reader, FormerKey):
        template = "done" if leaving.has_left(reader, left, now) else "ask"
        return pages.page(f"unsubscribe/{template}_former.html", {"digest": left})
    if not any(left in (None, one) for one in _received(reader, now)):
        return _done(reader, left, now, leaving.lately(reader, left, now))
    values = {"digest": left, "address": reader.mailbox.masked, "offers": leaving.offers(reader, left, now)}
    return pages.page("unsubscribe/ask.html", values)


@unsubscribe.post(PATHS["unsubscribe"])
@unsubscribe.post(PATHS["unsubscribe_all"])
def leave(token: str, digest: str = "") -> Response:
    """Leave, whether a person pressed the button or a mail program did: at once, as often as it comes, never moved
    elsewhere (RFC 8058, section 3.1). The other buttons of the page come here too: less instead, and why.
    """
    now = clock.utc_now()
    one_click = headers.is_one_click()  # it may come from anywhere, so it does nothing else
    if "instead" in request.form and not one_click:
        return _less(token, digest, now)
    if "reason" in request.form and not one_click:
        return _reason(token, digest, now)
    change = None
    with database.write_turn():
        reader, left = _opened(token, digest)
        if isinstance(reader, FormerKey):
            leaving.leave_former(reader, left, now=now)
        else:
            change = leaving.leave(reader, left, now=now, one_click=one_click)
        db.session.commit()
    if isinstance(reader, FormerKey):
        return pages.page("unsubscribe/done_former.html", {"digest": left})
    return _done(reader, left, now, change)


def _opened(token: str, digest: str) -> tuple[Subscriber | FormerKey, Digest | None]:
    """Return who leaves what. The token is for this very digest, so a key that was never ours is a damaged link."""
    read = services.current().links.tokens.read(tokens.Purpose.UNSUBSCRIBE, token, scope=digest)
    reader = leaving.opened(read)
    pages.speak(reader.language)
    return reader, offer.by_key(digest) if digest else None


def _of_reader(token: str, digest: str) -> tuple[Subscriber, Digest | None]:
    """Return the same for what only a reader can do, whose address is still that of the link."""
    reader, left = _opened(token, digest)
    if isinstance(reader, FormerKey):
        return choices_of.by_key(reader.public_id), left
    return reader, left


def _less(token: str, digest: str, now: datetime) -> Response:
    with database.write_turn():
        subscriber, left = _of_reader(token, digest)
        spoken = services.current().publication.languages
        change = leaving.less(subscriber, left, instead=request.form["instead"], spoken=spoken, now=now)
        db.session.commit()
    values = {
        "digest": left,
        "instead": request.form["instead"],
        "undo": undo_path(subscriber, change, now),
        "back": request.path,
    }
    return pages.page("unsubscribe/less.html", values)


def _reason(token: str, digest: str, now: datetime) -> Response:
    with database.write_turn():
        subscriber, left = _of_reader(token, digest)
        leaving.give_reason(subscriber, left, reason=request.form["reason"], now=now)
        db.session.commit()
    return pages.page("unsubscribe/thanks.html", {})


def _received(subscriber: Subscriber, now: datetime) -> list[Digest]:
    return [choice.digest for choice in choices_of.view(subscriber, now) if choice.on]


def _done(subscriber: Subscriber, left: Digest | None, now: datetime, change: LinkChange | None = None) -> Response:
    """Say what happened, and offer what may come next: the way back, nothing at all any more, and to say why."""
    everything = services.current().links.unsubscribe(
        subscriber.public_id, digest="", version=subscriber.link_version, day=clock.day_number(now)
    )
    values = {
        "digest": left,
        "address": subscriber.mailbox.masked,
        "rest": _received(subscriber, now),
        "stop_all": pages.local(everything),
        "undo": undo_path(subscriber, change, now),
        "reasons": _reasons() if change and not change.reason_given else [],
    }
    return pages.page("unsubscribe/done.html", values)


def _reasons() -> list[tuple[str, str]]:
    return [(key, pages.gettext(label)) for key, label in REASONS.items()]


def undo_path(subscriber: Subscriber, change: LinkChange | None, now: datetime) -> str | None:
    """Return the path that takes one change back; None when there is none."""
    if change is None:
        return None
    link = services.current().links.undo(
        subscriber.public_id,
        version=subscriber.link_version,
        day=clock.day_number(now),
        change=change.public_id.hex(),
    )
    return pages.local(link)
