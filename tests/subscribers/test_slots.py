"""The arithmetic of slots: one for each local date, whatever the clocks do."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core import errors
from subscribers import rhythm, wallclock
from subscribers.rhythm import RhythmChoice

CLOCK_CHANGES = [
    ("Europe/Rome", date(2026, 3, 29)),
    ("Europe/Rome", date(2026, 10, 25)),
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),  # half an hour
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("Pacific/Chatham", date(2026, 4, 5)),  # a zone of 45 minutes
    ("Pacific/Chatham", date(2026, 9, 27)),
    ("Antarctica/Troll", date(2026, 3, 29)),  # two hours
    ("Antarctica/Troll", date(2026, 10, 25)),
    ("America/Nuuk", date(2026, 3, 28)),  # the gap ends at midnight
    ("America/Nuuk", date(2026, 10, 24)),
    ("America/Havana", date(2026, 3, 8)),  # the gap begins at midnight
    ("America/Havana", date(2026, 11, 1)),
    ("America/St_Johns", date(2006, 10, 29)),  # one minute past midnight, back into the day before
    ("Africa/Casablanca", date(2026, 2, 15)),  # Ramadan
    ("Africa/Casablanca", date(2026, 3, 22)),
    ("Asia/Kathmandu", date(2026, 3, 29)),  # never
    ("Asia/Pyongyang", date(2015, 8, 15)),
    ("Pacific/Apia", date(2011, 12, 30)),  # a date that was left out
    ("Pacific/Kwajalein", date(1993, 8, 21)),
    ("Pacific/Kiritimati", date(1994, 12, 31)),
]
DAY = timedelta(days=1)
NIGHT = [*range(0, 5 * 60, 15), 7 * 60, 12 * 60, *range(22 * 60, 24 * 60, 15)]
"""Every quarter of an hour at which clocks change somewhere, and two at which they never do."""
MODERN = st.dates(min_value=date(1990, 1, 1), max_value=date(2037, 12, 1))
MINUTES = st.integers(0, 95).map(lambda quarter: quarter * 15)
LEADS = st.sampled_from([0, 60, 1800, 3600, 6 * 3600, 12 * 3600])
ZONES = st.sampled_from(sorted(rhythm.zones()))


def daily(minute: int, zone: str) -> RhythmChoice:
    return RhythmChoice("daily", rhythm.EVERY_DAY, minute, zone)


def slots_between(choice: RhythmChoice, start: datetime, end: datetime, lead_s: int) -> list[rhythm.Due]:
    found = []
    due = rhythm.next_due(choice, lead_s=lead_s, after=start)
    while due.at < end:
        found.append(due)
        due = rhythm.next_due(choice, lead_s=lead_s, after=due.at)
    return found


def dates_lived(zone: str, start: datetime, end: datetime) -> set[date]:
    """Return the local dates that some minute between two instants belongs to: clocks read, nothing computed."""
    minutes = int((end - start).total_seconds()) // 60
    return {(start + timedelta(minutes=n)).astimezone(ZoneInfo(zone)).date() for n in range(0, minutes, 15)}


def clock_reaches(zone: str, day: date, minute: int) -> datetime:
    """Return the first minute at which a clock on the wall of `zone`, watched since the day before, shows that time
    of that date or a later one.
    """
    wanted = datetime.combine(day, time(minute // 60, minute % 60))
    at = datetime.combine(day, time(), UTC) + timedelta(minutes=minute) - timedelta(hours=16)
    while at.astimezone(ZoneInfo(zone)).replace(tzinfo=None) < wanted:
        at += timedelta(minutes=1)
    return at


@pytest.mark.parametrize(("zone", "night"), CLOCK_CHANGES)
def test_each_local_date_around_a_clock_change_has_exactly_one_slot(zone, night):
    start = datetime.combine(night - timedelta(days=3), time(), ZoneInfo(zone)).astimezone(UTC)
    end = datetime.combine(night + timedelta(days=4), time(), ZoneInfo(zone)).astimezone(UTC)
    lived = sorted(dates_lived(zone, start, end))
    for minute in range(0, 24 * 60, 15):
        dues = slots_between(daily(minute, zone), start - timedelta(seconds=1), end, 0)
        assert [due.slot for due in dues] == lived, minute


def nights_of_change(zone: str, year: int) -> list[date]:
    """Return the dates on which a zone's clocks are put forward or back: looked up hour by hour."""
    begin, place = datetime(year, 1, 1, tzinfo=UTC), ZoneInfo(zone)
    days = [begin + timedelta(days=n) for n in range(366)]
    changing = [day for day in days if day.astimezone(place).utcoffset() != (day + DAY).astimezone(place).utcoffset()]
    hours = [day + timedelta(hours=n) for day in changing for n in range(24)]
    return [
        at.astimezone(place).date()
        for at in hours
        if at.astimezone(place).utcoffset() != (at + timedelta(hours=1)).astimezone(place).utcoffset()
    ]


