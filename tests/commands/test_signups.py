"""What an operator types when the form was misused, and what is answered."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from articles import topics
from core import alerts, clock, database, services
from core.database import db
from core.signups import SignupSettings
from subscribers import breaker, offer
from subscribers.models import SignupRequest
from tasks import signup
from tests.subscribers import people

LIMITS = SignupSettings(most_unconfirmed=2)


@pytest.fixture
def flooded(app, monkeypatch) -> list[int]:
    """Thirty sign-ups that nobody confirms, of which the breaker lets some through; the ids of those that wait."""
    settings = replace(app.extensions["postrider settings"], signup=LIMITS)
    monkeypatch.setitem(app.extensions, "postrider settings", settings)
    with database.write_turn():
        topics.apply(people.TOPICS)
        offer.apply([people.ASIA, people.ARABIC])
        for number in range(30):
            people.note(services.current(), f"r{number}@example.org", at=clock.utc_now())
        db.session.commit()
    signup.answer_waiting()
    return waiting()


def waiting() -> list[int]:
    db.session.rollback()
    return list(db.session.scalars(select(SignupRequest.id).filter_by(state="new").order_by(SignupRequest.id)))


def test_the_breaker_stops_the_task_between_two_looks_and_says_so(flask, flooded):
    assert 0 < len(flooded) < 30
    signup.answer_waiting()
    assert waiting() == flooded, "it stays open"
    ended = flask("signups show")
    assert ended.exit_code == 1
    assert f"Sign-ups that wait for an answer: {len(flooded)}." in ended.output
    assert "Stopped since" in ended.output
    table = json.loads(flask("signups show --json").output)
    assert (table["used"], table["unused"], table["waiting"]) == (0, 30 - len(flooded), len(flooded))
    assert table["stopped_since"]
    assert breaker.ALERT in flask("alerts list").output


def test_whoever_asks_for_a_fresh_link_is_answered_meanwhile(flask, flooded):
    with database.write_turn():
        wish = people.note_fresh_link(services.current(), "r0@example.org", at=clock.utc_now()).id
        db.session.commit()
    signup.answer_waiting()
    assert wish not in waiting()


def test_a_release_answers_those_who_wait(flask, flooded, nudged):
    ended = flask("signups release")
    assert (ended.exit_code, ended.output) == (0, f"Released. {len(flooded)} will be answered now.\n")
    assert "tasks.signup.answer_waiting" in nudged
    signup.answer_waiting()
    assert len(waiting()) < len(flooded)
    with database.writing(db.engine) as connection:
        assert alerts.open_keys(connection) <= {breaker.ALERT}


def test_a_release_can_drop_those_who_wait(flask, flooded):
    ended = flask("signups release --drop")
    assert (ended.exit_code, ended.output) == (0, f"Released. {len(flooded)} dropped.\n")
    assert waiting() == []
    assert flask("signups show").exit_code == 0
    assert db.session.get_one(SignupRequest, flooded[0]).address is None


def test_nothing_is_released_that_is_not_stopped(flask):
    ended = flask("signups release")
    assert (ended.exit_code, ended.output) == (1, "Error: Nothing is stopped.\n")
    shown = flask("signups show")
    assert (shown.exit_code, shown.output.splitlines()[-1]) == (0, "Not stopped.")


def test_what_was_stopped_once_is_judged_anew_after_its_release(flask, flooded):
    flask("signups release --drop")
    now = clock.utc_now()
    assert breaker.judge(now=now + timedelta(minutes=30), limits=LIMITS).unused == 0
