"""Headers: built by us, octet by octet; nothing that somebody wrote can add one, end one or hide in one."""

import email
import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from email.header import decode_header, make_header
from email.utils import parseaddr, parsedate_to_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core import addresses
from delivery import message
from tests.delivery.mails import CONFIRMATION, DIGEST, SERVICES, digest, header_lines, read, spliced

BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
NAMES = [name for name, _value in read(spliced()).items()]
ONCE = ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"]

attacks = st.lists(
    st.sampled_from(
        [
            *(
                "\r\n",
                "\n",
                "\r",
                "\0",
                "\u2028",
                "\u2029",
                "\x85",
                "\x0b",
                "\x0c",
                "\x1c",
                "\u202e",
                "\u2066",
                "\t",
                " ",
            ),
            *("Bcc: x@example.org", "Subject: other", "\r\n\r\n<p>", "From: x", "=?utf-8?Q?=0D=0ABcc:_x?=", "=?", "?="),
            *(
                '"',
                "\\",
                "<",
                ">",
                "<x@example.org>",
                ",",
                ";",
                "@",
                ":",
                "(",
                ")",
                "é",
                "بريد",
                "🕊️",
                "\ud800",
                "a" * 80,
            ),
            *("a" * 1000, "x@example.org"),
        ]
    ),
    max_size=6,
).map("".join)
anything = st.one_of(attacks, st.text(max_size=60))
printable = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters=BIDI), max_size=300
).map(lambda text: " ".join(text.split()))


def one_line(raw: bytes) -> str:
    return b"\r\n".join(header_lines(raw)).decode("ascii")


@given(st.sampled_from(["subject", "sender_name", "sender", "list_id", "reply_to", "feedback", "to"]), anything)
@example("subject", "a\r\nBcc: x@example.org")
@example("sender_name", '"\r\n\r\n<p>')
@example("sender_name", 'Evil" <evil@example.org>, "x')
@example("to", "reader@example.org\r\nBcc: x@example.org")
@example("to", "é@example.org\r\nBcc: x@example.org")
@example("to", "éBcc:x@example.org")
@example("to", "éx@example.org")
@example("list_id", "<a>\r\n\r\nbody")
@example("sender", "a@example.org>\r\nBcc: <x@example.org")
@example("sender", "a@example.org, b@example.org")
def test_whatever_stands_in_a_field_it_adds_no_header_or_the_mail_is_refused(field, value):
    try:
        raw = spliced(to=value) if field == "to" else spliced(digest(**{field: value}))
    except ValueError:
        return
    names = [name for name, _value in read(raw).items()]
    expected = [name for name in NAMES if value or {"list_id": "List-Id", "reply_to": "Reply-To"}.get(field) != name]
    assert names == expected
    assert raw.partition(b"\r\n\r\n")[2] == spliced().partition(b"\r\n\r\n")[2], "the body begins where it began"
    assert len(read(raw)["From"].addresses) == 1
    for line in header_lines(raw):
        shown = line.decode() if line.startswith(b"To: ") else line.decode("ascii")
        assert len(line) <= 998 and shown.isprintable()
        assert b"Bcc" not in line.partition(b":")[0]


@pytest.mark.parametrize("recipe", [DIGEST, CONFIRMATION], ids=["digest", "confirmation"])
def test_each_header_that_may_stand_once_stands_once(recipe):
    found = read(spliced(recipe))
    for name in ONCE:
        assert len(found.get_all(name, [])) == 1, name
    assert all(len(found.get_all(name, [])) == 1 for name in found)


@given(st.sampled_from("\r\n\0\x85\u2028\u2029\x1b\x7f" + BIDI), st.sampled_from(["subject", "sender_name"]))
def test_a_control_character_in_a_text_is_refused_not_repaired(char, field):
    with pytest.raises(ValueError, match="control character"):
        spliced(digest(**{field: f"News{char}x"}))


@given(printable)
@example("أخبار آسيا: كوبا وكوريا الجنوبية تتبادلان المذكرات في نيويورك، والخرائط تتغير من جديد هذا الأسبوع")
@example("🕊️👩‍👩‍👧‍👦 " * 20)
@example("=?utf-8?Q?not_encoded?=")
@example("a" * 900)
@example("a" * 901)
@example("é" * 400)
@example("")
def test_a_subject_of_any_printable_characters_comes_back_as_it_was(subject):
    raw = spliced(digest(subject=subject))
    assert str(read(raw)["Subject"]) == subject


@given(printable)
@example("The Monsoon Courier")
@example("بريد الرياح الموسمية")
@example('He said "no", twice \\ or thrice')
@example("Courier, The; (East) <West> @home")
def test_a_senders_name_of_any_printable_characters_comes_back_as_it_was(name):
    raw = spliced(digest(sender_name=name))
    # By the older of Python's parsers: the newer one puts a blank between encoded words (RFC 2047, 6.2, says none).
    display, address = parseaddr(str(email.message_from_bytes(raw)["From"]).replace("\r\n", ""))
    assert (str(make_header(decode_header(display))), address) == (name, "news@monsoon.example.org")


@given(printable, st.sampled_from(["subject", "sender_name"]))
@example("é" * 200, "subject")
@example("é" * 200, "sender_name")
def test_encoded_words_are_short_and_whole_and_their_lines_too(text, field):
    for line in header_lines(spliced(digest(**{field: text}))):
        words = re.findall(rb"=\?utf-8\?B\?[A-Za-z0-9+/=]*\?=", line)
        if b"=?utf-8?" in line:
            assert words and len(line) <= 76, "RFC 2047, section 2: a line with an encoded word has at most 76"
        assert all(len(word) <= 75 for word in words)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters=BIDI), min_size=50))
