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


def all_places_given_back() -> None:
    """Wait until no publisher is at work any more."""
    for _ in range(nudge._PUBLISHERS):
        assert nudge._free.acquire(timeout=30)
    for _ in range(nudge._PUBLISHERS):
        nudge._free.release()


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
        all_places_given_back()


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
        all_places_given_back()
    said = [(line["log_level"], line["event"], line["task"]) for line in lines]
    assert said == [
        ("warning", "nudge lost", "tasks.delivery.ring"),
        ("warning", "nudge lost", "tasks.digests.open_due"),
    ]


def test_the_patience_is_what_was_promised():
    assert nudge.PATIENCE_S <= 0.2
