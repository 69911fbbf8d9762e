"""A story that is taken back, held or brought back between composing and sending: the rest of each mail goes on."""

import re

import pytest

from articles import life
from articles.models import Article
from core import database
from core.database import db
from delivery.models import Content, Delivery
from digests import dispatch, editions, recall, turn
from subscribers import offer
from tests.digests.house import ASIA, DUE, HOUR, NOW, House
from tests.digests.sender import Sender


def article(article_id: int) -> Article:
    return db.session.get_one(Article, article_id)


def take_back(article_id: int) -> int:
    """Withdraw a story as a door does; return how many mails waited with it."""
    return change(article_id, lambda one: life.withdraw(one, reason="Killed by the agency."))


def change(article_id: int, step) -> int:
    with database.write_turn():
        turn.take()
        one = article(article_id)
        step(one)
        count = recall.hold(one)
        db.session.commit()
    return count


def remake(house: House) -> None:
    """Make anew what is held, as the task does."""
    while made := recall.remake(house.services):
        db.session.rollback()
        with database.write_turn():
            recall.write(made, now=DUE)
            db.session.commit()
    db.session.rollback()


def headlines(text: str) -> list[str]:
    return re.findall(r"^\d+\. (.+)\n(?!http)", text, re.MULTILINE)


@pytest.fixture
def sender(house) -> Sender:
    return Sender(house.services)


def test_who_has_the_mail_has_it_and_all_others_get_the_rest(house, sender):
    for name in ("early", "late", "later"):
        house.reader(f"{name}@example.org")
    house.articles(3)
    killed = house.article("Killed", at=NOW)
    house.go(DUE)
    (first,) = sender.go(1)
    assert take_back(killed) == 2
    assert sender.go() == [], "nothing leaves until it is made anew"
    remake(house)
    others = sender.go()
    assert len(others) == 2
    assert headlines(sender.made[first]) == ["Killed", "Story 3", "Story 2", "Story 1"]
    for other in others:
        assert headlines(sender.made[other]) == ["Story 3", "Story 2", "Story 1"]
        assert "3 stories" in sender.made[other] and "Killed" not in sender.made[other]
        assert sender.subjects[other] == "The Monsoon Courier: Story 3"
    assert sender.subjects[first] == "The Monsoon Courier: Killed"


def test_the_story_below_a_lead_that_is_taken_out_leads(house, sender):
    house.reader()
    house.articles(2)
    killed = house.article("Killed", at=NOW)
    house.go(DUE)
    take_back(killed)
    remake(house)
    sender.go()
    assert re.findall(r'<h2( class="lead")?', sender.html["reader@example.org"]) == [' class="lead"', ""]


def test_what_a_sender_holds_already_is_not_sent_with_it(house, sender):
    house.reader()
    house.articles(1)
    killed = house.article("Killed", at=NOW)
    house.go(DUE)
    claimed = sender.claim()
    take_back(killed)
    remake(house)
    assert sender.send(claimed) == ["reader@example.org"]
    assert headlines(sender.made["reader@example.org"]) == ["Story 1"]


def test_a_mail_of_which_nothing_is_left_is_not_sent(house, sender):
    house.reader()
    killed = house.article("Killed", at=NOW)
    house.go(DUE)
    assert take_back(killed) == 1
    remake(house)
    assert sender.go() == []
    assert db.session.query(Delivery.state).one() == ("cancelled",)


def test_headlines_alone_are_no_mail(house, sender):
    with database.write_turn():
        offer.apply([{**ASIA, "headlines": 2}])
        db.session.commit()
    house.reader("one@example.org", most=1)
    house.reader("two@example.org", most=2)
    house.article("Low", at=NOW - HOUR)
    killed = house.article("Killed", at=NOW)
    house.go(DUE)
    take_back(killed)
    remake(house)
    assert sender.go() == ["two@example.org"]
    assert headlines(sender.made["two@example.org"]) == ["Low"]


def test_the_heading_above_headlines_goes_with_the_last_of_them(house, sender):
    with database.write_turn():
        offer.apply([{**ASIA, "headlines": 2}])
        db.session.commit()
    house.reader(most=1)
    killed = house.article("Killed", at=NOW - HOUR)
    house.article("Top", at=NOW)
    house.go(DUE)
    take_back(killed)
    remake(house)
    sender.go()
    text = sender.made["reader@example.org"]
    assert headlines(text) == ["Top"]
    assert "Also in the news" not in text


def test_a_story_that_is_brought_back_in_time_is_in_what_has_not_left(house, sender):
    house.reader()
    house.articles(1)
    killed = house.article("Killed", at=NOW)
    house.go(DUE)
    take_back(killed)
    remake(house)
    change(killed, lambda one: life.restore(one, now=DUE))
    remake(house)
    sender.go()
    assert headlines(sender.made["reader@example.org"]) == ["Killed", "Story 1"]
    assert db.session.query(Content).filter_by(recall="held").count() == 0


def test_two_stories_one_after_the_other_are_both_taken_out(house, sender):
    house.reader()
    house.articles(1)
    one, two = house.article("One", at=NOW), house.article("Two", at=NOW)
    house.go(DUE)
    take_back(one)
    remake(house)
    take_back(two)
    remake(house)
    sender.go()
    assert headlines(sender.made["reader@example.org"]) == ["Story 1"]


def test_what_was_changed_while_a_mail_was_made_anew_is_made_anew_once_more(house, sender):
    house.reader()
    house.articles(1)
    one, two = house.article("One", at=NOW), house.article("Two", at=NOW)
    house.go(DUE)
    take_back(one)
    made = recall.remake(house.services)
    db.session.rollback()
    take_back(two)
    with database.write_turn():
        recall.write(made, now=DUE)
        db.session.commit()
    assert sender.go() == []
    remake(house)
    sender.go()
    assert headlines(sender.made["reader@example.org"]) == ["Story 1"]


def test_a_story_that_is_embargoed_while_a_chunk_is_made_has_the_chunk_read_anew(house, sender):
    house.reader()
    house.articles(1)
    embargoed = house.article("Embargoed", at=NOW)
    (wave,) = house.open(DUE)
    with database.write_turn():
        editions.begin(wave, DUE)
        db.session.commit()
    made = house.made(wave, DUE)
    change(embargoed, lambda one: life.hold(one, now=NOW))
    with pytest.raises(recall.StoryGone), database.write_turn():
        dispatch.write_chunk(made, DUE, house.services)
    assert house.chunk(wave, DUE)
    sender.go()
    assert headlines(sender.made["reader@example.org"]) == ["Story 1"]
