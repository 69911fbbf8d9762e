"""Posts that are not from the service that they name: refused, nothing written, nothing fetched from strangers."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tasks import webhooks
from tests.returns import posts
from tests.returns.posts import NOW, Post
from tests.web.mail_services import CERTIFICATE_PATH, SNS, Mail, altered, kept, sent, tell
from tests.web.readers import dump

REFUSED: dict[str, Callable[[Mail], tuple[str, Post]]] = {
    "ses, altered": lambda mail: ("ses", altered(mail.gone("ses"))),
    "ses, another topic": lambda mail: (
        "ses",
        posts.signed(posts.notification(posts.ses_bounce(), TopicArn=posts.TOPIC + "2")),
    ),
    "ses, old": lambda mail: (
        "ses",
        posts.signed(posts.notification(posts.ses_bounce(), Timestamp="2026-11-28T10:59:59.000Z")),
    ),
    "ses, a forged host": lambda mail: (
        "ses",
        posts.signed(
            posts.notification(posts.ses_bounce(), SigningCertURL="https://sns.us-east-1.amazonaws.com.evil.test/a.pem")
        ),
    ),
    "ses, no JSON": lambda mail: ("ses", Post(b"{", {})),
    "sendgrid, altered": lambda mail: ("sendgrid", altered(mail.gone("sendgrid"))),
    "sendgrid, no signature": lambda mail: ("sendgrid", Post(mail.gone("sendgrid").body, {})),
    "sendgrid, old": lambda mail: (
        "sendgrid",
        posts.sendgrid([posts.sendgrid_event()], at=NOW - timedelta(days=2)),
    ),
    "mailgun, altered": lambda mail: (
        "mailgun",
        replace(mail.gone("mailgun"), body=mail.gone("mailgun").body.replace(b"once-1", b"once-2")),
    ),
    "mailgun, another key": lambda mail: ("mailgun", posts.mailgun({}, key=b"some-other-key-of-somebody")),
    "mailgun, old": lambda mail: ("mailgun", posts.mailgun({}, at=NOW - timedelta(hours=10))),
    "mailgun, not UTF-8": lambda mail: ("mailgun", Post(b"\xff\xfe", {})),
    "mailgun, deep": lambda mail: ("mailgun", Post(b"[" * 100_000, {})),
    "postmark, no password": lambda mail: ("postmark", Post(mail.gone("postmark").body, {})),
    "postmark, another password": lambda mail: ("postmark", posts.postmark({}, password="guess")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_from_the_service_is_refused_and_nothing_is_written_or_fetched(told, sns, nudged, name):
    (mail,) = sent()
    before = dump()
    service, post = REFUSED[name](mail)
    answer = tell(told, service, post)
    assert (answer.status_code, answer.text) == (403, "Refused.\n")
    assert dump() == before
    assert nudged == []
    assert [hit.path for hit in sns.hits] in ([], [CERTIFICATE_PATH])
    assert sns.looked_up in ([], [SNS])
    if name != "ses, altered":
        assert sns.hits == [], "only what could be genuine has its certificate fetched"


def test_the_certificate_is_fetched_once_in_tls_and_its_host_is_checked(told, sns):
    mails = sent(count=3)
    for number, mail in enumerate(mails):
        assert tell(told, "ses", mail.gone("ses", number)).status_code == 200
    assert [hit.path for hit in sns.hits] == [CERTIFICATE_PATH]
    assert sns.connected == [("93.184.215.14", 443)]
    assert sns.hits[0].headers["User-Agent"] == "Postrider"
    assert "feed" not in str(sns.hits[0].headers)


@pytest.mark.parametrize(
    "page",
    [
        lambda asked: asked.answer(404),
        lambda asked: asked.answer(302, Location="https://evil.test/a.pem"),
        lambda asked: asked.answer(200, posts.certificate() + b"\n" * 20_000),
        lambda asked: asked.answer(200, b"no certificate"),
    ],
    ids=["not found", "a redirect", "too large", "no certificate"],
)
def test_without_its_certificate_a_message_is_neither_kept_nor_refused_for_good(told, sns, page):
    (mail,) = sent()
    sns.pages[CERTIFICATE_PATH] = page
    before = dump()
    answer = tell(told, "ses", mail.gone("ses"))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert dump() == before
    assert sns.looked_up == [SNS]


def test_a_certificate_of_a_host_that_nobody_vouches_for_is_not_used(told, sns):
    (mail,) = sent()
    sns.trusted = None
    assert tell(told, "ses", mail.gone("ses")).status_code == 503


def test_a_host_of_sns_that_leads_inside_is_not_connected_to(told, sns):
    (mail,) = sent()
    sns.names[SNS] = ["169.254.169.254"]
    assert tell(told, "ses", mail.gone("ses")).status_code == 503
    assert sns.connected == []


def test_a_confirmation_is_kept_for_a_person_and_never_fetched(told, sns):
    assert tell(told, "ses", posts.signed(posts.confirmation())).status_code == 200
    webhooks.work_off()
    (arrival,) = kept()
    assert (arrival.state, arrival.kind) == ("unread", "confirmation")
    assert "flask webhooks confirm" in (arrival.why or "")
    assert [hit.path for hit in sns.hits] == [CERTIFICATE_PATH]
