"""A reader's choices: the overview with one sentence a digest, and the form behind it."""

from collections.abc import Sequence
from datetime import datetime

from flask import Blueprint, Response, request

from articles import topics as topic_shelf
from core import clock, database, errors, links, services, tokens
from core import language as languages
from core.database import db
from core.errors import _
from core.links import PATHS
from digests import timetable
from subscribers import changes, rhythm
from subscribers import preferences as choices_of
from subscribers.models import Subscriber
from subscribers.preferences import Choice
from web import forms, pages, words

preferences = Blueprint("preferences", __name__)

PAUSES = (
    ("none", _("No pause")),
    ("week", _("One week")),
    ("two-weeks", _("Two weeks")),
    ("month", _("One month")),
    ("date", _("Until the day below")),
)
PLACED = (
    *("topics", "countries", "rhythm", "weekday", "minute", "hour", "quarter"),
    *("zone", "format", "pause", "until"),
)
"""The fields of the choices page that a list of faults can lead to."""


@preferences.get(PATHS["preferences"])
def overview(token: str) -> Response:
    """Show what the reader gets, one sentence a digest."""
    now = clock.utc_now()
    subscriber = _opened(token, now)
    shown = [choice for choice in choices_of.view(subscriber, now) if choice.on]
    until = choices_of.paused_until(subscriber, now) if shown else None
    values = {
        "address": subscriber.mailbox.masked,
        "saved": "saved" in request.args,
        "choices": [_described(choice, token, now) for choice in shown],
        "paused": languages.date_text(until, pages.language()) if until else None,
        "stop_all": _stop(subscriber, "", now),
        "address_page": _address_page(subscriber, now),
    }
    return pages.page("preferences/overview.html", values)


@preferences.post(PATHS["preferences"])
def resume(token: str) -> Response:
    """End a pause: the only thing that can be changed on the overview itself."""
    now = clock.utc_now()
    with database.write_turn():
        subscriber = _opened(token, now)
        before = changes.snapshot(subscriber)
        choices_of.pause(subscriber, None, now)
        changes.note(subscriber, "resumed", digest=None, before=before, now=now)
        db.session.commit()
    return _saved(token)


@preferences.get(PATHS["choices"])
def choices(digest: str, token: str) -> Response:
    """Show the form with a reader's choices for one digest."""
    now = clock.utc_now()
    choice = _choice(_opened(token, now), digest, now)
    return _form(choice, token, _typed(choice), now)


@preferences.post(PATHS["choices"])
def save(digest: str, token: str) -> Response:
    """Save a reader's choices, all or none."""
    now = clock.utc_now()
    subscriber = _opened(token, now)
    try:
        form = forms.choices_form(request.form, now=now)
        with database.write_turn():
            subscriber = _opened(token, now)
            _save(subscriber, digest, form, now)
            db.session.commit()
    except (errors.Invalid, forms.Refused) as error:
        typed = forms.typed(request.form)
        return _form(_choice(subscriber, digest, now), token, typed, now, faults=forms.faults_of(error))
    except errors.Conflict as error:
        choice = _choice(subscriber, digest, now)
        return _form(choice, token, _typed(choice), now, conflict=pages.translate(error))
    return _saved(token)


def _opened(token: str, now: datetime) -> Subscriber:
    read = services.current().links.tokens.read(tokens.Purpose.PREFERENCES, token)
    subscriber = choices_of.by_token(read, now)
    pages.speak(subscriber.language)
    return subscriber


def _choice(subscriber: Subscriber, digest: str, now: datetime) -> Choice:
    for choice in choices_of.view(subscriber, now):
        if choice.digest.key == digest and choice.on:
            return choice
    raise errors.NotFound


