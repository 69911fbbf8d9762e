"""Dates are read as they are written, and what is no date is not guessed."""

import calendar
from datetime import UTC, datetime
from time import strptime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from articles import dates

HONG_KONG = ZoneInfo("Asia/Hong_Kong")
NOON = datetime(2024, 2, 15, 4, 0, tzinfo=UTC)
"""In Hong Kong."""


def read(text: str) -> datetime | None:
    found = dates.read(text, zone=HONG_KONG, guess=None)
    return datetime.fromtimestamp(calendar.timegm(found), UTC) if found else None


@pytest.mark.parametrize(
    "text",
    [
        *("2024-02-15T04:00:00Z", "2024-02-15T05:00:00+01:00", "2024-02-15 12:00", "2024-02-15T12:00:00.25"),
        *("Thu, 15 Feb 2024 12:00:00", "Thu, 15 Feb 2024 04:00:00 GMT", "15 Feb 24 12:00 +0800"),
        *("Wed, 14 Feb 2024 23:00:00 EST", "Thu, 15 Feb 2024 12:00:00 +08:00", "Thu, 15 Feb 2024 04:00:00 -0000"),
        *("Thu, 15 Feb 2024 12:00:00 HKT", "2024年2月15日 12:00", "2024年02月15日12:00", "2024년 2월 15일 12:00"),
    ],
)
def test_a_date_without_a_zone_is_one_of_the_publisher_and_others_are_what_they_say(text):
    assert read(text) == NOON


@pytest.mark.parametrize(
    "text",
    [
        *("", "yesterday", "1707977580", "02/15/2024 14:13", "2024-02-30", "Sat, 31 Feb 2024 06:13:00 GMT", "2024"),
        *(
            "99999-01-01",
            "2024年13月1日",
            "2024-02-15T25:00",
            "0000-00-00T00:00:00Z",
            "9" * 5_000,
            "jueves, 15 de febrero",
        ),
    ],
)
def test_what_is_no_date_is_none(text):
    assert read(text) is None


def test_a_guess_counts_only_where_it_has_the_year_that_is_written():
    guess = strptime("2017-03-20", "%Y-%m-%d")
    assert dates.read("1707977580", zone=HONG_KONG, guess=guess) is None
    assert dates.read("20 Μαρ 2017", zone=HONG_KONG, guess=guess) == guess


@given(st.text(max_size=120) | st.from_regex(r"[0-9A-Za-z,:+ -]{0,60}", fullmatch=True))
def test_whatever_is_written_is_a_date_or_none(text):
    found = dates.read(text, zone=HONG_KONG, guess=None)
    assert found is None or 1 <= found.tm_year <= 9999
