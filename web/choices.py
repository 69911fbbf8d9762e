"""The form of one digest: topics, time, length; what it would bring today, shown as it is filled in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Response, request

from articles import topics as topic_shelf
from core import clock, database, errors, links, services
from core.database import db
from core.links import PATHS
from digests import preview as previews
from digests import timetable
from subscribers import changes as changes_of
from subscribers import linkchanges, snapshots
from subscribers import preferences as choices_of
from subscribers.models import Subscriber
from subscribers.preferences import Choice, Chosen
from web import changes, choiceforms, forms, pages, preferences, sentences, words

choices = Blueprint("choices", __name__)

FOLDS = {
    "topics": ("topics", "countries"),
    "time": ("rhythm", "weekday", "minute", "hour", "quarter", "zone"),
    "breaking": ("breaking",),
    "look": ("most", "format"),
}
"""The folded parts of the form, and the fields in each that a list of faults can lead to."""
PLACED = tuple(field for fields in FOLDS.values() for field in fields)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a form is shown with: what it is filled with, and what there is to say about it."""

    typed: choiceforms.TypedChoice
    faults: Sequence[errors.Invalid] = ()
    conflict: str = ""
    apart: Sequence[changes_of.Change] = ()
    """In what the form differs from what is stored: those parts of it are unfolded."""
    chosen: Chosen | None = None
    """What was chosen and can be taken: it is described and previewed in place of what is stored."""

    @property
    def status(self) -> int:
        """Return the status of the page."""
        return 409 if self.conflict else 422 if self.faults else 200


@choices.get(PATHS["choices"])
def show(digest: str, token: str) -> Response:
    """Show the form with a reader's choices for one digest."""
    now = clock.utc_now()
    choice = preferences.choice_of(preferences.opened(token, now), digest, now)
    return _form(choice, token, Shown(choiceforms.filled(choice.chosen)), now)


@choices.post(PATHS["choices"])
def save(digest: str, token: str) -> Response:
    """Save a reader's choices, all or none; or show what they would bring, and save nothing."""
    now = clock.utc_now()
    if request.form.get("action") == "show":
        return _preview(preferences.opened(token, now), digest, token, now)
    try:
        with database.write_turn():
            reader = preferences.opened(token, now)
            choice, before = preferences.choice_of(reader, digest, now), snapshots.of(reader)
            chosen, version = _read(choice)
            changed = choices_of.save(choice.subscription, chosen, version=version, now=now)
            linkchanges.note_choices(reader, changed, digest=choice.digest, before=before, now=now)
            db.session.commit()
    except (errors.Invalid, forms.Refused) as error:
        choice = preferences.choice_of(preferences.opened(token, now), digest, now)
        return _form(choice, token, Shown(_typed(), faults=forms.faults_of(error)), now)
    except errors.Conflict as error:
        return _conflict(preferences.opened(token, now), digest, token, error, now)
    return preferences.saved(token, changed=bool(changed))


def _read(choice: Choice) -> tuple[Chosen, int]:
    chosen = choiceforms.chosen(request.form, before=choice.chosen)
    return chosen, choiceforms.version(request.form)


def _typed() -> choiceforms.TypedChoice:
    return choiceforms.typed_choice(request.form)


def _preview(subscriber: Subscriber, digest: str, token: str, now: datetime) -> Response:
    """Answer with the form and the preview; to the script, with what of it has changed."""
    choice = preferences.choice_of(subscriber, digest, now)
    try:
        chosen = choiceforms.chosen(request.form, before=choice.chosen)
        choices_of.check(chosen, choice)
    except (errors.Invalid, forms.Refused) as error:
        shown = Shown(_typed(), faults=forms.faults_of(error))
    else:
        apart = changes_of.between(choice.chosen.fields(), chosen.fields())
        shown = Shown(_typed(), chosen=chosen, apart=apart)
    if "HX-Request" not in request.headers:
        return _form(choice, token, shown, now)
    values = {"faults": shown.faults, **_said(choice, shown, now)}
    return pages.page("preferences/shown.html", values, status=shown.status)


def _conflict(subscriber: Subscriber, digest: str, token: str, error: errors.Conflict, now: datetime) -> Response:
    """Show what was typed beside what is stored; saving again then saves what was typed."""
    choice = preferences.choice_of(subscriber, digest, now)
    chosen = choiceforms.chosen(request.form, before=choice.chosen)
    apart = changes_of.between(choice.chosen.fields(), chosen.fields())
    if not apart:
        return preferences.saved(token, changed=True)  # the same form, sent twice
    shown = Shown(_typed(), conflict=pages.translate(error), apart=apart, chosen=chosen)
    return _form(choice, token, shown, now)


def _said(choice: Choice, shown: Shown, now: datetime) -> dict[str, object]:
    """Return the sentence and the stories of what was chosen; only the sentence of what is stored."""
    chosen, topics = shown.chosen or choice.chosen, topic_shelf.all_topics()
    found = previews.of(choice.subscription, chosen, now=now, services=services.current()) if shown.chosen else None
    next_by = found.next_by if found else timetable.next_mail(choice.subscription, now=now)
    at = next_by if choice.digest.active else None
    return {
        "choice": sentences.described(choice.digest, chosen, topics, at),
        "preview": found,
        "offers_breaking": choice.digest.offers_breaking or bool(choice.chosen.breaking),
    }


def _form(choice: Choice, token: str, shown: Shown, now: datetime) -> Response:
    """Return the page with the form."""
    digest, chosen = choice.digest, choice.chosen
    known = words.in_order(topic_shelf.all_topics())
    offered = (*digest.rhythms, chosen.rhythm)
    values = {
        "digest": digest,
        "version": choice.version,
        "themes": [topic for topic in known if topic.kind == "theme"],
        "countries": [topic for topic in known if topic.kind == "country"],
        "rhythms": [(name, pages.gettext(label)) for name, label in words.RHYTHMS.items() if name in offered],
        "weekdays": list(enumerate(words.weekdays())),
        "breakings": [(str(number), pages.gettext(label)) for number, label in changes.BREAKING.items()],
        "lengths": [(str(most), changes.most(most)) for most in choices_of.lengths(digest, chosen.most)],
        "formats": [(name, pages.gettext(label)) for name, label in changes.FORMATS.items()],
        "typed": shown.typed,
        "faults": shown.faults,
        "conflict": shown.conflict,
        "apart": changes.told(shown.apart),
        "open_folds": _open_folds(shown),
        "placed": PLACED,
        "back": links.path("preferences", token=token),
        **_said(choice, shown, now),
    }
    return pages.page("preferences/choices.html", values, status=shown.status)


def _open_folds(shown: Shown) -> set[str]:
    """Return which parts are unfolded: the one that was asked for, and those that something is said about."""
    about = {fault.field for fault in shown.faults} | {change.field for change in shown.apart}
    return {request.args.get("open", "")} | {fold for fold, fields in FOLDS.items() if about.intersection(fields)}
