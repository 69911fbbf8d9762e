"""The link beside each story of a digest: the plain one, or the one that sends it as the reader."""

import re

import pytest
from sqlalchemy import select

from core import byus, clock, database, tokens
from core.database import db
from subscribers.models import Subscriber
from tests.digests.house import DUE, NOW, House

LINK = re.compile(r"http://127\.0\.0\.1:8000/en/[^/\s\"]+/send(?:/t/[a-z2-7]{47})?(?=[\s\"])")


def turn(by_us: bool) -> None:
    with database.write_turn():
        byus.note(db.session, by_us)
        db.session.commit()


@pytest.fixture
def tokens_of(house: House):
    """The distinct tokens in the shapes of a mail, and in its headers."""

    def found(raw: bytes, *shapes: str) -> set[str]:
        head = raw.partition(b"\r\n\r\n")[0].decode()
        return set(re.findall(r"/t/([a-z2-7]{47})", " ".join([head, *shapes])))

    return found


def test_where_we_send_each_story_has_the_readers_own_token_and_it_is_one_for_all(house: House, tokens_of):
    house.articles(3)
    for mailbox in ("a@example.org", "b@example.org"):
        house.reader(mailbox)
    turn(True)
    mails = house.go(DUE)
    seen = set()
    for mail in mails:
        links = LINK.findall(mail.text)
        assert len(links) == 3 == len(set(links)) and links == LINK.findall(mail.html)
        own = {link.rpartition("/t/")[2] for link in links}
        assert len(own) == 1
        read = house.services.links.tokens.read(tokens.Purpose.SHARE, own.pop())
        reader = db.session.scalars(select(Subscriber).filter_by(address=mail.to)).one()
        assert (read.key, read.version, read.day) == (reader.public_id, 1, clock.day_number(NOW))
        view = {
            one for one in tokens_of(mail.raw, mail.text, mail.html) if one in mail.text.partition("/digests/")[2][:200]
        }
        assert len(tokens_of(mail.raw, mail.text, mail.html) - view) <= 4
        seen |= {read.key}
    assert len(seen) == 2


def test_where_the_readers_mail_program_sends_it_is_the_plain_link(house: House):
    house.articles(2)
    house.reader()
    (mail,) = house.go(DUE)
    assert len(LINK.findall(mail.text)) == 2 and "/send/t/" not in mail.text + mail.html


def test_what_was_composed_before_the_switch_was_turned_stays_as_it_is(house: House):
    house.articles(1)
    house.reader()
    (mail,) = house.go(DUE)
    turn(True)
    assert house.mails()[0].raw == mail.raw


def test_a_story_that_may_not_be_passed_on_has_no_link_at_all(house: House):
    house.article("Alone", shareable=False)
    house.reader()
    turn(True)
    (mail,) = house.go(DUE)
    assert "/send" not in mail.text + mail.html


def test_a_mail_of_text_only_has_it_too(house: House):
    house.articles(2)
    house.reader(format="text")
    turn(True)
    (mail,) = house.go(DUE)
    assert len(set(LINK.findall(mail.text))) == 2 and "/send/t/" in mail.text
