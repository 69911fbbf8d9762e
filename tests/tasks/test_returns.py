"""What came back is worked off from rows, and a round that cannot be made is made the next time."""

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import OperationalError

from core import clock, database, services
from core.database import db
from delivery import judging, outcomes
from delivery.models import Delivery, Outcome
from delivery.states import State
from subscribers import offer, returned
from subscribers.models import Subscriber
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
    assert not outcomes.waiting(returned.cursor())
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


def test_all_that_were_refused_are_judged_however_many_there_are(app, monkeypatch):
    monkeypatch.setattr(returns, "CHUNK", 2)
    mails(mailing(), {State.FAILED: 5}, last_code=550, last_text="5.1.1 unknown")
    returns.judge_failed()
    db.session.rollback()
    assert list(db.session.scalars(select(Delivery.returned_as))) == ["hard"] * 5
    assert judging.judge_failed(9, now=clock.utc_now()) == 0
