"""When the next mail can come: the promised hour in the reader's zone, never a slot that is skipped or paused."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digests import timetable
from subscribers import rhythm
from subscribers.models import Digest, Rhythm, Subscriber, Subscription
from tests.digests.house import NOW


def subscription(
    how_often: str = "daily",
    *,
    minute: int = 7 * 60,
    zone: str = "Asia/Hong_Kong",
    weekday: int | None = None,
    lead_s: int = 1200,
    **bounds: date | None,
) -> Subscription:
    """Return a subscription that is in no database."""
    choice = rhythm.choose(how_often, minute=minute, zone=zone, weekday=weekday)
    row = Rhythm(rhythm=choice.rhythm, weekdays=choice.weekdays, minute=choice.minute, zone=choice.zone)
    return Subscription(
        digest=Digest(lead_s=lead_s),
        rhythm=row,
        subscriber=Subscriber(paused_until=bounds.get("paused_until")),
        not_before_slot=bounds.get("not_before_slot"),
    )


def local(at: datetime, zone: str) -> str:
    assert at.utcoffset() == timedelta(0), "aware, in UTC"
    return at.astimezone(ZoneInfo(zone)).strftime("%a %d %H:%M")


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (subscription(), "Tue 03 07:00"),
        (subscription(minute=18 * 60), "Mon 02 18:00"),
        (subscription(minute=17 * 60 + 15), "Tue 03 17:15"),
        (subscription(minute=17 * 60 + 30), "Mon 02 17:30"),
        (subscription("weekly"), "Sat 07 07:00"),
        (subscription("weekly", weekday=0), "Mon 09 07:00"),
        (subscription("weekdays"), "Tue 03 07:00"),
        (subscription(not_before_slot=date(2026, 3, 3)), "Tue 03 07:00"),
        (subscription(not_before_slot=date(2026, 3, 4)), "Wed 04 07:00"),
        (subscription("weekly", not_before_slot=date(2026, 3, 8)), "Sat 14 07:00"),
        (subscription(paused_until=date(2026, 3, 20)), "Fri 20 07:00"),
        (subscription("weekdays", paused_until=date(2026, 3, 21)), "Mon 23 07:00"),
        (subscription(paused_until=date(2026, 3, 20), not_before_slot=date(2026, 3, 25)), "Wed 25 07:00"),
        (subscription(paused_until=date(2026, 2, 1)), "Tue 03 07:00"),
    ],
)
def test_the_next_mail_comes_by_the_readers_hour_on_the_first_date_that_counts(made, expected):
    # 17:00 in Hong Kong; a wave starts 20 minutes before its hour, so that of 17:15 has started already.
    assert local(timetable.next_mail(made, now=NOW), "Asia/Hong_Kong") == expected


@pytest.mark.parametrize("lead_s", [0, 60, 3600, 12 * 3600])
def test_the_hour_that_is_promised_is_told_not_the_start_of_the_wave(lead_s):
    assert local(timetable.next_mail(subscription(lead_s=lead_s), now=NOW), "Asia/Hong_Kong") == "Tue 03 07:00"


@pytest.mark.parametrize(
    ("minute", "now", "expected"),
    [
        (150, datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
        (420, datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 29, 5, 0, tzinfo=UTC)),
        (420, datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 25, 6, 0, tzinfo=UTC)),
        (150, datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
    ],
)
def test_where_clocks_change_the_hour_is_still_the_readers(minute, now, expected):
    assert timetable.next_mail(subscription(minute=minute, zone="Europe/Rome"), now=now) == expected


@given(
    st.sampled_from(rhythm.RHYTHMS),
    st.integers(0, 95).map(lambda quarter: quarter * 15),
    st.sampled_from(["Asia/Hong_Kong", "Europe/Rome", "America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati"]),
    st.integers(0, 400 * 24 * 60).map(lambda minutes: NOW + timedelta(minutes=minutes)),
    st.integers(0, 30).map(lambda days: date(2026, 3, 2) + timedelta(days=days)),
)
def test_the_next_mail_is_always_to_come_and_never_before_its_bounds(how_often, minute, zone, now, bound):
    at = timetable.next_mail(subscription(how_often, minute=minute, zone=zone, not_before_slot=bound), now=now)
    assert at > now
    assert at.astimezone(ZoneInfo(zone)).date() >= bound
    assert at - max(now, datetime.combine(bound, datetime.min.time(), UTC)) <= timedelta(days=9)
