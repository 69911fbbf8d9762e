"""The header by which a mail service gives our token back: one line, for its own relay only, with nothing else."""

import json
from dataclasses import replace

import pytest

from core.identity import MAIL_SERVICES, LaneSender
from delivery import echo, verp
from returns import webhooks
from tests.delivery.mails import CONFIRMATION, DIGEST, SERVICES, header_lines, read, spliced
from tests.installation import IDENTITY

TOKEN = verp.token(1, tokens=SERVICES.links.tokens)
LINES = {
    "sendgrid": f'X-SMTPAPI: {{"unique_args": {{"postrider": "{TOKEN}"}}}}',
    "mailgun": f'X-Mailgun-Variables: {{"postrider": "{TOKEN}"}}',
    "postmark": f"X-PM-Metadata-postrider: {TOKEN}",
}


@pytest.fixture
def run_by(monkeypatch):
    """Have a service run the main relay."""

    def choose(name: str | None) -> None:
        identity = replace(IDENTITY, mail_services={} if name is None else {"main": name})
        monkeypatch.setattr("tests.delivery.mails.SERVICES", replace(SERVICES, identity=identity))

    return choose


@pytest.mark.parametrize("recipe", [DIGEST, CONFIRMATION], ids=["digest", "confirmation"])
@pytest.mark.parametrize("name", LINES)
def test_each_service_gets_its_own_header_in_every_mail_and_nothing_else_changes(run_by, name, recipe):
    run_by(None)
    before = spliced(recipe)
    run_by(name)
    raw = spliced(recipe)
    line = LINES[name].encode()
    assert header_lines(raw).count(line) == 1
    assert raw.replace(line + b"\r\n", b"") == before
    assert len(line) <= 76
    read(raw)


@pytest.mark.parametrize("name", [None, "ses"])
def test_where_the_envelope_sender_comes_back_there_is_no_such_header(run_by, name):
    run_by(name)
    raw = spliced()
    assert not [line for line in header_lines(raw) if line.lower().startswith((b"x-", b"postrider"))]


def test_the_token_is_that_of_the_delivery_and_of_its_envelope_sender(run_by):
    run_by("sendgrid")
    for number in (1, 2, 2**62):
        header = read(spliced(id=number))["X-SMTPAPI"]
        token = json.loads(header)["unique_args"]["postrider"]
        assert verp.read(token, tokens=SERVICES.links.tokens) == number
        sender = verp.envelope_sender(number, tokens=SERVICES.links.tokens, domain="b.example.org")
        assert verp.token_of(sender) == token


def test_a_lane_that_goes_through_another_relay_gets_the_header_of_that_one():
    identity = replace(IDENTITY, lanes={"digest": LaneSender(relay="bulk")}, mail_services={"bulk": "mailgun"})
    services = replace(SERVICES, identity=identity)
    assert echo.line(1, "digest", services).startswith(b"X-Mailgun-Variables: ")
    assert echo.line(1, "transactional", services) == b""


def test_every_service_has_a_header_or_needs_none_and_every_one_has_a_webhook():
    assert set(echo.HEADERS) | {"ses"} == set(MAIL_SERVICES) == set(webhooks.SERVICES)


@pytest.mark.smtp
def test_the_relay_is_handed_the_header_with_the_token_of_the_envelope_sender(sqlite_ledger, relay):
    identity = replace(sqlite_ledger.services.identity, mail_services={"main": "mailgun"})
    sqlite_ledger.services = replace(sqlite_ledger.services, identity=identity)
    sqlite_ledger.queue()
    sqlite_ledger.send_all(relay)
    ((sender, _recipient, mail),) = relay.accepted
    variables = json.loads(read(mail)["X-Mailgun-Variables"])
    assert variables == {"postrider": verp.token_of(sender)}
