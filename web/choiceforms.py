"""The two forms of the preferences, of one digest and of all mail: what they are filled with, and what they bring."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from core import errors
from core.errors import _
from subscribers import overall, rhythm
from subscribers.overall import Overall
from subscribers.preferences import Chosen
from web import forms
from web.forms import LINE, MAX_CHOICES, Sheet, Values

PAUSES = {"week": 7, "two-weeks": 14, "month": 30}
"""The pauses of one tap, in days."""
_WHOLE_NUMBER = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class TypedChoice:
    """What the form of one digest is filled with: what is stored, or what the person typed."""

    topics: Sequence[str]
    countries: Sequence[str]
    rhythm: str
    weekday: str
    hour: str
    quarter: str
    zone: str
    breaking: str
    most: str
    format: str


@dataclass(frozen=True, slots=True)
class TypedOverall:
    """What the form of all mail is filled with."""

    languages: tuple[str, ...]
    once: str
    until: str
    catch_up: str
    friends: str


def filled(chosen: Chosen) -> TypedChoice:
    """Return what the form of a digest holds for these choices."""
    return TypedChoice(
        topics=chosen.topics,
        countries=chosen.countries,
        rhythm=chosen.rhythm,
        weekday=str(rhythm.SATURDAY if chosen.weekday is None else chosen.weekday),
        hour=str(chosen.minute // 60),
        quarter=str(chosen.minute % 60),
        zone=chosen.zone,
        breaking=str(chosen.breaking),
        most=str(chosen.most),
        format=chosen.format,
    )


def typed_choice(values: Values) -> TypedChoice:
    """Return what a person typed into the form of a digest, to be shown again."""
    names = ("rhythm", "weekday", "hour", "quarter", "zone", "breaking", "most", "format")
    lines = {name: values.get(name, "")[:LINE] for name in names}
    ticked = {name: values.getlist(name)[:MAX_CHOICES] for name in ("topics", "countries")}
    return TypedChoice(**lines, **ticked)  # type: ignore[arg-type]


def filled_overall(wanted: Overall) -> TypedOverall:
    """Return what the form of all mail holds for these choices."""
    until = wanted.paused_until.isoformat() if wanted.paused_until else ""
    once, catch_up, friends = (str(int(one)) for one in (wanted.once, wanted.catch_up, wanted.friends))
    return TypedOverall(wanted.languages, once, until, catch_up, friends)


def typed_overall(values: Values) -> TypedOverall:
    """Return what a person typed into the form of all mail, to be shown again."""
    lines = {name: values.get(name, "")[:LINE] for name in ("once", "until", "catch_up", "friends")}
    return TypedOverall(languages=tuple(values.getlist("languages")[:MAX_CHOICES]), **lines)


def chosen(values: Values, *, before: Chosen) -> Chosen:
    """Read the choices for one digest; a field that the form does not have keeps what was before. Raises Refused.

    What exists and what is on offer, the rooms know.
    """
    sheet = Sheet(values)
    how_often = sheet.read("rhythm", str)
    weekday = sheet.read("weekday", _weekday)
    found = Chosen(
        topics=sheet.read_all("topics"),
        countries=sheet.read_all("countries"),
        rhythm=how_often,
        weekday=weekday if how_often == "weekly" else None,
        minute=60 * sheet.read("hour", _hour, instead=0) + sheet.read("quarter", _quarter, instead=0),
        zone=sheet.read("zone", rhythm.known_zone),
        breaking=sheet.read("breaking", _breaking) if "breaking" in values else before.breaking,
        most=sheet.read("most", _most) if "most" in values else before.most,
        format=sheet.read("format", str),
    )
    sheet.finish()
    return found


def wanted_overall(values: Values, *, before: Overall, today: date) -> Overall:
    """Read the choices for all mail; a field that the form does not have keeps what was before. Raises Refused."""
    sheet = Sheet(values)
    until = sheet.read("until", lambda text: _date_of_return(text, today=today)) if "until" in values else None
    found = Overall(
        languages=sheet.read_all("languages") or before.languages,
        once=_either(values, sheet, "once", before.once),
        paused_until=until if "until" in values else before.paused_until,
        catch_up=_either(values, sheet, "catch_up", before.catch_up),
        friends=_either(values, sheet, "friends", before.friends),
    )
    sheet.finish()
    return found


def version(values: Values) -> int:
    """Return which version of the choices the person looked at. Raises Invalid."""
    return _whole_number(values.get("version", ""), field="version", most=999_999, message=forms.FORM_BROKEN)


def preset(values: Values, *, now: datetime, zone: str) -> date:
    """Return the date on which mail comes again after a pause of one tap. Raises Invalid for one we do not know."""
    length = values.get("length", "")
    if length not in PAUSES:
        raise errors.Invalid("until", _("Please choose how long you want to pause."))
    return rhythm.local_date(now, zone) + timedelta(days=PAUSES[length])


def first_return(today: date) -> date:
    """Return the earliest date on which mail can come again after a pause."""
    return today + timedelta(days=1)


def last_return(today: date) -> date:
    """Return the latest one."""
    return today + timedelta(days=overall.LONGEST_PAUSE_DAYS)


def _date_of_return(text: str, *, today: date) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = today
    if not first_return(today) <= day <= last_return(today):
        message = _("Please choose the day on which mail comes again: after today, and within a year.")
        raise errors.Invalid("until", message)
    return day


def _either(values: Values, sheet: Sheet, field: str, before: bool) -> bool:
    """Read one of two choices; a field that the form does not have keeps what was before."""

    def parse(text: str) -> bool:
        if text not in ("0", "1"):
            raise errors.Invalid(field, _("Please choose one of the two."))
        return text == "1"

    return sheet.read(field, parse) if field in values else before


def _whole_number(text: str, *, field: str, most: int, message: str) -> int:
    if not _WHOLE_NUMBER.fullmatch(text) or int(text) > most:
        raise errors.Invalid(field, message)
    return int(text)


def _hour(text: str) -> int:
    return _whole_number(text, field="hour", most=23, message=_("Please choose an hour from the list."))


def _quarter(text: str) -> int:
    return _whole_number(text, field="quarter", most=59, message=_("Please choose the minutes from the list."))


def _weekday(text: str) -> int | None:
    message = _("Please choose a day of the week.")
    return _whole_number(text, field="weekday", most=6, message=message) if text else None


def _breaking(text: str) -> int:
    message = _("Please choose how many breaking mails you want a day.")
    return _whole_number(text, field="breaking", most=255, message=message)


def _most(text: str) -> int:
    message = _("Please choose from the list how long a mail may be.")
    return _whole_number(text, field="most", most=100, message=message)
