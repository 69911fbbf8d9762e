"""Hostile notifications: made of true ones and of nonsense, in every proportion, by Hypothesis or by a seed."""

import random
from collections.abc import Sequence

from hypothesis import strategies as st

WORDS = (
    b"Action: failed",
    b"Action: delivered",
    b"Action:",
    b"Status: 5.1.1",
    b"Status: 9.9.9",
    b"Status: 5.1",
    b"Status: \xff",
    b"Diagnostic-Code: smtp; 550 5.1.1 no such user",
    b"Diagnostic-Code: smtp;",
    b"Final-Recipient: rfc822; ada@readers.test",
    b"Final-Recipient: utf-8; \xce\xb4@readers.test",
    b"Reporting-MTA: dns; mx.test",
    b"Original-Envelope-Id: =?x?b?",
    b"Content-Type: message/delivery-status",
    b"Content-Type: message/global-delivery-status",
    b"Content-Type: message/rfc822",
    b"Content-Type: multipart/report; boundary=e",
    b'Content-Type: multipart/mixed; boundary="',
    b"Content-Type: text/plain",
    b"Content-Type: text/html; charset=zlib",
    b"Content-Type: text/plain; charset=\xff",
    b"Content-Type: ///;;;===",
    b"Content-Type: message/feedback-report",
    b"Feedback-Type: abuse",
    b"Feedback-Type: not-spam",
    b"Feedback-Type:",
    b"Content-Transfer-Encoding: base64",
    b"Content-Transfer-Encoding: quoted-printable",
    b"Content-Transfer-Encoding: x",
    b"--e",
    b"--e--",
    b"--e --",
    b"--",
    b"",
    b"",
    b"",
    b" folded",
    b"\tfolded",
    b"\0",
    b"\xff\xfe",
    b"=3D=\xff=",
    b"<>",
    b"From ",
    b"<ada@readers.test>: 550 5.1.1 unknown",
    b"Hi. This is the qmail-send program",
    b"." * 300,
    b"(" * 200,
    b'"' * 99,
    b"X-Failed-Recipients: ada@readers.test",
    b"Subject: =?utf-8?b?//////?=",
    b"Subject: =?zlib?q?" + b"x" * 60 + b"?=",
    b"unsubscribe",
    b"Precedence: bulk",
    b"Return-Path: <a@b",
    b"To: ,,,<<>>",
    b"X: " + b"a" * 1200,
)


def envelope(to: str) -> bytes:
    """Return the headers that every notification has when it comes to us: its sender is null (RFC 3464, section 2)."""
    return f"Return-Path: <>\nDelivered-To: {to}\nFrom: MAILER-DAEMON@mx.readers.test\nTo: {to}\n".encode()


def _frame(kind: bytes, lines: Sequence[bytes], end: bytes) -> bytes:
    head = b"MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=e\n\n--e\n"
    return head + b"Content-Type: " + kind + b"\n\n" + end.join(lines) + end + b"--e--\n"


def _lines(to: str) -> st.SearchStrategy[list[bytes]]:
    mine = st.sampled_from([f"X-Postfix-Sender: rfc822; {to}".encode(), f"List-Unsubscribe: <mailto:{to}>".encode()])
    line = st.one_of(st.sampled_from(WORDS), st.binary(max_size=60), mine)
    return st.lists(line, max_size=40)


def notifications(to: str) -> st.SearchStrategy[bytes]:
    """Return a strategy for notifications to an envelope sender, true or not."""
    ends = st.sampled_from([b"\n", b"\r\n", b"\r"])
    kinds = st.sampled_from([b"message/delivery-status", b"message/global-delivery-status", b"message/feedback-report"])
    framed = st.builds(_frame, kinds, _lines(to), ends)
    bare = st.builds(lambda lines, end: end.join(lines), _lines(to), ends)
    nested = st.builds(_nested, st.integers(1, 200), framed)
    body = st.one_of(framed, bare, nested, st.binary(max_size=400))
    return st.builds(lambda rest: envelope(to) + rest, body)


def _nested(depth: int, inner: bytes) -> bytes:
    opening = b"".join(
        b'Content-Type: multipart/mixed; boundary="n%d"\n\n--n%d\n' % (number, number) for number in range(depth)
    )
    return opening + inner


def drawn(seed: int, count: int, to: Sequence[str]) -> "list[bytes]":
    """Return many notifications quickly, by a seed: the same words and frames as the strategy's."""
    chance = random.Random(seed)
    return [envelope(one) + _drawn(chance, one) for one in (chance.choice(to) for _number in range(count))]


def _drawn(chance: random.Random, to: str) -> bytes:
    words = [*WORDS, f"X-Postfix-Sender: rfc822; {to}".encode(), chance.randbytes(chance.randrange(60))]
    lines = [chance.choice(words) for _number in range(chance.randrange(40))]
    end = chance.choice([b"\n", b"\r\n", b"\r"])
    kinds = (b"message/delivery-status", b"message/global-delivery-status", b"message/feedback-report")
    framed = _frame(chance.choice(kinds), lines, end)
    return chance.choice(
        [framed, framed, end.join(lines), _nested(chance.randrange(1, 200), framed), chance.randbytes(400)]
    )
