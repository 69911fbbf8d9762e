"""Operators are told at the door: once by whoever looks first, again until they answer, over whatever channel works."""

import json
import re
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from flask import Flask
from sqlalchemy import delete, func, insert, select, update
from structlog.testing import LogCapture

from app import create_app
from core import clock, database, services
from core.alerting import AlertSettings
from core.alerts import Alert
from core.database import Base, db
from core.identity import Relay as Second
from core.settings import ROOT, Settings
from delivery import telling, watch
from delivery.models import Gate, Mailing
from delivery.states import State
from tasks import alerts, schedule
from tests import at_once
from tests.core.web import Web, serving
from tests.delivery.mailings import mailing, mails
from tests.delivery.relay import Relay
from tests.installation import settings_for

pytestmark = pytest.mark.smtp

PAGER = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read())"


@pytest.fixture(autouse=True)
def nothing_owed() -> Iterator[None]:
    """What one test's channels were not told is not told in the next."""
    alerts._owed.clear()
    yield
    alerts._owed.clear()


@pytest.fixture(params=["sqlite", "postgresql"])
def house(request, tmp_path: Path) -> Iterator[Flask]:
    """The application on each database."""
    on_file = f"sqlite:///{tmp_path / 'alerts.db'}"
    url = on_file if request.param == "sqlite" else request.getfixturevalue("postgres_database")
    app = create_app(settings_for(url))
    with app.app_context():
        Base.metadata.create_all(db.engine)
        yield app
        db.session.remove()
        db.engine.dispose()


class Hook:
    """A webhook that keeps what it is told, and answers what the test says."""

    def __init__(self, web: Web) -> None:
        self.told: list[str] = []
        self.status = 200
        self.url = f"http://127.0.0.1:{web.port}/hook"
        web.pages["/hook"] = self._answer

    def _answer(self, asked) -> None:
        document = json.loads(asked.rfile.read(int(asked.headers["Content-Length"])))
        if self.status == 200:
            self.told.append(f"{document['key']} {document['state']}")
        asked.answer(self.status)


@pytest.fixture
def hook() -> Iterator[Hook]:
    with serving() as web:
        yield Hook(web)


@pytest.fixture
def logged(monkeypatch) -> list:
    """What is logged, however logging was set up before."""
    capture = LogCapture()
    log = structlog.wrap_logger(None, processors=[capture], cache_logger_on_first_use=False)
    monkeypatch.setattr(alerts, "log", log)
    return capture.entries


def told_by(app: Flask, **channels) -> None:
    """Set the channels up, as an operator does before the start."""
    settings: Settings = app.extensions["postrider settings"]
    app.extensions["postrider settings"] = replace(settings, alerts=AlertSettings(**channels))


def look(app: Flask) -> None:
    alerts.look_now(db.engine, settings=app.extensions["postrider settings"], services=services.current())


def pause_relay() -> None:
    write(insert(Gate).values(relay="main", provider=0, fails=0, paused_at=clock.utc_now(), why="535 5.7.8 no"))


def write(statement) -> None:
    with database.write_turn():
        db.session.execute(statement)
        db.session.commit()


def time_passes(minutes: float) -> None:
    """Make everything that was noted of alerts older."""
    db.session.rollback()
    past = timedelta(minutes=minutes)
    for row in db.session.scalars(select(Alert)).all():
        ages = {name: at - past for name in ("opened_at", "told_at") if (at := getattr(row, name)) is not None}
        write(update(Alert).where(Alert.key == row.key).values(ages))


def row() -> Alert:
    db.session.rollback()
    return db.session.scalars(select(Alert)).one()


def test_a_trouble_is_told_by_webhook_command_and_mail_in_the_same_three_lines(house, hook, tmp_path):
    pager = tmp_path / "pager.py"
    pager.write_text(PAGER)
    pause_relay()
    with Relay() as second:
        told_by(
            house,
            webhook=hook.url,
            command=(sys.executable, str(pager), str(tmp_path / "paged")),
            relay=Second("127.0.0.1", second.port, "none"),
            to=("night@example.org",),
        )
        look(house)
    assert hook.told == ["relay:main standing"]
    assert (tmp_path / "paged").read_text() == f"{row().text}\n"
    ((_sender, to, mail),) = second.accepted
    assert (to, b"flask delivery resume --relay main" in mail) == ("night@example.org", True)


