"""Whatever a mail is made of, the inbox reads it as far as it can be read."""

from email.message import EmailMessage
from email.policy import SMTP

import pytest

from inbox import headers, reading
from tests.inbox.mails import mail


def test_both_bodies_of_a_mail_are_found():
    read = reading.read(mail(text="plain ü", html="<p>rich ü</p>"))
    assert read.text == "plain ü\n"
    assert read.html == "<p>rich ü</p>\n"
    assert read.attachments == ()


def test_a_mail_without_html_has_only_text():
    read = reading.read(mail(text="plain"))
    assert (read.html, read.text) == (None, "plain\n")


def test_an_attached_page_is_not_taken_for_the_body():
    message = EmailMessage(policy=SMTP)
    message.set_content("body")
    message.add_attachment("<p>report</p>", subtype="html", filename="Bericht für März.html")
    read = reading.read(message.as_bytes())
    assert read.html is None
    assert read.attachments == (reading.Attachment("Bericht für März.html", "text/html", 15),)


def test_a_bounce_is_not_taken_for_the_mail_it_returns():
    returned = EmailMessage(policy=SMTP)
    returned.set_content("<p>returned</p>", subtype="html")
    bounce = EmailMessage(policy=SMTP)
    bounce.set_content("It could not be delivered.")
    bounce.add_attachment(returned)
    read = reading.read(bounce.as_bytes())
    assert read.html is None
    assert read.text == "It could not be delivered.\n"
    assert [part.media_type for part in read.attachments] == ["message/rfc822"]


BROKEN = {
    "nothing": b"",
    "no header": b"just words\r\nand more",
    "a boundary that never comes": b'Content-Type: multipart/mixed; boundary="x"\r\n\r\nwords',
    "no boundary": b"Content-Type: multipart/mixed\r\n\r\nwords",
    "an unknown charset": b"Content-Type: text/plain; charset=klingon\r\n\r\n\xc3\xbc",
    "a charset that is no text": b"Content-Type: text/plain; charset=zip\r\n\r\nwords",
    "a charset that refuses": b"Content-Type: text/plain; charset=undefined\r\n\r\nwords",
    "a charset with a null": b'Content-Type: text/plain; charset="a\x00b"\r\n\r\nwords',
    "a charset that makes half letters": b"Content-Type: text/plain; charset=unicode-escape\r\n\r\n\\ud800",
    "half letters in the subject": b"Subject: =?unicode-escape?q?=5Cud800?=\r\n\r\n",
    "base64 that is none": b"Content-Transfer-Encoding: base64\r\n\r\n!!!=a",
    "an unknown encoding": b"Content-Transfer-Encoding: rot13\r\n\r\nwords",
    "uuencode that is none": b"Content-Transfer-Encoding: x-uuencode\r\n\r\nwords",
    "raw bytes in the header": b"Subject: \xff\xfe\x00\r\nContent-Type: \xff\r\n\r\nwords",
    "a header of colons": b":::\r\n: x\r\nA:\r\n\r\nwords",
    "parts three hundred deep": b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (depth, depth) for depth in range(300)
    ),
    "mails in mails five hundred deep": b"Content-Type: message/rfc822\r\n\r\n" * 500,
    "a broken file name": b"Content-Disposition: attachment; filename*=x'y'%FF%00\r\n\r\nwords",
}


@pytest.mark.parametrize("source", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_mail_is_read_without_failing(source):
    read = reading.read(source)
    for text in (read.html, read.text, *(word for field in read.fields for word in field)):
        assert text is None or text.encode("utf-8") is not None
    assert headers.first(reading.header_of(source), "Subject").encode("utf-8") is not None


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain", "plain"),
        ("=?utf-8?q?Caf=C3=A9_au_lait?=", "Café au lait"),
        ("=?UTF-8?B?2KPYrtio2KfYsQ==?=", "أخبار"),
        ("=?utf-8?q?a?=\r\n =?utf-8?q?b?= c", "ab c"),
        ("=?utf-8?b?2A==?= =?utf-8?b?pw==?=", "ا"),  # one letter cut in two
        ("before =?iso-8859-1?q?=E9?= between =?utf-8?q?=C3=A9?= after", "before é between é after"),
        ("=?iso-8859-1?q?=E9?= =?utf-8?q?=C3=A9?=", "éé"),
        ("=?utf-8*en?q?tongue?=", "tongue"),
        ("=?klingon?q?=C3=A9?=", "é"),
        ("=?utf-8?b?a?= rest", "=?utf-8?b?a?= rest"),  # base64 that is none stays as it came
        ("a =?= b =? c ?=", "a =?= b =? c ?="),
        ("folded\r\n\tonce", "folded\tonce"),
        ("bell\x07", "bell\ufffd"),
        ("=?utf-8?q?line=0D=0Abreak?=", "line\ufffd break"),
    ],
)
def test_header_fields_are_shown_as_a_person_reads_them(raw, shown):
    assert headers.readable(raw) == shown


def test_all_fields_are_kept_in_their_order_with_their_repeats():
    read = reading.read(b"Received: a\r\nX: 1\r\nReceived: b\r\nSubject: \xd8\xa7\r\n\r\n")
    assert read.fields == (("Received", "a"), ("X", "1"), ("Received", "b"), ("Subject", "ا"))


@pytest.mark.parametrize(
    ("html", "start"),
    [
        ("<!DOCTYPE html>\n<html>", '<!DOCTYPE html><base target="_blank">'),
        ('\ufeff \n<!doctype html PUBLIC "x">y', ' \n<!doctype html PUBLIC "x"><base target="_blank">y'),
        ("<p>no doctype", '<base target="_blank"><p>no doctype'),
        ("<!-- <!doctype html> --><p>", '<base target="_blank"><!-- <!doctype html> --><p>'),
        ("", '<base target="_blank">'),
    ],
)
def test_links_are_made_to_open_new_tabs_without_changing_how_the_mail_is_drawn(html, start):
    assert reading.for_new_tabs(html).startswith(start)
