"""The relay of the chaos proof does what a recipient's name asks, and writes down what it takes before it says so."""

import contextlib
import hashlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos import journal, scripts
from tests.chaos.house import ROOT
from tests.chaos.journal import Line

WITHIN_S = 10.0
BODY = b"Open http://x.test/preferences/t/abc=\r\ndefgh\r\n[[story:1]]\r\n.. a dot\r\n"
PLAIN = b"Open http://x.test/preferences/t/abcdefgh\r\n[[story:1]]\r\n. a dot\r\n"


class Relay:
    """A running sink, and what it has written down."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.path = folder / "relay.jsonl"
        command = [sys.executable, "-m", "tests.chaos.sink", "--journal", str(self.path), "--hang", "0.2", *options]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())
        self.callers: list[Caller] = []
        self.seen = 0

    def anew(self) -> None:
        """Leave what was written down so far to the test before."""
        self.hang_up()
        self.seen = len(journal.read(self.path))

    def call(self) -> "Caller":
        self.callers.append(Caller(self.port))
        return self.callers[-1]

    def hang_up(self) -> None:
        for caller in self.callers:
            caller.close()
        self.callers.clear()
        deadline = time.monotonic() + WITHIN_S
        while len(self.lines("open", all=True)) > len(self.lines("close", all=True)):
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def end(self) -> None:
        self.hang_up()
        self.process.communicate(timeout=WITHIN_S)
        assert self.process.returncode == 0

    def tell(self, order: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{order}\n".encode())
        self.process.stdin.flush()

    def lines(self, kind: str, *, all: bool = False) -> list[Line]:
        return [line for line in journal.read(self.path)[0 if all else self.seen :] if line["k"] == kind]

    def wait_for(self, kind: str, count: int = 1) -> list[Line]:
        deadline = time.monotonic() + WITHIN_S
        while len(found := self.lines(kind)) < count:
            assert time.monotonic() < deadline, f"no {kind} in {journal.read(self.path)}"
            time.sleep(0.01)
        return found


class Caller:
    """One connection that says what a sender says."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S)
        self.file = self.sock.makefile("rb")
        self.hear()
        self.ehlo = self.say("EHLO x.test")

    def close(self) -> None:
        self.file.close()
        self.sock.close()

    def hear(self) -> str:
        """Return one reply, its lines joined; empty when the relay has closed the connection."""
        found = ""
        with contextlib.suppress(ConnectionResetError):
            while line := self.file.readline():
                found += line.decode("utf-8", "replace")
                if line[3:4] != b"-":
                    break
        return found.strip()

    def say(self, line: str) -> str:
        with contextlib.suppress(ConnectionError):
            self.sock.sendall(f"{line}\r\n".encode())
        return self.hear()

    def envelope(self, to: str) -> list[str]:
        """Send MAIL, RCPT and DATA in one write; return the three replies, as far as they come."""
        self.sock.sendall(f"MAIL FROM:<b@x.test>\r\nRCPT TO:<{to}>\r\nDATA\r\n".encode())
        replies = []
        for _step in range(3):
            replies.append(self.hear())
            if replies[-1] == "" or replies[-1].startswith("421"):
                break
        return replies

    def message(self, to: str, body: bytes = BODY) -> str:
        head = f"From: a@x.test\r\nTo: Reader <{to}>\r\nMessage-ID:\r\n <m1@x.test>\r\nSubject: News\r\n\r\n".encode()
        with contextlib.suppress(ConnectionError):
            self.sock.sendall(head + body + b".\r\n")
        return self.hear()


@pytest.fixture(scope="module")
def open_relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Relay]]:
    running: list[Relay] = []

    def open_one(*options: str) -> Relay:
        running.append(Relay(tmp_path_factory.mktemp("relay"), *options))
        return running[-1]

    yield open_one
    for relay in running:
        relay.end()


@pytest.fixture(scope="module")
def shared(open_relay: Callable[..., Relay]) -> Relay:
    return open_relay()


@pytest.fixture
def relay(shared: Relay) -> Relay:
    shared.anew()
    return shared


def test_what_is_taken_is_written_down_before_it_is_said(relay: Relay) -> None:
    caller = relay.call()
    assert [reply[:3] for reply in caller.envelope("ok.r1@p1.test")] == ["250", "250", "354"]
    assert caller.message("ok.r1@p1.test").startswith("250")
    line = relay.lines("accepted")[0]
    assert (line["from"], line["to"], line["header_to"]) == ("b@x.test", "ok.r1@p1.test", "ok.r1@p1.test")
    assert (line["id"], line["subject"], line["marks"]) == ("<m1@x.test>", "News", ["story:1"])
    assert line["tokens"] == ["abcdefgh"]
    assert line["sha256"] == hashlib.sha256(BODY.replace(b"\r\n..", b"\r\n.")).hexdigest()
    assert line["shape"] == hashlib.sha256(PLAIN.replace(b"abcdefgh", b"")).hexdigest()


def test_it_offers_what_senders_of_today_use(open_relay: Callable[..., Relay], relay: Relay) -> None:
    for name in ("PIPELINING", "ENHANCEDSTATUSCODES", "SIZE"):
        assert name in relay.call().ehlo
    assert "PIPELINING" not in open_relay("--no-pipelining").call().ehlo


