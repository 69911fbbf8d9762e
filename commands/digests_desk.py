"""`flask digests note|subject|front-page|pin|drop|hold|approve|desk`: what editors lay down for a digest and a date."""

import getpass
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
from sqlalchemy import func, select

from articles.models import Article
from commands import turns
from commands.articles import named
from core import clock, errors, services
from core.database import db
from digests import desk, parts
from digests.models import DeskSheet, Edition
from subscribers import offer
from subscribers.models import Digest
from tasks import nudge

DIGEST = click.argument("digest")
DATE = click.argument("day", metavar="DATE", type=click.DateTime(["%Y-%m-%d"]))
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
_STORIES = click.argument("stories", metavar="STORY…", nargs=-1)
_UNDO = click.option("--undo", is_flag=True, help="Take it back.")
_LONGEST_FILE = 20_000


def digest_named(key: str) -> Digest:
    """Return the digest with this key. Raises Invalid."""
    try:
        return offer.by_key(key)
    except errors.NotFound as error:
        known = ", ".join(sorted(one.key for one in offer.active())) or "none"
        raise errors.Invalid(
            "digest", "There is no digest %(key)s. There are: %(known)s.", key=key, known=known
        ) from error


def _lay(digest: str, day: datetime, as_json: bool, write: Callable[[Digest, date, datetime], DeskSheet]) -> None:
    """Change one sheet in one turn, and show what is laid down now."""
    with turns.writing():
        found = digest_named(digest)
        desk.start(found, day.date(), zone=services.current().publication.zone, now=clock.utc_now())
        write(found, day.date(), clock.utc_now())
    _show(found, day.date(), as_json=as_json)


@click.command("note")
@DIGEST
@DATE
@click.option("--text", help="The note, in Markdown.")
@click.option(
    "--file", type=click.Path(exists=True, allow_dash=True, path_type=Path), help="A file with it; - reads it."
)
@_UNDO
@JSON
def note(digest: str, day: datetime, text: str | None, file: Path | None, undo: bool, as_json: bool) -> None:
    """Put a note of the editors before the stories of DIGEST on DATE: paragraphs, *emphasis*, lists, links.

    It is in the waves that begin after the desk closes (desk_closes in the file of digests). HTML in it is shown as
    text, never run. Another note takes its place.

    Example: flask digests note asia-daily 2026-12-01 --text "Today: **the vote**, in five stories."
    """
    if sum((text is not None, file is not None, undo)) != 1:
        raise click.UsageError("Give the note with --text or --file, or take it back with --undo.")
    given = note_from(text, file)
    if not undo and not given.strip():
        raise click.UsageError("The note is empty. To take one back: --undo")
    _lay(digest, day, as_json, lambda found, slot, now: desk.write_note(found, slot, "" if undo else given, now=now))


def note_from(text: str | None, file: Path | None) -> str:
    """Return a note that was given as a text, or in a file, where - is standard input."""
    if file is None:
        return text or ""
    try:
        return sys.stdin.read(_LONGEST_FILE) if str(file) == "-" else file.read_text("utf-8")[:_LONGEST_FILE]
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{file} is not UTF-8. Save it as UTF-8 text and try again.") from error


@click.command("subject")
@DIGEST
@DATE
@click.argument("text", required=False)
@_UNDO
@JSON
def subject(digest: str, day: datetime, text: str | None, undo: bool, as_json: bool) -> None:
    """Have DIGEST come with the subject TEXT on DATE, word for word, in place of its pattern.

    Like the note, it is in the waves that begin after the desk closes.
    """
    if undo == bool(text and text.strip()):
        raise click.UsageError("Give a TEXT, or take it back with --undo.")
    _lay(digest, day, as_json, lambda found, slot, now: desk.set_subject(found, slot, text or "", now=now))


@click.command("front-page")
@DIGEST
@DATE
@click.argument("story", required=False)
@_UNDO
@JSON
def front_page(digest: str, day: datetime, story: str | None, undo: bool, as_json: bool) -> None:
    """Put STORY on the front page of DIGEST on DATE: every reader gets it first, whatever their topics, and labelled.

    One a day: it takes the place of the one before. Who had the story already does not get it again, but by the
    digest's own rule. STORY is the address of its page or its id, in any of its languages.
    """
    if undo == (story is not None):
        raise click.UsageError("Name a STORY, or take the front page back with --undo.")
    _pick(digest, day, [story] if story else [], "front", undo=undo, as_json=as_json)


@click.command("pin")
@DIGEST
@DATE
@_STORIES
@_UNDO
@JSON
def pin(digest: str, day: datetime, stories: tuple[str, ...], undo: bool, as_json: bool) -> None:
    """Pin stories in DIGEST on DATE: they come before others, in this order, to readers whose topics they match.

    More pins go below those there are. --undo takes these pins out, and without a STORY all of them.
    """
    _picks(digest, day, stories, "pin", undo=undo, as_json=as_json)


@click.command("drop")
@DIGEST
@DATE
@_STORIES
@_UNDO
@JSON
def drop(digest: str, day: datetime, stories: tuple[str, ...], undo: bool, as_json: bool) -> None:
    """Leave stories out of DIGEST on DATE, in full and as headlines; later dates may bring them.

    It holds for what is composed from now on. To take a story back from everywhere: flask articles withdraw
    """
    _picks(digest, day, stories, "drop", undo=undo, as_json=as_json)