def test_the_task_looks_with_the_applications_own_settings(house, hook):
    told_by(house, webhook=hook.url)
    pause_relay()
    alerts.look()
    assert hook.told == ["relay:main standing"]


def test_two_processes_that_look_at_once_tell_once(house, hook, monkeypatch):
    told_by(house, webhook=hook.url)
    pause_relay()
    monkeypatch.setattr(alerts, "_looking", Unlocked())
    assert at_once.run(house, *[lambda: look(house)] * 4) == [None] * 4
    assert hook.told == ["relay:main standing"]
    write(delete(Gate))
    assert at_once.run(house, *[lambda: look(house)] * 4) == [None] * 4
    assert hook.told == ["relay:main standing", "relay:main over"]


class Unlocked:
    """What keeps two looks of one process apart keeps no two processes apart."""

    def acquire(self, *, blocking: bool) -> bool:
        return True

    def release(self) -> None:
        pass


def test_it_is_repeated_until_somebody_acknowledges_and_told_once_more_when_it_is_over(house, hook):
    told_by(house, webhook=hook.url, repeat=timedelta(minutes=15))
    pause_relay()
    for minutes in (0, 14, 2, 14, 2):
        time_passes(minutes)
        look(house)
    assert hook.told == ["relay:main standing"] * 3
    ended = house.test_cli_runner().invoke(args=["alerts", "acknowledge", "relay:main"])
    assert ended.exit_code == 0
    time_passes(60)
    look(house)
    assert len(hook.told) == 3
    write(delete(Gate))
    for _again in range(3):
        look(house)
        time_passes(60)
    assert hook.told == ["relay:main standing"] * 3 + ["relay:main over"]
    pause_relay()
    look(house)
    assert hook.told[4:] == ["relay:main standing"]


def kept(messages: list[str]) -> Callable[[telling.Message], None]:
    return lambda message: messages.append(f"{message.key} {message.state}")


@pytest.fixture
def both(app, hook, monkeypatch) -> list[str]:
    """The webhook, and a second channel that always works; what the second one was told."""
    heard: list[str] = []
    real = telling.channels
    told_by(app, webhook=hook.url)
    monkeypatch.setattr(telling, "channels", lambda *of: {**real(*of), "other": kept(heard)})
    return heard


def test_a_broken_channel_keeps_no_other_and_is_tried_again_at_the_next_look(app, hook, both, logged):
    pause_relay()
    hook.status = 500
    look(app)
    look(app)
    failed = [line for line in logged if line["event"] == "alert not told"]
    assert [(line["channel"], line["key"], line["why"]) for line in failed] == [
        ("webhook", "relay:main", "it answered 500")
    ] * 2
    hook.status = 200
    look(app)
    look(app)
    assert (hook.told, both) == (["relay:main standing"], ["relay:main standing"])


def test_a_broken_channel_is_not_told_later_what_is_not_so_any_more(app, hook, both):
    pause_relay()
    hook.status = 500
    look(app)
    write(delete(Gate))
    hook.status = 200
    look(app)
    assert (hook.told, both) == (["relay:main over"], ["relay:main standing", "relay:main over"])
    look(app)
    assert len(hook.told) == 1


def test_a_broken_channel_is_not_told_later_what_somebody_has_answered(app, hook, both):
    pause_relay()
    hook.status = 500
    look(app)
    app.test_cli_runner().invoke(args=["alerts", "acknowledge", "--all"])
    hook.status = 200
    look(app)
    assert (hook.told, both) == ([], ["relay:main standing"])