def test_a_message_may_come_in_any_pieces(relay: Relay) -> None:
    caller = relay.call()
    source = b"MAIL FROM:<b@x.test>\r\nRCPT TO:<ok.r1@p1.test>\r\nDATA\r\nSubject: News\r\n\r\nText\r\n.\r\n"
    for octet in source:
        caller.sock.sendall(bytes([octet]))
    assert [caller.hear()[:3] for _reply in range(4)] == ["250", "250", "354", "250"]
    assert relay.lines("accepted")[0]["sha256"] == hashlib.sha256(b"Text\r\n").hexdigest()


REFUSED = [
    (scripts.Script(phase, act), {"mail": 0, "rcpt": 1, "data": 2}[phase], scripts.REPLIES[act])
    for phase in ("mail", "rcpt", "data")
    for act in scripts.ACTS[phase]
    if act in scripts.REPLIES
]


@pytest.mark.parametrize(("script", "step", "reply"), REFUSED, ids=[str(one[0]) for one in REFUSED])
def test_a_command_is_refused_where_the_name_says(relay: Relay, script: scripts.Script, step: int, reply: str) -> None:
    replies = relay.call().envelope(f"{script}.r1@p1.test")
    assert [one[:3] for one in replies[:step]] == ["250"] * step
    assert replies[step] == reply
    assert not relay.lines("accepted")


@pytest.mark.parametrize("act", [act for act in scripts.ACTS["dot"] if act in scripts.REPLIES])
def test_a_message_is_refused_after_its_dot(relay: Relay, act: str) -> None:
    caller, to = relay.call(), f"dot-{act}.r1@p1.test"
    caller.envelope(to)
    assert caller.message(to) == scripts.REPLIES[act]
    assert not relay.lines("accepted")
    assert relay.wait_for("played")[0]["doubtful"] is False


@pytest.mark.parametrize(("act", "taken"), [("drop", 0), ("hang", 0), ("lost", 1)])
def test_a_line_is_lost_after_the_dot_and_only_the_relay_knows_what_it_took(relay: Relay, act: str, taken: int) -> None:
    caller, to = relay.call(), f"dot-{act}.r1@p1.test"
    caller.envelope(to)
    assert caller.message(to) == ""
    assert relay.wait_for("close")[0]["unanswered"] is True
    assert len(relay.lines("accepted")) == taken
    assert relay.lines("played")[0]["doubtful"] is True


@pytest.mark.parametrize(("act", "taken"), [("garbage", 0), ("babble", 1)])
def test_nonsense_after_the_dot_is_no_reply(relay: Relay, act: str, taken: int) -> None:
    caller, to = relay.call(), f"dot-{act}.r1@p1.test"
    caller.envelope(to)
    caller.message(to)
    assert len(relay.lines("accepted")) == taken
    assert relay.wait_for("played")[0]["doubtful"] is True


@pytest.mark.parametrize("phase", ["rcpt", "data"])
@pytest.mark.parametrize("act", ["drop", "hang"])
def test_a_line_is_lost_before_the_message_and_there_is_no_doubt(relay: Relay, phase: str, act: str) -> None:
    assert relay.call().envelope(f"{phase}-{act}.r1@p1.test")[-1] == ""
    assert relay.wait_for("played")[0]["doubtful"] is False


@pytest.mark.parametrize("act", ["drop", "hang"])
def test_a_line_is_lost_within_the_message_and_the_sender_cannot_know_how_much_came(relay: Relay, act: str) -> None:
    caller, to = relay.call(), f"body-{act}.r1@p1.test"
    assert caller.envelope(to)[-1].startswith("354")
    assert caller.message(to, b"x" * 74 + b"\r\n") == ""
    assert relay.wait_for("played")[0]["doubtful"] is True
    assert not relay.lines("accepted")


def test_a_script_ends_after_as_many_times_as_the_name_says(relay: Relay) -> None:
    to = "rcpt-4xx-2x.r1@p1.test"
    replies = [relay.call().envelope(to)[1][:3] for _time in range(3)]
    assert replies == ["451", "451", "250"]


def test_without_pipelining_a_refusal_of_mail_comes_at_the_recipient(relay: Relay) -> None:
    caller = relay.call()
    assert caller.say("MAIL FROM:<b@x.test>").startswith("250")
    assert caller.say("RCPT TO:<mail-4xx-1x.r1@p1.test>").startswith("451")


def test_a_cut_ends_every_connection_and_says_how_many_there_were(relay: Relay) -> None:
    callers = [relay.call() for _one in range(3)]
    relay.tell("cut")
    assert [caller.hear() for caller in callers] == ["", "", ""]
    assert relay.wait_for("cut")[0]["open"] == 3


@pytest.mark.parametrize("orders", ["shut 0.3", "shut 0.3\nshut 0.1"], ids=["once", "while it is shut"])
def test_a_relay_that_is_shut_is_back_after_a_while(relay: Relay, orders: str) -> None:
    caller = relay.call()
    relay.tell(orders)
    assert caller.hear() == ""
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionError):
            if relay.call().ehlo.startswith("250"):
                return
        time.sleep(0.05)
    pytest.fail("the relay did not come back")


def test_a_message_of_a_sender_that_is_gone_is_taken_before_that_or_never(open_relay: Callable[..., Relay]) -> None:
    relay = open_relay("--pace", "0.2")
    for number in range(6):
        caller, to = relay.call(), f"ok.r{number}@p1.test"
        caller.envelope(to)
        caller.sock.sendall(b"Subject: News\r\n\r\nText\r\n.\r\n")
        caller.close()
    closed = {line["conn"]: line for line in relay.wait_for("close", 6)}
    for line in relay.lines("accepted"):
        assert line["t"] <= closed[line["conn"]]["t"]
