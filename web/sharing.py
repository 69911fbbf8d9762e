"""Send a story to a friend: by one's own mail program always, and by ours where the publisher lets it.

A request only writes a row. Whatever is known of the friends, the answer is the same, after the same time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from flask import Blueprint, Response, current_app, request

from articles.models import Article
from core import clock, database, errors, links, origins, services
from core.addresses import Address
from core.database import db
from core.errors import _
from core.links import PATHS
from core.settings import Settings
from core.shares import ShareSettings
from core.windows import Windows
from sharing import asking, confirming, friend, limits, notes, senders, switch
from sharing.senders import Sender
from tasks import nudge
from web import articles, door, forms, headers, pages, proof, shareforms, stamps, subscribing
from web import errors as error_pages

sharing = Blueprint("sharing", __name__)

BUSY = _(
    "Many stories are being sent just now. Please send this one with your own mail program, or come back in an hour."
)
AWAY = _("We cannot send it just now. Please send it with your own mail program, or try again in half a minute.")
NO_SCRIPT = _(
    "Without JavaScript we can send only a few stories, and those are used up. Please send this one with your own mail"
    " program."
)
STALE = _("The link of your digest does not work any more for this. Please type your address, and send it again.")
LATE = _("This was not confirmed in time, or was ended meanwhile. The story can still be sent: here is how.")
LINKS = (errors.LinkDamaged, errors.LinkExpired)
_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page shows beside the mailto link: a form, as whom, and what is wrong with it; or why there is none."""

    has_form: bool = True
    sender: Sender | None = None
    token: str = ""
    typed: shareforms.Typed = field(default_factory=shareforms.Typed)
    faults: Sequence[errors.Invalid] = ()
    again: errors.DomainError | None = None
    form_id: bytes | None = None


@sharing.get(PATHS["share"])
def send(story: str) -> Response:
    """Show the ways to pass on a story."""
    article, mode = opened(story)
    if not articles.at_home(article, story):
        return pages.to("share", 301, language=article.language, story=article.ref)
    if mode is switch.Mode.MAILTO:
        return headers.publicly(_page(article, Shown(has_form=False)), whatever_query=True)
    if "sent" in request.args:
        return pages.page("sharing/asked.html", {"article": article})
    return _page(article, Shown())


@sharing.get(PATHS["share_as"])
def send_as(story: str, token: str) -> Response:
    """Show the same to a reader who comes from their own digest: the link says who they are."""
    article, mode = opened(story)
    if mode is switch.Mode.MAILTO or not articles.at_home(article, story):
        return pages.to("share", language=article.language, story=article.ref)
    try:
        sender = _by_link(token)
    except LINKS as error:
        return _as_nobody(article, error)
    if "sent" in request.args:
        return pages.page("sharing/thanks.html", {"article": article, "again": False})
    return _page(article, Shown(sender=sender, token=token))


@sharing.post(PATHS["share"])
def note(story: str) -> Response:
    """Write down what somebody asks for who has yet to prove their mailbox."""
    article, mode = opened(story)
    return _closed(article) if mode is switch.Mode.MAILTO else _taken(article)


@sharing.post(PATHS["share_as"])
def note_as(story: str, token: str) -> Response:
    """Write down what a reader sends."""
    article, mode = opened(story)
    if mode is switch.Mode.MAILTO:
        return _closed(article)
    try:
        return _taken(article, _by_link(token), token)
    except LINKS as error:
        return _as_nobody(article, error)


def _as_nobody(article: Article, error: errors.DomainError) -> Response:
    """Return the form on which nobody is known, with what was typed: the reader's link opens no more than that."""
    shown = Shown(typed=shareforms.typed(request.form), again=errors.DomainError(STALE))
    return _page(article, shown, status=410 if isinstance(error, errors.LinkExpired) else 404)


def late(article: Article) -> Response:
    """Return the page to somebody whose link sends nothing any more."""
    shown = Shown(has_form=switch.mode() is switch.Mode.VERIFIED, again=errors.DomainError(LATE))
    return _page(article, shown, status=410)


def _closed_with(
    article: Article, why: errors.DomainError, status: int, *, retry_after_s: int | None = None
) -> Response:
    """Return the page without a form: one's own mail program goes on working, whatever stopped ours."""
    response = _page(article, Shown(has_form=False, again=why), status=status)
    if retry_after_s is not None:
        response.headers["Retry-After"] = str(retry_after_s)
    return response


def _closed(article: Article) -> Response:
    return _closed_with(article, errors.DomainError(confirming.CLOSED), 409)


def is_first_read(article: Article) -> bool:
    """Say whether an origin has not told within the hour that it read a story; who tells it often counts once."""
    key = services.current().keyring.blur("share read", f"{origins.counted(request.remote_addr)} {article.id}")
    return _windows().hit(key, limit=1, window_s=_HOUR_S)


def opened(story: str) -> tuple[Article, switch.Mode]:
    """Return a story that may be sent. Raises NotFound."""
    article, mode = articles.opened(story), switch.mode()
    if not article.shareable or mode is switch.Mode.OFF:
        raise errors.NotFound
    return article, mode


def share_settings() -> ShareSettings:
    """Return the settings of sharing."""
    settings: Settings = current_app.extensions["postrider settings"]
    return settings.sharing


