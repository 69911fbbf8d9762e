"""A nudge never holds a visitor up, whatever the broker does, and never fails."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app import create_app
from tasks import nudge
from tests.installation import settings_for


def all_said() -> None:
    """Wait until no nudge waits, and no publisher is at work any more."""
    for _publisher in range(nudge._PUBLISHERS):
        at_rest = threading.Barrier(nudge._PUBLISHERS + 1)
        for _one in range(nudge._PUBLISHERS):
            nudge._threads.submit(at_rest.wait, 30)
        at_rest.wait(30)


@pytest.fixture
def silent_broker() -> Iterator[tuple[int, threading.Event]]:
    """A server that takes connections and never says a word, until the test is over."""
    heard = threading.Event()
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hold() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                except OSError:
                    return
                heard.set()

        threading.Thread(target=hold, daemon=True).start()
        yield server.getsockname()[1], heard
        server.shutdown(socket.SHUT_RDWR)
        for connection in held:
            connection.close()
        # The publishers' threads end with their connections.
        all_said()


def test_a_broker_that_never_answers_does_not_hold_the_visitor(silent_broker, tmp_path: Path):
    port, heard = silent_broker
    create_app(settings_for(f"sqlite:///{tmp_path / 'nudge.db'}", redis_url=f"redis://127.0.0.1:{port}/0"))
    for _ in range(5):
        nudge.signup()  # It returns although the broker holds every publisher until this test is over.
    assert heard.wait(10)


def test_a_broker_that_is_down_is_one_log_line_and_no_error(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    create_app(settings_for(f"sqlite:///{tmp_path / 'nudge.db'}", redis_url=f"redis://127.0.0.1:{port}/0"))
    with capture_logs() as lines:
        nudge.post()
        nudge.digests()
        all_said()
    said = sorted((line["log_level"], line["event"], line["task"]) for line in lines)
    assert said == [
        ("warning", "nudge lost", "tasks.delivery.ring"),
        ("warning", "nudge lost", "tasks.digests.open_due"),
    ]


@pytest.fixture
def published(monkeypatch, tmp_path: Path) -> list[tuple[str, float]]:
    """What was said to the broker, and when."""
    create_app(settings_for(f"sqlite:///{tmp_path / 'nudge.db'}"))
    said: list[tuple[str, float]] = []
    monkeypatch.setattr(nudge, "_publish", lambda task, _args: said.append((task, time.monotonic())))
    return said


def test_a_thousand_nudges_at_once_are_said_a_few_times_and_the_last_one_is_heard(published):
    for _one in range(1000):
        nudge.signup()
    asked = time.monotonic()
    nudge.signup()
    all_said()
    assert 1 <= len(published) <= 20, "ten a second at the most, however slow this machine is just now"
    assert published[-1][1] >= asked, "what was committed last is seen by a look after it"


def test_whoever_commits_after_a_look_was_asked_for_has_another_one_asked_for(published):
    nudge.signup()
    all_said()
    before = time.monotonic()
    nudge.signup()
    all_said()
    assert published[-1][1] >= before


def test_different_nudges_do_not_stand_for_each_other(published):
    for wave in range(5):
        nudge.wave(wave)
    nudge.digests()
    all_said()
    assert [task for task, _at in published].count("tasks.digests.compose") == 5
    assert "tasks.digests.open_due" in {task for task, _at in published}


def test_a_nudge_takes_none_of_the_visitor_s_time(silent_broker, tmp_path: Path):
    port, _heard = silent_broker
    create_app(settings_for(f"sqlite:///{tmp_path / 'nudge.db'}", redis_url=f"redis://127.0.0.1:{port}/0"))
    for number in range(3 * nudge.MOST_WAITING):
        nudge.wave(number)
    assert len(nudge._waiting) <= nudge.MOST_WAITING
