"""What came back is worked off from rows, and a round that cannot be made is made the next time."""

from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import OperationalError

from core import clock, database, services
from core.database import db
from delivery import judging, outcomes
from delivery.models import Delivery, Outcome
from delivery.states import State
from subscribers import offer, returned, unsubscribe
from subscribers.models import Digest, Subscriber
from tasks import returns
from tests.delivery.mailings import mailing, mails
from tests.subscribers import people


@pytest.fixture
def reader(app) -> Subscriber:
    """A reader of a digest whose mail came back as spam."""
    with database.write_turn():
        offer.apply([people.ASIA])
        found = people.joined(services.current()).subscriber
        db.session.commit()
    made = mailing("edition:1", stream="digest:asia-daily")
    values = {"mailing_id": made, "reader_key": found.public_id, "addr_hash": found.addr_hash}
    with database.write_turn():
        db.session.execute(insert(Outcome).values(at=clock.utc_now(), kind="complaint", **values))
        db.session.commit()
    return found


def test_readers_follow_what_came_of_their_mail(reader):
    returns.record_outcomes()
    db.session.rollback()
    assert db.session.scalar(select(Subscriber.state)) == "left"
    assert not outcomes.waiting(returned.cursor(), outcomes.ABOUT_READERS)
    returns.record_outcomes()


def test_while_somebody_writes_for_long_nothing_is_read_and_nothing_lost(reader, monkeypatch):
    def busy() -> int:
        raise OperationalError("LOCK", None, TimeoutError())

    with monkeypatch.context() as patch:
        patch.setattr(outcomes, "newest", busy)
        returns.record_outcomes()
    db.session.rollback()
    assert db.session.scalar(select(Subscriber.state)) == "active"
    returns.record_outcomes()
    db.session.rollback()
    assert db.session.scalar(select(Subscriber.state)) == "left"


def test_an_outcome_that_fails_is_stepped_over_and_the_others_count(reader, monkeypatch):
    with database.write_turn():
        second = people.joined(services.current(), "second@example.org").subscriber
        third = people.joined(services.current(), "third@example.org").subscriber
        made = db.session.scalars(select(Outcome.mailing_id)).one()
        for one in (second, third):
            values = {"mailing_id": made, "reader_key": one.public_id, "addr_hash": one.addr_hash}
            db.session.execute(insert(Outcome).values(at=clock.utc_now(), kind="complaint", **values))
        db.session.commit()
    leave, broken = unsubscribe.leave, second.id
    db.session.rollback()

    def fails(subscriber: Subscriber, digest: Digest | None, **more: Any) -> None:
        if subscriber.id == broken:
            raise ValueError("A fault of ours.")
        leave(subscriber, digest, **more)

    monkeypatch.setattr(unsubscribe, "leave", fails)
    returns.record_outcomes()
    db.session.rollback()
    states = db.session.scalars(select(Subscriber.state).order_by(Subscriber.id))
    assert list(states) == ["left", "active", "left"]
    assert not outcomes.waiting(returned.cursor(), outcomes.ABOUT_READERS)


def test_all_that_were_refused_are_judged_however_many_there_are(app, monkeypatch):
    monkeypatch.setattr(returns, "CHUNK", 2)
    mails(mailing(), {State.FAILED: 5}, last_code=550, last_text="5.1.1 unknown")
    returns.judge_failed()
    db.session.rollback()
    assert list(db.session.scalars(select(Delivery.returned_as))) == ["hard"] * 5
    assert judging.judge_failed(9, now=clock.utc_now()) == 0
