"""The regular edition: what is new since the reader's last one, to everybody who wants it, and nobody else."""

from datetime import date

import pytest
from sqlalchemy import select, update

from articles.models import Article
from core import database, identity
from core.database import db
from delivery import batches
from delivery.models import Content, Delivery, Lane
from digests.models import Cohort, Had, History
from subscribers import overall, rhythm
from subscribers.models import Digest, Subscriber, Subscription
from tests.digests.house import DAY, DUE, HOUR, NOW, TUESDAY


def headlines(mails) -> list[list[str]]:
    return [mail.headlines for mail in mails]


def test_each_edition_brings_what_is_new_since_the_last_one(house):
    house.reader()
    house.articles(2, at=NOW, prefix="Monday")
    assert headlines(house.go(DUE)) == [["Monday 2", "Monday 1"]]
    house.articles(2, at=DUE + HOUR, prefix="Tuesday")
    assert headlines(house.go(DUE + DAY)) == [["Tuesday 2", "Tuesday 1"]]


def test_where_nothing_is_new_there_is_no_mail(house):
    house.reader()
    house.articles(2)
    assert len(house.go(DUE)) == 1
    assert house.go(DUE + DAY) == []
    assert [state for *_rest, state in house.waves()] == ["composed", "composed"]


def test_a_story_that_came_in_late_is_new_though_it_was_published_long_ago(house):
    house.reader()
    house.go(DUE)
    house.article("Late", at=NOW - 10 * DAY, seen=DUE + HOUR)
    assert headlines(house.go(DUE + DAY)) == [["Late"]]


def test_stories_that_were_there_before_a_reader_came_are_not_news_to_them(house):
    house.article("Old", at=NOW - 25 * HOUR)
    house.article("Fresh", at=NOW - 23 * HOUR)
    house.reader(fresh_from=NOW - DAY)
    assert headlines(house.go(DUE)) == [["Fresh"]]


def test_what_is_older_than_two_periods_is_no_news_to_anybody(house):
    house.article("Stale", at=DUE - 49 * HOUR)
    house.article("Fresh", at=DUE - 47 * HOUR)
    house.reader(fresh_from=NOW - 30 * DAY)
    assert headlines(house.go(DUE)) == [["Fresh"]]


def test_what_did_not_fit_comes_the_next_day_and_nothing_twice(house):
    house.reader(most=3)
    house.articles(5)
    assert headlines(house.go(DUE)) == [["Story 5", "Story 4", "Story 3"]]
    house.article("Newer", at=DUE + HOUR)
    assert headlines(house.go(DUE + DAY)) == [["Newer", "Story 2", "Story 1"]]


def test_readers_get_the_topics_and_countries_they_chose(house):
    house.article("Trade", "economy", at=NOW - 3 * HOUR)
    house.article("Seoul", "kr", at=NOW - 2 * HOUR)
    house.article("Havana", "cu", "diplomacy", at=NOW - HOUR)
    house.reader("all@example.org")
    house.reader("one@example.org", countries=["kr"])
    house.reader("or@example.org", countries=["kr"], topics=["diplomacy"])
    house.reader("none@example.org", topics=["economy"], countries=[])
    found = {mail.to: mail.headlines for mail in house.go(DUE)}
    assert found == {
        "all@example.org": ["Havana", "Seoul", "Trade"],
        "one@example.org": ["Seoul"],
        "or@example.org": ["Havana", "Seoul"],
        "none@example.org": ["Trade"],
    }


def test_readers_who_get_the_same_share_all_but_their_row(house):
    house.articles(3)
    for number in range(5):
        house.reader(f"r{number}@example.org")
    assert len(house.go(DUE)) == 5
    assert [house.count(model) for model in (Delivery, Content, Cohort, History, Had)] == [5, 1, 1, 1, 5]


def test_a_digest_with_a_least_number_of_stories_waits_until_there_are_enough(house):
    house.reader()
    with database.write_turn():
        db.session.execute(update(Digest).values(least=3))
        db.session.commit()
    house.articles(2)
    assert house.go(DUE) == []
    house.articles(1, at=DUE + HOUR, prefix="More")
    assert headlines(house.go(DUE + DAY)) == [["More 1", "Story 2", "Story 1"]]


