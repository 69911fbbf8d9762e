"""What came in is kept once, whoever brings it, one by one or many at a time."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from core import database
from core.database import db
from returns import arrivals
from returns.models import Arrival
from tests.delivery.conftest import empty
from tests.installation import rooms_on, settings_for
from tests.returns.posts import NOW


@pytest.fixture(params=["sqlite", "postgresql"])
def rooms(request, tmp_path) -> Iterator[Flask]:
    """The tables, on SQLite and on PostgreSQL."""
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'returns.db'}" if sqlite else request.getfixturevalue("postgres_url")
    with rooms_on(settings_for(url)) as app:
        empty(db.engine)
        yield app


def keep_all(source: str, *names: bytes) -> int:
    with database.write_turn():
        new = arrivals.keep_all(source, [(name, b"what " + name) for name in names], now=NOW)
        db.session.commit()
    return new


def test_of_many_those_are_kept_that_are_new(rooms):
    assert keep_all("ses", b"a", b"b") == 2
    assert keep_all("ses", b"b", b"c", b"c", b"a") == 1
    assert keep_all("ses") == 0
    assert keep_all("mailgun", b"a") == 1, "each source has names of its own"
    found = db.session.execute(select(Arrival.source, Arrival.state, Arrival.raw).order_by(Arrival.id)).all()
    assert sorted(found) == [
        ("mailgun", "new", b"what a"),
        ("ses", "new", b"what a"),
        ("ses", "new", b"what b"),
        ("ses", "new", b"what c"),
    ]


def test_one_by_one_and_many_at_a_time_know_of_each_other(rooms):
    with database.write_turn():
        assert arrivals.keep("ses", b"a", b"x", now=NOW) is not None
        db.session.commit()
    assert keep_all("ses", b"a", b"b") == 1
    with database.write_turn():
        assert arrivals.keep("ses", b"b", b"y", now=NOW) is None


def test_what_others_brought_is_left_to_them(rooms):
    keep_all("mailbox", b"a")
    keep_all("ses", b"b")
    keep_all("sendgrid", b"c")
    assert {one.source for one in arrivals.waiting(10, sources=["ses", "sendgrid"])} == {"ses", "sendgrid"}
    assert len(arrivals.waiting(10)) == 3
    assert arrivals.waiting(10, sources=[]) == []


def test_what_waits_for_a_person_is_found_and_counted_until_somebody_settles_it(rooms):
    keep_all("ses", b"a", b"b")
    with database.write_turn():
        first, second = arrivals.waiting(10)
        raw = first.raw
        arrivals.set_aside(first, "It asks.", kind="confirmation")
        arrivals.set_aside(second, "It is broken.")
        db.session.commit()
    (asking,) = arrivals.asking("ses", "confirmation")
    assert (asking.raw, asking.why) == (raw, "It asks.")
    assert arrivals.asking("mailgun", "confirmation") == []
    assert arrivals.unread() == 2
    with database.write_turn():
        arrivals.settle(arrivals.asking("ses", "confirmation")[0], kind="confirmation")
        db.session.commit()
    assert (arrivals.asking("ses", "confirmation"), arrivals.unread()) == ([], 1)


def test_a_name_is_known_for_longer_than_any_post_may_be_old(rooms):
    keep_all("sendgrid", b"a")
    with database.write_turn():
        assert arrivals.forget(NOW + arrivals.KEPT - timedelta(seconds=1)) == 0
        assert arrivals.forget(NOW + arrivals.KEPT + timedelta(seconds=1)) == 1
