"""The form to subscribe: on its own page, in a frame, and the code to put it on other sites."""

import secrets
from collections.abc import Sequence

from flask import Blueprint, Response, request

from articles import topics as topic_shelf
from core import clock, database, errors, services, tokens
from core.database import db
from core.errors import _
from core.links import PATHS
from digests import morning
from subscribers import offer
from subscribers import signup as requests
from tasks import nudge
from web import door, forms, pages, proof, stamps, words

subscribing = Blueprint("subscribing", __name__)

WORDING = _("Please send me these digests by e-mail. I can stop them at any time, with one click.")
"""What a subscriber agrees to. Kept with each consent, in the language in which it was read."""
COOKIE = "signup"
COOKIE_LASTS_S = 24 * 3600
_ALMOST = _("Nearly done. Please look at this, and press the button once more.")
_PAGES = {"subscribe": "signup/subscribe.html", "frame": "signup/frame.html"}


@subscribing.get(PATHS["subscribe"])
def subscribe() -> Response:
    """Show the form; `?topics=` and `?digests=` propose some, as a story's page does."""
    return _page("subscribe", _proposals())


@subscribing.post(PATHS["subscribe"])
def note() -> Response:
    """Write the request down."""
    return _taken("subscribe")


@subscribing.get(PATHS["frame"])
def frame() -> Response:
    """Show the form for a frame on a site that the settings name; afterwards, in the same frame, what to do next."""
    if "sent" in request.args:
        return pages.page("signup/frame_sent.html", {})
    return _page("frame", _proposals())


@subscribing.post(PATHS["frame"])
def note_in_frame() -> Response:
    """Write a request of the frame down."""
    return _taken("frame")


@subscribing.get(PATHS["embed"])
def embed() -> Response:
    """Show the code that puts the form on other sites."""
    return pages.page(
        "signup/embed.html",
        {"digests": offer.active(spoken=pages.language()), "may_frame": door.limits().frame_ancestors},
    )


def _taken(page: str) -> Response:
    """Take a form. Who is behind the address, nobody looks at here: the answer could tell."""
    values = request.form.copy()
    if door.is_trapped(values):
        return _sent(page, secrets.token_urlsafe())
    embedded = "form_id" not in values
    values.setdefault("form_id", new_form_id())
    if values.get("action") == "preview":
        return _page(page, forms.typed(values), values=values)
    try:
        form = forms.subscribe_form(values)
        if embedded:
            _refuse_unknown(form)
            raise door.OfferedAgain(200, _ALMOST)
        cookie = _note(form, values)
    except (errors.Invalid, forms.Refused) as error:
        return _page(page, forms.typed(values), faults=forms.faults_of(error), status=422, values=values)
    except door.OfferedAgain as again:
        return _page(page, forms.typed(values), again=again, status=again.status, values=values)
    nudge.signup()
    return _sent(page, cookie)


def _refuse_unknown(form: forms.SubscribeForm) -> None:
    """Look whether what was chosen is on offer. Raises Invalid."""
    offer.refuse_unknown(form.digests)
    topic_shelf.by_keys(form.topics)


def _note(form: forms.SubscribeForm, values: forms.Values) -> str:
    """Write the request down, and return the cookie by which its browser is known. Raises OfferedAgain, or Invalid."""
    now = clock.utc_now()
    entry = door.check(values, form.form_id, now=now)
    person = requests.Person(form.form_id, secrets.token_urlsafe())
    with database.write_turn():
        _refuse_unknown(form)
        is_new = requests.note_request(
            form.email,
            public_id=form.request_id,
            digests=form.digests,
            topics=form.topics,
            language=pages.language(),
            zone=form.zone,
            form=request.path,
            wording=pages.gettext(WORDING),
            origin=request.remote_addr,
            now=now,
            keyring=services.current().keyring,
            rhythm_name=form.rhythm,
            person=person,
        )
        if is_new:  # sent twice, a form is paid for once
            door.pay(entry, now=now)
        db.session.commit()
    return person.cookie


def _sent(page: str, cookie: str) -> Response:
    """Return the answer that everyone gets, whoever is behind the address."""
    if page == "frame":
        response = pages.to("frame", 303, language=pages.language())
        response.location += "?sent"
    else:
        response = pages.to("check_inbox", 303, language=pages.language())
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=COOKIE_LASTS_S,
        path="/confirm/",
        secure=services.current().links.base_url.startswith("https://"),
        httponly=True,
        samesite="Lax",
    )
    return response


def new_form_id() -> str:
    """Return a random id: a form that is sent twice is known by it."""
    return secrets.token_hex(tokens.KEY_BYTES)


def asked(name: str) -> list[str]:
    """Return the keys of a query such as `?topics=kr,cu`."""
    return ",".join(request.args.getlist(name)).split(",")[: requests.MAX_CHOSEN]


def _proposals() -> forms.Typed:
    offered = offer.active(spoken=pages.language())
    wanted = asked("digests")
    same_language = [digest.key for digest in offered if digest.language == pages.language()]
    ticked = [digest.key for digest in offered if digest.key in wanted] or same_language[:1]
    return forms.Typed(digests=ticked, topics=asked("topics"))


def _page(
    page: str,
    typed: forms.Typed,
    *,
    faults: Sequence[errors.Invalid] = (),
    again: door.OfferedAgain | None = None,
    status: int = 200,
    values: forms.Values | None = None,
) -> Response:
    now, signer = clock.utc_now(), services.current().links.tokens
    form_id = _kept_id(values)
    wanted = {*asked("topics"), *typed.topics}
    offered = offer.active(spoken=pages.language())
    shown = {
        "page": page,
        "digests": offered,
        "proposed": [topic for topic in topic_shelf.all_topics() if topic.key in wanted],
        "rhythms": words.rhythms_of(offered),
        "morning": morning.of([d for d in offered if d.key in typed.digests], topic_keys=typed.topics, now=now),
        "asks_zone": any(fault.field == "zone" for fault in faults),
        "wording": pages.gettext(WORDING),
        "form_id": form_id.hex(),
        "stamp": stamps.stamp(form_id, signer, now=now, again=values is not None),
        "challenge": proof.challenge(form_id, signer, now=now) if door.limits().proof_of_work else None,
        "trap": door.TRAP,
        "typed": typed,
        "faults": faults,
        "again": again,
    }
    return pages.page(_PAGES[page], shown, status=status)


def _kept_id(values: forms.Values | None) -> bytes:
    """Return the id of the form that came back, so that it is known again; a new one if it was none of ours."""
    try:
        form_id = bytes.fromhex(values.get("form_id", "")) if values is not None else b""
    except ValueError:
        form_id = b""
    if values is not None and len(form_id) == tokens.KEY_BYTES and door.stamp_of(values, form_id) is not None:
        return form_id
    return bytes.fromhex(new_form_id())