def test_a_weekly_reader_gets_the_week(house):
    house.reader(how_often="weekly", weekday=6)
    for day in range(6):
        house.article(f"Day {day}", at=NOW + day * DAY)
    assert all(house.go(DUE + day * DAY) == [] for day in range(5))
    assert headlines(house.go(DUE + 5 * DAY)) == [[f"Day {day}" for day in (5, 4, 3, 2, 1, 0)]]


def test_a_reader_of_weekdays_gets_the_weekend_on_monday(house):
    house.reader(how_often="weekdays")
    house.article("Friday", at=NOW + 4 * DAY)
    house.article("Sunday", at=NOW + 6 * DAY - HOUR)
    house.go(NOW + 4 * DAY - HOUR)
    assert house.go(DUE + 4 * DAY) == [], "Saturday morning"
    assert headlines(house.go(DUE + 6 * DAY)) == [["Sunday", "Friday"]]


def test_a_reader_who_paused_who_left_or_who_switched_off_gets_none(house):
    house.articles(2)
    names = ["paused", "left", "off", "stays"]
    made = {name: house.reader(f"{name}@example.org") for name in names}
    with database.write_turn():
        house.subscription(made["paused"]).subscriber.paused_until = (DUE + 3 * DAY).date()
        house_left = db.session.get_one(Subscription, made["left"]).subscriber_id
        db.session.execute(update(Subscriber).where(Subscriber.id == house_left).values(state="left"))
        db.session.execute(update(Subscription).where(Subscription.id == made["off"]).values(state="off"))
        db.session.commit()
    assert [mail.to for mail in house.go(DUE)] == ["stays@example.org"]


@pytest.mark.parametrize("scope", ["digest:asia-daily", "bulk", "all"])
def test_a_suppressed_reader_gets_nothing_from_the_sender(house, scope):
    house.articles(1)
    house.reader("gone@example.org")
    house.reader("here@example.org")
    house.suppress("gone@example.org", scope)
    assert len(house.go(DUE)) == 2
    with database.write_turn():
        db.session.execute(update(Delivery).values(next_attempt_at=NOW, not_after=NOW + 100 * 365 * DAY))
        db.session.commit()
    timing = identity.Timing()
    board = batches.look(db.engine, "main", [Lane.DIGEST])
    claimed = batches.claim(db.engine, "one", board.queues, {}, limit=10, timing=timing).claimed
    intents = batches.exchange(db.engine, "one", [], {"main": claimed}, timing=timing)
    sent_to = [house.services.keyring.unseal(one.address_sealed, one.addr_hash) for one in intents]
    assert sent_to == ["here@example.org"]
    db.session.rollback()
    assert set(db.session.scalars(select(Delivery.state))) == {"suppressed", "sending"}


def test_another_hour_of_the_same_date_brings_no_second_mail_of_the_edition(house):
    house.articles(1)
    subscription_id = house.reader()
    assert len(house.go(DUE)) == 1
    with database.write_turn():
        subscription = house.subscription(subscription_id)
        choice = rhythm.choose("daily", minute=9 * 60, zone="Asia/Hong_Kong")
        subscription.rhythm = rhythm.rhythm_row(subscription.digest, choice, now=DUE)
        db.session.commit()
    house.article("Newer", at=DUE + HOUR)
    assert house.go(DUE + 2 * HOUR) == []
    assert headlines(house.go(DUE + 2 * HOUR + DAY)) == [["Newer"]]


def test_a_mail_says_what_the_story_said_when_it_was_composed(house):
    article = house.article("Before")
    house.reader("one@example.org")
    house.reader("two@example.org", minute=8 * 60)
    (first,) = house.go(DUE)
    with database.write_turn():
        db.session.execute(update(Article).where(Article.id == article).values(headline="After", revision=2))
        db.session.commit()
    (second,) = house.go(DUE + HOUR)
    assert (first.headlines, second.headlines) == (["Before"], ["After"])
    assert house.go(DUE + DAY) == [], "a story that was had does not come again because its text changed"


