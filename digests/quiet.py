"""Quiet hours: where it is night, and until when a breaking mail may still leave where it is not."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from core.publication import QuietHours
from subscribers import rhythm, wallclock


def is_quiet(at: datetime, zone: str, hours: QuietHours) -> bool:
    """Say whether an instant is within the quiet hours of a zone."""
    local = at.astimezone(ZoneInfo(zone))
    return hours.hold(60 * local.hour + local.minute)


def next_quiet(at: datetime, zone: str, hours: QuietHours) -> datetime | None:
    """Return when the quiet hours of a zone begin next after an instant that is not in them; None when they never do.

    A clock that is put forward over their begin lands within them: they begin at that moment.
    """
    if hours.begin == hours.until:
        return None
    today = rhythm.local_date(at, zone)
    begins = (wallclock.promised_at(hours.begin, zone, today + timedelta(days=days)) for days in range(3))
    return next(begin for begin in begins if begin > at)


def awake(zones: Iterable[str], at: datetime, hours: QuietHours, *, urgent: bool) -> dict[str, date]:
    """Return the zones whose readers may be mailed at an instant, with the date that it is there."""
    return {zone: rhythm.local_date(at, zone) for zone in zones if urgent or not is_quiet(at, zone, hours)}
