"""Subscribe, confirm, and ask for a fresh link. The answer to a form is the same for every address."""

import secrets
from collections.abc import Sequence
from datetime import datetime

from flask import Blueprint, Response, request

from articles import topics as topic_shelf
from core import clock, database, errors, services, tokens
from core.database import db
from core.errors import _
from core.links import PATHS
from digests import editions, timetable
from subscribers import offer
from subscribers import signup as requests
from subscribers.models import Subscription
from tasks import nudge
from web import forms, pages, words

signup = Blueprint("signup", __name__)

WORDING = _("Please send me these digests by e-mail. I can stop them at any time, with one click.")
"""What a subscriber agrees to. Kept with each consent, in the language in which it was read."""


@signup.get(PATHS["subscribe"])
def subscribe() -> Response:
    """Show the form; `?topics=` and `?digests=` propose some, as a story's page does."""
    offered = offer.active()
    asked = _asked("digests")
    same_language = [digest.key for digest in offered if digest.language == pages.language()]
    ticked = [digest.key for digest in offered if digest.key in asked] or same_language[:1]
    return _subscribe_page(forms.Typed(digests=ticked, topics=_asked("topics")))


@signup.post(PATHS["subscribe"])
def note() -> Response:
    """Write the request down. Who is behind the address, nobody looks at here: the answer could tell."""
    try:
        form = forms.subscribe_form(request.form)
        offer.by_keys(form.digests)
        topic_shelf.by_keys(form.topics)
        with database.write_turn():
            requests.note_request(
                form.email,
                public_id=form.request_id,
                digests=form.digests,
                topics=form.topics,
                language=pages.language(),
                zone=form.zone,
                form=request.path,
                wording=pages.gettext(WORDING),
                origin=request.remote_addr,
                now=clock.utc_now(),
                keyring=services.current().keyring,
            )
            db.session.commit()
    except (errors.Invalid, forms.Refused) as error:
        return _subscribe_page(forms.typed(request.form), faults=forms.faults_of(error))
    nudge.signup()
    return pages.to("check_inbox", 303, language=pages.language())


@signup.get(PATHS["check_inbox"])
def check_inbox() -> Response:
    """Say what to do next. The page knows nothing of who asked."""
    return pages.page("signup/check_inbox.html", {"fresh_link": "link" in request.args})


@signup.get(PATHS["fresh_link"])
def fresh_link() -> Response:
    """Show the form that asks for a link to the preferences."""
    return _fresh_link_page()


@signup.post(PATHS["fresh_link"])
def note_fresh_link() -> Response:
    """Write the wish for a fresh link down; the answer is the same for every address."""
    try:
        form = forms.fresh_link_form(request.form)
        with database.write_turn():
            requests.note_fresh_link(
                form.email,
                public_id=form.request_id,
                language=pages.language(),
                form=request.path,
                origin=request.remote_addr,
                now=clock.utc_now(),
                keyring=services.current().keyring,
            )
            db.session.commit()
    except (errors.Invalid, forms.Refused) as error:
        return _fresh_link_page(forms.typed(request.form).email, forms.faults_of(error))
    nudge.signup()
    response = pages.to("check_inbox", 303, language=pages.language())
    response.location += "?link"
    return response


@signup.get(PATHS["confirm"])
def confirm(token: str) -> Response:
    """Show one button. Some mail programs and scanners open every link, so opening it confirms nothing."""
    asked = requests.open_request(_read(token), clock.utc_now())
    pages.speak(asked.language)
    if asked.state == "confirmed":
        return pages.page("signup/confirmed.html", {"again": True})
    return pages.page("signup/confirm.html", {"digests": offer.still_offered(asked.digests)})


@signup.post(PATHS["confirm"])
def confirmed(token: str) -> Response:
    """Confirm the request that the token names. It moves once: pressed again, it changes nothing."""
    now = clock.utc_now()
    with database.write_turn():
        asked = requests.open_request(_read(token), now)
        pages.speak(asked.language)
        done = requests.confirm(asked, now=now)
        db.session.flush()
        # Before the commit: after it the first edition may be composed at once, and then nothing would be left to come.
        plans = [] if done.again else [_plan(subscription, done, now) for subscription in done.subscriptions]
        db.session.commit()
    nudge.digests()
    if done.again:
        return pages.page("signup/confirmed.html", {"again": True})
    reader = done.subscriber
    preferences = services.current().links.preferences(
        reader.public_id, version=reader.link_version, day=clock.day_number(now)
    )
    values = {"again": False, "plans": plans, "preferences": pages.local(preferences)}
    return pages.page("signup/confirmed.html", values)


def new_form_id() -> str:
    """Return a random id: a form that is sent twice is known by it."""
    return secrets.token_hex(tokens.KEY_BYTES)


def _read(token: str) -> tokens.Token:
    return services.current().links.tokens.read(tokens.Purpose.CONFIRM, token)


def _asked(name: str) -> list[str]:
    """Return the keys of a query such as `?topics=kr,cu`."""
    return ",".join(request.args.getlist(name)).split(",")[: requests.MAX_CHOSEN]


def _subscribe_page(typed: forms.Typed, faults: Sequence[errors.Invalid] = ()) -> Response:
    wanted = {*_asked("topics"), *typed.topics}
    values = {
        "digests": offer.active(),
        "proposed": [topic for topic in topic_shelf.all_topics() if topic.key in wanted],
        "asks_zone": any(fault.field == "zone" for fault in faults),
        "wording": pages.gettext(WORDING),
        "form_id": new_form_id(),
        "typed": typed,
        "faults": faults,
    }
    return pages.page("signup/subscribe.html", values, status=422 if faults else 200)


def _fresh_link_page(typed: str = "", faults: Sequence[errors.Invalid] = ()) -> Response:
    values = {"faults": faults, "typed": typed, "form_id": new_form_id()}
    return pages.page("signup/fresh_link.html", values, status=422 if faults else 200)


def _plan(subscription: Subscription, done: requests.Confirmed, now: datetime) -> dict[str, object]:
    """Return what a new subscriber is told of one digest: it comes at once, or when it can, or as it did before."""
    if subscription not in done.new:
        return {"digest": subscription.digest, "is_new": False}
    is_first = subscription is done.first
    if is_first and editions.anything_for(subscription, now=now):
        return {"digest": subscription.digest, "is_new": True, "at": None}
    at, zone = timetable.next_mail(subscription, now=now), subscription.rhythm.zone
    told = {"waits": is_first, "at": words.instant(at, zone), "city": words.city(zone)}
    return {"digest": subscription.digest, "is_new": True, **told}
