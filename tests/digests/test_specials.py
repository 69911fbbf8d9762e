"""A special reaches its readers and those of further digests, one copy each, which says and leaves what it came by."""

import random
import re

import pytest
from sqlalchemy import update

from articles.models import Article
from core import database, errors
from core.database import db
from digests import specials, viewing
from digests.models import Special
from subscribers import offer
from subscribers.models import Subscriber, Subscription
from tests.digests.house import ASIA, DAY, DUE, HOUR, MINUTE, NOW, TUESDAY, House


def draft(house: House, *article_ids: int, also: tuple[str, ...] = (), key: str = "vote", **values) -> Special:
    with database.write_turn():
        stories = [db.session.get_one(Article, one) for one in article_ids]
        lead = offer.by_key(values.pop("digest", "asia-daily"))
        further = [offer.by_key(one) for one in also]
        made = specials.draft(key, lead, stories, also=further, **{"subject": "The vote, explained", **values})
        db.session.commit()
    return made


def send(house: House, key: str = "vote", *, at=NOW) -> list:
    """Send a special, and compose it as the beat does: looked at until nothing is left."""
    with database.write_turn():
        specials.send(specials.by_key(key), now=at, services=house.services)
        db.session.commit()
    return [mail for _ in range(4) for mail in house.go(at)]


def test_its_stories_come_in_the_order_of_the_hand_with_note_and_subject(house):
    house.reader()
    one, two, three = house.articles(3, at=NOW - 300 * DAY)
    draft(house, two, three, one, note="Read *this* first.")
    (mail,) = send(house)
    assert mail.headlines == ["Story 2", "Story 3", "Story 1"]
    assert mail.parsed["Subject"] == "The vote, explained"
    assert "Read this first." in mail.text and "<em" in mail.html


def test_its_link_shows_its_stories_in_a_browser(house):
    house.reader()
    one, two = house.articles(2)
    draft(house, two, one)
    (mail,) = send(house)
    (name, token) = re.findall(r"/en/digests/asia-daily/([-0-9]+)/t/([a-z0-9]+)", mail.text)[0]
    seen = viewing.of(offer.by_key("asia-daily"), name, token, house.services)
    assert [story.headline for story in seen.stories] == ["Story 2", "Story 1"]


def test_each_copy_says_through_which_digest_it_came_and_leaves_that_one(house):
    house.reader("daily@example.org")
    house.reader("trade@example.org", digest="asia-trade")
    house.reader("arabic@example.org", digest="asia-arabic")
    draft(house, *house.articles(2), also=("asia-trade", "asia-arabic"))
    by_reader = {mail.to: mail for mail in send(house)}
    assert len(by_reader) == 3
    for name, digest, key in (
        ("daily", "Asia Daily", "asia-daily"),
        ("trade", "Asia Trade", "asia-trade"),
        ("arabic", "آسيا اليوم", "asia-arabic"),
    ):
        mail = by_reader[f"{name}@example.org"]
        assert f"because this address was confirmed for {digest}." in mail.text, "in the language of the one digest"
        assert mail.parsed["List-Id"].startswith(f"<{key}.")
        assert mail.mailing == f"special:vote:{key}"
        assert mail.parsed["From"] == by_reader["daily@example.org"].parsed["From"]


def test_who_left_the_one_digest_gets_it_through_the_other_and_the_stream_is_that_ones(house):
    house.reader("both@example.org")
    house.reader("both@example.org", digest="asia-trade")
    with database.write_turn():
        daily = offer.by_key("asia-daily").id
        db.session.execute(update(Subscription).where(Subscription.digest_id == daily).values(state="off"))
        db.session.commit()
    draft(house, *house.articles(1), also=("asia-trade",))
    (mail,) = send(house)
    assert "confirmed for Asia Trade" in mail.text


def test_it_is_narrowed_by_topics_and_a_reader_of_everything_gets_it(house):
    house.reader("all@example.org")
    house.reader("korea@example.org", countries=["kr"])
    house.reader("cuba@example.org", countries=["cu"])
    draft(house, *house.articles(1), topic_keys=["kr", "economy"])
    assert sorted(mail.to for mail in send(house)) == ["all@example.org", "korea@example.org"]


def test_who_has_paused_gets_none(house):
    house.reader()
    with database.write_turn():
        db.session.execute(update(Subscriber).values(paused_until=TUESDAY, paused_at=NOW - DAY))
        db.session.commit()
    draft(house, *house.articles(1))
    assert send(house) == []