def away(house, *, catch_up: bool, until: date, most: int = 12) -> None:
    """Have a reader who paused at NOW until a date, with stories of each day since."""
    made = house.reader(most=most)
    with database.write_turn():
        reader = house.subscription(made).subscriber
        reader.paused_at, reader.paused_until, reader.catch_up = NOW, until, catch_up
        db.session.commit()
    for day in range(8):
        house.articles(3, at=NOW + day * DAY + HOUR, prefix=f"Day {day} story")
    assert house.go(DUE + 6 * DAY) == [], "paused"


def test_after_a_pause_there_is_no_backlog(house):
    away(house, catch_up=False, until=TUESDAY + 7 * DAY)
    assert headlines(house.go(DUE + 7 * DAY)) == [[f"Day 7 story {number}" for number in (3, 2, 1)]], "one period"


def test_who_wants_to_catch_up_gets_one_mail_of_the_ten_latest_stories_of_the_pause(house):
    away(house, catch_up=True, until=TUESDAY + 7 * DAY)
    (mail,) = house.go(DUE + 7 * DAY)
    assert mail.headlines == [f"Day {day} story {number}" for day in (7, 6, 5) for number in (3, 2, 1)] + [
        "Day 4 story 3"
    ]
    house.articles(1, at=DUE + 7 * DAY + HOUR, prefix="Later")
    (mail,) = house.go(DUE + 8 * DAY)
    assert mail.headlines[0] == "Later 1"
    assert "Day 3 story 3" not in mail.headlines


def test_the_best_stories_of_a_pause_are_those_on_the_most_of_the_reader_s_topics(house):
    made = house.reader(topics=["diplomacy", "economy"], countries=["kr"], fresh_from=NOW - 30 * DAY)
    with database.write_turn():
        reader = house.subscription(made).subscriber
        reader.paused_at, reader.paused_until, reader.catch_up = NOW - 6 * DAY, TUESDAY, True
        db.session.commit()
    house.article("Both, long ago", "diplomacy", "kr", at=NOW - 5 * DAY)
    house.article("All, longer ago", "diplomacy", "economy", "kr", at=NOW - 5 * DAY - HOUR)
    house.article("None of them", "cu")
    house.articles(12, "economy", prefix="One")
    (mail,) = house.go(DUE)
    assert mail.headlines == ["All, longer ago", "Both, long ago", *(f"One {number}" for number in range(12, 4, -1))]


def test_whoever_wants_short_mails_catches_up_with_a_short_one(house):
    away(house, catch_up=True, until=TUESDAY + 7 * DAY, most=4)
    (mail,) = house.go(DUE + 7 * DAY)
    assert len(mail.headlines) == 4


@pytest.mark.parametrize(("ended", "comes"), [(DUE - HOUR, DUE), (DUE + HOUR, DUE + DAY)], ids=["today", "tomorrow"])
def test_whoever_ends_a_pause_early_catches_up_with_the_next_mail(house, ended, comes):
    made = house.reader(fresh_from=NOW - 30 * DAY)
    house.articles(3, at=NOW - HOUR, prefix="New")
    with database.write_turn():
        reader = house.subscription(made).subscriber
        reader.catch_up = True
        began = overall.pause(reader, TUESDAY + 30 * DAY, spoken=("en",), now=NOW - 6 * DAY)
        db.session.commit()
    assert began
    house.articles(3, at=NOW - 5 * DAY, prefix="Paused")
    if ended > DUE:
        assert house.go(DUE) == [], "paused"
    with database.write_turn():
        overall.pause(house.subscription(made).subscriber, None, spoken=("en",), now=ended)
        db.session.commit()
    (mail,) = house.go(comes)
    assert mail.headlines == [f"{when} {number}" for when in ("New", "Paused") for number in (3, 2, 1)]
    house.articles(1, at=comes + HOUR, prefix="Later")
    assert headlines(house.go(comes + DAY)) == [["Later 1"]]


def test_a_pause_that_was_ended_early_without_catching_up_leaves_no_backlog(house):
    made = house.reader(fresh_from=NOW - 30 * DAY)
    house.articles(3, at=NOW - 5 * DAY, prefix="Paused")
    house.article("New")
    for until, at in ((TUESDAY + 30 * DAY, NOW - 6 * DAY), (None, DUE - HOUR)):
        with database.write_turn():
            overall.pause(house.subscription(made).subscriber, until, spoken=("en",), now=at)
            db.session.commit()
    assert headlines(house.go(DUE)) == [["New"]]
