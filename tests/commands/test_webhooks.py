"""What an operator types to set a webhook up: the addresses to give, and the answer to SNS, which asks once."""

import ssl
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from core import clock, database, fetch
from core.database import db
from core.webhooks import WebhookSettings
from returns import arrivals
from returns.models import Arrival
from tasks import webhooks
from tests.core.web import serving
from tests.delivery.certificates import Authority
from tests.returns import posts

SNS = "sns.eu-west-1.amazonaws.com"
PATH = urlsplit(posts.CONFIRM_URL)._replace(scheme="", netloc="").geturl()


@pytest.fixture
def web(tmp_path, monkeypatch):
    """SNS's own host, reached as if it were a public one."""
    authority = Authority(tmp_path, "ca")
    with serving(authority.server(SNS)) as served:
        served.trusted = ssl.create_default_context(cafile=authority.file)
        served.pages[PATH] = lambda asked: asked.answer(200, b"<ConfirmSubscriptionResponse/>")
        monkeypatch.setattr(fetch, "get", partial(fetch.get, _network=served.network()))
        yield served


def asked(*messages: dict) -> None:
    """Keep what SNS asked, as the webhook and the task do."""
    with database.write_turn():
        named = [(str(number).encode(), posts.signed(message).body) for number, message in enumerate(messages)]
        arrivals.keep_all("ses", named, now=clock.utc_now())
        db.session.commit()
    webhooks.work_off()


def states() -> list[str]:
    db.session.rollback()
    return list(db.session.scalars(select(Arrival.state).order_by(Arrival.id)))


def test_the_addresses_of_what_is_set_up_are_listed(flask, app):
    settings = app.extensions["postrider settings"]
    secrets = WebhookSettings(mailgun_keys=(b"hushhushhushhush",), postmark_passwords=(b"hushhushhushhush",))
    app.extensions["postrider settings"] = replace(settings, webhooks=secrets)
    ended = flask("webhooks list")
    assert ended.exit_code == 0
    assert ended.output.splitlines() == [
        "ses: not set up",
        "sendgrid: not set up",
        "mailgun: http://127.0.0.1:8000/webhooks/mailgun",
        "postmark: http://postrider:PASSWORD@127.0.0.1:8000/webhooks/postmark",
    ]
    assert "hush" not in ended.output


def test_what_waits_is_listed_with_its_topic(flask, app):
    asked(posts.confirmation())
    ended = flask("webhooks list")
    assert ended.exit_code == 1
    assert ended.output.splitlines()[-1].endswith(
        f"UTC, {posts.TOPIC}: The topic asks whether to tell us: flask webhooks confirm"
    )


def test_the_answer_goes_to_sns_when_a_person_says_yes_and_then_nothing_waits(flask, web):
    asked(posts.confirmation(), posts.confirmation())
    assert "will tell us" not in flask("webhooks confirm", input="n\n").output
    assert web.hits == []
    ended = flask("webhooks confirm", input="y\n")
    assert ended.exit_code == 0
    assert ended.output.endswith(f"{posts.TOPIC} will tell us.\n")
    assert [hit.path for hit in web.hits] == [PATH]
    assert web.looked_up == [SNS]
    assert states() == ["done", "done"]
    assert "Nothing waits" in flask("webhooks confirm --yes").output


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.eu-west-1.amazonaws.com.evil.test/?Action=ConfirmSubscription",
        "http://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription",
        "https://169.254.169.254/?Action=ConfirmSubscription",
    ],
)
def test_an_address_that_is_not_of_sns_is_not_fetched(flask, web, url):
    asked(posts.confirmation(SubscribeURL=url))
    ended = flask("webhooks confirm --yes")
    assert ended.exit_code == 1
    assert "not at a host of SNS" in ended.output
    assert (web.hits, web.looked_up, states()) == ([], [], ["unread"])


@pytest.mark.parametrize(
    "page",
    [lambda asked: asked.answer(403), lambda asked: asked.answer(302, Location="https://evil.test/")],
    ids=["refused", "a redirect"],
)
def test_what_sns_does_not_take_still_waits(flask, web, page):
    asked(posts.confirmation())
    web.pages[PATH] = page
    ended = flask("webhooks confirm --yes")
    assert ended.exit_code == 1
    assert "SNS did not take it" in ended.output
    assert (states(), web.looked_up) == (["unread"], [SNS])
