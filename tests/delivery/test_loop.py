"""The loop over many lines: one mail on each, in the right order, through every disturbance, and to a good end."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError

from core import addresses, clock, identity
from core.database import db
from delivery import batches, gates, message, pump, recipes, retries
from delivery.committer import Ask, Committer
from delivery.models import Delivery, Lane
from delivery.moves import Intent
from delivery.states import State
from tests.delivery.conftest import QUICK, TIMING, Ledger
from tests.delivery.relay import Relay

pytestmark = pytest.mark.smtp

AWAY = OperationalError("COMMIT", {}, ConnectionError("the server went away"))


def to(relay: Relay, **options: Any) -> identity.Relay:
    return identity.Relay("127.0.0.1", relay.port, "none", **options)


def many(count: int, local: str = "ok", domain: str = "example.org") -> list[str]:
    return [f"{local}.{number}@{domain}" for number in range(count)]


class Holding:
    """An answer that holds a relay's replies back, by verb and recipient, until it is released."""

    def __init__(self, *held: tuple[str, str]) -> None:
        self._held = held
        self._released = threading.Event()
        self.reached = 0

    def __call__(self, verb: str, recipient: str) -> None:
        if any(verb == one and recipient.startswith(local) for one, local in self._held):
            self.reached += 1
            self._released.wait(20)

    def release(self) -> None:
        self._released.set()


