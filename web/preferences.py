"""The overview of a reader's choices: one sentence a digest, the buttons, and what holds for all of their mail."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from flask import Blueprint, Response, request

from core import clock, database, errors, links, services, tokens
from core import language as languages
from core.database import db
from core.errors import _
from core.links import PATHS
from digests import timetable
from subscribers import changes as changes_of
from subscribers import linkchanges, overall, rhythm, snapshots
from subscribers import preferences as choices_of
from subscribers.changes import Change
from subscribers.models import Digest, Subscriber
from subscribers.preferences import Choice
from web import changes, choiceforms, forms, pages, sentences

preferences = Blueprint("preferences", __name__)

JUST_NOW = timedelta(minutes=15)
"""How long the page after a change tells what was changed: its address may be kept and opened again."""
PRESETS = (("week", _("One week")), ("two-weeks", _("Two weeks")), ("month", _("One month")))
PLACED = ("languages", "once", "until", "catch_up", "friends")
"""The fields of this page that a list of faults can lead to."""


@preferences.get(PATHS["preferences"])
def overview(token: str) -> Response:
    """Show what the reader gets, one sentence a digest; after a change also what was changed."""
    now = clock.utc_now()
    return _overview(opened(token, now), token, now)


@preferences.post(PATHS["preferences"])
def change(token: str) -> Response:
    """Change what holds for all mail, all or none of it; or do what one button of the overview says."""
    now = clock.utc_now()
    try:
        with database.write_turn():
            subscriber = opened(token, now)
            before = snapshots.of(subscriber)
            changed = _act(subscriber, now)
            linkchanges.note_choices(subscriber, changed, digest=_digest_of(subscriber, now), before=before, now=now)
            db.session.commit()
    except errors.Conflict as error:
        return _conflict(opened(token, now), token, error, now)
    except (errors.Invalid, forms.Refused) as error:
        typed = choiceforms.typed_overall(request.form) if request.form.get("action") == "save" else None
        return _overview(opened(token, now), token, now, typed=typed, faults=forms.faults_of(error))
    return saved(token, changed=bool(changed))


def opened(token: str, now: datetime) -> Subscriber:
    """Return whose preferences a token opens, and speak their language."""
    read = services.current().links.tokens.read(tokens.Purpose.PREFERENCES, token)
    subscriber = choices_of.by_token(read, now)
    pages.speak(subscriber.language)
    return subscriber


def choice_of(subscriber: Subscriber, digest: str, now: datetime) -> Choice:
    """Return a digest that the reader gets. Raises NotFound."""
    for choice in choices_of.view(subscriber, now):
        if choice.digest.key == digest and choice.on:
            return choice
    raise errors.NotFound


def saved(token: str, *, changed: bool) -> Response:
    """Lead back to the overview, so that a reload does not save a second time."""
    response = pages.to("preferences", 303, token=token)
    response.location += "?saved" if changed else "?same"
    return response


def spoken() -> tuple[str, ...]:
    """Return the languages that a reader can put in order."""
    return tuple(services.current().publication.languages)


def _digest_of(subscriber: Subscriber, now: datetime) -> Digest | None:
    """Return the digest that a button is about; None for what holds for all mail."""
    key = request.form.get("digest", "")
    return choice_of(subscriber, key, now).digest if key else None


def _act(subscriber: Subscriber, now: datetime) -> list[Change]:
    act = _ACTS.get(request.form.get("action", ""))
    if act is None:
        raise errors.Invalid("action", forms.FORM_BROKEN)
    return act(subscriber, now)


def _resume(subscriber: Subscriber, now: datetime) -> list[Change]:
    return overall.pause(subscriber, None, spoken=spoken(), now=now)


def _pause(subscriber: Subscriber, now: datetime) -> list[Change]:
    until = choiceforms.preset(request.form, now=now, zone=subscriber.zone)
    return overall.pause(subscriber, until, spoken=spoken(), now=now)


def _fewer(subscriber: Subscriber, now: datetime) -> list[Change]:
    choice = choice_of(subscriber, request.form.get("digest", ""), now)
    version = choiceforms.version(request.form)
    fewer = choices_of.fewer(choice) or choice.chosen
    return choices_of.save(choice.subscription, fewer, version=version, now=now, source=choices_of.FEWER)


def _back(subscriber: Subscriber, now: datetime) -> list[Change]:
    choice = choice_of(subscriber, request.form.get("digest", ""), now)
    return choices_of.take_back(choice.subscription, version=choiceforms.version(request.form), now=now)


def _save(subscriber: Subscriber, now: datetime) -> list[Change]:
    wanted = _wanted(subscriber, now)
    version = choiceforms.version(request.form)
    return overall.save(subscriber, wanted, spoken=spoken(), version=version, now=now)


def _wanted(subscriber: Subscriber, now: datetime) -> overall.Overall:
    before = overall.view(subscriber, spoken=spoken(), now=now)
    return choiceforms.wanted_overall(request.form, before=before, today=rhythm.local_date(now, subscriber.zone))


_ACTS: dict[str, Callable[[Subscriber, datetime], list[Change]]] = {
    "resume": _resume,
    "pause": _pause,
    "fewer": _fewer,
    "back": _back,
    "save": _save,
}


_SOURCES = {"fewer": choices_of.FEWER, "back": choices_of.TAKEN_BACK}


def _pressed_before(subscriber: Subscriber, source: str, now: datetime) -> bool:
    """Return whether the last change was this very press of a button."""
    choice = choice_of(subscriber, request.form.get("digest", ""), now)
    latest = changes_of.newest_of(choice.subscription)
    seen = choiceforms.version(request.form)
    return latest is not None and latest.source == source and choice.version == seen + 1


def _conflict(subscriber: Subscriber, token: str, error: errors.Conflict, now: datetime) -> Response:
    """Show what was typed beside what is stored; saving again then saves what was typed.

    What was sent twice, by a double click, is saved: it is answered as it was the first time.
    """
    action = request.form.get("action", "")
    if action in _SOURCES and _pressed_before(subscriber, _SOURCES[action], now):
        return saved(token, changed=True)
    if action != "save":
        return _overview(subscriber, token, now, conflict=pages.translate(error))
    stored = overall.view(subscriber, spoken=spoken(), now=now)
    wanted = _wanted(subscriber, now)
    wanted = replace(wanted, languages=overall.in_order(wanted.languages, spoken()))
    apart = changes_of.between(stored.fields(), wanted.fields())
    if not apart:
        return saved(token, changed=True)
    typed = choiceforms.typed_overall(request.form)
    return _overview(subscriber, token, now, typed=typed, conflict=pages.translate(error), apart=changes.told(apart))


def _overview(
    subscriber: Subscriber,
    token: str,
    now: datetime,
    *,
    typed: choiceforms.TypedOverall | None = None,
    faults: Sequence[errors.Invalid] = (),
    conflict: str = "",
    apart: Sequence[changes.Told] = (),
) -> Response:
    shown = [choice for choice in choices_of.view(subscriber, now) if choice.on]
    until = choices_of.paused_until(subscriber, now) if shown else None
    today = rhythm.local_date(now, subscriber.zone)
    values = {
        "address": subscriber.mailbox.masked,
        "choices": [_described(choice, token, now) for choice in shown],
        "paused": languages.date_text(until, pages.language()) if until else None,
        "stop_all": _stop(subscriber, "", now),
        "why": links.path("why", token=token),
        "address_page": _address_page(subscriber, now),
        "version": subscriber.version,
        "typed": typed or choiceforms.filled_overall(overall.view(subscriber, spoken=spoken(), now=now)),
        "spoken": spoken(),
        "presets": _labelled(PRESETS),
        "onces": _labelled(changes.ONCE.items()),
        "catch_ups": _labelled(changes.CATCH_UP.items()),
        "friends": _labelled(changes.FRIENDS.items()),
        "first_day": choiceforms.first_return(today),
        "last_day": choiceforms.last_return(today),
        "faults": faults,
        "conflict": conflict,
        "apart": apart,
        "placed": PLACED,
        "open_fold": request.args.get("open", ""),
        **_news(subscriber, now),
    }
    status = 409 if conflict else 422 if faults else 200
    return pages.page("preferences/overview.html", values, status=status)


def _news(subscriber: Subscriber, now: datetime) -> dict[str, object]:
    """Return what the notice on top tells: what was changed just now, and how to take it back."""
    latest = changes_of.newest(subscriber) if "saved" in request.args else None
    if latest is not None and latest.at <= now - JUST_NOW:
        latest = None
    digest = db.session.get(Digest, latest.digest_id) if latest and latest.digest_id else None
    return {
        "saved": "saved" in request.args,
        "same": "same" in request.args,
        "changed": changes.told(latest.changes) if latest else [],
        "changed_digest": digest,
    }


def _described(choice: Choice, token: str, now: datetime) -> dict[str, object]:
    """Return what the sentence, the line below it and the buttons of one digest need."""
    key = choice.digest.key
    at = timetable.next_mail(choice.subscription, now=now) if choice.digest.active else None
    return {
        **sentences.described(choice.digest, choice.chosen, [*choice.countries, *choice.topics], at),
        "edit": links.path("choices", digest=key, token=token),
        "stop": _stop(choice.subscription.subscriber, key, now),
        "fewer": choices_of.fewer(choice) is not None,
        "version": choice.version,
    }


def _stop(subscriber: Subscriber, digest: str, now: datetime) -> str:
    """Return the path of the page that leaves a digest, or all of them when `digest` is empty."""
    link = services.current().links.unsubscribe(
        subscriber.public_id, digest=digest, version=subscriber.link_version, day=clock.day_number(now)
    )
    return pages.local(link)


def _labelled(choices: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(value, pages.gettext(label)) for value, label in choices]


def _address_page(subscriber: Subscriber, now: datetime) -> str:
    """Return the path of the page on which the address is changed."""
    link = services.current().links.address(
        subscriber.public_id, version=subscriber.link_version, day=clock.day_number(now)
    )
    return pages.local(link)