def _picks(digest: str, day: datetime, stories: Sequence[str], role: str, *, undo: bool, as_json: bool) -> None:
    if not stories and not undo:
        raise click.UsageError("Name at least one STORY.")
    _pick(digest, day, stories, role, undo=undo, as_json=as_json)


def _pick(digest: str, day: datetime, stories: Sequence[str], role: str, *, undo: bool, as_json: bool) -> None:
    change = desk.take_back if undo else desk.put

    def write(found: Digest, slot: date, now: datetime) -> DeskSheet:
        return change(found, slot, [named(one) for one in stories], role, now=now)

    _lay(digest, day, as_json, write)


@click.command("hold")
@DIGEST
@DATE
@click.option("--until", metavar="HH:MM", type=click.DateTime(["%H:%M"]), help="Until when, on that date.")
@_UNDO
@JSON
def hold(digest: str, day: datetime, until: datetime | None, undo: bool, as_json: bool) -> None:
    """Hold DIGEST on DATE until it is approved (flask digests approve), at the latest until an hour in our zone.

    Held are the waves that would carry the desk's words: those that begin after the desk closes, or all of them where
    no such hour is set. Unapproved by then the edition goes without note and subject, or is skipped, as `unapproved` in
    the file of digests says; and there `hold_until` holds every date.

    Example: flask digests hold asia-daily 2026-12-01 --until 06:15
    """
    if undo == (until is not None):
        raise click.UsageError("Say until when with --until HH:MM, or take the hold back with --undo.")
    zone = services.current().publication.zone
    if until is None:
        _lay(digest, day, as_json, lambda found, slot, now: desk.end_hold(found, slot, now=now))
        nudge.digests()
        return
    minute = 60 * until.hour + until.minute
    _lay(digest, day, as_json, lambda found, slot, now: desk.hold(found, slot, minute=minute, zone=zone, now=now))


@click.command("approve")
@DIGEST
@DATE
@click.option("--by", metavar="NAME", help="Who approves; your name on this machine, if it is left out.")
@JSON
def approve(digest: str, day: datetime, by: str | None, as_json: bool) -> None:
    """Approve DIGEST on DATE, which is held: it goes at once, or when it is due, with the desk's note and subject."""
    name = (by or user())[:60]
    _lay(digest, day, as_json, lambda found, slot, now: desk.approve(found, slot, by=name, now=now))
    nudge.digests()


def user() -> str:
    """Return the name of the account that a command runs under."""
    with suppress(OSError, KeyError, ImportError):
        return getpass.getuser()
    return "operator"


@click.command("desk")
@DIGEST
@DATE
@JSON
def show(digest: str, day: datetime, as_json: bool) -> None:
    """Show what is laid down for DIGEST on DATE, and how far its waves are."""
    with turns.told():
        found = digest_named(digest)
    _show(found, day.date(), as_json=as_json)


def _show(digest: Digest, slot: date, *, as_json: bool) -> None:
    told = _told(digest, slot)
    if as_json:
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    for name, value in told.items():
        for text in value if isinstance(value, list) else [value]:
            if text not in (None, ""):
                click.echo(f"{name.replace('_', ' ')}: {_said(text)}")


def _said(value: object) -> object:
    return f"{value['id']}  {value['headline']}" if isinstance(value, dict) else value


def _told(digest: Digest, slot: date) -> dict[str, Any]:
    found = desk.sheet(digest, slot) or DeskSheet(note="", subject="")
    chosen = desk.picks(found) if found.id else []
    moment = partial(_moment, zone=services.current().publication.zone)
    return {
        "digest": digest.key,
        "date": slot.isoformat(),
        "desk_closes": _clock(digest.desk_closes),
        "every_date_held_until": _clock(digest.hold_until),
        "subject": found.subject,
        "note": found.note,
        "front_page": next((_story(one) for role, one in chosen if role == "front"), None),
        "pins": [_story(one) for role, one in chosen if role == "pin"],
        "drops": [_story(one) for role, one in chosen if role == "drop"],
        "held_until": moment(found.hold_until),
        "approved_at": moment(found.approved_at),
        "approved_by": found.approved_by,
        "waves": _waves(digest, slot),
    }


def _clock(minute: int | None) -> str | None:
    return None if minute is None else "{:02d}:{:02d}".format(*divmod(minute, 60))


def _story(one: Article) -> dict[str, str]:
    return {"id": one.public_id, "headline": one.headline, "state": one.state}


def _moment(at: datetime | None, *, zone: str) -> str | None:
    return None if at is None else at.astimezone(ZoneInfo(zone)).isoformat(timespec="minutes")


def _waves(digest: Digest, slot: date) -> list[str]:
    """Return how many of the date's waves are in which state: `3 composed`."""
    each = parts.waves()
    counted = (
        select(each.c.state, func.count())
        .join(Edition, Edition.id == each.c.edition_id)
        .where(Edition.digest_id == digest.id, Edition.kind == "regular", Edition.slot == slot)
        .group_by(each.c.state)
        .order_by(each.c.state)
    )
    return [f"{count} {state}" for state, count in db.session.execute(counted)]
