"""Two at once: what a person does twice at the same moment, and what two workers do to the same row."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from core import database
from core.database import db
from delivery.models import Delivery
from subscribers import flood, joining, preferences, rhythm, schedule, signup, unsubscribe
from subscribers.models import ConsentEntry, Rhythm, SignupRequest, Subscriber, Subscription, Taste
from tests import at_once
from tests.subscribers import conftest, people
from tests.subscribers.people import NOW, answered, joined, note, note_fresh_link, only

RUNNERS = 6


@pytest.fixture(params=["sqlite", "postgresql"])
def app(request, tmp_path) -> Iterator[Flask]:
    """The offer, on each of the two kinds of database."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'races.sqlite'}"
    else:
        url = request.getfixturevalue("postgres_database")
    with conftest.application(url) as app:
        database.Base.metadata.create_all(db.engine)
        conftest.lay_out_offer()
        yield app


def test_one_request_confirmed_by_many_at_once_makes_one_subscriber(app, services):
    request_id = answered(services, digests=["asia-daily", "asia-arabic"], topics=["kr"]).id
    db.session.commit()

    def press() -> bool:
        request = db.session.get_one(SignupRequest, request_id)
        return signup.confirm(request, now=NOW).again

    results = at_once.run_as_writers(app, *[press] * RUNNERS)
    assert sorted(results, key=str) == [False] + [True] * (RUNNERS - 1)
    assert (people.count(Subscriber), people.count(Subscription), people.count(ConsentEntry)) == (1, 2, 2)
    assert (people.count(Rhythm), people.count(Taste)) == (2, 2)