def test_no_encoded_word_cuts_a_character_in_two(text):
    for word in message.words("é" + text):
        assert re.fullmatch(r"=\?utf-8\?B\?[A-Za-z0-9+/=]*\?=", word)
        read(b"Subject: " + word.encode() + b"\r\n\r\n")
        assert "\ufffd" not in str(read(b"Subject: " + word.encode() + b"\r\n\r\n")["Subject"]) or "\ufffd" in text


def test_what_is_ascii_stays_readable_on_the_wire():
    assert b"Subject: Seoul and Havana exchange notes" in header_lines(spliced())
    assert b'From: "The Monsoon Courier" <news@monsoon.example.org>' in header_lines(spliced())


@given(st.datetimes(datetime(2024, 1, 1), datetime(2203, 1, 1)), st.integers(-12 * 60, 14 * 60))  # noqa: DTZ001
def test_the_date_is_the_instant_in_utc_written_plus_0000(naive, minutes):
    at = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    text = message.date_text(at)
    assert re.fullmatch(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z][a-z] \d{4} \d\d:\d\d:\d\d \+0000", text)
    assert parsedate_to_datetime(text) == at.replace(microsecond=0)
    assert parsedate_to_datetime(text).strftime("%a") == text[:3]


def test_the_date_of_a_mail_is_that_of_its_first_attempt():
    assert b"Date: Thu, 15 Feb 2024 06:13:07 +0000" in header_lines(spliced())
    later = spliced(dated_at=datetime(2024, 12, 31, 23, 59, 59, tzinfo=UTC))
    assert b"Date: Tue, 31 Dec 2024 23:59:59 +0000" in header_lines(later)


@pytest.mark.parametrize("name", ["X-Long", "List-Id"])
def test_a_header_that_is_longer_than_a_line_may_be_is_refused(name):
    fits = 998 - len(f"{name}: ")
    assert len(message.header(name, "a" * fits)) == 1000
    with pytest.raises(ValueError, match="longer"):
        message.header(name, "a" * (fits + 1))


@pytest.mark.parametrize("bad", ["é", "a\r\nb", "a\nb", "a\0b", "a\tb", "\x7f", "\u2028"])
def test_a_plain_header_takes_nothing_but_printable_ascii(bad):
    assert not bad.isascii() or any(unicodedata.category(char) == "Cc" for char in bad)
    with pytest.raises(ValueError, match="control character or raw"):
        message.header("List-Id", bad)


def test_no_header_is_folded_but_those_of_long_texts():
    assert not any(line.startswith((b" ", b"\t")) for line in header_lines(spliced()))
    assert "\r\n =?utf-8?B?" in one_line(spliced(digest(subject="é" * 100)))


SHOWN = st.text(st.characters(exclude_categories=["C", "Z"], min_codepoint=128), min_size=1, max_size=30)


@given(SHOWN, st.sampled_from(["", "a.b+", "reader"]))
@example("δοκιμή", "")
@example("用户", "")
@example("बेनाम", "")
@example("🕊", "a")
def test_an_address_with_more_than_ascii_before_the_at_stands_raw_in_to_and_nothing_else_does(shown, ascii_part):
    to = f"{ascii_part}{shown}@xn--e1aybc.example.org"
    assert message.needs_smtputf8(to)
    raw = spliced(to=to)
    others = [line for line in raw.split(b"\r\n") if line != b"To: " + to.encode()]
    assert len(others) == raw.count(b"\r\n"), "one line, as it is"
    assert all(line.isascii() for line in others)
    assert b"\r\n".join(others) == b"\r\n".join(
        line for line in spliced().split(b"\r\n") if not line.startswith(b"To: ")
    )


HIDDEN = ["\r", "\n", "\r\n", "\0", "\x85", "\u2028", "\u2029", "\u202e", "\u2066", "\xa0", "\u200b", "\ud800", "\t"]


@pytest.mark.parametrize(
    "bad", [*HIDDEN, " ", ",", "<", ">", '"', "(", ":", ";", "\\", "@", "=?", "x@y.example.org, é"]
)
def test_an_international_address_that_hides_or_opens_something_is_refused(bad):
    with pytest.raises(ValueError, match="damaged address"):
        spliced(to=f"é{bad}é@example.org")


@pytest.mark.parametrize("to", ["é@bücher.example.org", "é", "é@", "@é", "@example.org", "é@a@example.org"])
def test_an_international_address_keeps_its_domain_in_ascii(to):
    with pytest.raises(ValueError, match="damaged address"):
        spliced(to=to)


def test_an_international_address_that_is_longer_than_a_line_may_be_is_refused():
    with pytest.raises(ValueError, match="longer"):
        spliced(to="é" * 500 + "@example.org")


def test_an_address_of_ascii_needs_no_extension():
    assert not message.needs_smtputf8("reader@example.org")
    assert spliced().isascii()


def test_an_international_address_comes_out_of_its_seal_as_it_went_in():
    address = addresses.Address(mailbox="δοκιμή@example.org", folded="δοκιμή@example.org")
    keyring = SERVICES.keyring
    assert keyring.unseal(keyring.seal(address, keyring.hash(address)), keyring.hash(address)) == address.mailbox
