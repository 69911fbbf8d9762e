"""The sender against a scripted relay: every phase's failure is told apart."""

import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy.exc import InternalError, OperationalError

from core import clock, identity
from delivery import batches, message, pulse, recipes, retries, smtp
from delivery import pump as pump_module
from delivery.bell import Bell
from tests import installation
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
        ("rcpt-421", "planned", 0, False),
        ("rcpt-login", "planned", 0, True),
        ("rcpt-policy", "planned", 1, True),
        ("drop-after-dot", "in_doubt", 1, False),
    ],
)
def test_what_the_relay_does_in_each_phase_is_what_the_ledger_says(ledger, relay, script, state, attempts, usable):
    delivery = ledger.queue(f"{script}@example.org")
    ledger.send_all(relay)
    row = ledger.row(delivery)
    assert (row.state, row.attempts) == (state, attempts)


def test_a_line_that_breaks_inside_the_message_is_no_doubt_and_no_attempt(ledger, relay, monkeypatch):
    # More than any buffer on the way holds, so that its last octet cannot have left.
    monkeypatch.setattr(message, "splice", lambda *_arguments, **_named: b"x" * 70 + b"\r\n" + b"y" * 64_000_000)
    delivery = ledger.queue("drop-before-dot@example.org")
    ledger.send_all(relay)
    row = ledger.row(delivery)
    assert (row.state, row.attempts, row.doubts, relay.accepted) == ("planned", 0, 0, [])


def test_a_refusal_costs_one_recipient_and_the_connection_carries_the_next(ledger, relay):
    refused, sent = ledger.queue("rcpt-5xx@example.org"), ledger.queue("ok@example.org")
    ledger.send_all(identity.Relay("127.0.0.1", relay.port, "none", urgent_connections=1))
    assert ledger.row(refused).state == "failed" and ledger.row(sent).state == "sent"
    assert relay.commands.count("RSET") == 1
    assert sum(command.lower().startswith("ehlo") for command in relay.commands) == 1


def test_the_row_is_sending_before_the_relay_hears_of_the_mail(ledger, relay):
    delivery = ledger.queue()
    relay.on_dot = threading.Event()
    with ledger.sending(relay):
        ledger.wait_until(lambda: bool(relay.accepted))
        assert ledger.row(delivery).state == "sending"
        relay.on_dot.set()
        ledger.wait_until_sent(delivery)
    assert ledger.row(delivery).state == "sent"


def test_a_relay_that_is_down_costs_nobody_an_attempt_and_the_mail_goes_when_it_is_back(ledger, relay, monkeypatch):
    monkeypatch.setattr(retries, "RELAY_FIRST", 0.05)
    delivery = ledger.queue()
    port, relay.port = relay.port, free_port()
    tried: list[identity.Relay] = []
    open_line = smtp.open_line

    def counted(to: identity.Relay) -> smtp.Opened:
        tried.append(to)
        return open_line(to)

    monkeypatch.setattr(smtp, "open_line", counted)
    with ledger.sending(relay):
        ledger.wait_until(lambda: len(tried) >= 2)
    row = ledger.row(delivery)
    assert (row.state, row.attempts, row.worker_id) == ("planned", 0, None)
    relay.port = port
    ledger.send_all(relay)
    assert ledger.row(delivery).state == "sent"


def test_a_running_sender_hears_the_bell_and_stops_when_told(ledger, relay):
    stop, bell = threading.Event(), Bell()
    settings = installation.settings_for("sqlite://", smtp_port=relay.port)
    sender = threading.Thread(
        target=pump_module.run,
        args=(stop, bell),
        kwargs={
            "engine": ledger.engine,
            "post": settings.post,
            "services": ledger.services,
            "state_dir": settings.state_dir,
        },
    )
    sender.start()
    time.sleep(0.5)
    delivery = ledger.queue()
    bell.set()
    ledger.wait_until_sent(delivery)
    stop.set()
    bell.set()
    sender.join(5)
    bell.close()
    assert ledger.row(delivery).state == "sent" and not sender.is_alive()


def test_a_mail_that_cannot_be_made_fails_alone(ledger, relay):
    broken, sound = ledger.queue(), ledger.queue()
    ledger.change(broken, address_sealed=b"not sealed by us at all")
    ledger.send_all(relay)
    assert ledger.row(broken).state == "failed" and ledger.row(sound).state == "sent"


def test_a_relay_that_hangs_up_between_mails_is_called_again_and_nobody_waits(ledger, relay):
    deliveries = [ledger.queue() for _ in range(4)]
    relay.mails_per_line = 1
    ledger.send_all(relay)
    assert [(ledger.row(one).state, ledger.row(one).attempts) for one in deliveries] == [("sent", 1)] * 4


