"""Requests are answered at the door: made outside of the transaction, each for itself."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from articles import topics
from core import clock, database, services
from core.database import db
from delivery import outbox
from delivery.models import Delivery, Mailing
from subscribers import answers, mails, offer
from subscribers.models import SignupRequest
from tasks import nudge, signup
from tests.subscribers import people


@pytest.fixture
def ask(app):
    """Fill in the subscribe form, and have it committed; return the row."""
    with database.write_turn():
        topics.apply(people.TOPICS)
        offer.apply([people.ASIA, people.ARABIC])
        db.session.commit()

    def note(email="reader@example.org", **form) -> int:
        with database.write_turn():
            request = people.note(services.current(), email, at=form.pop("at", clock.utc_now()), **form)
            db.session.commit()
        return request.id

    return note


def states() -> list[str]:
    db.session.rollback()
    return list(db.session.scalars(select(SignupRequest.state).order_by(SignupRequest.id)))


def queued() -> int:
    return db.session.scalar(select(func.count()).select_from(Delivery)) or 0


def failing_for(request_id, real):
    """Return a `decide` that fails for one request, as a damaged row would."""

    def decide(asked, **values):
        if asked == request_id:
            raise RuntimeError("damaged")
        return real(asked, **values)

    return decide


def test_every_waiting_request_is_answered_once(ask):
    for number in range(3):
        ask(f"r{number}@example.org")
    signup.answer_waiting()
    signup.answer_waiting()
    assert states() == ["answered"] * 3
    assert queued() == 3


def test_after_a_full_batch_the_rest_does_not_wait_for_beat(ask, monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(nudge, "_nudge", lambda task, *_ids: asked.append(task))
    monkeypatch.setattr(signup, "BATCH", 2)
    for number in range(5):
        ask(f"r{number}@d{number}.example.org")
    looks = 0
    while looks == 0 or "tasks.signup.answer_waiting" in asked:
        asked.clear()
        signup.answer_waiting()
        looks += 1
    assert (looks, states(), queued()) == (3, ["answered"] * 5, 5)


def test_a_request_that_fails_does_not_keep_the_others_waiting(ask, monkeypatch):
    broken = ask("first@example.org", at=clock.utc_now() - timedelta(minutes=30))
    ask("second@example.org")
    with monkeypatch.context() as patch:
        patch.setattr(answers, "decide", failing_for(broken, answers.decide))
        signup.answer_waiting()
    assert states() == ["new", "answered"]
    assert queued() == 1
    again = db.session.get_one(SignupRequest, broken).next_try_at - clock.utc_now()
    assert timedelta(minutes=29) < again < timedelta(minutes=31)
    signup.answer_waiting()
    assert states() == ["new", "answered"], "it waits"
    with database.write_turn():
        db.session.get_one(SignupRequest, broken).next_try_at = clock.utc_now()
        db.session.commit()
    signup.answer_waiting()
    assert states() == ["answered", "answered"]


def test_a_mail_that_cannot_be_written_leaves_nothing_behind(ask, monkeypatch):
    ask()

    def fail(*_args, **_values):
        raise RuntimeError("damaged")

    monkeypatch.setattr(outbox, "queue_bulk", fail)
    signup.answer_waiting()
    assert states() == ["new"]
    assert db.session.scalar(select(func.count()).select_from(Mailing)) == 0


def test_no_transaction_is_open_while_a_mail_is_made(ask, monkeypatch):
    ask()
    make, seen = mails.make, []

    def watched(letter, services):
        seen.append((db.session.registry.has() and db.session().in_transaction(), database._writing.get()))
        return make(letter, services)

    monkeypatch.setattr(mails, "make", watched)
    signup.answer_waiting()
    assert seen == [(False, False)]
    assert states() == ["answered"]


def test_what_changes_while_a_mail_is_made_is_decided_anew(ask, monkeypatch):
    ask(digests=["asia-daily", "asia-arabic"])
    make = mails.make
    made: list[Any] = []

    def interrupted(letter, services):
        if not made:
            with database.write_turn():
                offer.apply([{**people.ASIA, "active": False}])
                db.session.commit()
        made.append(letter)
        return make(letter, services)

    monkeypatch.setattr(mails, "make", interrupted)
    signup.answer_waiting()
    assert states() == ["answered"]
    assert [len(letter.values["digests"]) for letter in made] == [2, 1]
    assert [mail.subject for mail in people.queued(services.current())] == ["Please confirm: آسيا اليوم"]


def test_what_never_stops_changing_is_left_to_the_next_look(ask, monkeypatch):
    ask()
    monkeypatch.setattr(answers, "write", lambda *_args, **_values: False)
    signup.answer_waiting()
    assert states() == ["new"]


def test_addresses_nobody_confirmed_are_forgotten(ask):
    ask(at=clock.utc_now() - timedelta(days=8))
    signup.forget_unconfirmed()
    assert states() == ["dropped"]