@pytest.fixture
def most_sending(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many mails were between their intent and their result, after each commit."""
    seen: list[int] = []
    exchange = batches.exchange

    def watched(*arguments: Any, **named: Any) -> list[Intent]:
        intents = exchange(*arguments, **named)
        with ledger.engine.connect() as connection:
            seen.append(connection.scalar(select(func.count()).where(Delivery.state == State.SENDING)) or 0)
        return intents

    monkeypatch.setattr(batches, "exchange", watched)
    return seen


def test_each_line_has_at_most_one_mail_between_its_intent_and_its_result(ledger, relay, most_sending, monkeypatch):
    monkeypatch.setattr(gates, "SLOWEST", 200)
    monkeypatch.setattr("delivery.lessons.TURNED_AWAY", 1000)
    scripts = ["ok", "ok", "dot-4xx", "rcpt-5xx", "dot-421", "data-5xx", "drop-after-dot"]
    deliveries = ledger.queue_bulk(*[f"{scripts[n % 7]}.{n}@example.org" for n in range(70)])
    ledger.send_all(to(relay, connections=4))
    assert most_sending and max(most_sending) <= 4
    assert ledger.states(*deliveries).count("sent") == 20
    assert ledger.states(*deliveries).count("in_doubt") == 10


def test_while_the_relay_holds_every_dot_no_more_mails_are_begun_than_there_are_lines(ledger, relay, most_sending):
    deliveries = ledger.queue_bulk(*many(12))
    relay.on_dot = threading.Event()
    with ledger.sending(to(relay, connections=3)):
        ledger.wait_until(lambda: relay.holding == 3)
        assert sorted(ledger.states(*deliveries)) == ["claimed"] * 9 + ["sending"] * 3
        relay.on_dot.set()
        ledger.wait_until(lambda: ledger.states(*deliveries) == ["sent"] * 12)
    assert relay.lines == 3 and max(most_sending) <= 3
    assert sorted(relay.readers) == sorted(many(12)), "each once"


@pytest.mark.parametrize("offers", [(), ("PIPELINING",)], ids=["one by one", "pipelining"])
def test_a_line_is_renewed_after_as_many_mails_as_the_setting_says(ledger, relay, offers):
    relay.offers = offers
    ledger.queue_bulk(*many(10))
    ledger.send_all(to(relay, connections=1, mails_per_connection=3))
    assert len(relay.accepted) == 10 and relay.lines == 4
    ledger.wait_until(lambda: relay.commands.count("QUIT") == 4)
    assert relay.commands.count("QUIT") == 4


def test_bulk_mail_leaves_in_the_order_of_its_lanes(ledger, relay):
    for name, lane in (("digest", Lane.DIGEST), ("share", Lane.SHARE), ("breaking", Lane.BREAKING)):
        ledger.queue_bulk(*many(3, name), lane=lane, key=name)
    ledger.send_all(to(relay, connections=1))
    assert [reader.partition(".")[0] for reader in relay.readers] == ["breaking"] * 3 + ["share"] * 3 + ["digest"] * 3


def test_a_confirmation_leaves_while_the_relay_holds_every_line_of_the_bulk(ledger, relay):
    relay.answer = holding = Holding((".", "bulk"))
    bulk = ledger.queue_bulk(*many(300, "bulk"))
    with ledger.sending(to(relay, connections=2, urgent_connections=1)):
        ledger.wait_until(lambda: holding.reached == 2)
        confirmation = ledger.queue("waits@example.org")
        ledger.bell.set()
        ledger.wait_until_sent(confirmation)
        assert ledger.states(confirmation) == ["sent"] and "sent" not in ledger.states(*bulk)
        holding.release()


@pytest.fixture
def desk() -> Iterator[Relay]:
    """A second relay."""
    with Relay() as running:
        yield running


def by_desk(ledger: Ledger, main: identity.Relay, desk: Relay, lane: str = "transactional") -> identity.PostOffice:
    """Have one lane go through the second relay; return the post office."""
    lanes = {lane: identity.LaneSender(relay="desk", bounce_domain="b.example.org")}
    ledger.services = replace(ledger.services, identity=replace(ledger.services.identity, lanes=lanes))
    return identity.PostOffice({"main": main, "desk": to(desk, name="desk")}, QUICK)


def test_each_lane_goes_through_its_relay_with_its_bounce_domain(ledger, relay, desk):
    digest, share = many(3, "digest"), many(3, "share")
    ledger.queue_bulk(*digest)
    ledger.queue_bulk(*share, lane=Lane.SHARE, key="share")
    ledger.queue("confirm@example.org")
    with ledger.sending(by_desk(ledger, to(relay), desk, lane="share")):
        ledger.wait_until(lambda: len(relay.accepted) == 4 and len(desk.accepted) == 3)
    assert sorted(relay.readers) == sorted([*digest, "confirm@example.org"]) and sorted(desk.readers) == sorted(share)
    assert {sender.partition("@")[2] for sender, _reader, _mail in desk.accepted} == {"b.example.org"}
    assert "b.example.org" not in {sender.partition("@")[2] for sender, _reader, _mail in relay.accepted}


def test_a_relay_that_never_greets_keeps_no_other_relay_waiting(ledger, desk):
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        main = identity.Relay("127.0.0.1", silent.getsockname()[1], "none", connections=40)
        ledger.queue_bulk(*many(60))
        with ledger.sending(by_desk(ledger, main, desk)) as sender:
            ledger.wait_until(lambda: sum(pool.dialing for pool in sender.pools) == 40)
            confirmation = ledger.queue()
            ledger.bell.set()
            ledger.wait_until(lambda: ledger.states(confirmation) == ["sent"], 10)
            assert ledger.states(confirmation) == ["sent"]


def test_a_sender_that_is_told_to_stop_finishes_what_is_in_hand_and_gives_the_rest_back(ledger, relay):
    deliveries = ledger.queue_bulk(*many(30))
    relay.on_dot = threading.Event()
    with ledger.sending(to(relay, connections=3)):
        ledger.wait_until(lambda: relay.holding == 3)
        threading.Timer(0.5, relay.on_dot.set).start()
    assert sorted(ledger.states(*deliveries)) == ["planned"] * 27 + ["sent"] * 3
    assert {ledger.row(one).worker_id for one in deliveries} == {None}
    assert [ledger.row(one).attempts for one in deliveries].count(1) == 3
    assert len(relay.accepted) == 3


def test_when_patience_is_over_only_mails_whose_dot_was_out_are_in_doubt(ledger, relay):
    relay.answer = holding = Holding((".", "dot"), ("RCPT", "rcpt"), ("DATA", "data"))
    deliveries = ledger.queue_bulk("dot.1@example.org", "rcpt.1@example.org", "data.1@example.org")
    with ledger.sending(to(relay, connections=3), patience_s=0.5):
        ledger.wait_until(lambda: holding.reached == 3)
        assert ledger.states(*deliveries) == ["sending"] * 3
    holding.release()
    assert ledger.states(*deliveries) == ["in_doubt", "planned", "planned"]
    assert [(ledger.row(one).attempts, ledger.row(one).doubts) for one in deliveries] == [(1, 1), (0, 0), (0, 0)]
    assert ledger.row(deliveries[0]).last_text == "The sender was told to stop."


def go_on_once_refused(monkeypatch, pump, go_on):
    """Let a COMMIT that is held back go on when the sender that stops grants nothing more."""
    refuse = pump._committer.refuse

    def refuse_and_go_on():
        refuse()
        go_on.set()

    monkeypatch.setattr(pump._committer, "refuse", refuse_and_go_on)


def test_an_intent_that_comes_when_patience_is_over_is_taken_back_and_no_doubt(ledger, relay, monkeypatch):
    exchange, asked, go_on = batches.exchange, threading.Event(), threading.Event()

    def slow(engine, worker, results, wanted, **named):
        intents = exchange(engine, worker, results, wanted, **named)
        if intents and not asked.is_set():
            asked.set()
            go_on.wait(10)
        return intents

    monkeypatch.setattr(batches, "exchange", slow)
    (delivery,) = ledger.queue_bulk("slow@example.org")
    with ledger.sending(to(relay, connections=1), patience_s=0.3) as pump:
        assert asked.wait(10)
        go_on_once_refused(monkeypatch, pump, go_on)
    assert ledger.states(delivery) == ["planned"]
    assert (ledger.row(delivery).attempts, ledger.row(delivery).doubts) == (0, 0)
    assert relay.accepted == []


def test_an_intent_whose_commit_was_not_answered_while_the_sender_stops_is_taken_back(ledger, relay, monkeypatch):
    exchange, asked, go_on = batches.exchange, threading.Event(), threading.Event()

    def lose(engine, worker, results, wanted, **named):
        intents = exchange(engine, worker, results, wanted, **named)
        if intents and not asked.is_set():
            asked.set()
            go_on.wait(10)
            raise OperationalError("COMMIT", {}, ConnectionError("the server went away"))
        return intents

    monkeypatch.setattr(batches, "exchange", lose)
    monkeypatch.setattr(retries, "RELAY_FIRST", 0.0)
    (delivery,) = ledger.queue_bulk("lost@example.org")
    with ledger.sending(to(relay, connections=1), patience_s=0.3) as pump:
        assert asked.wait(10)
        go_on_once_refused(monkeypatch, pump, go_on)
    assert (ledger.states(delivery), ledger.row(delivery).doubts) == (["planned"], 0)
    assert relay.accepted == []


def test_what_is_asked_for_after_a_sender_refused_is_never_committed(ledger):
    committer = Committer(ledger.engine, "one", TIMING, lambda: None)
    delivery = ledger.queue()
    (claimed,) = ledger.claim()
    committer.start()
    committer.refuse()
    committer.hand_in([], [Ask("main", claimed)])
    assert committer.end(time.monotonic() + 5) == 0
    assert ledger.states(delivery) == ["claimed"] and list(committer.grants()) == []


def test_without_a_renewed_lease_no_message_is_begun(ledger, relay, monkeypatch):
    relay.answer = holding = Holding(("RCPT", "waits"))
    (delivery,) = ledger.queue_bulk("waits@example.org")

    def away(*_arguments: object) -> None:
        raise AWAY

    with ledger.sending(to(relay, connections=1), identity.Timing(lease_s=4, look_s=0.2)):
        ledger.wait_until(lambda: holding.reached == 1)
        monkeypatch.setattr(batches, "renew", away)
        ledger.wait_until(lambda: ledger.states(delivery) == ["planned"])
        row = ledger.row(delivery)
        assert (row.state, row.attempts, row.doubts) == ("planned", 0, 0)
        assert row.last_text == "Its lease could not be renewed."
        ledger.change_mailing(state="paused")
        holding.release()
    assert relay.accepted == [] and "DATA" not in relay.commands


def test_a_message_is_not_begun_by_a_sender_that_slept_through_its_lease(ledger, relay):
    """The leases were over, so another sender may have it; a renewal that comes after that vouches for nothing."""
    sender = ledger.pump(relay)
    asleep_since = time.monotonic() - TIMING.lease_s - 30
    sender._pulse.renewed_at = sender._pulse.unbroken_since = asleep_since - 1
    assert sender._safe_until(asleep_since) < time.monotonic()
    sender._pulse._beat()
    assert sender._safe_until(asleep_since) < time.monotonic()
    assert sender._safe_until(time.monotonic()) > time.monotonic() + TIMING.lease_s / 2
    sender._loop.close("over")
    sender._wake.close()


def test_a_mail_whose_lease_ran_out_before_it_was_begun_goes_back_unsent(ledger, relay, monkeypatch):
    monkeypatch.setattr(pump, "BEGUN_WITHIN", -1)
    deliveries = ledger.queue_bulk(*many(3))
    with ledger.sending(to(relay, connections=1)):
        ledger.wait_until(lambda: ledger.row(deliveries[0]).last_text is not None)
    assert ledger.states(*deliveries) == ["planned"] * 3
    row = ledger.row(deliveries[0])
    assert (row.last_text, row.attempts, row.doubts) == ("The sender was stopped.", 0, 0)
    assert not [command for command in relay.commands if command.startswith("MAIL")]


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no such place"),
        KeyError("name"),
        RecursionError("too deep"),
        RuntimeError("bad \0 text"),
        TypeError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_mail_that_cannot_be_made_fails_alone_with_its_reason(ledger, relay, monkeypatch, error):
    deliveries = ledger.queue_bulk(*many(8))
    splice = message.splice

    def stumble(recipe: Any, intent: Intent, **named: Any) -> bytes:
        if intent.id == deliveries[3]:
            raise error
        return splice(recipe, intent, **named)

    monkeypatch.setattr(message, "splice", stumble)
    ledger.send_all(to(relay, connections=2))
    assert ledger.states(*deliveries) == ["sent"] * 3 + ["failed"] + ["sent"] * 4
    assert str(ledger.row(deliveries[3]).last_text).startswith(f"Not made: {type(error).__name__}")
    assert sorted(relay.readers) == sorted(reader for reader in many(8) if ".3@" not in reader)


@pytest.mark.parametrize("offers", [(), ("PIPELINING",)], ids=["one by one", "pipelining"])
def test_a_mail_of_five_megabytes_goes_whole(sqlite_ledger, relay, offers):
    ledger = sqlite_ledger
    relay.offers = offers
    (delivery,) = ledger.queue_bulk("large@example.org", text="a story of many words " * 230_000)
    ledger.send_all(relay)
    assert ledger.states(delivery) == ["sent"]
    ((_sender, _recipient, mail),) = relay.accepted
    assert len(mail) > 5_000_000 and mail.replace(b"=\r\n", b"").count(b"story") == 230_000


def test_a_mail_that_is_too_large_for_the_relay_fails_with_the_reason_and_others_go(ledger, relay):
    relay.offers = ("SIZE 20000",)
    (large,) = ledger.queue_bulk("large@example.org", text="word " * 10_000, key="large")
    (small,) = ledger.queue_bulk("small@example.org")
    ledger.send_all(relay)
    assert ledger.states(large, small) == ["failed", "sent"]
    assert "the relay takes 20000" in str(ledger.row(large).last_text)


@pytest.mark.parametrize("able", [True, False])
def test_an_address_beyond_ascii_goes_where_the_relay_can_and_else_fails_with_the_reason(ledger, relay, able):
    relay.offers = ("PIPELINING", "8BITMIME", "SMTPUTF8") if able else ("PIPELINING",)
    address = addresses.Address("ré@example.org", "ré@example.org")
    beyond, other = ledger.queue_bulk(address, "other@example.org")
    ledger.send_all(relay)
    assert ledger.states(beyond, other) == ["sent" if able else "failed", "sent"]
    assert len([command for command in relay.commands if command.endswith(" BODY=8BITMIME SMTPUTF8")]) == able
    assert able or str(ledger.row(beyond).last_text).startswith("5.6.7")


def test_a_relay_that_answers_nonsense_costs_one_attempt_and_the_line(ledger, relay):
    relay.answer = lambda verb, recipient: "what?" if verb == "RCPT" and recipient.startswith("odd") else None
    odd, *others = ledger.queue_bulk("odd@example.org", *many(4))
    ledger.send_all(to(relay, connections=1))
    assert ledger.states(odd, *others) == ["planned"] + ["sent"] * 4
    row = ledger.row(odd)
    assert (row.attempts, row.doubts, row.last_text) == (1, 0, "what?")
    assert row.next_attempt_at > clock.utc_now() + timedelta(minutes=3)


def test_a_line_that_the_relay_closed_while_it_was_idle_costs_nothing(ledger, relay):
    (first,) = ledger.queue_bulk("first@example.org")
    with ledger.sending(to(relay, connections=1)):
        ledger.wait_until_sent(first)
        for line in relay.open_lines:
            line.shutdown(2)
        (second,) = ledger.queue_bulk("second@example.org")
        ledger.bell.set()
        ledger.wait_until_sent(second)
    row = ledger.row(second)
    assert (row.state, row.attempts, row.epoch) == ("sent", 1, 1), "it went on, it was not put off"


@pytest.mark.parametrize("says", ["421 4.4.2 timeout exceeded", "421 4.7.0 too many mails on this line"])
def test_a_line_that_the_relay_ends_after_some_mails_is_opened_anew_without_slowing_down(ledger, relay, says):
    goodbyes = iter([None, None, None, says])
    relay.answer = lambda verb, _recipient: next(goodbyes, None) if verb == "MAIL" else None
    deliveries = ledger.queue_bulk(*many(8))
    ledger.send_all(to(relay, connections=1))
    assert ledger.states(*deliveries) == ["sent"] * 8 and relay.lines == 2
    assert {ledger.row(one).epoch for one in deliveries} == {1}
    with ledger.engine.connect() as connection:
        assert gates.read(connection, "main", clock.utc_now()).rate is None


def test_a_relay_that_hangs_up_on_every_mail_is_left_alone_like_one_that_is_away(ledger, relay, monkeypatch):
    monkeypatch.setattr(retries, "RELAY_FIRST", 0.4)
    relay.answer = lambda verb, _recipient: "" if verb == "MAIL" else None
    deliveries = ledger.queue_bulk(*many(100))
    with ledger.sending(to(relay, connections=4)):
        ledger.wait_until(lambda: relay.lines >= 4)
        ledger.wait_until(lambda: relay.lines > 24, 1.5)
        assert relay.lines <= 24, "a few times four lines, further and further apart"
        relay.answer = lambda _verb, _recipient: None
        ledger.wait_until(lambda: ledger.states(*deliveries) == ["sent"] * 100)
    assert ledger.states(*deliveries) == ["sent"] * 100
    assert {ledger.row(one).attempts for one in deliveries} == {1}


def test_a_relay_that_takes_fewer_lines_than_we_would_open_gets_the_mail_over_those(ledger, relay):
    def answer(verb: str, _recipient: str) -> str | None:
        return "421 4.7.0 too many connections" if verb == "" and len(relay.open_lines) > 2 else None

    relay.answer = answer
    deliveries = ledger.queue_bulk(*many(300))
    with ledger.sending(to(relay, connections=6)):
        ledger.wait_until(lambda: ledger.states(*deliveries) == ["sent"] * 300)
    assert ledger.states(*deliveries).count("sent") == 300
    assert {ledger.row(one).attempts for one in deliveries} == {1}


@pytest.mark.parametrize("step", ["claim", "reserve", "load_many", "take_quota"])
def test_mails_that_a_sender_claimed_without_knowing_are_not_kept_for_ever(ledger, relay, monkeypatch, step):
    """The answer to the claim's COMMIT is lost, or what follows it fails."""
    owner: Any = {"load_many": recipes.Recipes, "take_quota": gates}.get(step, batches)
    call = getattr(owner, step)
    lost: list[bool] = []

    def lose_one(*arguments: Any, **named: Any) -> Any:
        result = call(*arguments, **named)
        if not lost and (step != "claim" or result.claimed):
            lost.append(True)
            raise AWAY
        return result

    monkeypatch.setattr(owner, step, lose_one)
    warm_up = identity.WarmUp(clock.utc_now().date(), 1000, 1)
    deliveries = ledger.queue_bulk(*many(5))
    with ledger.sending(to(relay, rate=1000, warm_up=warm_up), identity.Timing(lease_s=2, look_s=0.2)):
        ledger.wait_until(lambda: ledger.states(*deliveries) == ["sent"] * 5)
    assert lost and ledger.states(*deliveries) == ["sent"] * 5


def test_an_intent_is_granted_only_to_the_claim_that_asked_for_it(ledger, monkeypatch):
    """A lease ended while the database was away, and the same sender claimed the mail again."""
    (delivery,) = ledger.queue_bulk("one@example.org")
    (old,) = ledger.claim("one")
    ledger.change(delivery, lease_until=clock.utc_now() - timedelta(minutes=1))
    ledger.sweep()
    (new,) = ledger.claim("one")
    rung = threading.Event()
    asked = Committer(ledger.engine, "one", TIMING, rung.set)
    asked.hand_in([], [Ask("main", old), Ask("main", new)])
    asked.start()
    assert rung.wait(10)
    granted = {grant.claimed: grant.intent for grant in asked.grants()}
    asked.end(time.monotonic() + 5)
    assert granted[old] is None
    assert [intent.epoch for intent in granted.values() if intent] == [new.epoch] == [2]
    assert granted[new] is not None


def test_an_outage_longer_than_the_leases_makes_no_second_copy(ledger, relay, monkeypatch):
    monkeypatch.setattr(retries, "RELAY_FIRST", 0.1)
    exchange, gone = batches.exchange, threading.Event()
    gone.set()

    def away(*arguments: Any, **named: Any) -> list[Intent]:
        if gone.is_set():
            raise AWAY
        return exchange(*arguments, **named)

    monkeypatch.setattr(batches, "exchange", away)
    deliveries = ledger.queue_bulk(*many(6))
    with ledger.sending(to(relay, connections=2), identity.Timing(lease_s=2, look_s=0.2)):
        ledger.wait_until(lambda: "claimed" in ledger.states(*deliveries))
        for _ in range(3):
            db.session.rollback()
            with ledger.engine.begin() as connection:
                past = clock.utc_now() - timedelta(seconds=1)
                connection.execute(update(Delivery).where(Delivery.state == "claimed").values(lease_until=past))
            time.sleep(0.5)
        gone.clear()
        ledger.wait_until(lambda: ledger.states(*deliveries) == ["sent"] * 6)
    assert sorted(relay.readers) == sorted(many(6))
    assert [ledger.row(one).attempts for one in deliveries] == [1] * 6
