"""A reader's new address: a form that answers alike whoever has the address, and the button that confirms it."""

from collections.abc import Sequence

from flask import Blueprint, Response, request

from core import clock, database, errors, services, tokens
from core.database import db
from core.links import PATHS
from subscribers import address as moving
from subscribers.models import Subscriber
from tasks import nudge
from web import forms, pages, subscribing

address = Blueprint("address", __name__)


@address.get(PATHS["address"])
def form(token: str) -> Response:
    """Show the form; after it was sent, what to do next."""
    subscriber = _opened(token)
    if "sent" in request.args:
        return pages.page("address/sent.html", {"address": subscriber.mailbox.masked})
    return _form(subscriber)


@address.post(PATHS["address"])
def note(token: str) -> Response:
    """Write the wish down; the answer is the same for every address."""
    subscriber = _opened(token)
    try:
        typed = forms.fresh_link_form(request.form)
    except forms.Refused as error:
        return _form(subscriber, forms.typed(request.form).email, error.faults)
    with database.write_turn():
        moving.note(
            _opened(token),
            typed.email,
            public_id=typed.request_id,
            now=clock.utc_now(),
            keyring=services.current().keyring,
        )
        db.session.commit()
    nudge.addresses()
    response = pages.to("address", 303, token=token)
    response.location += "?sent"
    return response


@address.get(PATHS["confirm_address"])
def ask(token: str) -> Response:
    """Show one button: opening the link confirms nothing."""
    change = moving.open_change(_read(token), clock.utc_now())
    pages.speak(change.subscriber.language)
    if change.state == "confirmed":
        return pages.page("address/confirmed.html", {"again": True})
    return pages.page("address/confirm.html", {})


@address.post(PATHS["confirm_address"])
def confirm(token: str) -> Response:
    """Move the reader to the new address, once."""
    now = clock.utc_now()
    with database.write_turn():
        change = moving.open_change(_read(token), now)
        pages.speak(change.subscriber.language)
        moved = moving.confirm(change, now=now)
        db.session.commit()
    if moved.again:
        return pages.page("address/confirmed.html", {"again": True})
    nudge.changes()
    reader = moved.subscriber
    preferences = services.current().links.preferences(
        reader.public_id, version=reader.link_version, day=clock.day_number(now)
    )
    return pages.page("address/confirmed.html", {"again": False, "preferences": pages.local(preferences)})


def _opened(token: str) -> Subscriber:
    read = services.current().links.tokens.read(tokens.Purpose.ADDRESS, token)
    subscriber = moving.by_token(read, clock.utc_now())
    pages.speak(subscriber.language)
    return subscriber


def _read(token: str) -> tokens.Token:
    return services.current().links.tokens.read(tokens.Purpose.NEW_ADDRESS, token)


def _form(subscriber: Subscriber, typed: str = "", faults: Sequence[errors.Invalid] = ()) -> Response:
    values = {
        "address": subscriber.mailbox.masked,
        "typed": typed,
        "faults": faults,
        "form_id": subscribing.new_form_id(),
    }
    return pages.page("address/form.html", values, status=422 if faults else 200)
