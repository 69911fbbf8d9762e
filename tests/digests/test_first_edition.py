"""The first edition: at once, the latest that matches, and then the regular ones as they were promised."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from core import database
from core.database import db
from digests import dispatch, editions
from digests.models import Edition
from subscribers.models import Subscription
from tests.digests.house import DAY, DUE, HOUR, MINUTE, NOW, TUESDAY, House


def test_a_new_reader_gets_the_ten_latest_stories_that_match_at_once(house):
    house.articles(15, "kr")
    house.articles(3, "cu", prefix="Cuba", at=NOW - 2 * MINUTE)
    house.reader(first=NOW, countries=["kr"])
    (mail,) = house.go(NOW + MINUTE)
    assert mail.headlines == [f"Story {number}" for number in range(15, 5, -1)]
    assert (mail.to, mail.mailing) == ("reader@example.org", "edition:asia-daily:first:2026-03-02")
    assert mail.not_after == NOW + MINUTE + 12 * HOUR
    assert house.waves() == [("asia-daily", "first", date(2026, 3, 2), "composed")]


def test_however_old_the_stories_are_a_first_edition_has_them(house):
    house.article("From last year", at=NOW - 400 * DAY)
    house.reader(first=NOW)
    (mail,) = house.go(NOW)
    assert mail.headlines == ["From last year"]


@pytest.mark.parametrize(("most", "expected"), [(3, 3), (12, 10)])
def test_a_reader_who_wants_fewer_gets_fewer_and_nobody_more_than_ten(house, most, expected):
    house.articles(15)
    house.reader(first=NOW, most=most)
    (mail,) = house.go(NOW)
    assert len(mail.headlines) == expected


def test_the_first_edition_comes_once(house):
    house.articles(3)
    house.reader(first=NOW)
    assert len(house.go(NOW)) == 1
    assert house.go(NOW) == house.go(NOW + MINUTE) == house.go(NOW + HOUR) == []


def test_after_the_first_edition_the_regular_one_of_the_same_date_is_skipped_and_the_next_one_comes(house):
    house.articles(3)
    subscription_id = house.reader(first=NOW, minute=21 * 60)
    (first,) = house.go(NOW)
    subscription = house.subscription(subscription_id)
    assert subscription.first_due_at is None
    assert (subscription.not_before_slot, subscription.fresh_from) == (TUESDAY, NOW - HOUR)
    house.article("In the afternoon", at=NOW + HOUR)
    assert house.go(NOW + 4 * HOUR) == [], "21:00 of the same Monday"
    (second,) = house.go(NOW + 4 * HOUR + DAY)
    assert second.headlines == ["In the afternoon"] and second.mailing == "edition:asia-daily:regular:2026-03-03"
    assert "In the afternoon" not in first.headlines


def test_a_story_that_did_not_fit_into_the_first_edition_does_not_come_as_news(house):
    house.articles(15)
    house.reader(first=NOW)
    house.go(NOW)
    assert house.go(DUE) == []


def test_where_nothing_matches_there_is_no_mail_and_the_regular_ones_begin_at_once(house):
    house.articles(3, "cu")
    subscription_id = house.reader(first=NOW, countries=["kr"])
    assert house.go(NOW) == []
    subscription = house.subscription(subscription_id)
    assert (subscription.first_due_at, subscription.not_before_slot) == (None, None)
    house.article("Korea at last", "kr", at=NOW + HOUR)
    (mail,) = house.go(DUE)
    assert mail.headlines == ["Korea at last"]


def test_a_first_edition_tells_when_the_next_one_comes_and_when_the_readers_other_digests_begin(house):
    house.articles(2)
    house.reader(first=NOW)
    house.reader(digest="asia-arabic", minute=8 * 60)
    house.reader(digest="asia-trade", how_often="weekly")
    (mail,) = house.go(NOW)
    for shape in (mail.text, mail.html):
        assert "This is your first edition" in shape and "Tuesday 3 March, 07:00" in shape
    assert "- Asia Trade begins by Saturday 7 March, 07:00." in mail.text
    assert "- آسيا اليوم begins by Tuesday 3 March, 08:00." in mail.text
    assert mail.text.index("Asia Trade begins") < mail.text.index("آسيا اليوم begins"), "in the order of the offer"


def test_a_first_edition_of_one_digest_names_no_others(house):
    house.articles(2)
    house.reader(first=NOW)
    house.reader("somebody@example.org", digest="asia-trade")
    (mail,) = house.go(NOW)
    assert "begins by" not in mail.text


def test_a_digest_that_the_reader_has_been_getting_is_not_said_to_begin(house):
    house.articles(2)
    house.reader(digest="asia-trade")
    assert len(house.go(DUE)) == 1
    house.articles(2, prefix="New", at=DUE + HOUR)
    house.reader(digest="asia-arabic", at=DUE + HOUR)
    house.reader(first=DUE + HOUR, at=DUE + HOUR)
    (mail,) = house.go(DUE + HOUR)
    assert "Asia Trade" not in mail.text and "آسيا اليوم begins by" in mail.text


def test_a_story_that_was_being_stored_while_the_first_edition_was_composed_is_not_lost(house):
    house.articles(2)
    house.reader(first=NOW)
    (wave,) = house.open(NOW)
    with database.write_turn():
        assert editions.begin(wave, NOW)
        db.session.commit()
    made = house.made(wave, NOW)
    house.article("Stored meanwhile", at=NOW - MINUTE, seen=NOW - MINUTE)
    with database.write_turn():
        assert dispatch.write_chunk(made, NOW, house.services).finished
        db.session.commit()
    (mail,) = house.go(DUE)
    assert mail.headlines == ["Stored meanwhile"]


PLACES = [
    ("America/Los_Angeles", 7 * 60, NOW),  # Monday 01:00 there; the digest's own date is Monday, too
    ("America/Los_Angeles", 7 * 60, NOW + 9 * HOUR),  # Monday 10:00 there, Tuesday in Hong Kong
    ("America/Los_Angeles", 21 * 60, NOW + 9 * HOUR),
    ("Pacific/Kiritimati", 7 * 60, NOW + 2 * HOUR),  # Tuesday 01:00 there, Monday in Hong Kong
    ("Pacific/Kiritimati", 0, NOW),
    ("Europe/Rome", 15, NOW),
    ("Asia/Hong_Kong", 0, NOW),
    ("Asia/Hong_Kong", 23 * 60 + 45, NOW),
]


@pytest.mark.parametrize(("zone", "minute", "at"), PLACES)
def test_the_next_edition_comes_when_the_first_one_says_it_does(one_house, zone, minute, at):
    one_house.articles(2)
    one_house.reader(first=at, zone=zone, minute=minute, at=at)
    (first,) = one_house.go(at)
    one_house.articles(1, at=at + MINUTE, prefix="News")
    step = timedelta(minutes=5)
    now = at + step
    while not (found := one_house.go(now)):
        now += step
    assert found[0].headlines == ["News 1"]
    promised = now + timedelta(minutes=20)
    local = promised.astimezone(ZoneInfo(zone))
    assert f"The next one comes by {local:%A} {local.day} {local:%B, %H:%M}" in first.text


def test_a_reader_who_left_and_came_back_on_the_same_day_gets_no_second_first_edition(house):
    house.articles(12)
    subscription_id = house.reader(first=NOW)
    house.go(NOW)
    with database.write_turn():
        wish = update(Subscription).where(Subscription.id == subscription_id).values(first_due_at=NOW + HOUR)
        db.session.execute(wish)
        db.session.commit()
    assert not editions.anything_for(house.subscription(subscription_id), now=NOW + HOUR, services=house.services), (
        "nor is it promised one"
    )
    assert house.go(NOW + HOUR) == []
    assert house.subscription(subscription_id).first_due_at is None, "and it is asked for no more"
    assert house.go(NOW + 2 * HOUR) == []


def test_who_comes_back_another_day_gets_a_first_edition_without_what_was_had(house):
    old = house.articles(12)
    subscription_id = house.reader(first=NOW)
    house.go(NOW)
    with database.write_turn():
        wish = update(Subscription).where(Subscription.id == subscription_id).values(first_due_at=NOW + 3 * DAY)
        db.session.execute(wish)
        db.session.commit()
    house.article("New", at=NOW + 2 * DAY)
    (again,) = house.go(NOW + 3 * DAY)
    assert again.headlines == ["New", "Story 2", "Story 1"], "the two that did not fit, and what is new"
    assert len(set(house.had(house.subscriber()))) == len(old) + 1


def test_a_pause_does_not_hold_the_first_edition_back(house):
    house.articles(1)
    subscription_id = house.reader(first=NOW)
    with database.write_turn():
        house.subscription(subscription_id).subscriber.paused_until = date(2026, 4, 1)
        db.session.commit()
    assert len(house.go(NOW)) == 1


def test_many_who_join_in_one_day_are_of_one_edition(house):
    house.articles(2)
    for number in range(3):
        house.reader(f"r{number}@example.org", first=NOW + number * HOUR)
    mails = [mail for number in range(3) for mail in house.go(NOW + number * HOUR)]
    assert [mail.to for mail in mails] == [f"r{number}@example.org" for number in range(3)]
    assert house.count(Edition) == 1 == len({mail.mailing for mail in mails})


def test_a_reader_who_waits_for_the_first_edition_gets_no_regular_one_before_it(house):
    house.articles(2)
    house.reader(first=DUE + HOUR)
    assert house.go(DUE) == []


def test_a_first_edition_that_could_not_be_composed_is_not_lost(house: House, monkeypatch):
    house.articles(2)
    house.reader(first=NOW)
    (wave,) = house.open(NOW)
    made = house.made(wave, NOW)
    assert made.chunk.groups
    (mail,) = house.go(NOW + MINUTE)
    assert len(mail.headlines) == 2


def test_while_composing_fails_the_waves_of_first_editions_do_not_pile_up(one_house):
    one_house.articles(1)
    one_house.reader(first=NOW)
    for beat in range(120):
        at = NOW + beat * timedelta(seconds=15)
        for wave in one_house.open(at):
            with database.write_turn():
                editions.begin(wave, at)
                db.session.commit()
    assert len(one_house.waves()) < 10
    later = NOW + HOUR
    one_house.reader("late@example.org", first=later)
    assert sorted(mail.to for mail in one_house.go(later)) == ["late@example.org", "reader@example.org"]


def test_a_first_edition_bears_the_date_that_it_is_where_the_reader_is(house):
    house.articles(2)
    late = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)  # Tuesday already in Hong Kong, Monday still in Rome.
    house.reader("rome@example.org", zone="Europe/Rome", first=late)
    house.reader("hongkong@example.org", first=late)
    dated = {mail.to: mail.text.split(" · ")[1].splitlines()[0] for mail in house.go(late)}
    assert dated == {"rome@example.org": "2 March 2026", "hongkong@example.org": "3 March 2026"}
