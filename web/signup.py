"""What follows on a form: look into your inbox, confirm, or ask for a fresh link; the same for every address."""

from collections.abc import Sequence
from datetime import datetime

from flask import Blueprint, Response, request

from core import clock, database, errors, services, tokens
from core.database import db
from core.links import PATHS
from digests import editions, timetable
from subscribers import flood, offer
from subscribers import signup as requests
from subscribers.models import Subscription
from tasks import nudge
from web import door, forms, pages, subscribing, words

signup = Blueprint("signup", __name__)


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
        now = clock.utc_now()
        door.count_origin()
        with database.write_turn():
            is_new = requests.note_fresh_link(
                form.email,
                public_id=form.request_id,
                language=pages.language(),
                form=request.path,
                origin=request.remote_addr,
                now=now,
                keyring=services.current().keyring,
            )
            if is_new:
                door.pay_for_form(now=now)
            db.session.commit()
    except (errors.Invalid, forms.Refused) as error:
        return _fresh_link_page(forms.typed(request.form).email, forms.faults_of(error), status=422)
    except door.OfferedAgain as again:
        return _fresh_link_page(forms.typed(request.form).email, again=again, status=again.status)
    nudge.signup()
    response = pages.to("check_inbox", 303, language=pages.language())
    response.location += "?link"
    return response


@signup.get(PATHS["confirm"])
def confirm(token: str) -> Response:
    """Show one button. Some mail programs and scanners open every link, so opening it confirms nothing.

    In the browser that signed up the page presses the button by itself: a scanner does not have that browser's cookie.
    """
    asked = requests.open_request(_read(token), clock.utc_now())
    pages.speak(asked.language)
    if asked.state == "confirmed":
        return pages.page("signup/confirmed.html", {"again": True})
    by_itself = requests.is_same_browser(asked, request.cookies.get(subscribing.COOKIE))
    values = {"digests": offer.still_offered(asked.digests), "by_itself": by_itself}
    return pages.page("signup/confirm.html", values)


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
        if not done.again:
            flood.forgive(done.subscriber.mailbox, services.current().keyring)
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


def _read(token: str) -> tokens.Token:
    return services.current().links.tokens.read(tokens.Purpose.CONFIRM, token)


def _fresh_link_page(
    typed: str = "",
    faults: Sequence[errors.Invalid] = (),
    *,
    again: door.OfferedAgain | None = None,
    status: int = 200,
) -> Response:
    values = {"faults": faults, "again": again, "typed": typed, "form_id": subscribing.new_form_id()}
    return pages.page("signup/fresh_link.html", values, status=status)


def _plan(subscription: Subscription, done: requests.Confirmed, now: datetime) -> dict[str, object]:
    """Return what a new subscriber is told of one digest: it comes at once, or when it can, or as it did before."""
    if subscription not in done.new:
        return {"digest": subscription.digest, "is_new": False}
    is_first = subscription is done.first
    if is_first and editions.anything_for(subscription, now=now, services=services.current()):
        return {"digest": subscription.digest, "is_new": True, "at": None}
    at, zone = timetable.next_mail(subscription, now=now), subscription.rhythm.zone
    told = {"waits": is_first, "at": words.instant(at, zone), "city": words.city(zone)}
    return {"digest": subscription.digest, "is_new": True, **told}
