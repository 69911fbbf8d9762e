"""Editions and waves: opened once, by whoever comes first; a slot that is too late is missed, never made up."""

from datetime import date, timedelta

import pytest
from sqlalchemy import update

from core import database
from core.database import db
from delivery.models import Lane, Mailing
from digests import editions, shelves
from digests.models import Edition, Wave
from subscribers import offer, tastes
from subscribers.models import Digest, Rhythm, Subscriber, Subscription
from tests.digests.house import DAY, DUE, HOUR, MINUTE, NOW, TUESDAY


def test_nothing_due_opens_nothing(house):
    house.reader()
    assert house.open(DUE - MINUTE) == []
    assert (house.count(Edition), house.count(Wave), house.count(Mailing)) == (0, 0, 0)


def test_a_slot_that_is_due_opens_one_edition_with_one_wave_and_one_mailing(house):
    house.reader()
    house.reader("other@example.org")
    assert len(house.open(DUE)) == 1
    assert house.waves() == [("asia-daily", "regular", TUESDAY, "open")]
    mailing = db.session.query(Mailing).one()
    assert (mailing.key, mailing.lane) == ("edition:asia-daily:regular:2026-03-03", Lane.DIGEST)
    assert (mailing.stream, mailing.doubt_policy) == ("digest:asia-daily", "resend")
    assert mailing.list_id == "<asia-daily.monsoon.example.org>"
    assert mailing.feedback == "asia-daily:digest:postrider:monsoon"
    assert mailing.reply_to == "desk@monsoon.example.org" and mailing.sender_name == "The Monsoon Courier"


def test_opening_again_changes_nothing(house):
    house.reader()
    first = house.open(DUE)
    assert house.open(DUE) == house.open(DUE + MINUTE) == first
    assert (house.count(Edition), house.count(Wave), house.count(Mailing)) == (1, 1, 1)


@pytest.mark.parametrize("first", [None, NOW])
def test_of_several_who_open_at_once_there_is_one_edition_and_one_wave(house, at_once, first):
    house.reader(first=first)
    at = DUE if first is None else NOW
    results = at_once(*[lambda: house.open(at)] * 4)
    assert not [result for result in results if isinstance(result, Exception)], results
    assert (house.count(Edition), house.count(Wave), house.count(Mailing)) == (1, 1, 1)


def test_readers_of_two_hours_of_one_date_are_two_waves_of_one_edition(house):
    house.reader()
    house.reader("later@example.org", minute=8 * 60)
    house.open(DUE)
    house.open(DUE + HOUR)
    assert house.waves() == [("asia-daily", "regular", TUESDAY, "open")] * 2
    assert (house.count(Edition), house.count(Mailing)) == (1, 1)


def test_readers_of_two_zones_are_of_the_edition_of_their_own_date(house):
    house.reader(zone="Pacific/Auckland", minute=60)
    house.reader("west@example.org", zone="America/Los_Angeles", minute=23 * 60)
    house.open(NOW + DAY)
    slots = {slot for _digest, _kind, slot, _state in house.waves()}
    assert slots == {date(2026, 3, 3), date(2026, 3, 2)}


def test_a_slot_that_is_too_late_is_missed_and_the_next_one_is_the_next_to_come(house):
    house.reader()
    late = DUE + 12 * HOUR + MINUTE
    assert house.open(late) == [] == house.go(late)
    assert house.waves() == [("asia-daily", "regular", TUESDAY, "missed")]
    (row,) = db.session.query(Rhythm).all()
    assert (row.slot, row.next_due_at) == (TUESDAY + timedelta(days=1), DUE + DAY)


def test_after_a_long_outage_nothing_is_made_up(house):
    house.reader()
    house.articles(3)
    assert house.go(DUE + 10 * DAY + HOUR) == []
    assert [state for *_rest, state in house.waves()] == ["missed"]
    house.articles(2, at=DUE + 10 * DAY + 2 * HOUR, prefix="Fresh")
    (mail,) = house.go(DUE + 11 * DAY)
    assert "Fresh 2" in mail.headlines and len(house.waves()) == 2


def test_a_slot_that_is_late_but_not_too_late_is_still_sent_and_ends_when_it_would_have(house):
    house.reader()
    house.articles(1)
    (mail,) = house.go(DUE + 11 * HOUR)
    assert mail.not_after == DUE + 12 * HOUR


def test_a_wave_that_was_open_when_all_went_down_is_missed_when_it_is_too_late(house):
    house.reader()
    house.articles(1)
    house.open(DUE)
    assert house.go(DUE + 13 * HOUR) == []
    assert house.waves() == [("asia-daily", "regular", TUESDAY, "missed")], "nobody got it, and so it must say"


def test_a_wave_that_is_being_composed_just_now_is_left_to_its_task_however_late_it_is(house):
    house.reader()
    house.articles(1)
    (wave,) = house.open(DUE)
    late = DUE + 12 * HOUR + MINUTE
    with database.write_turn():
        assert editions.begin(wave, late - MINUTE)
        db.session.commit()
    assert house.open(late - MINUTE + editions.LEASE) == []
    assert house.waves() == [("asia-daily", "regular", TUESDAY, "composing")]


def test_a_digest_that_is_withdrawn_opens_nothing(house):
    house.reader()
    with database.write_turn():
        db.session.execute(update(Digest).values(active=False))
        db.session.commit()
    assert house.open(DUE) == []


@pytest.mark.parametrize("change", [{"state": "left"}, {"paused_until": date(2027, 1, 1)}])
def test_a_slot_with_nobody_who_wants_it_moves_on_without_a_mail(house, change):
    house.reader()
    house.articles(2)
    with database.write_turn():
        db.session.execute(update(Subscriber).values(change))
        db.session.commit()
    assert house.go(DUE) == []
    (row,) = db.session.query(Rhythm).all()
    assert row.next_due_at == DUE + DAY