def _save(subscriber: Subscriber, digest: str, form: forms.ChoicesForm, now: datetime) -> None:
    choice, before = _choice(subscriber, digest, now), changes.snapshot(subscriber)
    choices_of.save(
        choice.subscription,
        topics=form.topics,
        countries=form.countries,
        rhythm=form.rhythm,
        weekday=form.weekday,
        minute=form.minute,
        zone=form.zone,
        format=form.format,
        version=form.version,
        now=now,
    )
    if form.paused_until != subscriber.paused_until:
        choices_of.pause(subscriber, form.paused_until, now)
    changes.note(subscriber, "saved", digest=choice.digest, before=before, now=now)


def _saved(token: str) -> Response:
    """Lead back to the overview, so that a reload does not save a second time."""
    response = pages.to("preferences", 303, token=token)
    response.location += "?saved"
    return response


def _described(choice: Choice, token: str, now: datetime) -> dict[str, object]:
    """Return what the sentence, the line below it and the buttons of one digest need."""
    key = choice.digest.key
    at = timetable.next_mail(choice.subscription, now=now) if choice.digest.active else None
    return {
        "digest": choice.digest,
        "rhythm": choice.rhythm,
        "weekday": None if choice.weekday is None else words.weekdays()[choice.weekday],
        "time": words.minute(choice.minute),
        "city": words.city(choice.zone),
        "topics": words.on_topics([*choice.countries, *choice.topics]),
        "next": words.instant(at, choice.zone) if at else None,
        "edit": links.path("choices", digest=key, token=token),
        "stop": _stop(choice.subscription.subscriber, key, now),
    }


def _stop(subscriber: Subscriber, digest: str, now: datetime) -> str:
    """Return the path of the page that leaves a digest, or all of them when `digest` is empty."""
    link = services.current().links.unsubscribe(
        subscriber.public_id, digest=digest, version=subscriber.link_version, day=clock.day_number(now)
    )
    return pages.local(link)


def _address_page(subscriber: Subscriber, now: datetime) -> str:
    """Return the path of the page on which the address is changed."""
    link = services.current().links.address(
        subscriber.public_id, version=subscriber.link_version, day=clock.day_number(now)
    )
    return pages.local(link)


def _typed(choice: Choice) -> forms.Typed:
    """Return what the form is filled with at first: the choices as they are."""
    return forms.Typed(
        zone=choice.zone,
        topics=[topic.key for topic in choice.topics],
        countries=[topic.key for topic in choice.countries],
        rhythm=choice.rhythm,
        weekday=str(rhythm.SATURDAY if choice.weekday is None else choice.weekday),
        hour=str(choice.minute // 60),
        quarter=str(choice.minute % 60),
        format=choice.format,
        pause="date" if choice.paused_until else "none",
        until=choice.paused_until.isoformat() if choice.paused_until else "",
    )


def _form(
    choice: Choice,
    token: str,
    typed: forms.Typed,
    now: datetime,
    *,
    faults: Sequence[errors.Invalid] = (),
    conflict: str = "",
) -> Response:
    """Return the page with the form. After a conflict it shows the choices as they are now."""
    today = rhythm.local_date(now, choice.zone)
    known = sorted(topic_shelf.all_topics(), key=pages.topic_name)
    offered = (*choice.digest.rhythms, choice.rhythm)
    values = {
        "digest": choice.digest,
        "version": choice.version,
        "themes": [topic for topic in known if topic.kind == "theme"],
        "countries": [topic for topic in known if topic.kind == "country"],
        "rhythms": [(name, pages.gettext(label)) for name, label in words.RHYTHMS.items() if name in offered],
        "weekdays": list(enumerate(words.weekdays())),
        "pauses": [(value, pages.gettext(label)) for value, label in PAUSES],
        "first_day": forms.first_return(today),
        "last_day": forms.last_return(today),
        "typed": typed,
        "faults": faults,
        "conflict": conflict,
        "placed": PLACED,
        "back": links.path("preferences", token=token),
    }
    status = 409 if conflict else 422 if faults else 200
    return pages.page("preferences/choices.html", values, status=status)
