"""Two at once at the links of one reader, on each of the two kinds of database."""

from sqlalchemy import func, select

from core import addresses, tokens
from core.database import db
from subscribers import address, addressing, leaving, linkchanges, mails, renewing
from subscribers.models import ConsentEntry, Subscriber
from subscribers.trail import AddressChange, FormerKey, LeavingReason, LinkChange
from tests import at_once
from tests.subscribers import people
from tests.subscribers.people import NOW, joined
from tests.subscribers.test_races import app as app

RUNNERS = 6
TO = "other@example.net"


def reader(services, email="reader@example.org") -> int:
    found = joined(services, email, digests=["asia-daily", "asia-arabic"]).subscriber.id
    db.session.commit()
    return found


def asked(services, subscriber_id, *, to=TO, number=1) -> int:
    """Have a reader ask for mail at another address, and let it be answered; return the change's id."""
    row = db.session.get_one(Subscriber, subscriber_id)
    public_id = number.to_bytes(16, "big")
    address.note(row, addresses.parse(to), public_id=public_id, now=NOW, keyring=services.keyring)
    change = db.session.scalars(select(AddressChange).filter_by(public_id=public_id)).one()
    decision = addressing.decide(change.id, services=services, now=NOW)
    assert decision is not None and decision.letter is not None
    addressing.write(decision, mails.make(decision.letter, services), services=services, now=NOW)
    db.session.commit()
    return change.id


def test_a_digest_left_by_many_at_once_is_left_once(app, services):
    found = reader(services)

    def press() -> bool:
        return leaving.leave(db.session.get_one(Subscriber, found), people.asia(), now=NOW) is None

    results = at_once.run_as_writers(app, *[press] * RUNNERS)
    assert sorted(results, key=str) == [False] + [True] * (RUNNERS - 1)
    assert people.count(LinkChange) == 1


def test_a_change_taken_back_by_many_at_once_is_taken_back_once(app, services):
    found = reader(services)
    change = leaving.leave(db.session.get_one(Subscriber, found), people.asia(), now=NOW)
    assert change is not None
    change_id = change.id
    db.session.commit()
    entries = people.count(ConsentEntry)

    def press() -> bool:
        return linkchanges.undo(db.session.get_one(LinkChange, change_id), now=NOW).again

    results = at_once.run_as_writers(app, *[press] * RUNNERS)
    assert sorted(results, key=str) == [False] + [True] * (RUNNERS - 1)
    assert (people.count(LinkChange), people.count(ConsentEntry)) == (2, entries + 1)


def test_a_reason_given_by_many_at_once_is_counted_once(app, services):
    found = reader(services)
    leaving.leave(db.session.get_one(Subscriber, found), people.asia(), now=NOW)
    db.session.commit()

    def press() -> bool:
        row = db.session.get_one(Subscriber, found)
        return leaving.give_reason(row, people.asia(), reason="other", now=NOW)

    results = at_once.run_as_writers(app, *[press] * RUNNERS)
    assert sorted(results, key=str) == [False] * (RUNNERS - 1) + [True]
    assert db.session.scalar(select(func.sum(LeavingReason.count))) == 1


def test_a_new_address_confirmed_by_many_at_once_moves_its_reader_once(app, services):
    change_id = asked(services, reader(services))

    def press() -> bool:
        return address.confirm(db.session.get_one(AddressChange, change_id), now=NOW).again

    results = at_once.run_as_writers(app, *[press] * RUNNERS)
    assert sorted(results, key=str) == [False] + [True] * (RUNNERS - 1)
    assert (people.count(FormerKey), people.count(LinkChange)) == (1, 1)
    assert db.session.scalars(select(Subscriber.address)).all() == [TO]


def test_of_two_readers_who_move_to_one_address_at_once_one_does(app, services):
    ids = [
        asked(services, reader(services, email), number=number)
        for number, email in enumerate(("first@example.org", "second@example.org"), 1)
    ]

    def press(change_id: int) -> bool:
        return address.confirm(db.session.get_one(AddressChange, change_id), now=NOW).again

    results = at_once.run_as_writers(app, *[lambda one=one: press(one) for one in ids])
    assert sorted(type(one).__name__ for one in results) == ["Taken", "bool"]
    assert db.session.scalars(select(Subscriber.address).where(Subscriber.address == TO)).all() == [TO]


def test_links_renewed_by_many_at_once_are_renewed_once(app, services):
    found = reader(services)
    token = services.links.tokens.mint
    row = db.session.get_one(Subscriber, found)
    made = tokens.Purpose.NOT_ME
    read = services.links.tokens.read(made, token(made, row.public_id, version=row.link_version, day=1))
    db.session.commit()

    def press() -> bool:
        return renewing.renew(db.session.get_one(Subscriber, found), read).again

    results = at_once.run_as_writers(app, *[press] * RUNNERS)
    assert sorted(results, key=str) == [False] + [True] * (RUNNERS - 1)
    assert db.session.scalars(select(Subscriber.link_version)).all() == [2]
