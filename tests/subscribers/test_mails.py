"""The three mails: what they say, and what they never hold."""

import re

import pytest

from core import links, tokens
from subscribers import signup
from subscribers.models import SignupRequest
from tests.subscribers import people
from tests.subscribers.people import NOW, answered, joined, note_fresh_link, queued


def confirm_mail(services, **form) -> people.Queued:
    answered(services, **form)
    return queued(services)[-1]


def already_mail(services) -> people.Queued:
    joined(services)
    answered(services)
    return queued(services)[-1]


def fresh_link_mail(services) -> people.Queued:
    joined(services)
    people.answer(note_fresh_link(services).id, services=services, now=NOW)
    return queued(services)[-1]


MAILS = {"confirm": confirm_mail, "already": already_mail, "fresh-link": fresh_link_mail}


def words(text: str) -> str:
    return " ".join(re.sub(r"<(style|head).*?</\1>|<[^>]+>", " ", text, flags=re.DOTALL).split())


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("confirm", "Please confirm: Asia Daily"),
        ("already", "You already get Asia Daily"),
        ("fresh-link", "Your fresh link"),
    ],
)
def test_the_subject_is_short_and_says_what_it_is(app, services, name, subject):
    assert MAILS[name](services).subject == subject


def test_the_subject_of_several_digests_stays_short(app, services):
    mail = confirm_mail(services, digests=["asia-daily", "asia-arabic"])
    assert mail.subject == "Please confirm: Asia Daily and more"


def test_the_confirmation_says_what_was_asked_when_and_from_where(app, services):
    mail = confirm_mail(services, digests=["asia-daily", "asia-arabic"])
    for text in (mail.text, words(mail.html)):
        assert "Asia Daily" in text
        assert "آسيا اليوم" in text
        assert "2 March 2026, 17:00 GMT+08:00" in text
        assert "9 March 2026, 17:00 GMT+08:00" in text
        assert "192.0.2.x" in text
        assert "192.0.2.77" not in text
        assert "ignore this mail and nothing will be sent" in text


def test_the_confirmation_without_a_known_origin_does_not_mention_one(app, services):
    request = people.note(services)
    request.origin_truncated = ""
    people.answer(request.id, services=services, now=NOW)
    assert "came from" not in queued(services)[-1].text


def test_the_confirmation_holds_nothing_that_was_typed_into_the_form(app, services):
    spam = "buy-pills-at.example"
    request = people.note(services, f"{spam}@example.org", topics=[spam], digests=["asia-daily", spam])
    request.form = request.wording = spam
    people.answer(request.id, services=services, now=NOW)
    mail = queued(services)[-1]
    assert spam not in mail.subject + mail.text + mail.html


@pytest.mark.parametrize(
    ("name", "place"), [("confirm", "confirm"), ("already", "preferences"), ("fresh-link", "preferences")]
)
def test_a_mail_has_one_personal_link_in_each_part(app, services, name, place):
    mail = MAILS[name](services)
    assert mail.places == {place}
    assert mail.text.count(f"[{place}]") == 1
    assert f"\n[{place}]\n" in mail.text
    assert mail.html.count(f'href="[{place}]"') == 1


def test_the_link_of_the_confirmation_opens_its_request(app, services):
    request: SignupRequest = answered(services)
    mail = queued(services)[-1]
    assert mail.reader_key is not None
    link = services.links.confirm(mail.reader_key, day=people.confirm_token(request).day)
    token = link.rpartition("/")[2]
    assert links.path("confirm", token=token) in link
    opened = signup.open_request(services.links.tokens.read(tokens.Purpose.CONFIRM, token), NOW)
    assert opened is request


@pytest.mark.parametrize("name", MAILS)
def test_the_text_is_as_complete_as_the_html(app, services, name):
    mail = MAILS[name](services)
    text, html = words(mail.text), words(mail.html)
    for line in ("The Masthead", "1 Harbour Road", "Hong Kong", "readers@postrider.example", "News that keeps"):
        assert line in text
        assert line in html
    lines = [line for line in mail.text.partition("\nThe Masthead\n")[0].splitlines() if line.endswith(".")]
    assert len(lines) >= 1
    for line in lines:
        assert line.removeprefix("- ").replace("Asia Daily:", "Asia Daily") in html


@pytest.mark.parametrize("name", MAILS)
def test_the_html_is_fit_for_mail_programs(app, services, name):
    html = MAILS[name](services).html
    assert len(html.encode()) < 10_000
    assert len(re.findall("<table", html)) == len(re.findall('<table[^>]*role="presentation"', html))
    assert '<html lang="en" dir="ltr">' in html
    assert re.search(r'<table[^>]*lang="en"', html)
    assert "max-width: 640px" in html
    assert "prefers-color-scheme: dark" in html
    assert '<meta name="color-scheme" content="light dark">' in html
    assert "<img" not in html
    assert "<script" not in html


def test_a_mail_in_arabic_runs_from_right_to_left(app, services):
    html = confirm_mail(services, language="ar").html
    assert '<html lang="ar" dir="rtl">' in html
    assert re.search(r'<table[^>]*dir="rtl"[^>]*lang="ar"|<table[^>]*lang="ar"[^>]*dir="rtl"', html)
    assert '<strong lang="en" dir="ltr"' in html
    assert "padding-right: 20px" in html


def test_a_reader_is_written_to_in_their_own_language(app, services):
    joined(services, language="ar")
    answered(services, language="en")
    assert queued(services)[-1].mailing == "system:already:ar"