def test_many_requests_of_one_address_confirmed_at_once_make_one_subscriber(app, services):
    wanted = [["asia-daily", "asia-arabic"], ["asia-arabic", "asia-daily"]] * (RUNNERS // 2)
    ids = []
    for digests in wanted:
        request = answered(services, digests=digests)
        flood.forgive(request.mailbox, services.keyring)  # else the inbox would get one of them
        ids.append(request.id)
    db.session.commit()

    def press(request_id: int) -> bool:
        request = db.session.get_one(SignupRequest, request_id)
        return signup.confirm(request, now=NOW).again

    assert at_once.run_as_writers(app, *[lambda one=one: press(one) for one in ids]) == [False] * RUNNERS
    assert (people.count(Subscriber), people.count(Subscription), people.count(ConsentEntry)) == (1, 2, 2)
    first_due = db.session.scalars(select(Subscription.first_due_at)).all()
    assert sorted(first_due, key=str) == [NOW, None]


def slowed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with a pause after it, in which the others get ahead."""

    def slow(*args, **kwargs):
        result = function(*args, **kwargs)
        time.sleep(0.05)
        return result

    return slow


def test_many_new_readers_at_once_share_their_rows_and_never_wait_in_a_circle(app, services, monkeypatch):
    orders = [["asia-daily", "asia-arabic"], ["asia-arabic", "asia-daily"]]
    # With a taste of its own each, nothing but the shared rhythms makes one wait for another.
    shelves = [[], ["kr"], ["cu"], ["economy"], ["diplomacy"], ["kr", "cu"]]
    forms = [{"digests": orders[n % 2], "topics": shelves[n]} for n in range(RUNNERS)]
    ids = [answered(services, f"r{n}@example.org", **forms[n]).id for n in range(RUNNERS)]
    db.session.commit()
    monkeypatch.setattr(rhythm, "rhythm_row", slowed(rhythm.rhythm_row))

    def press(request_id: int) -> bool:
        request = db.session.get_one(SignupRequest, request_id)
        return signup.confirm(request, now=NOW).again

    assert at_once.run_as_writers(app, *[lambda one=one: press(one) for one in ids]) == [False] * RUNNERS
    assert (people.count(Subscriber), people.count(Rhythm), people.count(Taste)) == (RUNNERS, 2, 2 * RUNNERS)


@pytest.mark.parametrize("kind", ["signup", "fresh_link"])
def test_one_request_answered_by_many_workers_at_once_sends_one_mail(app, services, kind):
    if kind == "fresh_link":
        joined(services)
    request_id = (note(services) if kind == "signup" else note_fresh_link(services)).id
    before = people.count(Delivery)
    db.session.commit()
    results = at_once.run_as_writers(app, *[lambda: people.answer(request_id, services=services, now=NOW)] * RUNNERS)
    assert results == [None] * RUNNERS
    assert people.count(Delivery) == before + 1


def test_many_requests_of_one_address_answered_at_once_get_one_mail(app, services):
    topics = ["kr", "cu", "economy", "diplomacy"]
    ids = [note(services, topics=topics[:number]).id for number in range(5)]
    db.session.commit()
    doors = [lambda one=one: people.answer(one, services=services, now=NOW) for one in ids]
    for _again in range(5):
        at_once.run_as_writers(app, *doors)  # What another one made untrue is decided anew, as the door does.
    assert people.count(Delivery) == 1
    states = db.session.scalars(select(SignupRequest.state)).all()
    assert sorted(states) == ["answered"] + ["dropped"] * 4


def test_many_first_answers_at_once_open_their_mailing_once(app, services):
    ids = [note(services, f"r{number}@example.org").id for number in range(RUNNERS)]
    db.session.commit()
    answer = people.answer
    doors = [lambda one=one: answer(one, services=services, now=NOW) for one in ids]
    assert at_once.run_as_writers(app, *doors) == [None] * RUNNERS
    assert people.count(Delivery) == RUNNERS


def test_leaving_while_a_second_request_is_confirmed_ends_as_one_or_the_other(app, services, monkeypatch):
    """Never half of both: what is on has no suppression of the reader's own, what is off has one."""
    confirmed = joined(services)
    subscriber_id = confirmed.subscriber.id
    request_id = answered(services, digests=["asia-daily", "asia-arabic"]).id
    db.session.commit()

    def leave() -> None:
        unsubscribe.leave(db.session.get_one(Subscriber, subscriber_id), None, now=NOW)

    def press() -> None:
        signup.confirm(db.session.get_one(SignupRequest, request_id), now=NOW)

    monkeypatch.setattr(joining, "subscriptions_of", slowed(joining.subscriptions_of))
    assert at_once.run_as_writers(app, leave, press) == [None, None]
    subscriber = db.session.get_one(Subscriber, subscriber_id)
    on = {choice.digest.stream for choice in preferences.view(subscriber, NOW) if choice.on}
    off = {choice.digest.stream for choice in preferences.view(subscriber, NOW) if not choice.on}
    assert people.left_streams(subscriber) == off
    assert (subscriber.state == "active") == bool(on)


def test_one_page_saved_by_many_at_once_is_saved_once(app, services):
    subscription_id = only(joined(services)).id
    db.session.commit()

    def save(minute: int) -> str:
        subscription = db.session.get_one(Subscription, subscription_id)
        chosen = replace(preferences.of(subscription, NOW).chosen, minute=minute)
        preferences.save(subscription, chosen, version=1, now=NOW)
        return "saved"

    results = at_once.run_as_writers(app, *[lambda one=one: save(one * 15) for one in range(RUNNERS)])
    assert [str(result) for result in results].count("saved") == 1
    assert sum(type(result).__name__ == "Conflict" for result in results) == RUNNERS - 1
    assert db.session.get_one(Subscription, subscription_id).version == 2


def test_one_wave_moved_on_by_many_workers_moves_once(app, services):
    row = only(joined(services)).rhythm
    digest_id, slot, due_at = row.digest_id, row.slot, row.next_due_at
    db.session.commit()
    at_once.run_as_writers(app, *[lambda: schedule.move_on(digest_id, slot, due_at, now=due_at)] * RUNNERS)
    moved = db.session.scalars(select(Rhythm)).one()
    assert (moved.slot - slot).days == 1
