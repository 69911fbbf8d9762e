"""What clocks on walls show: written from the words of the promise, and shared with nothing of the product."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
PERIODS = {"daily": DAY, "weekdays": 3 * DAY, "weekly": 7 * DAY}
"""The longest time between two mails of a rhythm."""
_ANY_DAY = tuple(range(7))


def local(at: datetime, zone: str) -> datetime:
    """Return what a clock on the wall shows, without its zone."""
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


@cache
def reaches(zone: str, day: date, minute: int) -> datetime:
    """Return the first instant at which a clock that runs forward shows a time of a day, or is beyond it."""
    wanted = datetime.combine(day, time(minute // 60, minute % 60))
    guess = wanted.replace(tzinfo=UTC)
    shifts = {local(guess + n * DAY, zone) - (guess + n * DAY).replace(tzinfo=None) for n in (-1, 0, 1)}
    exact = [at for shift in shifts if local(at := guess - shift, zone) == wanted]
    if exact:
        return min(exact)
    at = guess - max(shifts) - timedelta(hours=3)
    while local(at, zone) < wanted:
        at += timedelta(minutes=1)
    return at


def days_of(rhythm: str, weekday: int | None) -> tuple[int, ...]:
    """Return the days of the week of a rhythm, Monday is 0."""
    if rhythm == "weekly":
        return (5 if weekday is None else weekday,)
    return _ANY_DAY[:5] if rhythm == "weekdays" else _ANY_DAY


def next_slot(
    days: tuple[int, ...], minute: int, zone: str, *, lead: timedelta, after: datetime
) -> tuple[datetime, date]:
    """Return when the next wave begins, and of which date it is."""
    day = local(after + lead, zone).date() - DAY
    while True:
        if day.weekday() in days and (at := reaches(zone, day, minute) - lead) > after:
            return at, day
        day += DAY


def is_night(at: datetime, zone: str, quiet: tuple[int, int]) -> bool:
    """Say whether readers in a zone are not to be woken: from one minute of the day over midnight to the other."""
    wall = local(at, zone)
    minute = 60 * wall.hour + wall.minute
    return minute >= quiet[0] or minute < quiet[1]


def next_night(at: datetime, zone: str, quiet: tuple[int, int]) -> datetime:
    """Return when it is night next where it is none."""
    today = local(at, zone).date()
    return next(night for n in range(3) if (night := reaches(zone, today + n * DAY, quiet[0])) > at)