def test_what_a_reader_had_is_left_out_by_the_digests_rule_and_comes_all_the_same_in_a_recap(house):
    house.reader("had@example.org")
    _one, two = house.articles(2, at=NOW)
    assert len(house.go(DUE)) == 1
    three = house.article("New", at=DUE + HOUR)
    house.reader("new@example.org", at=DUE + HOUR)
    draft(house, two, three)
    found = {mail.to: mail.headlines for mail in send(house, at=DUE + 2 * HOUR)}
    assert found == {"had@example.org": ["New"], "new@example.org": ["Story 2", "New"]}
    draft(house, two, three, key="again", repeat="recap")
    assert [mail.headlines for mail in send(house, "again", at=DUE + 3 * HOUR)] == [["Story 2", "New"]] * 2
    assert [mail.headlines for mail in house.go(DUE + DAY)] == [["Story 1"]], "it counts as had"


def test_what_a_recap_brought_comes_in_a_special_that_takes_everything_up(house):
    with database.write_turn():
        offer.apply([{**ASIA, "repeat": "recap", "rhythms": ["weekly"]}])
        db.session.commit()
    house.reader(how_often="weekly", weekday=1)
    (one,) = house.articles(1, at=NOW)
    assert len(house.go(DUE)) == 1
    draft(house, one)
    assert [mail.headlines for mail in send(house, at=DUE + HOUR)] == [["Story 1"]]


def test_for_whom_nothing_is_left_there_is_no_mail(house):
    house.reader()
    (one,) = house.articles(1, at=NOW)
    house.go(DUE)
    draft(house, one)
    assert send(house, at=DUE + HOUR) == []


def test_a_story_that_was_taken_back_since_is_not_in_it(house):
    house.reader()
    one, two = house.articles(2)
    draft(house, one, two)
    with database.write_turn():
        db.session.get_one(Article, one).state = "withdrawn"
        db.session.commit()
    (mail,) = send(house)
    assert mail.headlines == ["Story 2"]


def test_two_specials_of_one_day_are_two_and_a_draft_is_written_anew_until_it_is_sent(house):
    house.reader()
    one, two = house.articles(2)
    draft(house, one)
    draft(house, two)
    draft(house, one, key="other")
    assert [mail.headlines for mail in send(house)] == [["Story 2"]]
    assert [mail.headlines for mail in send(house, "other", at=NOW + MINUTE)] == [["Story 1"]]
    for again in (lambda: draft(house, one), lambda: send(house)):
        with pytest.raises(errors.Invalid, match="was sent"):
            again()
        db.session.rollback()


@pytest.mark.parametrize("seed", range(3))
def test_everybody_gets_one_copy_through_the_first_digest_that_reaches_them(one_house, seed):
    """The model looks at each person by themselves; the waves are composed in any order that the beat allows."""
    chance, house = random.Random(seed), one_house
    order = ["asia-daily", "asia-trade", "asia-arabic"]
    expected = {}
    for number in range(12):
        mailbox = f"reader{number}@example.org"
        tastes = {}
        for digest in chance.sample(order, chance.randint(1, 3)):
            tastes[digest] = chance.choice([[], ["kr"], ["cu"]])
            house.reader(mailbox, digest=digest, countries=tastes[digest])
        through = [digest for digest in order if digest in tastes and tastes[digest] in ([], ["kr"])]
        if through:
            expected[mailbox] = f"special:vote:{through[0]}"
    draft(house, *house.articles(2), also=("asia-trade", "asia-arabic"), topic_keys=["kr"])
    found = send(house)
    assert len(found) == len(expected)
    assert {mail.to: mail.mailing for mail in found} == expected


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"key": "Not a key"}, "1 to 40 small letters"),
        ({"topic_keys": ["nothing"]}, "There is no topic nothing"),
        ({"subject": " "}, "needs a subject"),
        ({"subject": "a\nb"}, "one line"),
        ({"note": "x" * 2001}, "at most 2000 characters"),
        ({"digest": "asia-arabic"}, "not there in the language"),
    ],
)
def test_a_draft_that_cannot_be_is_refused_with_a_sentence(one_house, values, said):
    with pytest.raises(errors.Invalid, match=said):
        draft(one_house, *one_house.articles(1), **values)


def test_a_special_without_stories_is_refused(one_house):
    with pytest.raises(errors.Invalid, match="1 to 100 stories"):
        draft(one_house)
