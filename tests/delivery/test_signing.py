"""The sender with keys: every mail leaves signed, lines do not wait for each other, and no more is ever in doubt."""

import socket
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from core import addresses, clock, identity
from core.dkimkeys import SigningKeys
from delivery import dkim, making, pools, pump
from delivery.dkim import Prepared
from tests import second_verifier, signing
from tests.delivery import mails
from tests.delivery.conftest import Ledger

# A fixture of that module: how many mails are on their way after each commit.
from tests.delivery.test_loop import many, most_sending, to  # noqa: F401

pytestmark = pytest.mark.smtp

KEYS = signing.keys("rsa-1", "ed-1", domain="example.org")


@pytest.fixture
def signed_ledger(ledger: Ledger) -> Ledger:
    """A ledger whose senders have keys for every mail in it."""
    ledger.services = replace(ledger.services, dkim=SigningKeys({"example.org": KEYS}))
    return ledger


def good(raw: bytes) -> bool:
    found = second_verifier.verified(raw, signing.looked_up(KEYS))
    return found == [("rsa-1", "good"), ("ed-1", "good")] and signing.by_dkimpy(raw, KEYS) == [True, True]


class Gate:
    """Holds mails to some readers back while they are signed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, reader: bytes) -> None:
        self.reached, self.open, self.signed = threading.Event(), threading.Event(), 0
        really = Prepared.signed

        def held(prepared: Prepared) -> bytes:
            if b"To: " + reader in prepared.mail:
                self.reached.set()
                self.open.wait(20)
            self.signed += 1
            return really(prepared)

        monkeypatch.setattr(Prepared, "signed", held)


def test_every_mail_leaves_signed_for_two_verifiers(signed_ledger, relay):
    relay.offers = ("PIPELINING", "8BITMIME", "SMTPUTF8")
    beyond = addresses.Address("δοκιμή@example.org", "δοκιμή@example.org")
    bulk = signed_ledger.queue_bulk(*many(20), beyond)
    confirmation = signed_ledger.queue("confirm@example.org")
    signed_ledger.send_all(to(relay, connections=4))
    assert set(signed_ledger.states(*bulk, confirmation)) == {"sent"}
    assert sorted(relay.readers) == sorted([*many(20), "δοκιμή@example.org", "confirm@example.org"])
    assert all(good(raw) for _sender, _reader, raw in relay.accepted)


def test_without_keys_mails_leave_as_they_were(ledger, relay):
    ledger.queue_bulk(*many(2))
    ledger.send_all(relay)
    assert len(relay.accepted) == 2 and not any(b"DKIM" in raw for _sender, _reader, raw in relay.accepted)


def test_a_mail_that_goes_out_once_more_is_the_same_bytes(signed_ledger, relay, monkeypatch):
    (delivery,) = signed_ledger.queue_bulk("drop-after-dot@example.org")
    signed_ledger.send_all(relay)
    assert signed_ledger.states(delivery) == ["in_doubt"]
    signed_ledger.change(delivery, doubt_at=clock.utc_now() - timedelta(hours=1))
    signed_ledger.sweep()
    signed_ledger.change(delivery, next_attempt_at=clock.utc_now() - timedelta(seconds=1))
    signed_ledger.send_all(relay)
    (_sender, _reader, first), (_again, _same, second) = relay.accepted
    assert first == second and good(first)


def test_each_line_has_at_most_one_mail_between_its_intent_and_its_result(signed_ledger, relay, most_sending):  # noqa: F811
    signed_ledger.queue_bulk(*many(60))
    signed_ledger.send_all(to(relay, connections=4))
    assert len(relay.accepted) == 60 and max(most_sending) <= 4


def test_a_mail_that_cannot_be_signed_fails_alone(signed_ledger, relay, monkeypatch):
    really = Prepared.signed

    def stumbling(prepared: Prepared) -> bytes:
        if b"To: bad" in prepared.mail:
            raise RuntimeError("the key is gone")
        return really(prepared)

    monkeypatch.setattr(Prepared, "signed", stumbling)
    bad, sound = signed_ledger.queue_bulk("bad@example.org", "ok@example.org")
    signed_ledger.send_all(to(relay, connections=1))
    assert signed_ledger.states(bad, sound) == ["failed", "sent"]
    assert signed_ledger.row(bad).last_text == "Not made: RuntimeError: the key is gone"


def test_a_mail_that_cannot_be_prepared_fails_alone(signed_ledger, relay, monkeypatch):
    monkeypatch.setattr(dkim, "prepare", lambda *_arguments, **_named: 1 / 0)
    delivery = signed_ledger.queue()
    signed_ledger.send_all(relay)
    assert signed_ledger.states(delivery) == ["failed"] and not relay.accepted


def test_while_one_mail_is_signed_the_other_lines_carry_theirs(signed_ledger, relay, monkeypatch):
    gate = Gate(monkeypatch, b"slow")
    slow, *others = signed_ledger.queue_bulk("slow@example.org", *many(40))
    with signed_ledger.sending(to(relay, connections=3)):
        assert gate.reached.wait(10)
        signed_ledger.wait_until(lambda: set(signed_ledger.states(*others)) == {"sent"})
        assert signed_ledger.states(slow) == ["sending"] and "slow@example.org" not in relay.readers
        gate.open.set()
        signed_ledger.wait_until_sent(slow)
    assert signed_ledger.states(slow) == ["sent"]


def test_a_mail_that_is_still_being_signed_when_patience_is_over_was_not_tried(signed_ledger, relay, monkeypatch):
    gate = Gate(monkeypatch, b"slow")
    (delivery,) = signed_ledger.queue_bulk("slow@example.org")
    with signed_ledger.sending(relay, patience_s=0.3):
        assert gate.reached.wait(10)
    gate.open.set()
    row = signed_ledger.row(delivery)
    assert (row.state, row.attempts, row.doubts, relay.accepted) == ("planned", 0, 0, [])


def test_a_mail_whose_lease_ran_out_while_it_was_signed_is_not_sent(signed_ledger, relay, monkeypatch):
    gate, seen = Gate(monkeypatch, b"slow"), threading.Event()
    safe_until = pump.Pump._safe_until

    def short(self: pump.Pump, granted_at: float) -> float:
        return 0.0 if seen.is_set() else safe_until(self, granted_at)

    monkeypatch.setattr(pump.Pump, "_safe_until", short)
    (delivery,) = signed_ledger.queue_bulk("slow@example.org")
    with signed_ledger.sending(relay, patience_s=0.5):
        assert gate.reached.wait(10)
        seen.set()
        gate.open.set()
        signed_ledger.wait_until(lambda: signed_ledger.states(delivery) != ["sending"])
    assert signed_ledger.row(delivery).attempts == 0 and not relay.accepted
    assert signed_ledger.row(delivery).last_text == "The sender was stopped."


def test_a_line_that_the_relay_closes_while_its_mail_is_signed_keeps_nobody_busy(signed_ledger, relay, monkeypatch):
    gate = Gate(monkeypatch, b"slow")
    (delivery,) = signed_ledger.queue_bulk("slow@example.org")
    with signed_ledger.sending(to(relay, connections=1)) as sender:
        assert gate.reached.wait(10)
        (line,) = relay.open_lines
        line.shutdown(socket.SHUT_RDWR)
        slot = sender.pools[-1].slots[0]
        signed_ledger.wait_until(lambda: slot.line is None)
        assert slot.line is None and slot.intent is not None
        gate.open.set()
        signed_ledger.wait_until_sent(delivery)
    assert signed_ledger.states(delivery) == ["sent"] and gate.signed == 1
    assert len(relay.accepted) == 1 and relay.lines == 2


def test_a_line_that_goes_stale_is_opened_anew_and_carries_what_was_signed(signed_ledger, relay, monkeypatch):
    gate = Gate(monkeypatch, b"nobody")
    relay.mails_per_line = 1
    deliveries = signed_ledger.queue_bulk(*many(4))
    signed_ledger.send_all(to(relay, connections=1))
    assert set(signed_ledger.states(*deliveries)) == {"sent"} and relay.lines >= 4
    assert gate.signed == 4, "each was signed once"
    assert all(good(raw) for _sender, _reader, raw in relay.accepted)


def test_as_many_threads_sign_as_the_setting_says_and_end_with_the_sender(signed_ledger, relay):
    keys = replace(signed_ledger.services.dkim, threads=3)
    signed_ledger.services = replace(signed_ledger.services, dkim=keys)
    signed_ledger.queue_bulk(*many(3))

    def signers() -> int:
        return sum(thread.name.startswith("signer ") for thread in threading.enumerate())

    with signed_ledger.sending(relay):
        signed_ledger.wait_until(lambda: len(relay.accepted) == 3)
        assert signers() == 3
    signed_ledger.wait_until(lambda: signers() == 0)
    assert signers() == 0


def test_a_signature_that_comes_when_its_slot_has_another_mail_is_let_go_of(monkeypatch):
    gate, rung = Gate(monkeypatch, b"slow"), threading.Event()
    prepared = dkim.prepare(mails.spliced(to="slow@example.org"), keys=KEYS, at=mails.DATED)
    maker = making.Making(lambda _intent: making.Unsigned("b", "slow", prepared), threads=1, ring=rung.set)
    maker.start()
    pool = pools.Pool(identity.Relay("127.0.0.1", 25, "none"), (), pools.Reach())
    slot = pools.Slot(pool, intent=mails.intent(id=1))
    assert slot.intent and maker.mail_for(slot, slot.intent) is None
    slot.intent = mails.intent(id=2)
    gate.open.set()
    assert rung.wait(10)
    maker.end()
    assert not list(maker.signed()) and slot.mail is None


def test_after_a_rotation_the_other_keys_sign(signed_ledger, relay):
    turned = signing.keys("rsa-2", "ed-2", ready=("rsa-1", "ed-1"), domain="example.org")
    signed_ledger.services = replace(signed_ledger.services, dkim=SigningKeys({"example.org": turned}))
    signed_ledger.queue_bulk("ok@example.org")
    signed_ledger.send_all(relay)
    ((_sender, _reader, raw),) = relay.accepted
    assert second_verifier.verified(raw, signing.looked_up(turned)) == [("rsa-2", "good"), ("ed-2", "good")]
