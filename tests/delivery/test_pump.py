"""The sender against a scripted relay: every phase's failure is told apart."""

import threading
import time

import pytest

from delivery import pump as pump_module
from tests.installation import IDENTITY
from tests.servers import free_port

pytestmark = pytest.mark.smtp


@pytest.mark.parametrize(
    ("script", "state", "attempts", "usable"),
    [
        ("ok", "sent", 1, True),
        ("rcpt-4xx", "planned", 1, True),
        ("rcpt-5xx", "failed", 1, True),
        ("data-5xx", "failed", 1, True),
        ("dot-4xx", "planned", 1, True),
        ("dot-5xx", "failed", 1, True),
        ("dot-421", "planned", 0, False),
        ("mail-421", "planned", 0, False),
        ("drop-before-dot", "planned", 0, False),
        ("drop-after-dot", "in_doubt", 1, False),
    ],
)
def test_what_the_relay_does_in_each_phase_is_what_the_ledger_says(ledger, relay, script, state, attempts, usable):
    delivery = ledger.queue(f"{script}@example.org")
    ledger.send_all(relay)
    row = ledger.row(delivery)
    if script == "drop-before-dot":
        # The last octets may still have left for a line that is already closed: then only doubt is honest.
        assert row.state in ("planned", "in_doubt")
        return
    assert (row.state, row.attempts) == (state, attempts)


def test_a_refusal_costs_one_recipient_and_the_connection_carries_the_next(ledger, relay):
    refused, sent = ledger.queue("rcpt-5xx@example.org"), ledger.queue("ok@example.org")
    ledger.send_all(relay)
    assert ledger.row(refused).state == "failed" and ledger.row(sent).state == "sent"
    assert relay.commands.count("RSET") == 1
    assert sum(command.lower().startswith("ehlo") for command in relay.commands) == 1


def test_the_row_is_sending_before_the_relay_hears_of_the_mail(ledger, relay):
    delivery = ledger.queue()
    relay.on_dot = threading.Event()
    sender = threading.Thread(target=ledger.send_all, args=(relay,))
    sender.start()
    deadline = time.monotonic() + 10
    while not relay.accepted and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ledger.row(delivery).state == "sending"
    relay.on_dot.set()
    sender.join()
    assert ledger.row(delivery).state == "sent"


def test_a_relay_that_is_down_costs_nobody_an_attempt_and_the_mail_goes_when_it_is_back(ledger, relay):
    delivery = ledger.queue()
    port, relay.port = relay.port, free_port()
    sender = ledger.pump(relay)
    assert not sender.send_due(threading.Event())
    row = ledger.row(delivery)
    assert (row.state, row.attempts, row.worker_id) == ("planned", 0, None)
    relay.port = port
    ledger.send_all(relay)
    assert ledger.row(delivery).state == "sent"


def test_a_running_sender_hears_the_bell_and_stops_when_told(ledger, relay):
    stop, bell = threading.Event(), threading.Event()
    sender = threading.Thread(
        target=pump_module.run,
        args=(stop, bell),
        kwargs={"engine": ledger.engine, "relay": ledger.pump(relay)._relay, "services": ledger.services},
    )
    sender.start()
    time.sleep(0.2)
    delivery = ledger.queue()
    bell.set()
    deadline = time.monotonic() + 10
    while ledger.row(delivery).state != "sent" and time.monotonic() < deadline:
        time.sleep(0.02)
    stop.set()
    bell.set()
    sender.join(5)
    assert ledger.row(delivery).state == "sent" and not sender.is_alive()


def test_a_mail_that_cannot_be_made_fails_alone(ledger, relay):
    broken, sound = ledger.queue(), ledger.queue()
    ledger.change(broken, address_sealed=b"not sealed by us at all")
    ledger.send_all(relay)
    assert ledger.row(broken).state == "failed" and ledger.row(sound).state == "sent"


def test_the_envelope_sender_carries_a_token_and_no_address(ledger, relay):
    ledger.queue("someone@example.org")
    ledger.send_all(relay)
    ((sender, recipient, _message),) = relay.accepted
    assert recipient == "someone@example.org"
    assert sender.endswith(f"@{IDENTITY.bounce_domain}") and sender.startswith("b+")
    assert "someone" not in sender and len(sender.split("@")[0]) <= 64
