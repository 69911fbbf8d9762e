"""What comes again, what comes as a headline, and who waits for more: as the digest's rule and the mail say."""

import re
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from articles import life
from articles.models import Article
from core import database
from core.database import db
from delivery.models import Delivery
from subscribers import offer, preferences, unsubscribe
from subscribers.models import Subscription
from tests.digests.house import ASIA, DAY, DUE, HOUR, MINUTE, NOW, TRADE, House
from tests.digests.test_recall import change
from tests.subscribers.people import joined


def rule(**values: object) -> None:
    """Give the digest another rule."""
    with database.write_turn():
        offer.apply([{**ASIA, **values}])
        db.session.commit()


def mark_updated(article_id: int, *, at: object) -> None:
    with database.write_turn():
        life.mark_updated(db.session.get_one(Article, article_id), now=at)  # type: ignore[arg-type]
        db.session.commit()


def headlines(mails) -> list[list[str]]:
    return [mail.headlines for mail in mails]


def below(mail) -> list[str]:
    """Return the headlines that stand alone, from the text."""
    _above, _heading, rest = mail.text.partition("Also in the news\n")
    return re.findall(r"^\d+\. (.+)$", rest, re.MULTILINE)


def test_what_does_not_fit_stands_below_as_headlines_and_the_rest_is_counted(house):
    rule(headlines=2)
    house.reader(most=3)
    house.articles(9)
    (mail,) = house.go(DUE)
    assert mail.headlines == ["Story 9", "Story 8", "Story 7"]
    assert below(mail) == ["Story 6", "Story 5"]
    assert "4 more stories" in mail.text
    assert "on your topics" not in mail.text
    assert ">Story 6</a></h3>" in mail.html
    assert "4 more stories" in mail.html


@pytest.mark.parametrize(
    ("countries", "page"), [(["kr"], "/en/topics/kr"), (["kr", "cu"], "/en/")], ids=["one topic", "two topics"]
)
def test_the_count_of_more_stories_leads_to_where_they_are(house, countries, page):
    rule(headlines=0)
    house.reader(most=1, countries=countries)
    house.articles(3, "kr")
    (mail,) = house.go(DUE)
    assert f"2 more stories on your topics\n{house.services.links.base_url}{page}\n" in mail.text


def test_one_more_story_is_said_in_the_singular(house):
    house.reader(most=2)
    house.articles(3)
    (mail,) = house.go(DUE)
    assert "1 more story\n" in mail.text


def test_a_headline_was_had_and_what_was_only_counted_comes_the_next_day(house):
    rule(headlines=1)
    reader = house.reader(most=2)
    house.articles(4)
    (mail,) = house.go(DUE)
    assert (mail.headlines, below(mail)) == (["Story 4", "Story 3"], ["Story 2"])
    assert headlines(house.go(DUE + DAY)) == [["Story 1"]]
    past = house.past(house.subscription(reader).subscriber_id)
    assert sorted(entry.in_full for entry in past) == [False, True, True, True]


def test_a_first_edition_is_no_archive_and_counts_nothing(house):
    house.articles(30)
    house.reader(first=NOW)
    (mail,) = house.go(NOW)
    assert len(mail.headlines) == 10
    assert "more stor" not in mail.text


def test_by_the_rule_headline_what_was_had_comes_once_more_as_one(house):
    rule(repeat="headline", headlines=5, rhythms=["daily"])
    house.reader()
    house.articles(2)
    assert headlines(house.go(DUE)) == [["Story 2", "Story 1"]]
    house.article("Tuesday", at=DUE + HOUR)
    (mail,) = house.go(DUE + DAY)
    assert (mail.headlines, below(mail)) == (["Tuesday"], ["Story 2", "Story 1"])


def test_headlines_alone_are_no_mail(house):
    rule(repeat="headline", headlines=5)
    house.reader()
    house.articles(2)
    assert len(house.go(DUE)) == 1
    assert house.go(DUE + DAY) == []


