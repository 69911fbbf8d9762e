"""The instant at which a clock on the wall shows a time of a day, whatever clocks do that night."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def promised_at(minute: int, zone: str, slot: date) -> datetime:
    """Return the instant of a local time of a day. A time that clocks skip is the first instant after the gap; of a
    time that comes twice it is the first.
    """
    tz = ZoneInfo(zone)
    wall = datetime.combine(slot, time(minute // 60, minute % 60))
    at = wall.replace(tzinfo=tz, fold=0).astimezone(UTC)
    if at.astimezone(tz).replace(tzinfo=None) == wall:
        return at
    return _change_between(wall.replace(tzinfo=tz, fold=1).astimezone(UTC), at, tz)


def a_period_before(at: datetime, zone: str, period: timedelta) -> datetime:
    """Return the same time of day so long before, whatever the clocks did meanwhile: recaps follow without a gap."""
    local = at.astimezone(ZoneInfo(zone))
    return promised_at(60 * local.hour + local.minute, zone, (local - period).date())


def _change_between(before: datetime, after: datetime, tz: ZoneInfo) -> datetime:
    """Return the first second with the new offset, found by halving."""
    old = before.astimezone(tz).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        before, after = (middle, after) if middle.astimezone(tz).utcoffset() == old else (before, middle)
    return after
