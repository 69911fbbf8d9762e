"""A nudge never holds a visitor up, whatever the broker does, and never fails."""

import socket
import threading
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
def published(monkeypatch, tmp_path: Path) -> list[str]:
    """The tasks that were said to the broker, in order."""
    create_app(settings_for(f"sqlite:///{tmp_path / 'nudge.db'}"))
    said: list[str] = []
    monkeypatch.setattr(nudge, "_publish", lambda task, _args: said.append(task))
    return said


def test_nudges_while_one_is_being_said_are_said_together_after_it(published, monkeypatch):
    being_said, may_go_on = threading.Event(), threading.Event()

    def publish(task: str, _args: tuple[int, ...]) -> None:
        published.append(task)
        being_said.set()
        assert may_go_on.wait(30)

    monkeypatch.setattr(nudge, "_publish", publish)
    nudge.signup()
    assert being_said.wait(30)
    for _one in range(1000):
        nudge.signup()
    may_go_on.set()
    all_said()
    # One was under way; of the thousand at most one for the other publisher, and one that waits behind both.
    assert 2 <= len(published) <= 1 + nudge._PUBLISHERS


def test_whoever_commits_after_a_look_was_asked_for_has_another_one_asked_for(published):
    for _commit in range(2):
        nudge.signup()
        all_said()
    assert published == ["tasks.signup.answer_waiting"] * 2


def test_different_nudges_do_not_stand_for_each_other(published):
    for wave in range(5):
        nudge.wave(wave)
    nudge.digests()
    all_said()
    assert sorted(published) == ["tasks.digests.compose"] * 5 + ["tasks.digests.open_due"]


def test_before_a_broker_that_hangs_only_so_many_nudges_wait(silent_broker, tmp_path: Path):
    port, _heard = silent_broker
    create_app(settings_for(f"sqlite:///{tmp_path / 'nudge.db'}", redis_url=f"redis://127.0.0.1:{port}/0"))
    for number in range(3 * nudge.MOST_WAITING):
        nudge.wave(number)
    # Those that the publishers have begun to say wait no more.
    assert nudge.MOST_WAITING - nudge._PUBLISHERS <= len(nudge._waiting) <= nudge.MOST_WAITING
