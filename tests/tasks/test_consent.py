"""The proof of consent is sealed by a task: two at once, after a crash, and on a database that was put back."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from app import create_app
from core import alerts, clock, database, services, startup
from core.database import Base, db
from delivery import tick
from subscribers import consentchain, consenthead, consentproof, offer
from subscribers.consentchain import Sealer
from subscribers.consenthead import Kept
from subscribers.consentproof import Report
from subscribers.models import ConsentEntry
from tasks import consent
from tests import at_once
from tests.installation import settings_for
from tests.subscribers import people


@pytest.fixture
def state(tmp_path) -> Path:
    return tmp_path / "state"


def running(url: str, state: Path) -> Iterator[Flask]:
    app = create_app(replace(settings_for(url), state_dir=state))
    with app.app_context():
        Base.metadata.create_all(db.engine)
        startup.keep_outside(db.engine, state)
        with database.write_turn():
            offer.apply([people.ASIA])
            db.session.commit()
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def both(request, tmp_path, state) -> Iterator[Flask]:
    sqlite = request.param == "sqlite"
    yield from running(
        f"sqlite:///{tmp_path / 'tasks.db'}" if sqlite else request.getfixturevalue("postgres_database"), state
    )


@pytest.fixture
def app(tmp_path, state) -> Iterator[Flask]:
    yield from running(f"sqlite:///{tmp_path / 'tasks.db'}", state)


def agree(*names: str) -> None:
    with database.write_turn():
        for name in names:
            people.joined(services.current(), f"{name}@example.org")
        db.session.commit()


def numbers() -> list[int | None]:
    db.session.rollback()
    return list(db.session.scalars(select(ConsentEntry.seq).order_by(ConsentEntry.id)))


def kept(state: Path) -> Kept:
    (found,) = consenthead.kept(state).heads.values()
    return found


def faults(app: Flask, state: Path) -> list[str]:
    head, report = consentchain.head(), Report()
    assert head is not None
    list(consentproof.walk(Sealer(app.extensions["postrider settings"].consent_key), head, report))
    consentproof.against(kept(state), head, report)
    db.session.rollback()
    return [one.kind for one in report.faults]


def test_the_task_seals_what_waits_and_keeps_the_head_outside_the_database(both, state):
    consent.seal()
    assert consenthead.kept(state).heads == {}, "nothing was agreed to yet"
    agree("one", "two")
    consent.seal()
    assert numbers() == [1, 2] and kept(state).seq == 2
    agree("three")
    consent.seal()
    consent.seal()
    assert numbers() == [1, 2, 3] and kept(state).seq == 3
    assert faults(both, state) == []


def test_two_tasks_at_once_make_one_chain(both, state, monkeypatch):
    monkeypatch.setattr(consent, "CHUNK", 3)
    agree(*(f"r{number}" for number in range(20)))
    assert at_once.run(both, *[consent.seal] * 4) == [None] * 4
    assert sorted(number or 0 for number in numbers()) == list(range(1, 21))
    assert faults(both, state) == [] and kept(state).seq == 20


def test_a_crash_before_the_commit_seals_nothing_and_one_after_it_only_tells_this_host_later(app, state, monkeypatch):
    agree("one")
    with monkeypatch.context() as patch:
        patch.setattr(consentchain, "_write", broken)
        with pytest.raises(RuntimeError):
            consent.seal()
    assert numbers() == [None]
    with monkeypatch.context() as patch:
        patch.setattr(consenthead, "remember", broken)
        with pytest.raises(RuntimeError):
            consent.seal()
    assert numbers() == [1] and consenthead.kept(state).heads == {}
    consent.seal()
    assert kept(state).seq == 1 and faults(app, state) == []


def broken(*_given: object, **_named: object) -> None:
    raise RuntimeError("the process died here")


def test_a_database_that_was_put_back_is_not_sealed_on_before_somebody_lets_it_go_on(app, state, tmp_path):
    agree("one")
    consent.seal()
    put_back = backed_up(tmp_path)
    agree("two")
    consent.seal()
    put_back()
    agree("three")
    consent.seal()
    assert numbers() == [1, None]
    (alert,) = alerts.standing(db.session.connection())
    assert alert.key == "consent:chain" and "up to number 2" in alert.text and "verify-consent" in alert.text
    assert faults(app, state) == ["cut"]
    db.session.rollback()
    release(state)
    consent.seal()
    assert numbers() == [1, 2] and faults(app, state) == []
    assert [one.seq for one in consenthead.kept(state).lost] == [2]
    assert alerts.standing(db.session.connection()) == []


def backed_up(tmp_path: Path):
    here, copy = tmp_path / "tasks.db", tmp_path / "backup.db"
    db.session.remove()
    db.engine.dispose()
    shutil.copy(here, copy)

    def put_back() -> None:
        db.session.remove()
        db.engine.dispose()
        for left in tmp_path.glob("tasks.db*"):
            left.unlink()
        shutil.copy(copy, here)

    return put_back


def release(state: Path) -> None:
    """Let mail leave again, as `flask restore finish` does at its end."""
    ticks = tick.kept(state)
    with database.writing(db.engine) as connection:
        tick.watch(connection, ticks)
        tick.release(connection, ticks)


def test_while_all_mail_is_held_nothing_is_sealed(app, state):
    agree("one")
    with database.writing(db.engine) as connection:
        tick.watch(connection, tick.kept(state))
        tick.hold(connection, why="It was restored.", stands_at=None, now=clock.utc_now())
    consent.seal()
    assert numbers() == [None]


def test_another_key_seals_nothing_and_operators_are_told_once(app, state):
    agree("one")
    consent.seal()
    agree("two")
    app.extensions["postrider settings"] = replace(app.extensions["postrider settings"], consent_key=b"another")
    for _look in range(2):
        consent.seal()
    assert numbers() == [1, None]
    (alert,) = alerts.standing(db.session.connection())
    assert "CONSENT_KEY" in alert.text


def test_a_file_that_is_damaged_is_told_and_keeps_nothing_waiting(app, state):
    agree("one")
    (state / consenthead.FILE).write_text("{")
    consent.seal()
    assert numbers() == [1]
    with pytest.raises(ValueError, match="Expecting"):
        consenthead.kept(state)


def test_an_older_head_never_takes_the_place_of_a_newer_one(state):
    now = clock.utc_now()
    newer, older = Kept("chain", 7, b"7", 1, now), Kept("chain", 5, b"5", 1, now - timedelta(hours=1))
    for seen in (newer, older):
        consenthead.remember(state, seen, lost=False)
    assert kept(state).seq == 7
