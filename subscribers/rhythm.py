"""When: the arithmetic of slots in a reader's zone, and the rows that many readers share."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import ColumnElement, exists, select

from core import database, errors
from core.database import db
from core.errors import _
from subscribers import wallclock
from subscribers.models import Digest, Rhythm, Subscription

RHYTHMS = ("daily", "weekdays", "weekly")
EVERY_DAY = 0b1111111
MONDAY_TO_FRIDAY = 0b0011111
SATURDAY = 5
"""The day of a weekly digest until the reader names another (Monday is 0)."""
QUARTER = 15
"""Minutes between the hours a reader can choose: few enough that many readers share one rhythm."""
_HORIZON_DAYS = 17
"""A weekly slot may fall on a date that a zone leaves out (Apia had no 30 December 2011): the next is 14 days on."""
_NOT_PLACES = frozenset({"Factory", "localtime", "posixrules"})


@dataclass(frozen=True, slots=True)
class RhythmChoice:
    """When a reader wants mail: `weekdays` is a mask, Monday = 1; `minute` counts from local midnight in `zone`."""

    rhythm: str
    weekdays: int
    minute: int
    zone: str


@dataclass(frozen=True, slots=True)
class Due:
    """When a wave starts, and the local date of the promised hour."""

    at: datetime
    slot: date


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    """Return the names of all time zones that a reader can choose, such as `Asia/Kathmandu`."""
    return frozenset(available_timezones()) - _NOT_PLACES


def known_zone(name: str, *, field: str = "zone") -> str:
    """Return `name` if there is such a time zone. Raises Invalid."""
    if name not in zones():
        raise errors.Invalid(field, _("We do not know this time zone. Please choose one from the list."))
    return name


def choose(rhythm: str, *, minute: int, zone: str, weekday: int | None = None) -> RhythmChoice:
    """Return a choice. `weekday` (Monday is 0) is for `weekly` only. Raises Invalid for each value that cannot be."""
    if rhythm not in RHYTHMS:
        raise errors.Invalid("rhythm", _("Please choose how often you want this digest."))
    if not 0 <= minute < 24 * 60:
        raise errors.Invalid("minute", _("Please choose an hour from the list."))
    if minute % QUARTER:
        raise errors.Invalid("minute", _("Please choose the minutes from the list."))
    weekday = SATURDAY if weekday is None else weekday
    if rhythm == "weekly" and not 0 <= weekday <= 6:
        raise errors.Invalid("weekday", _("Please choose a day of the week."))
    mask = {"daily": EVERY_DAY, "weekdays": MONDAY_TO_FRIDAY}.get(rhythm) or 1 << weekday
    return RhythmChoice(rhythm, mask, minute, known_zone(zone))


def period(rhythm: str) -> timedelta:
    """Return the longest time between two slots; on weekdays that is the one over a weekend."""
    return timedelta(days={"weekly": 7, "weekdays": 3}.get(rhythm, 1))


def local_date(now: datetime, zone: str) -> date:
    """Return the date that it is in a zone."""
    return now.astimezone(ZoneInfo(zone)).date()


def slots(choice: RhythmChoice, first: date) -> Iterator[date]:
    """Yield the dates of a choice from `first` on, without dates that the zone leaves out."""
    for offset in range(_HORIZON_DAYS):
        day = first + timedelta(days=offset)
        wanted = choice.weekdays >> day.weekday() & 1
        if wanted and wallclock.promised_at(0, choice.zone, day) < wallclock.promised_at(
            0, choice.zone, day + timedelta(days=1)
        ):
            yield day


def next_due(choice: RhythmChoice, *, lead_s: int, after: datetime) -> Due:
    """Return the first slot whose wave starts after `after`: the promised local time less `lead_s` seconds.

    There is exactly one slot for each local date of the choice, whatever the clocks do that night.
    """
    lead = timedelta(seconds=lead_s)
    today = (after + lead).astimezone(ZoneInfo(choice.zone)).date()
    for slot in slots(choice, today):
        at = wallclock.promised_at(choice.minute, choice.zone, slot) - lead
        if at > after:
            return Due(at, slot)
    raise ValueError("A rhythm without a weekday was stored.")


def due_on(choice: RhythmChoice, slot: date, *, lead_s: int) -> datetime | None:
    """Return when the wave of a date starts; None for a date that is none of the choice's."""
    if next(slots(choice, slot), None) != slot:
        return None
    return wallclock.promised_at(choice.minute, choice.zone, slot) - timedelta(seconds=lead_s)


def choice_of(row: Rhythm) -> RhythmChoice:
    """Return what a shared row stands for."""
    return RhythmChoice(row.rhythm, row.weekdays, row.minute, row.zone)


def rhythm_row(digest: Digest, choice: RhythmChoice, *, now: datetime) -> Rhythm:
    """Return the row that all readers of `digest` with this choice share, with its next slot set."""
    due = next_due(choice, lead_s=digest.lead_s, after=now)
    keys = {
        "digest_id": digest.id,
        "rhythm": choice.rhythm,
        "weekdays": choice.weekdays,
        "minute": choice.minute,
        "zone": choice.zone,
    }
    insert = database.insert_for(db.engine)
    db.session.execute(insert(Rhythm).values(**keys, next_due_at=due.at, slot=due.slot).on_conflict_do_nothing())
    row = db.session.execute(select(Rhythm).filter_by(**keys)).scalar_one()
    # A row without readers makes no waves and so stands still; its next reader must not get yesterday's slot.
    if row.next_due_at <= now and not db.session.scalar(select(has_readers(row.id))):
        row.next_due_at, row.slot = due.at, due.slot
    return row


def has_readers(rhythm_id: Any) -> ColumnElement[bool]:
    """Return the condition that somebody gets a digest in this rhythm."""
    return exists().where(Subscription.rhythm_id == rhythm_id, Subscription.state == "on")
