"""Whose mail program left a digest for them reads it once, on top of the next mail of another."""

import pytest
from sqlalchemy import select

from core import database
from core.database import db
from core.tokens import Purpose
from delivery.models import Content
from subscribers import joining, leaving, linkchanges, offer
from subscribers.models import Subscriber
from tests.delivery.mails import SERVICES
from tests.digests.house import DAY, DUE, HOUR, MINUTE, NOW, House

LEFT = "Your mail program has stopped Asia Trade for you"


def leave(house: House, mailbox: str, *, one_click: bool = True) -> int:
    """Leave Asia Trade; return the reader's id."""
    found = house.subscriber(mailbox)
    with database.write_turn():
        leaving.leave(db.session.get_one(Subscriber, found), offer.by_key("asia-trade"), now=NOW, one_click=one_click)
        db.session.commit()
    return found


@pytest.fixture
def house(one_house: House) -> House:
    """Three readers of two digests each, and stories."""
    one_house.articles(3)
    for mailbox in ("clicked@example.org", "pressed@example.org", "stays@example.org"):
        one_house.reader(mailbox)
        one_house.reader(mailbox, digest="asia-trade")
    return one_house


def mails(house: House, at=DUE + MINUTE) -> dict[str, str]:
    """Return the texts of the next mails of Asia Daily by who gets them."""
    return {mail.to: mail.text for mail in house.go(at) if "Asia Daily" in mail.text}


def test_the_next_mail_of_another_digest_says_it_and_leaves_all(house):
    leave(house, "clicked@example.org")
    leave(house, "pressed@example.org", one_click=False)
    said = mails(house)
    assert LEFT in said["clicked@example.org"]
    assert LEFT not in said["pressed@example.org"] + said["stays@example.org"]
    (link,) = [word for word in said["clicked@example.org"].split() if "/unsubscribe/t/" in word]
    row = db.session.get_one(Subscriber, house.subscriber("clicked@example.org"))
    read = SERVICES.links.tokens.read(Purpose.UNSUBSCRIBE, link.rpartition("/")[2])
    assert read.key == row.public_id
    assert "/unsubscribe/t/" not in said["stays@example.org"]


def test_it_is_said_once(house):
    leave(house, "clicked@example.org")
    assert LEFT in mails(house)["clicked@example.org"]
    house.articles(3, at=NOW + DAY, prefix="Later")
    assert LEFT not in mails(house, DUE + DAY + MINUTE)["clicked@example.org"]


def test_the_stories_of_all_are_compiled_once(house):
    leave(house, "clicked@example.org")
    mails(house)
    recipes = [content.block_ids for content in db.session.scalars(select(Content)) if content.block_ids != b""]
    openings, stories = {one[:8] for one in recipes}, {one[8:] for one in recipes}
    assert len(openings) > len(stories)


def test_who_comes_back_to_it_before_then_reads_nothing(house):
    found = leave(house, "clicked@example.org")
    with database.write_turn():
        row = db.session.get_one(Subscriber, found)
        (change,) = linkchanges.lately(row, since=NOW - HOUR)
        linkchanges.undo(change, now=NOW + MINUTE)
        db.session.commit()
    assert LEFT not in mails(house)["clicked@example.org"]


def test_who_left_the_last_one_is_not_noted(house):
    found = house.subscriber("clicked@example.org")
    with database.write_turn():
        row = db.session.get_one(Subscriber, found)
        for one in joining.subscriptions_of(row).values():
            leaving.leave(row, one.digest, now=NOW, one_click=True)
        db.session.commit()
    assert row.state == "left"