def test_by_the_rule_updated_a_story_comes_again_and_says_so_to_those_who_had_it(house):
    rule(repeat="updated")
    house.reader("had@example.org")
    developing = house.article("Developing", at=NOW)
    house.article("Quiet", at=NOW - MINUTE)
    assert headlines(house.go(DUE)) == [["Developing", "Quiet"]]
    mark_updated(developing, at=DUE + HOUR)
    (again,) = house.go(DUE + DAY)
    assert again.headlines == ["Developing"]
    assert "Developing\nUpdated since we mailed you\n" in again.text
    assert ">Updated since we mailed you</p>" in again.html
    assert house.go(DUE + 2 * DAY) == [], "once for each update"


def test_whoever_did_not_have_it_gets_no_old_story_for_its_update(house):
    rule(repeat="updated")
    developing = house.article("Developing", at=NOW - 5 * DAY)
    house.reader(fresh_from=NOW)
    mark_updated(developing, at=DUE - HOUR)
    assert house.go(DUE) == []


def test_by_the_rule_never_an_update_is_no_reason(house):
    house.reader()
    developing = house.article("Developing", at=NOW)
    assert len(house.go(DUE)) == 1
    mark_updated(developing, at=DUE + HOUR)
    assert house.go(DUE + DAY) == []


def test_a_recap_brings_the_best_of_its_week_though_another_digest_brought_it(house):
    rule(repeat="recap", rhythms=["weekly"])
    house.reader("reader@example.org", digest="asia-trade")
    house.reader("reader@example.org", how_often="weekly", weekday=1)
    house.article("Of the week before", at=DUE - 7 * DAY)
    house.articles(2, at=DUE - 2 * DAY)
    house.article("After the cut-off", at=DUE + MINUTE, seen=DUE + MINUTE)
    mails = house.go(DUE + 2 * MINUTE)
    assert sorted(mail.headlines for mail in mails if "asia-daily" in mail.mailing) == [["Story 2", "Story 1"]]
    (next_one,) = [mail for mail in house.go(DUE + 7 * DAY) if "asia-daily" in mail.mailing]
    assert next_one.headlines == ["After the cut-off"], "recaps follow each other without a gap"


BACK = {
    "held and released the same hour": (
        lambda one: life.hold(one, now=DUE + MINUTE),
        lambda one: life.release(one, now=DUE + HOUR),
    ),
    "withdrawn and brought back days later": (
        lambda one: life.withdraw(one, reason="It was not so."),
        lambda one: life.restore(one, now=DUE + 3 * DAY),
    ),
}


@pytest.mark.parametrize("steps", BACK.values(), ids=BACK)
def test_a_recap_brings_nothing_again_that_a_recap_brought_though_it_was_away_and_is_new_again(house, steps):
    rule(repeat="recap", rhythms=["weekly"])
    house.reader("reader@example.org", how_often="weekly", weekday=1)
    story = house.article("Away", at=DUE - DAY)
    assert headlines(house.go(DUE)) == [["Away"]]
    for step in steps:
        change(story, step)
    house.reader("other@example.org", how_often="weekly", weekday=1, at=DUE + DAY)
    house.article("Later", at=DUE + 4 * DAY)
    found = {mail.to: sorted(mail.headlines) for mail in house.go(DUE + 7 * DAY)}
    assert found == {"reader@example.org": ["Later"], "other@example.org": ["Away", "Later"]}


def test_a_recap_takes_up_what_a_daily_brought_though_it_was_away(house):
    rule(repeat="recap", rhythms=["weekly"])
    house.reader("reader@example.org", digest="asia-trade")
    house.reader("reader@example.org", how_often="weekly", weekday=1, at=NOW + DAY)
    story = house.article("Away", at=DUE - DAY)
    assert headlines(house.go(DUE)) == [["Away"]]
    for step in BACK["held and released the same hour"]:
        change(story, step)
    mails = house.go(DUE + 7 * DAY)
    assert [(mail.mailing.split(":")[1], mail.headlines) for mail in mails] == [("asia-daily", ["Away"])]


