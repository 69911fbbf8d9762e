"""A line on a real socket: replies in whatever pieces, limits of time, and what is left unsaid."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery import phases, replies, smtp
from delivery.phases import Offers, Phase
from delivery.replies import Verdict
from delivery.smtp import Line, Opened
from tests.delivery.test_phases import GOOD, MAIL, READER, SAYINGS, SENDER

PIPELINING = Offers(pipelining=True)
MEGABYTES = b"x" * 70 + b"\r\n" + b"y" * 8_000_000 + b"\r\n"
"""More than the buffers of both sides hold."""


class Ends:
    """Both ends of a line: ours, and the relay's socket."""

    def __init__(self, offers: Offers = PIPELINING) -> None:
        ours, self.relay = socket.socketpair()
        ours.setblocking(False)
        self.line = Line(Opened(ours, offers))

    def begin(self, mail: bytes = MAIL) -> replies.Reply | None:
        return self.line.send(SENDER, READER, mail)

    def says(self, octets: bytes) -> replies.Reply | None:
        """Have the relay say something, and the line hear it."""
        self.relay.sendall(octets)
        return self.line.advance()

    def heard(self) -> bytes:
        """Return what the relay has heard by now."""
        self.relay.setblocking(False)
        found = b""
        try:
            while octets := self.relay.recv(65_536):
                found += octets
        except BlockingIOError:
            pass
        finally:
            self.relay.setblocking(True)
        return found

    def close(self) -> None:
        self.line.sock.close()
        self.relay.close()


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A line with PIPELINING, and its relay."""
    made = Ends()
    yield made
    made.close()


def spoken(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\r\n" for line in lines)


@pytest.mark.parametrize("ending", [b"\r\n", b"\n"], ids=["CRLF", "LF"])
def test_replies_may_come_split_at_every_octet(ends, ending):
    lines = [b"250-one", b"250 two", b"250 ok", b"354-go", b"354 on", b"250-2.0.0 taken", b"250 thanks"]
    assert ends.begin() is None
    found = [ends.says(bytes([octet])) for octet in b"".join(line + ending for line in lines)]
    assert found[:-1] == [None] * (len(found) - 1)
    assert found[-1] == replies.Reply(Verdict.ACCEPTED, 250, "2.0.0 taken thanks", usable=True)
    assert ends.heard().endswith(MAIL + b".\r\n")


def test_one_line_carries_mail_after_mail(ends):
    for number in range(1, 4):
        assert ends.begin() is None
        reply = ends.says(spoken(GOOD[:3]))
        assert reply is None and ends.line.dot_is_out
        reply = ends.says(spoken(GOOD[3:]))
        assert reply is not None and reply.verdict is Verdict.ACCEPTED
        assert ends.line.carried == number and not ends.line.dot_is_out


def test_a_line_that_says_more_than_it_was_asked_carries_no_other_mail(ends):
    ends.begin()
    ends.says(spoken(GOOD[:3]))
    reply = ends.says(spoken([GOOD[3], b"250 and one more"]))
    assert reply == replies.Reply(Verdict.ACCEPTED, 250, "2.0.0 taken", usable=False)


def test_a_250_that_came_before_the_message_was_sent_accepts_nothing(ends):
    ends.begin()
    reply = ends.says(spoken(GOOD))
    assert reply == replies.Reply(Verdict.NONSENSE, None, "It answered what it was not asked.", usable=False)
    assert MAIL not in ends.heard()


@pytest.mark.parametrize("drops", [b"", b"250 2.0.0 tak"], ids=["silently", "within its reply"])
def test_a_line_that_ends_after_the_dot_is_a_doubt(ends, drops):
    ends.begin()
    ends.says(spoken(GOOD[:3]) + b"")
    ends.relay.sendall(drops)
    ends.relay.shutdown(socket.SHUT_RDWR)
    reply = ends.line.advance()
    assert reply is not None and (reply.verdict, reply.usable) == (Verdict.DOUBT, False)


def test_what_a_relay_says_before_it_hangs_up_under_a_message_is_heard(ends):
    ends.begin(MEGABYTES)
    assert ends.says(spoken(GOOD[:3])) is None and ends.line.wants_write
    ends.relay.sendall(b"552 5.3.4 too large\r\n")
    ends.relay.close()
    reply = ends.line.advance()
    assert reply is not None
    assert (reply.verdict, reply.code, reply.usable) == (Verdict.UNFIT, 552, False)


def test_a_line_that_ends_inside_a_message_is_no_doubt(ends):
    ends.begin(MEGABYTES)
    ends.says(spoken(GOOD[:3]))
    ends.relay.recv(100_000)
    ends.relay.close()
    reply = ends.line.advance()
    assert reply is not None and (reply.verdict, reply.usable) == (Verdict.RELAY, False)


def test_a_large_message_goes_as_fast_as_it_is_taken_and_whole(ends):
    ends.begin(MEGABYTES)
    ends.says(spoken(GOOD[:3]))
    taken = b""
    while ends.line.wants_write:
        assert not ends.line.dot_is_out
        taken += ends.heard()
        assert ends.line.advance() is None
    taken += ends.heard()
    assert ends.line.dot_is_out
    assert taken.partition(b"DATA\r\n")[2] == MEGABYTES + b".\r\n"
    reply = ends.says(GOOD[3] + b"\r\n")
    assert reply is not None and reply.verdict is Verdict.ACCEPTED


@pytest.mark.parametrize(
    ("heard", "phase", "verdict"),
    [
        ([], Phase.ENVELOPE, Verdict.RELAY),
        (GOOD[:2], Phase.ENVELOPE, Verdict.RELAY),
        (GOOD[:3], Phase.FINAL_DOT, Verdict.DOUBT),
        ([GOOD[0], b"550 5.1.1 unknown", b"503 no"], Phase.RESET, Verdict.REFUSED),
    ],
    ids=["nothing", "half", "all but the last", "a refusal"],
)
def test_a_silent_relay_is_waited_for_as_long_as_the_phase_allows(ends, monkeypatch, heard, phase, verdict):
    ends.begin()
    assert ends.says(spoken(heard)) is None
    left = ends.line.deadline - time.monotonic()
    assert phases.LIMITS[phase] - 5 < left <= phases.LIMITS[phase]
    later = time.monotonic() + phases.LIMITS[phase] + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    reply = ends.line.advance()
    assert reply is not None and (reply.verdict, reply.usable) == (verdict, False)
    if not heard or verdict is Verdict.DOUBT:
        assert f"silent for {phases.LIMITS[phase]:.0f} seconds" in reply.text


def test_a_message_that_is_taken_slowly_is_not_called_silence(ends, monkeypatch):
    ends.begin(MEGABYTES)
    ends.says(spoken(GOOD[:3]))
    begun = ends.line.deadline
    ends.heard()
    ends.line.advance()
    assert ends.line.wants_write and ends.line.deadline > begun


def test_a_relay_that_never_ends_its_line_is_cut_off(ends):
    ends.begin()
    reply = ends.says(b"2" * (replies.MAX_REPLY + 1))
    assert reply is not None and (reply.verdict, reply.usable) == (Verdict.NONSENSE, False)


def test_a_reply_that_never_ends_accepts_nothing(ends):
    ends.begin()
    ends.says(spoken(GOOD[:3]))
    reply = ends.says(b"250-and another line\r\n" * 1000)
    assert reply is not None and (reply.verdict, reply.usable) == (Verdict.DOUBT, False)


def test_a_line_that_the_relay_closed_between_two_mails_is_told_apart(ends):
    assert ends.begin() is None and not ends.line.went_stale
    ends.says(spoken(GOOD[:3]))
    ends.says(spoken(GOOD[3:]))
    ends.relay.close()
    reply = ends.begin()
    assert reply is not None and reply.verdict is Verdict.RELAY
    assert ends.line.went_stale, "the mail may go on another line at once"


@pytest.mark.parametrize(("carried", "stale"), [(0, False), (1, True)])
def test_a_goodbye_to_the_next_mail_of_a_line_is_not_about_our_rate(ends, carried, stale):
    for _mail in range(carried):
        ends.begin()
        ends.says(spoken(GOOD[:3]))
        ends.says(spoken(GOOD[3:]))
    ends.begin()
    reply = ends.says(b"421 4.4.2 timeout exceeded\r\n")
    assert reply is not None and (reply.code, reply.usable, ends.line.went_stale) == (421, False, stale)


def test_a_first_mail_on_a_line_that_breaks_is_not_a_line_that_went_stale(ends):
    ends.relay.close()
    reply = ends.begin()
    assert reply is not None and reply.verdict is Verdict.RELAY and not ends.line.went_stale


@pytest.mark.parametrize(
    ("heard", "verdict"), [(GOOD[:2], Verdict.RELAY), (GOOD[:3], Verdict.DOUBT)], ids=["before the dot", "after it"]
)
def test_a_line_that_we_close_is_in_doubt_only_when_the_dot_was_out(ends, heard, verdict):
    ends.begin()
    ends.says(spoken(heard))
    reply = ends.line.abandon("The sender was told to stop.")
    assert reply == replies.Reply(verdict, None, "The sender was told to stop.", usable=False)


def test_an_idle_line_says_goodbye_and_waits_for_the_answer(ends):
    ends.relay.sendall(b"221 bye\r\n")
    ends.line.part()
    assert ends.relay.recv(100) == b"QUIT\r\n"
    assert ends.relay.recv(100) == b"", "it is closed"


@pytest.mark.parametrize("mail", [MAIL, MEGABYTES], ids=["after the dot", "inside the message"])
def test_nothing_is_said_on_a_line_that_was_closed_under_a_mail(ends, monkeypatch, mail):
    monkeypatch.setattr(smtp, "GOODBYE_S", 60)
    ends.begin(mail)
    ends.says(spoken(GOOD[:3]))
    ends.line.abandon("We stop.")
    ending = threading.Thread(target=ends.line.part)
    ending.start()
    ending.join(10)
    assert not ending.is_alive(), "there is no answer to wait for"
    assert b"QUIT" not in ends.heard()


@settings(max_examples=60)
@given(says=SAYINGS, cuts=st.lists(st.integers(0, 200), max_size=6), drops=st.booleans(), offers=st.booleans())
def test_whatever_a_relay_says_in_whatever_pieces_a_line_ends_its_mail_once(says, cuts, drops, offers):
    ends = Ends(Offers(pipelining=offers))
    try:
        whole, at = spoken(says), 0
        reply, dot_was_out = ends.begin(), False
        for cut in [*sorted(cut for cut in cuts if 0 < cut < len(whole)), len(whole)]:
            if reply is None and cut > at:
                reply, at = ends.says(whole[at:cut]), cut
                dot_was_out = dot_was_out or MAIL + b".\r\n" in ends.heard()
        if drops:
            ends.relay.close()
        if reply is None:
            reply = ends.line.advance()
        if reply is None:
            reply = ends.line.abandon("gone")
        assert reply is not None
        if reply.verdict in (Verdict.DOUBT, Verdict.ACCEPTED):
            assert dot_was_out
        assert ends.line.advance() is None and ends.line.abandon("once more") is None
    finally:
        ends.close()