def test_every_zone_has_one_slot_for_each_local_date_over_both_nights_of_change():
    """All zones of the tz database, whatever they do in this year; those without such nights over a day in March."""
    changing = 0
    for zone in sorted(rhythm.zones()):
        nights = nights_of_change(zone, 2026)
        changing += bool(nights)
        for night in nights or [date(2026, 3, 29)]:
            begin = datetime.combine(night - 2 * DAY, time(13, 7), ZoneInfo(zone)).astimezone(UTC)
            for minute in NIGHT if nights else (0, 420):
                dues = slots_between(daily(minute, zone), begin, begin + 5 * DAY, 1200)
                first, last = dues[0].slot, dues[-1].slot
                dates = [first + timedelta(days=n) for n in range((last - first).days + 1)]
                assert [due.slot for due in dues] == dates, (zone, night, minute)
                assert first <= night - DAY <= night + DAY <= last, (zone, night, minute)
                for due in dues:
                    wall = (due.at + timedelta(seconds=1200)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
                    # In Nuuk the last hour of a day is left out: its edition is there at midnight.
                    assert wall.date() == due.slot or wall == datetime.combine(due.slot + DAY, time()), (zone, minute)
    assert changing > 150, "both halves of the earth put their clocks forward and back"


@settings(max_examples=60)
@given(zone=ZONES, minute=MINUTES, day=MODERN, lead_s=LEADS)
@example(zone="Pacific/Apia", minute=420, day=date(2011, 12, 28), lead_s=0)
@example(zone="America/Nuuk", minute=1410, day=date(2026, 3, 26), lead_s=12 * 3600)
@example(zone="Africa/Cairo", minute=0, day=date(2026, 4, 23), lead_s=3600)
def test_each_local_date_of_any_zone_has_exactly_one_slot(zone, minute, day, lead_s):
    start = datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC) + timedelta(minutes=7)
    dues = slots_between(daily(minute, zone), start, start + timedelta(days=5), lead_s)
    slots = [due.slot for due in dues]
    starts = [due.at for due in dues]
    assert starts == sorted(set(starts))
    assert slots == sorted(set(slots))
    between = {slots[0] + timedelta(days=n) for n in range((slots[-1] - slots[0]).days)}
    lived = dates_lived(zone, dues[0].at - timedelta(days=2), dues[-1].at + timedelta(days=2))
    assert between & lived <= set(slots) <= lived


@settings(max_examples=60)
@given(zone=ZONES, minute=MINUTES, day=MODERN)
@example(zone="Europe/Rome", minute=150, day=date(2026, 3, 29))
@example(zone="Europe/Rome", minute=150, day=date(2026, 10, 25))
@example(zone="Australia/Lord_Howe", minute=135, day=date(2026, 10, 4))
@example(zone="Australia/Lord_Howe", minute=105, day=date(2026, 4, 5))
@example(zone="Antarctica/Troll", minute=120, day=date(2026, 3, 29))
def test_a_slot_is_the_first_instant_at_which_the_clock_on_the_wall_shows_it(zone, minute, day):
    assert wallclock.promised_at(minute, zone, day) == clock_reaches(zone, day, minute)


def test_an_hour_that_the_clocks_skip_is_kept_right_after_the_gap():
    assert wallclock.promised_at(150, "Europe/Rome", date(2026, 3, 29)) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def test_an_hour_that_comes_twice_is_kept_the_first_time():
    assert wallclock.promised_at(150, "Europe/Rome", date(2026, 10, 25)) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@settings(max_examples=100)
@given(zone=ZONES, minute=MINUTES, lead_s=LEADS, day=MODERN, clock=st.times())
def test_the_next_wave_always_starts_later_than_now(zone, minute, lead_s, day, clock):
    after = datetime.combine(day, clock, UTC)
    for choice in (daily(minute, zone), RhythmChoice("weekly", 1 << 2, minute, zone)):
        assert rhythm.next_due(choice, lead_s=lead_s, after=after).at > after