def test_of_two_recaps_one_brings_a_story_and_a_first_edition_is_one_of_them(house):
    for of in (ASIA, TRADE):
        rule(**{**of, "repeat": "recap", "rhythms": ["weekly"]})
    house.reader("reader@example.org", how_often="weekly", weekday=1, first=NOW)
    house.reader("reader@example.org", digest="asia-trade", how_often="weekly", weekday=1)
    house.article("Before", at=NOW - HOUR)
    assert headlines(house.go(NOW)) == [["Before"]]
    house.article("After", at=NOW + HOUR)
    assert headlines(house.go(DUE)) == [["After"]], "by the other one"


def least(house: House, count: int, **reader: object) -> int:
    rule(least=count)
    return house.reader(**reader)  # type: ignore[arg-type]


def test_too_few_stories_wait_two_slots_and_then_come(house):
    made = least(house, 3)
    house.article("Alone", at=NOW)
    assert [house.go(DUE + days * DAY) for days in range(2)] == [[], []]
    db.session.expire_all()
    assert db.session.get_one(Subscription, made).waited == 2
    assert headlines(house.go(DUE + 2 * DAY)) == [["Alone"]]
    db.session.expire_all()
    assert db.session.get_one(Subscription, made).waited == 0


def test_as_soon_as_there_are_enough_nobody_waits(house):
    least(house, 3)
    house.article("First", at=NOW)
    assert house.go(DUE) == []
    house.articles(2, at=DUE + HOUR)
    assert headlines(house.go(DUE + DAY)) == [["Story 2", "Story 1", "First"]]


def test_days_without_any_story_are_not_counted(house):
    made = least(house, 2)
    assert house.go(DUE) == []
    db.session.expire_all()
    assert db.session.get_one(Subscription, made).waited == 0


def test_a_recap_that_moves_to_another_day_brings_nothing_of_the_last_one_again(house):
    rule(repeat="recap", rhythms=["weekly"])
    reader = house.reader(how_often="weekly", weekday=1)
    house.article("Before", at=DUE - DAY)
    assert headlines(house.go(DUE)) == [["Before"]]
    with database.write_turn():
        # The ledger's clock is ahead of the one in this test.
        db.session.execute(update(Delivery).values(next_attempt_at=DUE))
        subscription = db.session.get_one(Subscription, reader)
        chosen = preferences.of(subscription, DUE + HOUR).chosen
        preferences.save(subscription, replace(chosen, weekday=4), version=subscription.version, now=DUE + HOUR)
        db.session.commit()
    house.article("After", at=DUE + DAY)
    assert headlines(house.go(DUE + 3 * DAY)) == [["After"]], "on Friday"


def test_who_leaves_a_recap_and_comes_back_gets_nothing_of_the_last_one_again(house):
    rule(repeat="recap", rhythms=["weekly"])
    joined(house.services, digests=("asia-daily",), zone="Asia/Hong_Kong", at=NOW)
    db.session.commit()
    house.article("Before", at=NOW - HOUR)
    house.go(NOW)
    saturday = DUE + 4 * DAY
    house.article("Meanwhile", at=saturday - DAY)
    assert headlines(house.go(saturday)) == [["Meanwhile"]]
    with database.write_turn():
        db.session.execute(update(Delivery).values(next_attempt_at=saturday))
        subscription = db.session.scalars(select(Subscription)).one()
        unsubscribe.leave(subscription.subscriber, None, now=saturday + HOUR)
        joined(house.services, digests=("asia-daily",), zone="Asia/Hong_Kong", at=saturday + DAY)
        subscription.first_due_at = None
        db.session.commit()
    house.article("Later", at=saturday + 2 * DAY)
    assert headlines(house.go(saturday + 7 * DAY)) == [["Later"]]