def test_a_channel_that_works_again_when_it_is_repeated_is_told_once(app, hook, both):
    pause_relay()
    hook.status = 500
    look(app)
    time_passes(16)
    alerts._owed["webhook"] = [replace(one, since=row().opened_at) for one in alerts._owed["webhook"]]
    hook.status = 200
    look(app)
    assert (hook.told, both) == (["relay:main standing"], ["relay:main standing"] * 2)


def test_when_no_channel_works_the_next_look_of_anybody_tells(app, hook):
    told_by(app, webhook=hook.url)
    pause_relay()
    hook.status = 503
    look(app)
    assert row().told_at is None
    alerts._owed.clear()  # As if another process looked next.
    hook.status = 200
    look(app)
    assert hook.told == ["relay:main standing"]
    write(delete(Gate))
    hook.status = 503
    look(app)
    hook.status = 200
    look(app)
    look(app)
    assert hook.told == ["relay:main standing", "relay:main over"]


def test_without_a_channel_it_is_kept_and_logged(app, logged):
    pause_relay()
    look(app)
    look(app)
    (line,) = [line for line in logged if line["event"] == "alert"]
    assert (line["log_level"], line["key"], line["text"]) == ("warning", "relay:main", row().text)
    assert row().told_at is not None


def test_where_nothing_is_wrong_nothing_is_written(app, monkeypatch):
    monkeypatch.setattr(database, "writing", lambda *_engine: pytest.fail("it wrote"))
    look(app)
    assert db.session.scalar(select(func.count()).select_from(Alert)) == 0


def test_a_second_look_of_one_process_does_not_wait_for_the_first(app, monkeypatch):
    monkeypatch.setattr(alerts, "_look", lambda *_of: pytest.fail("it looked"))
    with alerts._looking:
        look(app)


def test_the_thread_looks_again_and_again_whatever_fails_until_it_is_stopped(app, monkeypatch):
    looks = threading.Semaphore(0)

    def failing(*_of, **_values) -> None:
        looks.release()
        raise RuntimeError("the database is away")

    monkeypatch.setattr(alerts, "look_now", failing)
    monkeypatch.setattr(alerts, "FIRST_LOOK_S", 0.0)
    monkeypatch.setattr(alerts, "LOOK_S", 0.01)
    running = alerts.start_watch(app)
    for _look in range(3):
        assert looks.acquire(timeout=30)
    running.stop(patience_s=30)
    assert not running.thread.is_alive()


def test_the_thread_tells_without_any_queue(app, hook, monkeypatch):
    told_by(app, webhook=hook.url)
    pause_relay()
    heard = threading.Event()
    monkeypatch.setattr(alerts, "FIRST_LOOK_S", 0.0)
    monkeypatch.setattr(telling, "channels", lambda *_of: {"other": lambda _message: heard.set()})
    running = alerts.start_watch(app)
    assert heard.wait(30)
    running.stop(patience_s=30)


def test_beat_asks_once_a_minute():
    assert schedule.BEAT["tell operators"]["task"] == alerts.look.name
    assert schedule.BEAT["tell operators"]["schedule"] == alerts.LOOK_S


def test_every_command_that_an_alert_names_is_there(app):
    source = Path(watch.__file__).read_text("utf-8") + (ROOT / "delivery" / "telling.py").read_text("utf-8")
    named = re.findall(r"\bflask (\w[\w-]*) (\w[\w-]*)", source)
    assert len(named) >= 4
    for group, command in named:
        assert command in app.cli.commands[group].commands, f"flask {group} {command}"


def test_a_stream_that_is_complained_about_is_stopped_and_told_at_the_same_look(house, hook):
    told_by(house, webhook=hook.url)
    made = mailing(stream="digest:asia-daily")
    mails(made, {State.SENT: 996})
    mails(made, {State.SENT: 4}, returned_at=clock.utc_now(), returned_as="complaint")
    look(house)
    look(house)
    db.session.rollback()
    state, why = db.session.execute(select(Mailing.state, Mailing.why_paused)).one()
    assert state == "paused" and "4 of 1,000 mails" in str(why)
    (told,) = hook.told
    assert told.startswith("stopped:digest:asia-daily:complaints:") and told.endswith(" standing")