def test_a_wave_that_starts_right_now_is_not_the_next_one():
    choice = daily(7 * 60, "Asia/Hong_Kong")
    due = rhythm.next_due(choice, lead_s=1800, after=datetime(2026, 3, 2, 0, 0, tzinfo=UTC))
    again = rhythm.next_due(choice, lead_s=1800, after=due.at)
    assert due == rhythm.Due(datetime(2026, 3, 2, 22, 30, tzinfo=UTC), date(2026, 3, 3))
    assert again.slot == date(2026, 3, 4)


def test_a_lead_over_midnight_starts_the_evening_before_and_keeps_the_date():
    due = rhythm.next_due(daily(15, "Europe/Rome"), lead_s=1800, after=datetime(2026, 3, 2, 12, 0, tzinfo=UTC))
    assert due == rhythm.Due(datetime(2026, 3, 2, 22, 45, tzinfo=UTC), date(2026, 3, 3))


@settings(max_examples=60)
@given(zone=ZONES, minute=MINUTES, weekday=st.integers(0, 6), day=MODERN)
def test_a_weekly_slot_falls_on_its_weekday_in_the_readers_own_zone(zone, minute, weekday, day):
    choice = rhythm.choose("weekly", minute=minute, zone=zone, weekday=weekday)
    after = datetime.combine(day, time(12), UTC)
    due = rhythm.next_due(choice, lead_s=0, after=after)
    assert due.slot.weekday() == weekday
    assert due.at - after <= timedelta(days=15)
    following = rhythm.next_due(choice, lead_s=0, after=due.at)
    assert following.slot - due.slot in (timedelta(days=7), timedelta(days=14))


def test_a_weekly_slot_is_on_sunday_where_it_is_sunday_already():
    choice = rhythm.choose("weekly", minute=60, zone="Pacific/Auckland", weekday=6)
    due = rhythm.next_due(choice, lead_s=0, after=datetime(2026, 3, 6, 0, 0, tzinfo=UTC))
    assert due == rhythm.Due(datetime(2026, 3, 7, 12, 0, tzinfo=UTC), date(2026, 3, 8))


def test_a_weekly_slot_on_a_date_that_was_left_out_comes_a_week_later():
    friday = rhythm.choose("weekly", minute=420, zone="Pacific/Apia", weekday=4)
    due = rhythm.next_due(friday, lead_s=0, after=datetime(2011, 12, 24, 0, 0, tzinfo=UTC))
    assert due.slot == date(2012, 1, 6)


def test_weekdays_leave_saturday_and_sunday_out():
    choice = rhythm.choose("weekdays", minute=420, zone="Europe/Rome")
    start = datetime(2026, 3, 2, tzinfo=UTC)
    slots = [due.slot.weekday() for due in slots_between(choice, start, start + timedelta(days=14), 0)]
    assert slots == [0, 1, 2, 3, 4] * 2


def test_the_day_of_a_weekly_digest_is_saturday_until_the_reader_names_one():
    assert rhythm.choose("weekly", minute=420, zone="Europe/Rome").weekdays == 0b0100000


@pytest.mark.parametrize(("minute", "part"), [(1440, "an hour"), (-15, "an hour"), (427, "the minutes")])
def test_what_is_wrong_with_a_time_is_said(minute, part):
    with pytest.raises(errors.Invalid) as caught:
        rhythm.choose("daily", minute=minute, zone="Europe/Rome")
    assert caught.value.message == f"Please choose {part} from the list."


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("rhythm", {"rhythm": "hourly"}),
        ("rhythm", {"rhythm": ""}),
        ("minute", {"minute": -15}),
        ("minute", {"minute": 1440}),
        ("minute", {"minute": 421}),
        ("weekday", {"rhythm": "weekly", "weekday": 7}),
        ("weekday", {"rhythm": "weekly", "weekday": -1}),
        ("zone", {"zone": "Europe/Roma"}),
        ("zone", {"zone": "../../etc/passwd"}),
        ("zone", {"zone": "Europe/Rome\r\nBcc: x"}),
        ("zone", {"zone": ""}),
        ("zone", {"zone": "x" * 10_000}),
    ],
)
def test_a_choice_that_cannot_be_names_its_field(field, wrong):
    values = {"rhythm": "daily", "minute": 420, "zone": "Europe/Rome", **wrong}
    with pytest.raises(errors.Invalid) as caught:
        rhythm.choose(values.pop("rhythm"), **values)
    assert caught.value.field == field


def test_the_stories_of_a_weekend_are_not_too_old_for_monday():
    assert rhythm.period("weekdays") == timedelta(days=3)
