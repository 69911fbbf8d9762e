"""What a relay's words mean: whose fault it is, and what of them is kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery import providers, replies
from delivery.classes import Class
from delivery.replies import Verdict

REPLIES = [
    (550, "5.1.1 <***@example.org>: User unknown in virtual mailbox table", Verdict.REFUSED),
    (550, "5.1.1 <***@example.org>: User unknown in relay recipient table", Verdict.REFUSED),
    (550, "5.1.1 no such user here, said relay.example.org", Verdict.REFUSED),
    (550, "unknown user", Verdict.REFUSED),
    (552, "5.2.2 mailbox full", Verdict.REFUSED),
    (554, "5.6.0 cannot parse this", Verdict.UNFIT),
    (552, "5.3.4 message too big", Verdict.UNFIT),
    (451, "5.6.0 cannot parse this", Verdict.LATER),
    (550, "5.7.1 You are not allowed to send to this group", Verdict.REFUSED),
    (550, "5.7.1 <***@example.org>: no such user", Verdict.REFUSED),
    (554, "looks like spam", Verdict.POLICY),
    (550, "5.1.8 bad sender", Verdict.POLICY),
    (421, "4.7.26 unauthenticated", Verdict.THROTTLED),
    (451, "4.7.26 unauthenticated", Verdict.POLICY),
    (550, "Sender frequency limited", Verdict.LATER),
    (421, "4.7.28 unusual rate", Verdict.LATER),
    (451, "4.7.650 rate limited", Verdict.LATER),
    (550, "5.4.5 Daily user sending limit exceeded", Verdict.THROTTLED),
    (550, "Requested action not taken", Verdict.REFUSED),
    (554, "5.7.1 <***@example.org>: Relay access denied", Verdict.POLICY),
    (550, "5.7.26 this mail is unauthenticated", Verdict.POLICY),
    (550, "relay not permitted", Verdict.POLICY),
    (550, "Relaying denied. Proper authentication required.", Verdict.POLICY),
    (550, "not permitted to relay through this server", Verdict.POLICY),
    (553, "sorry, that domain is not in my list of allowed rcpthosts (#5.7.1)", Verdict.POLICY),
    (450, "4.2.1 later", Verdict.LATER),
    (451, "4.7.1 greylisted", Verdict.LATER),
    (452, "4.2.2 over quota", Verdict.LATER),
    (454, "Throttling failure: Maximum sending rate exceeded.", Verdict.THROTTLED),
    (454, "4.7.0 Temporary failure", Verdict.THROTTLED),
    (450, "4.7.1 Rate limit exceeded", Verdict.THROTTLED),
    (451, "4.7.0 You are being throttled", Verdict.THROTTLED),
    (452, "4.3.1 too many messages per minute", Verdict.THROTTLED),
    (421, "4.3.2 closing", Verdict.THROTTLED),
    (530, "5.7.0 Authentication required", Verdict.LOGIN),
    (534, "5.7.9 Too weak", Verdict.LOGIN),
    (535, "5.7.8 Authentication failed", Verdict.LOGIN),
    (538, "5.7.11 Encryption required", Verdict.LOGIN),
    (None, "hello", Verdict.NONSENSE),
    (250, "", Verdict.NONSENSE),
    (354, "", Verdict.NONSENSE),
]


@pytest.mark.parametrize(("code", "text", "verdict"), REPLIES)
def test_a_refusal_is_the_recipients_the_hours_or_ours(code, text, verdict):
    assert replies.judged(code, text, usable=True).verdict is verdict


def test_what_qq_says_with_a_hard_code_is_about_our_speed_and_at_others_about_nothing_known():
    text = "Mailbox unavailable or access denied"
    at_qq = replies.judged(550, text, usable=True, provider=providers.number("qq.com"))
    assert at_qq.verdict is Verdict.LATER and at_qq.backs_off
    elsewhere = replies.judged(550, text, usable=True, provider=300)
    assert elsewhere.verdict is Verdict.POLICY and not elsewhere.backs_off


def test_a_mail_that_was_never_offered_is_judged_by_the_same_table():
    large = replies.unfit("5.3.4 The mail has 10 octets; the relay takes 9.")
    assert large.row is not None and large.row.means is Class.OURS and large.our_fault
    foreign = replies.unfit("5.6.7 The relay does not take internationalised addresses (SMTPUTF8).")
    assert foreign.row is not None and foreign.row.means is Class.OURS and not foreign.our_fault


@pytest.mark.parametrize(
    ("code", "text", "verdict"),
    [
        (451, "4.3.0 not now", Verdict.THROTTLED),
        (452, "4.3.1 no room", Verdict.THROTTLED),
        (550, "5.1.8 bad sender", Verdict.POLICY),
        (501, "5.1.7 bad sender's syntax", Verdict.POLICY),
        (421, "4.7.28 unusual rate", Verdict.THROTTLED),
        (530, "5.7.0 Authentication required", Verdict.LOGIN),
        (None, "hello", Verdict.NONSENSE),
    ],
)
def test_what_is_said_to_mail_is_never_the_recipients_fault(code, text, verdict):
    assert replies.judged(code, text, usable=True, about_us=True).verdict is verdict


@pytest.mark.parametrize(
    ("raw", "code", "text"),
    [
        (b"250 ok\r\n", 250, "ok"),
        (b"250\r\n", 250, ""),
        (b"250 \r\n", 250, ""),
        (b"250 ok\n", 250, "ok"),
        (b"250-one\r\n250 two\r\n", 250, "one two"),
        (b"250-one\n250 two\n", 250, "one two"),
        (b"250-one\n250 two\r\n", 250, "one two"),
        (b"250-\r\n250 \r\n", 250, ""),
        (b"550 \xff\xfe\r\n", 550, "\ufffd\ufffd"),
        (b"550-one\r\n250 two\r\n", None, "one two"),
        (b"250-one\r\n", None, "250-one"),
        (b"250-one\n550 two\r\n", None, "one two"),
        (b"2500 ok\r\n", None, "2500 ok"),
        (b"250ok\r\n", None, "250ok"),
        (b"150 ok\r\n", None, "150 ok"),
        (b"650 ok\r\n", None, "650 ok"),
        ("٢٥٠ ok\r\n".encode(), None, "٢٥٠ ok"),
        (b"ok\r\n", None, "ok"),
        (b"\r\n", None, ""),
        (b"", None, ""),
    ],
)
def test_a_reply_is_a_code_and_words_or_no_reply(raw, code, text):
    assert replies.read(raw) == (code, text)


def test_a_reply_keeps_no_address_no_control_characters_and_no_more_than_a_line():
    kept = replies.short("550 5.1.1 <someone.special@example.org>: unknown\r\n\x1b[31m" + "x" * 400)
    assert kept.startswith("550 5.1.1 <***@example.org>: unknown") and kept.isprintable() and len(kept) == 300


@given(st.text())
def test_whatever_is_said_the_ledger_can_keep_it(text):
    kept = replies.short(text)
    assert kept.isprintable() and len(kept) <= 300 and "\0" not in kept


@given(st.binary())
def test_whatever_octets_come_reading_them_raises_nothing(raw):
    code, text = replies.read(raw)
    assert code is None or 200 <= code < 600
    assert text.isprintable() and len(text) <= 300
    assert isinstance(replies.judged(code, text, usable=True).verdict, Verdict)
