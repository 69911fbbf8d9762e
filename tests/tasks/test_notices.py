"""Notices and changes of address at the door: each reader for themselves, made outside of the transaction."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from articles import topics
from core import addresses, clock, database, services
from core.database import db
from delivery.models import Delivery, Mailing
from subscribers import address, addressing, leaving, linkchanges, mails, offer
from subscribers import notices as rooms
from subscribers.models import Subscriber
from subscribers.trail import AddressChange, LinkChange
from tasks import notices
from tests.subscribers import people

LONG_AGO = timedelta(hours=2)


@pytest.fixture
def readers(app) -> list[int]:
    """Two readers."""
    with database.write_turn():
        topics.apply(people.TOPICS)
        offer.apply([people.ASIA, people.ARABIC])
        db.session.commit()
    with database.write_turn():
        mailboxes = ("first@example.org", "second@example.org")
        found = [people.joined(services.current(), one, at=clock.utc_now()).subscriber.id for one in mailboxes]
        db.session.commit()
    return found


def leave(subscriber_id: int) -> None:
    with database.write_turn():
        row = db.session.get_one(Subscriber, subscriber_id)
        leaving.leave(row, people.asia(), now=clock.utc_now() - LONG_AGO)
        db.session.commit()


def move(subscriber_id: int, to: str) -> None:
    with database.write_turn():
        row = db.session.get_one(Subscriber, subscriber_id)
        keyring = services.current().keyring
        typed = addresses.parse(to)
        address.note(row, typed, public_id=keyring.hash(typed), now=clock.utc_now(), keyring=keyring)
        db.session.commit()


def queued(kind: str) -> int:
    db.session.rollback()
    wanted = select(func.count()).select_from(Delivery).join(Mailing, Mailing.id == Delivery.mailing_id)
    return db.session.scalar(wanted.where(Mailing.key.startswith(f"system:{kind}:"))) or 0


def failing_for(row_id, real):
    """Return a `decide` that fails for one row, as a damaged one would."""

    def decide(asked, **values):
        if asked == row_id:
            raise RuntimeError("damaged")
        return real(asked, **values)

    return decide


def test_every_reader_is_told_once(readers):
    for one in readers:
        leave(one)
    notices.tell()
    notices.tell()
    assert queued("changed") == 2


def test_a_reader_who_cannot_be_told_does_not_keep_the_others_waiting(readers, monkeypatch):
    for one in readers:
        leave(one)
    with monkeypatch.context() as patch:
        patch.setattr(rooms, "decide", failing_for(readers[0], rooms.decide))
        notices.tell()
    assert queued("changed") == 1
    notices.tell()
    assert queued("changed") == 1, "it waits"
    later = clock.utc_now() + notices.FAILED_WAIT
    monkeypatch.setattr(clock, "utc_now", lambda: later)
    notices.tell()
    assert queued("changed") == 2


def test_every_wish_for_another_address_is_answered_once(readers):
    move(readers[0], "new@example.org")
    move(readers[1], "first@example.org")
    notices.answer_addresses()
    notices.answer_addresses()
    assert (queued("new-address"), queued("address-known")) == (1, 1)
    states = db.session.execute(select(AddressChange.state, AddressChange.address)).all()
    assert [tuple(row) for row in states] == [("answered", "new@example.org"), ("dropped", None)]


def test_a_wish_that_fails_does_not_keep_the_others_waiting(readers, monkeypatch):
    move(readers[0], "new@example.org")
    move(readers[1], "newer@example.org")
    first = db.session.scalars(select(AddressChange.id)).first()
    with monkeypatch.context() as patch:
        patch.setattr(addressing, "decide", failing_for(first, addressing.decide))
        notices.answer_addresses()
    assert queued("new-address") == 1
    notices.answer_addresses()
    assert queued("new-address") == 1, "it waits"


def test_no_transaction_is_open_while_a_mail_is_made(readers, monkeypatch):
    leave(readers[0])
    move(readers[1], "new@example.org")
    make, seen = mails.make, []

    def look(*args):
        seen.append(db.session().in_transaction())
        return make(*args)

    monkeypatch.setattr(mails, "make", look)
    notices.tell()
    notices.answer_addresses()
    assert seen == [False, False]


def test_what_is_old_is_forgotten(readers, monkeypatch):
    leave(readers[0])
    notices.tell()
    later = clock.utc_now() + linkchanges.KEPT
    monkeypatch.setattr(clock, "utc_now", lambda: later)
    notices.forget_old()
    db.session.rollback()
    assert db.session.scalars(select(LinkChange)).all() == []
