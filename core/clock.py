"""The one place that asks what time it is."""

from datetime import UTC, date, datetime

EPOCH_DAY = date(2024, 1, 1)
"""Day number 0 of the day numbers that tokens carry."""


def utc_now() -> datetime:
    """Return the present instant, aware, in UTC. Asked once, at a door, and passed down as `now`."""
    return datetime.now(UTC)


def day_number(at: datetime) -> int:
    """Return the UTC date of `at` as whole days since 2024-01-01: fits two bytes until the year 2203."""
    return (at.astimezone(UTC).date() - EPOCH_DAY).days