def _by_link(token: str) -> Sender:
    return senders.by_link(token, services=services.current(), now=clock.utc_now())


def _taken(article: Article, sender: Sender | None = None, token: str = "") -> Response:
    """Take a form. Raises LinkExpired when the reader's link ends meanwhile."""
    values = request.form.copy()
    if door.is_trapped(values):
        return _sent(article, token)
    shown = Shown(sender=sender, token=token, typed=shareforms.typed(values), form_id=shareforms.form_id(values))
    try:
        form = shareforms.read(values, given=share_settings(), is_proven=sender is not None)
        answer = _note(article, form, values, token)
    except (errors.Invalid, forms.Refused) as error:
        return _page(article, replace(shown, faults=forms.faults_of(error)), status=422)
    except door.OfferedAgain as again:
        status = 400 if again.message == door.OLD else again.status
        return _page(article, replace(shown, again=again), status=status)
    except error_pages.UNAVAILABLE as error:
        error_pages.note_unavailable(error)
        answer = None
    return _answered(article, token, answer)


def _answered(article: Article, token: str, answer: asking.Answer | None) -> Response:
    if answer is None:
        return _closed_with(article, errors.DomainError(AWAY), 503, retry_after_s=error_pages.RETRY_AFTER_S)
    if answer is asking.Answer.BUSY:
        return _closed_with(article, errors.DomainError(BUSY), 429, retry_after_s=_HOUR_S)
    if answer is asking.Answer.CLOSED:
        return _closed(article)
    nudge.sharing()
    return _sent(article, token)


def _note(article: Article, form: shareforms.ShareForm, values: forms.Values, token: str) -> asking.Answer | None:
    """Write the wish down, and spend what it costs; None when that cannot be counted. Raises OfferedAgain, Invalid."""
    now, at, form_id = clock.utc_now(), services.current(), shareforms.form_id(values)
    entry = _entry(values, form_id, bool(token), now)
    wish = asking.Wish(
        public_id=form.request_id(form_id, article.ref + token),
        article_id=article.id,
        friends=form.friends,
        name=form.name,
        note=form.note,
        language=pages.language(),
    )
    if asking.is_noted(wish):  # sent twice, a form is paid for once
        return asking.Answer.TAKEN
    origin, given = request.remote_addr, share_settings()
    full = limits.full_window(
        windows=_windows(),
        origin=origin,
        sender=_sender(form.email, token).address,
        is_proven=bool(token),
        story=article.ref,
        count=len(wish.friends),
        limits=given,
        keyring=at.keyring,
    )
    with database.write_turn():
        sender = _sender(form.email, token)
        answer = asking.note(wish, sender, full=full, origin=origin, given=given, now=now, keyring=at.keyring)
        if answer is asking.Answer.TAKEN:
            door.pay(entry, now=now)
        db.session.commit()
    return None if full == limits.AWAY else answer


def _entry(values: forms.Values, form_id: bytes, is_proven: bool, now: datetime) -> door.Entry:
    """Return what the form costs. A reader's link is worth more than a proof of work, and does little in a day."""
    if is_proven:
        door.refuse_untimely(values, form_id, now=now)
        return door.Entry()
    return door.check_uncounted(values, form_id, kind="share", no_script=NO_SCRIPT, now=now)


def _sender(typed: Address | None, token: str) -> Sender:
    return _by_link(token) if typed is None else senders.stranger(typed)


def _windows() -> Windows:
    windows: Windows = current_app.extensions["postrider windows"]
    return windows


def _sent(article: Article, token: str) -> Response:
    """Return the answer that everyone gets, whoever the friends are."""
    where = {"language": article.language, "story": article.ref}
    response = pages.to("share_as", 303, token=token, **where) if token else pages.to("share", 303, **where)
    response.location += "?sent"
    return response


def _page(article: Article, shown: Shown, *, status: int = 200) -> Response:
    canonical = articles.canonical(article)
    values = {
        "article": article,
        "mailto": friend.mailto(article.headline, article.standfirst, canonical),
        "canonical": canonical,
        "shown": shown,
        **(_form(article, shown) if shown.has_form else {}),
    }
    return pages.page("sharing/send.html", values, status=status)


def _form(article: Article, shown: Shown) -> dict[str, object]:
    """Return what the form needs beside what was typed."""
    now, signer = clock.utc_now(), services.current().links.tokens
    # A form that came back keeps its id, so that it is known again; but not one that was none of ours.
    is_ours = shown.form_id is not None and door.stamp_of(request.form, shown.form_id) is not None
    form_id = shown.form_id if is_ours and shown.form_id else bytes.fromhex(subscribing.new_form_id())
    asks_proof = door.limits().proof_of_work and shown.sender is None
    where = {"language": article.language, "story": article.ref}
    return {
        "target": links.path("share_as", token=shown.token, **where) if shown.token else links.path("share", **where),
        "form_id": form_id.hex(),
        "stamp": stamps.stamp(form_id, signer, now=now, again=request.method == "POST"),
        "challenge": proof.challenge(form_id, signer, now=now) if asks_proof else None,
        "trap": door.TRAP,
        "friend_fields": shareforms.fields(share_settings()),
        "with_note": share_settings().note,
        "longest_note": notes.LONGEST,
    }