def test_a_result_whose_commit_was_not_answered_is_noted_once(ledger, relay, monkeypatch):
    relay.answer = lambda verb, to: "550 5.1.1 nobody" if verb == "RCPT" and to.startswith("gone") else None
    gone, sound = ledger.queue("gone@example.org"), ledger.queue()
    exchange = batches.exchange
    lost: list[object] = []

    def lose_answers_to_results(engine, worker, results, wanted, **named):
        intents = exchange(engine, worker, results, wanted, **named)
        if results and len(lost) < 3:
            lost.append(results)
            raise OperationalError("COMMIT", {}, ConnectionError("the server went away"))
        return intents

    monkeypatch.setattr(batches, "exchange", lose_answers_to_results)
    monkeypatch.setattr(retries, "RELAY_FIRST", 0.0)
    ledger.send_all(relay)
    assert len(lost) == 3
    assert ledger.states(gone, sound) == ["failed", "sent"]
    assert (ledger.kinds(gone), ledger.kinds(sound)) == (["failed"], [])


def test_an_intent_that_was_granted_stays_granted_when_it_is_asked_for_again(ledger):
    delivery = ledger.queue()
    wanted = ledger.claim()
    (first,) = ledger.exchange("one", [], wanted)
    ledger.change_mailing(state="cancelled")
    assert ledger.exchange("one", [], wanted) == [first]
    row = ledger.row(delivery)
    assert (row.state, row.attempts) == ("sending", 1)


def test_an_answer_to_commit_that_was_lost_is_asked_again_and_makes_no_doubt(ledger, relay, monkeypatch):
    delivery, other = ledger.queue(), ledger.queue()
    exchange = batches.exchange
    lost: list[bool] = []

    def lose_one_answer(*arguments, **named):
        intents = exchange(*arguments, **named)
        if not lost:
            lost.append(True)
            raise OperationalError("COMMIT", {}, ConnectionError("the server went away"))
        return intents

    monkeypatch.setattr(batches, "exchange", lose_one_answer)
    monkeypatch.setattr(retries, "RELAY_FIRST", 0.0)
    ledger.send_all(relay)
    assert lost
    assert [(ledger.row(one).state, ledger.row(one).attempts) for one in (delivery, other)] == [("sent", 1)] * 2
    assert len(relay.accepted) == 2


def test_a_recipe_that_cannot_be_read_now_is_no_doubt_and_no_attempt(ledger, relay, monkeypatch):
    delivery = ledger.queue()
    asked: list[bool] = []

    def out_of_reach(*_arguments):
        asked.append(True)
        raise OperationalError("SELECT", {}, ConnectionError("the server went away"))

    with monkeypatch.context() as broken:
        broken.setattr(recipes.Recipes, "of", out_of_reach)
        broken.setattr(retries, "RELAY_FIRST", 60)
        with ledger.sending(relay):
            ledger.wait_until(lambda: bool(asked))
    row = ledger.row(delivery)
    assert (row.state, row.attempts) == ("planned", 0)
    ledger.change(delivery, next_attempt_at=clock.utc_now() - timedelta(seconds=1))
    ledger.send_all(relay)
    assert ledger.row(delivery).state == "sent"


@pytest.mark.parametrize("step", ["look", "claim", "exchange", "sweep", "renew"])
def test_no_error_whatever_ends_the_sender(ledger, relay, monkeypatch, step):
    call = getattr(batches, step)
    errors = [RuntimeError("unforeseen"), InternalError("SELECT", {}, Exception("read only"))]

    def stumble(*arguments, **named):
        if errors:
            raise errors.pop()
        return call(*arguments, **named)

    monkeypatch.setattr(batches, step, stumble)
    monkeypatch.setattr(pulse, "HEARTBEAT_S", 0.1)
    delivery = ledger.queue()
    with ledger.sending(relay):
        ledger.wait_until(lambda: not errors and ledger.row(delivery).state == "sent")
    assert ledger.row(delivery).state == "sent" and not errors


def test_the_envelope_sender_carries_a_token_and_no_address(ledger, relay):
    ledger.queue("someone@example.org")
    ledger.send_all(relay)
    ((sender, recipient, _message),) = relay.accepted
    assert recipient == "someone@example.org"
    assert sender.endswith(f"@{IDENTITY.bounce_domain}") and sender.startswith("b+")
    assert "someone" not in sender and len(sender.split("@")[0]) <= 64
