"""Whatever a stranger sends: it never crashes, mails nobody, stays within its memory, and touches one mail alone."""

import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import errors
from core.tokens import Tokens
from delivery import verp
from delivery.signals import Kind
from returns import bounces, letters, mime, reading
from tests import installation
from tests.returns import hostile
from tests.returns.conftest import bounce, letter

TOKENS = Tokens(installation.settings_for("sqlite://").secret_key)
OURS = verp.envelope_sender(4711, tokens=TOKENS, domain="bounces.monsoon.example.org")
OTHERS = verp.envelope_sender(4711, tokens=Tokens(b"another key"), domain="bounces.monsoon.example.org")


def deliveries_of(found: reading.Found) -> set[int]:
    """Return which delivery the signal of a mail names, if it is one of ours."""
    if found.signal is None:
        return set()
    prefix = verp.LEAVE_PREFIX if found.signal.kind is Kind.LEAVE else verp.PREFIX
    try:
        return {verp.read(found.signal.token, tokens=TOKENS, prefix=prefix)}
    except errors.LinkDamaged:
        return set()


@given(hostile.notifications(OURS))
def test_a_hostile_notification_is_read_and_names_its_own_mail_or_none(raw):
    found = reading.read(raw, tokens=TOKENS)
    assert deliveries_of(found) <= {4711}
    assert found.kind != "reply", "so nobody is mailed"


@given(hostile.notifications(OTHERS))
def test_a_hostile_notification_with_a_token_of_somebody_elses_key_names_nothing(raw):
    assert deliveries_of(reading.read(raw, tokens=TOKENS)) == set()


@given(st.binary(max_size=2000))
def test_any_octets_are_read(raw):
    found = reading.read(raw, tokens=TOKENS)
    assert deliveries_of(found) == set()
    letters.says_stop(found.mail)
    assert all(char.isprintable() or char == "\n" for char in letters.text(found.mail, most=500))


@given(st.integers(0, 28), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_a_token_with_one_other_character_names_nothing(place, character):
    token = verp.token(4711, tokens=TOKENS)
    altered = token[:place] + character + token[place + 1 :]
    found = reading.read(bounce(f"b+{altered}@bounces.monsoon.example.org").encode(), tokens=TOKENS)
    assert deliveries_of(found) == ({4711} if altered == token else set())


@given(st.text(max_size=300), st.text(max_size=60))
def test_what_a_signal_says_fits_one_line(words, status):
    raw = bounce(OURS).replace("user unknown", words).replace("Status: 5.1.1", f"Status: {status}")
    signal = reading.read(raw.encode("utf-8", "surrogatepass"), tokens=TOKENS).signal
    if signal is not None:
        assert signal.text.isprintable() and len(signal.text) <= 300 and len(signal.status) <= 9
        assert signal.code is None or 200 <= signal.code < 600


BOMBS = {
    "a thousand levels": b"".join(
        b'Content-Type: multipart/mixed; boundary="n%d"\n\n--n%d\n' % (n, n) for n in range(1000)
    ),
    "mails in mails": b"Content-Type: message/rfc822\n\n" * 5000,
    "a hundred thousand parts": b"Content-Type: multipart/mixed; boundary=e\n\n" + b"--e\n\nx\n" * 100_000,
    "ten million octets": b"Subject: x\n\n" + b"A" * 10_000_000,
    "one header of ten million": b"Subject: " + b"A" * 10_000_000,
    "a million headers": b"X: y\n" * 1_000_000,
    "folded for ever": b"X: y\n" + b" z\n" * 1_000_000,
    "boundaries that nearly fit": b"Content-Type: multipart/mixed; boundary=e\n\n" + b"\r\n--e \t" * 40_000,
    "opened tags": b"Content-Type: text/html\n\n" + b"<style" * 40_000,
    "angles": b"Content-Type: text/html\n\n" + b"<" * 250_000,
    "encoded words": b"Subject: " + b"=?utf-8?b?" * 20_000 + b"\n\nx",
    "tokens": b"To: " + b", ".join(b"b+" + b"a" * 29 + b"@x.test" for _n in range(5_000)) + b"\n\nx",
    "recipients": b"Content-Type: message/delivery-status\n\n" + b"Action: failed\nStatus: 5.1.1\n\n" * 9_000,
    "blank lines": b"Content-Type: message/delivery-status\n\n" + b"\n \n\t\n" * 50_000,
    "spaces in From": b"From: " + b" " * 200_000 + b"x\n\nx",
    "brackets": b"From: " + b"<" * 100_000 + b"\n\nx",
    "words that nearly challenge": b"Subject: message" + b" message" * 20_000 + b"\n\n" + b"messages waiting " * 10_000,
    "words that nearly stop": b"Subject: keine weiteren " * 1_000 + b"\n\n" + b"je ne plus " * 20_000,
    "quotes": b"Content-Type: text/plain\n\n" + b"On " + b"a" * 200_000 + b" wrote:",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_read_in_flat_memory_and_without_recursion(name):
    # What grows with the square of the length takes minutes here, and is ended as a test that hangs.
    raw = BOMBS[name] if name != "mails in mails" else BOMBS[name] + b"x"
    tracemalloc.start()
    try:
        found = reading.read(raw, tokens=TOKENS)
        letters.says_stop(found.mail)
        letters.text(found.mail, most=10_000)
        letters.writer(found.mail)
        bounces.text_of(found.mail)
        assert tracemalloc.get_traced_memory()[1] < 100 * mime.MAX_OCTETS, "however long it is"
    finally:
        tracemalloc.stop()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=5)
@given(st.integers(0, 10**6))
def test_hostile_notifications_mail_nobody_and_touch_only_what_they_name(house, seed):
    named, other = house.sent(2)
    for number, raw in enumerate(hostile.drawn(seed, 60, [house.envelope(named), OTHERS])):
        house.put(raw, f"{seed}.{number}.h")
    taken = house.read()
    assert taken.kinds.total() == 60
    assert house.outgoing() == 0 and house.came_back(other) is None
    assert not house.files("new")


def test_a_person_who_quotes_a_bounce_has_not_bounced():
    quoted = letter("Why this?\n> <ada@readers.test>: 550 5.1.1 unknown\n> Hi. This is the qmail-send program at x.\n")
    assert reading.read(quoted.encode(), tokens=TOKENS).kind == "reply"


def test_of_very_many_parts_only_the_first_are_made():
    mail = mime.parse(BOMBS["a hundred thousand parts"])
    assert len(mail.parts) == mime.MAX_PARTS
