"""Every channel tells by itself: to a real web server, a real program and a real relay; what fails says why."""

import contextlib
import email
import email.policy
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.alerting import AlertSettings
from core.alerts import Notice
from core.identity import Relay as Second
from core.services import Services
from delivery import telling
from delivery.telling import Message
from tests import installation
from tests.core.web import Web, serving, within
from tests.delivery.relay import Relay
from tests.servers import free_port

pytestmark = pytest.mark.smtp

SINCE = datetime(2026, 11, 24, 2, 17, 30, tzinfo=UTC)
NOW = datetime(2026, 11, 24, 2, 32, tzinfo=UTC)
TEXT = "The relay main is paused: 535 5.7.8 no.\nPaused since 2026-11-24 02:17 UTC.\nflask delivery resume --relay main"
ALERT = Message("relay:main", "standing", TEXT, SINCE, NOW)
KEEPER = """
import json, os, sys
with open(sys.argv[1], "a") as kept:
    kept.write(json.dumps({"text": sys.stdin.read(), "words": sys.argv[2:], "environment": dict(os.environ)}) + "\\n")
"""


@pytest.fixture
def services() -> Services:
    return installation.services_for(installation.settings_for("sqlite://"))


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as served:
        yield served


def program(folder: Path, code: str, *words: str) -> tuple[str, ...]:
    """Return a command that runs some Python."""
    script = folder / "page.py"
    script.write_text(code, "utf-8")
    return (sys.executable, str(script), *words)


def tell(services: Services, *messages: Message, **settings) -> dict[str, str | None]:
    """Tell by the channels of these settings; return by channel what failed."""
    by = telling.channels(AlertSettings(**settings), services)
    outcome = telling.tell({name: messages or [ALERT] for name in by}, by)
    return {name: why for (name, _key), why in outcome.items()}


def mail_by(port: int, *to: str) -> dict[str, Any]:
    return {"relay": Second("127.0.0.1", port, "none"), "to": to or ("night@example.org",)}


class LeftAlone(Relay):
    """A relay that does not mind when nobody waits for its reply."""

    def _talk(self, line: socket.socket) -> None:
        with contextlib.suppress(OSError):
            super()._talk(line)


def test_without_settings_there_is_no_channel(services):
    assert telling.channels(AlertSettings(), services) == {}


def test_the_webhook_gets_the_three_lines_as_json(services, web):
    heard = []

    def hook(asked):
        heard.append(json.loads(asked.rfile.read(int(asked.headers["Content-Length"]))))
        asked.answer(200)

    web.pages["/hook"] = hook
    assert tell(services, webhook=f"http://127.0.0.1:{web.port}/hook") == {"webhook": None}
    since = "2026-11-24T02:17:30+00:00"
    assert heard == [{"key": "relay:main", "state": "standing", "text": TEXT, "since": since}]


def test_the_command_gets_the_three_lines_and_the_key_and_none_of_our_secrets(services, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "kZ7-qR2mX9wB4tYv8nL1pD5sG3hJ6fCa")
    monkeypatch.setenv("HASH_KEY", "Vd0yTq8Lr5Kx2Bn9Ws4Pz7Mg1Hc6Jf3E")
    monkeypatch.setenv("CONSENT_KEY", "Qe4uWb9Zt1Ny6Cx0Rk8Fv5Hj3Ld7Gp2A")
    kept = tmp_path / "kept"
    command = program(tmp_path, KEEPER, str(kept), "a b", "$HOME;`id`")
    assert tell(services, command=command) == {"command": None}
    told = json.loads(kept.read_text())
    assert (told["text"], told["words"]) == (f"{TEXT}\n", ["a b", "$HOME;`id`"]), "no shell has seen it"
    environment = told["environment"]
    assert (environment["POSTRIDER_ALERT_KEY"], environment["POSTRIDER_ALERT_STATE"]) == ("relay:main", "standing")
    assert environment["PATH"] == os.environ["PATH"]
    assert not {"SECRET_KEY", "HASH_KEY", "CONSENT_KEY"} & environment.keys()


def test_each_operator_gets_a_mail_of_plain_text_over_the_second_relay(services):
    with Relay() as second:
        assert tell(services, **mail_by(second.port, "night@example.org", "boss@example.org")) == {"mail": None}
    assert [(sender, to) for sender, to, _raw in second.accepted] == [
        (services.identity.sender, "night@example.org"),
        (services.identity.sender, "boss@example.org"),
    ]
    first, other = (email.message_from_bytes(raw, policy=email.policy.default) for _s, _t, raw in second.accepted)
    assert first.get_content() == f"{TEXT}\n".replace("\n", "\r\n") or first.get_content() == f"{TEXT}\n"
    assert first["Subject"] == "Postrider: The relay main is paused: 535 5.7.8 no."
    assert (first["To"], other["To"]) == ("night@example.org", "boss@example.org")
    assert services.identity.sender in first["From"]
    assert first["Date"].datetime == NOW
    assert (first["Auto-Submitted"], first.defects) == ("auto-generated", [])
    assert first["Message-ID"] != other["Message-ID"]
    assert second.commands.count("DATA") == 2 and second.commands[-1] == "QUIT"


