"""The preview shows what the composer would have sent, and writes nothing."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.database import db
from digests import preview, timetable
from subscribers import preferences
from subscribers.preferences import Chosen
from tests.digests.conftest import sqlite_house
from tests.digests.house import DUE, HOUR, NOW, House
from tests.web.readers import dump

CHOSEN = Chosen(
    topics=(),
    countries=(),
    rhythm="daily",
    weekday=None,
    minute=7 * 60,
    zone="Asia/Hong_Kong",
    breaking=0,
    most=12,
    format="both",
)


def shown(house: House, subscription_id: int, **chosen) -> list[str]:
    found = preview.of(house.subscription(subscription_id), replace(CHOSEN, **chosen), now=NOW, services=house.services)
    return [story.headline for story in found.stories]


@pytest.fixture
def reader(one_house) -> int:
    return one_house.reader()


@pytest.mark.parametrize(
    ("chosen", "headlines"),
    [
        ({}, ["Trade talks", "Embassy", "Market"]),
        ({"topics": ("economy",)}, ["Trade talks", "Market"]),
        ({"countries": ("kr",)}, ["Embassy"]),
        ({"topics": ("economy",), "countries": ("kr",)}, ["Trade talks", "Embassy", "Market"]),
        ({"most": 1}, ["Trade talks"]),
        ({"rhythm": "weekly", "weekday": 0}, ["Trade talks", "Embassy", "Market", "Five days old"]),
        ({"rhythm": "weekdays"}, ["Trade talks", "Embassy", "Market", "Two days old"]),
    ],
)
def test_the_preview_has_what_is_new_in_one_period_by_the_choices(one_house, reader, chosen, headlines):
    one_house.article("Nine days old", at=NOW - 9 * 24 * HOUR)
    one_house.article("Five days old", at=NOW - 5 * 24 * HOUR)
    one_house.article("Market", "economy", at=NOW - 3 * HOUR)
    one_house.article("Embassy", "diplomacy", "kr", at=NOW - 2 * HOUR)
    one_house.article("Trade talks", "economy", at=NOW - HOUR)
    if chosen.get("rhythm") == "weekdays":
        one_house.article("Two days old", at=NOW - 2 * 24 * HOUR)
    assert shown(one_house, reader, **chosen) == headlines


def test_what_the_reader_had_this_morning_is_shown_again(one_house, reader):
    one_house.articles(3)
    assert len(one_house.go(DUE)) == 1
    found = preview.of(one_house.subscription(reader), CHOSEN, now=DUE + HOUR, services=one_house.services)
    assert [story.headline for story in found.stories] == ["Story 3", "Story 2", "Story 1"]
    assert found.is_new


def test_when_nothing_is_new_the_latest_show_what_the_choices_are_like(one_house, reader):
    one_house.articles(8, at=NOW - 40 * 24 * HOUR)
    found = preview.of(one_house.subscription(reader), CHOSEN, now=NOW, services=one_house.services)
    assert not found.is_new
    assert [story.headline for story in found.stories] == [f"Story {number}" for number in (8, 7, 6, 5, 4)]


def test_when_there_is_nothing_at_all_nothing_is_shown(one_house, reader):
    found = preview.of(one_house.subscription(reader), CHOSEN, now=NOW, services=one_house.services)
    assert (list(found.stories), found.is_new) == ([], False)


def test_fewer_than_the_least_is_no_mail_in_the_preview_either(one_house, reader):
    one_house.articles(2)
    one_house.subscription(reader).digest.least = 3
    db.session.commit()
    found = preview.of(one_house.subscription(reader), CHOSEN, now=NOW, services=one_house.services)
    assert not found.is_new


def test_a_preview_writes_nothing(one_house, reader):
    one_house.articles(3)
    before = dump()
    for wanted in ({}, {"topics": ("economy",)}, {"zone": "Asia/Kathmandu", "rhythm": "weekly", "weekday": 2}):
        shown(one_house, reader, **wanted)
        assert not db.session.new
        assert not db.session.dirty
    assert dump() == before


def test_the_next_mail_is_that_of_the_choices_not_of_the_subscription(one_house, reader):
    wanted = replace(CHOSEN, rhythm="weekly", weekday=3, minute=18 * 60, zone="Europe/Rome")
    before = preview.of(one_house.subscription(reader), wanted, now=NOW, services=one_house.services).next_by
    subscription = one_house.subscription(reader)
    preferences.save(subscription, wanted, version=subscription.version, now=NOW)
    assert timetable.next_mail(subscription, now=NOW) == before
    assert before.isoformat() == "2026-03-05T17:00:00+00:00"


SHELVES = st.sets(st.sampled_from(["diplomacy", "economy", "kr", "cu"])).map(tuple)


@settings(max_examples=12)
@given(
    stories=st.lists(st.tuples(SHELVES, st.integers(1, 23)), max_size=15),
    topics=st.sets(st.sampled_from(["diplomacy", "economy"])).map(tuple),
    countries=st.sets(st.sampled_from(["kr", "cu"])).map(tuple),
    most=st.integers(1, 14),
)
def test_the_preview_is_the_mail_that_is_composed_of_the_same(
    tmp_path_factory, sqlite_file, stories, topics, countries, most
):
    """A reader who had nothing, at the time of the wave: what was shown is what then lies in the ledger."""
    with sqlite_house(tmp_path_factory.mktemp("preview"), sqlite_file) as house:
        made = house.reader(topics=topics, countries=countries, most=most, fresh_from=DUE - 24 * HOUR)
        for number, (shelves, hours) in enumerate(stories):
            house.article(f"Story {number}", *shelves, at=DUE - hours * HOUR)
        wanted = replace(CHOSEN, topics=topics, countries=countries, most=most)
        found = preview.of(house.subscription(made), wanted, now=DUE, services=house.services)
        mails = house.go(DUE)
        if found.is_new:
            assert [story.headline for story in found.stories] == mails[0].headlines
        else:
            assert mails == []