def test_a_wave_is_one_tasks_own_until_its_lease_ends(house):
    house.reader()
    (wave,) = house.open(DUE)

    def begin(at):
        with database.write_turn():
            ours = editions.begin(wave, at)
            db.session.commit()
        return ours

    assert begin(DUE) and not begin(DUE) and not begin(DUE + editions.LEASE)
    assert editions.unfinished(DUE + editions.LEASE) == []
    after = DUE + editions.LEASE + timedelta(seconds=1)
    assert editions.unfinished(after) == [wave] and begin(after)


def test_of_many_tasks_that_take_a_wave_at_once_one_has_it(house, at_once):
    house.reader()
    (wave,) = house.open(DUE)

    def begin() -> bool:
        with database.write_turn():
            ours = editions.begin(wave, DUE)
            db.session.commit()
        return ours

    assert sorted(at_once(*[begin] * 5), key=str) == [False] * 4 + [True]


def test_a_wave_that_is_composed_is_never_taken_again(house):
    house.reader()
    (wave,) = house.open(DUE)
    house.compose(wave, DUE)
    assert house.compose(wave, DUE + HOUR) == 0 and editions.unfinished(DUE + DAY) == []


def test_the_oldest_wave_comes_first(house):
    house.reader(minute=8 * 60)
    house.reader("early@example.org")
    late, early = house.open(DUE + HOUR)[::-1]
    order = [db.session.get_one(Wave, wave).due_at for wave in (early, late)]
    assert order == [DUE, DUE + HOUR]


def test_a_digest_holds_articles_of_its_language_and_topics_only(one_house):
    korea, cuba = one_house.article("Korea", "kr"), one_house.article("Cuba", "cu")
    one_house.article("كوريا", "kr", language="ar")
    digest = offer.by_key("asia-daily")
    assert {one.article_id for one in shelves.candidates(digest, since=None)} == {korea, cuba}
    digest.selection = ["kr"]
    assert [one.article_id for one in shelves.candidates(digest, since=None)] == [korea]


def test_a_taste_of_nothing_in_particular_is_everything(one_house):
    with database.write_turn():
        everything = tastes.taste_row(topics=[], countries=[], most=5, format="both")
        both = tastes.taste_row(topics=["economy"], countries=["kr"], most=5, format="both")
        gone = tastes.taste_row(topics=["no-such-topic"], countries=[], most=5, format="both")
        assert shelves.topic_ids(everything) is None
        assert len(shelves.topic_ids(both) or ()) == 2
        assert shelves.topic_ids(gone) == frozenset(), "a topic that is gone is nothing, not everything"


def test_there_is_something_for_a_reader_when_a_story_matches_however_old(one_house):
    subscription = one_house.subscription(one_house.reader(countries=["kr"]))
    one_house.article("Cuba", "cu")
    assert not editions.anything_for(subscription, now=NOW, services=one_house.services)
    one_house.article("Korea", "kr", at=NOW - 300 * DAY)
    assert editions.anything_for(subscription, now=NOW, services=one_house.services)


def test_a_readers_other_digests_are_those_that_are_on_in_the_order_of_the_offer(one_house):
    own = one_house.reader()
    arabic, trade = one_house.reader(digest="asia-arabic"), one_house.reader(digest="asia-trade")
    one_house.reader("somebody@example.org", digest="asia-trade")
    assert [one.id for one in editions.to_begin(one_house.subscription(own))] == [trade, arabic]
    with database.write_turn():
        db.session.execute(update(Subscription).where(Subscription.id == trade).values(state="off"))
        db.session.commit()
    assert [one.id for one in editions.to_begin(one_house.subscription(own))] == [arabic]


def test_a_digest_that_is_withdrawn_is_not_among_a_readers_other_digests(one_house):
    own = one_house.reader()
    one_house.reader(digest="asia-trade")
    with database.write_turn():
        db.session.execute(update(Digest).where(Digest.key == "asia-trade").values(active=False))
        db.session.commit()
    assert editions.to_begin(one_house.subscription(own)) == []


def test_who_comes_back_on_the_day_of_the_first_edition_is_promised_no_second_one(one_house):
    subscription_id = one_house.reader(first=NOW)
    one_house.articles(15)
    assert editions.anything_for(one_house.subscription(subscription_id), now=NOW, services=one_house.services)
    assert len(one_house.go(NOW)) == 1
    assert not editions.anything_for(
        one_house.subscription(subscription_id), now=NOW + HOUR, services=one_house.services
    )
    assert editions.anything_for(one_house.subscription(subscription_id), now=NOW + DAY, services=one_house.services), (
        "five were not had yet"
    )


def test_who_had_every_story_is_promised_no_first_edition(one_house):
    subscription_id = one_house.reader(first=NOW)
    one_house.articles(3)
    one_house.go(NOW)
    assert not editions.anything_for(
        one_house.subscription(subscription_id), now=NOW + DAY, services=one_house.services
    )


def test_a_wave_that_is_given_back_is_the_next_ones_who_comes(one_house):
    one_house.reader()
    (wave,) = one_house.open(DUE)
    with database.write_turn():
        assert editions.begin(wave, DUE)
        editions.release(wave)
        db.session.commit()
    assert editions.unfinished(DUE) == [wave]
    assert one_house.compose(wave, DUE) == 1
    with database.write_turn():
        editions.release(wave)
        db.session.commit()
    assert editions.unfinished(DUE + DAY) == [], "what is done stays done"