def test_one_operator_who_is_refused_keeps_no_other_from_being_told(services):
    with Relay() as second:
        told = tell(services, **mail_by(second.port, "rcpt-5xx@example.org", "night@example.org"))
    assert told == {"mail": "the relay did not take it: 550 5.1.1 unknown"}
    assert [to for _sender, to, _raw in second.accepted] == ["night@example.org"]


@pytest.mark.parametrize("script", ["rcpt-421", "dot-5xx", "drop-before-dot", "drop-after-dot"])
def test_whatever_the_second_relay_does_a_mail_that_is_not_taken_is_a_failure(services, script):
    with Relay() as second:
        told = tell(services, **mail_by(second.port, f"{script}@example.org"))
    assert str(told["mail"]).startswith("the relay did not take it: ")


def test_a_relay_that_is_silent_is_given_up_in_time(services, monkeypatch):
    monkeypatch.setattr(telling, "WITHIN_S", 1.0)
    with LeftAlone(on_dot=threading.Event()) as second, within(30):
        by = telling.channels(AlertSettings(**mail_by(second.port)), services)
        with pytest.raises(telling.NotTold, match="longer than"):
            by["mail"](ALERT)
        assert second.on_dot is not None
        second.on_dot.set()


def test_what_fails_says_why_and_shows_no_secret(services, web, tmp_path):
    web.pages["/hush"] = lambda asked: asked.answer(404)
    code = "import sys; sys.exit(3)"
    with Relay() as gone:
        pass
    told = tell(
        services,
        webhook=f"http://127.0.0.1:{web.port}/hush",
        command=program(tmp_path, code, "hush"),
        relay=Second("127.0.0.1", free_port(), "none", username="hush", password="hush"),
        to=("night@example.org",),
    )
    assert told["webhook"] == "it answered 404"
    assert told["command"] == "the command ended with status 3"
    assert str(told["mail"]).startswith("the relay cannot be used: ")
    assert "hush" not in str(told) and gone.accepted == []


def test_a_program_that_is_not_there_is_a_failure(services):
    assert tell(services, command=("/no/such/program", "hush")) == {
        "command": "/no/such/program cannot be run: No such file or directory"
    }


def test_a_program_that_hangs_is_ended_with_its_children(services, tmp_path, monkeypatch):
    monkeypatch.setattr(telling, "COMMAND_S", 2.0)
    read, write = os.pipe()
    code = f"import os, time\nos.set_inheritable({write}, True)\nos.fork()\ntime.sleep(60)\n"
    # Both hold the pipe open for as long as they live: it ends when the last one is gone.
    monkeypatch.setattr(subprocess, "Popen", keeping(subprocess.Popen, write))
    with within(30):
        told = tell(services, command=program(tmp_path, code))
        os.close(write)
        assert told == {"command": "the command took longer than 2 seconds"}
        assert os.read(read, 1) == b""
    os.close(read)


def keeping(popen, descriptor: int):
    return lambda *words, **options: popen(*words, **options, pass_fds=(descriptor,))


def test_a_program_that_does_not_read_is_told_all_the_same(services, tmp_path):
    long = Message("relay:main", "standing", "x" * 200_000, SINCE, NOW)
    assert tell(services, long, command=program(tmp_path, "pass")) == {"command": None}


def test_a_channel_that_hangs_keeps_no_other_from_telling(services, web, monkeypatch):
    monkeypatch.setattr(telling, "WITHIN_S", 1.0)
    web.pages["/hook"] = lambda asked: asked.web.closed.wait(20)
    heard: list[Message] = []
    by = {
        **telling.channels(AlertSettings(webhook=f"http://127.0.0.1:{web.port}/hook"), services),
        "other": heard.append,
    }
    with within(9):
        outcome = telling.tell(dict.fromkeys(by, [ALERT]), by)
    assert outcome == {("webhook", "relay:main"): telling._TOO_LONG, ("other", "relay:main"): None}
    assert heard == [ALERT]


def test_a_message_that_fails_does_not_keep_the_next_one(services, web):
    web.pages["/"] = lambda asked: asked.answer(500 if len(web.hits) == 1 else 200)
    other = Message("doubts", "standing", TEXT, SINCE, NOW)
    by = telling.channels(AlertSettings(webhook=f"http://127.0.0.1:{web.port}/"), services)
    outcome = telling.tell({"webhook": [ALERT, other]}, by)
    assert outcome == {("webhook", "relay:main"): "it answered 500", ("webhook", "doubts"): None}


def test_a_fault_of_ours_is_a_failure_of_that_channel_alone(services):
    def broken(_message: Message) -> None:
        raise RuntimeError("hush")

    heard: list[Message] = []
    outcome = telling.tell({"one": [ALERT], "two": [ALERT]}, {"one": broken, "two": heard.append})
    assert outcome == {("one", "relay:main"): "RuntimeError", ("two", "relay:main"): None}
    assert heard == [ALERT]


def test_what_is_over_is_said_in_three_lines_too():
    over = telling.message_of(Notice("relay:main", TEXT, SINCE, NOW, SINCE), NOW)
    assert over.state == "over"
    assert over.text.split("\n") == [
        "Over since 2026-11-24 02:32 UTC: The relay main is paused: 535 5.7.8 no.",
        "It stood since 2026-11-24 02:17 UTC.",
        "Nothing is left to do.",
    ]
    assert telling.message_of(Notice("relay:main", TEXT, SINCE, None, None), NOW) == ALERT
