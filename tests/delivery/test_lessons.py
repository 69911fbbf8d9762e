"""What a sender learns from a relay: slower, later, not this provider, not this mailing, or a person must look."""

import threading
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from core import clock, database, identity
from core.database import db
from delivery import control, gates, providers, retries, supplier, suppression
from delivery.models import Gate, Mailing, Quota
from tests.delivery.conftest import Ledger
from tests.delivery.test_loop import Holding, many, to
from tests.servers import free_port

pytestmark = pytest.mark.smtp

GMAIL = providers.number("gmail.com")


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mails that came too fast are tried again at once, and a rate is high enough for a test also when it is halved."""
    monkeypatch.setattr(retries, "THROTTLED", 0.05)
    monkeypatch.setattr(gates, "SLOWEST", 200)


def gate(provider: int = 0) -> Any:
    db.session.rollback()
    return db.session.execute(select(Gate).where(Gate.relay == "main", Gate.provider == provider)).scalar_one_or_none()


def gate_is_over(provider: int) -> None:
    """Let the time pass for which a provider is left alone."""
    with database.write_turn():
        past = clock.utc_now() - timedelta(seconds=1)
        db.session.execute(update(Gate).where(Gate.provider == provider).values(not_before=past))
        db.session.commit()


def suppressed(*hashes: bytes) -> None:
    with database.write_turn():
        for addr_hash in hashes:
            suppression.suppress(addr_hash, scope="all", reason="left", source="test", now=clock.utc_now())
        db.session.commit()


def mailing_state() -> tuple[str, str | None]:
    db.session.rollback()
    row = db.session.execute(select(Mailing.state, Mailing.why_paused)).one()
    return row.state, row.why_paused


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    ("verb", "says"),
    [
        (".", "454 4.7.0 Throttling failure: Maximum sending rate exceeded."),
        ("RCPT", "450 4.7.1 Rate limit exceeded"),
        ("MAIL", "451 4.3.2 too busy"),
        (".", "421 4.3.2 closing"),
        ("MAIL", "421 4.7.0 too many mails"),
    ],
)
def test_a_relay_that_throttles_is_offered_less_and_nobody_loses_an_attempt(ledger, relay, verb, says):
    refusals = iter(range(12))
    relay.answer = lambda spoken, _recipient: says if spoken == verb and next(refusals, None) is not None else None
    deliveries = ledger.queue_bulk(*many(40))
    with ledger.sending(to(relay, connections=4)):
        ledger.wait_until(lambda: ledger.states(*deliveries) == ["sent"] * 40)
    assert ledger.states(*deliveries) == ["sent"] * 40
    assert {ledger.row(one).attempts for one in deliveries} == {1}
    assert [kind for one in deliveries for kind in ledger.kinds(one)] == []
    assert gate().rate is not None and gate().why == says and gate().paused_at is None


def test_a_rate_holds_from_the_first_mail_on_and_over_all_senders(ledger, relay):
    taken_at: list[float] = []
    relay.answer = lambda verb, _recipient: taken_at.append(time.monotonic()) if verb == "DATA" else None
    deliveries = ledger.queue_bulk(*many(16))
    limited = to(relay, connections=4, rate=10)
    began = time.monotonic()
    with ledger.sending(limited), ledger.sending(limited):
        ledger.wait_until(lambda: ledger.states(*deliveries) == ["sent"] * 16)
    # What is slow here arrives late, and never before its place.
    assert [at >= began + place / 10 for place, at in enumerate(taken_at)] == [True] * 16


def test_a_confirmation_does_not_wait_for_its_place_in_the_rate(ledger, relay):
    bulk = ledger.queue_bulk(*many(50))
    with ledger.sending(to(relay, connections=2, rate=2)):
        ledger.wait_until(lambda: "sent" in ledger.states(*bulk))
        confirmation = ledger.queue("now@example.org")
        ledger.bell.set()
        ledger.wait_until_sent(confirmation)
        assert ledger.states(*bulk).count("sent") < 25


def test_a_provider_that_puts_three_mails_off_is_left_alone_and_the_others_go_on(ledger, relay):
    relay.answer = lambda verb, to: "451 4.7.1 not now" if verb == "RCPT" and to.endswith("@gmail.com") else None
    theirs = ledger.queue_bulk(*many(40, domain="gmail.com"))
    others = ledger.queue_bulk(*many(40))
    with ledger.sending(to(relay, connections=2)):
        ledger.wait_until(lambda: ledger.states(*others) == ["sent"] * 40)
        ledger.wait_until(lambda: set(ledger.states(*theirs)) == {"planned"})
        assert set(ledger.states(*theirs)) == {"planned"} and set(ledger.states(*others)) == {"sent"}
        asked = [command for command in relay.commands if command.startswith("RCPT") and "gmail" in command]
        assert 3 <= len(asked) <= 3 + 2, "two were on the other line or asked for already"
    assert Counter(ledger.row(one).attempts for one in theirs) == {0: 40 - len(asked), 1: len(asked)}
    assert gate(GMAIL).fails == 1 and gate(GMAIL).why == "451 4.7.1 not now"


def closed(ledger: Ledger, provider: int = GMAIL) -> None:
    """Have a provider closed, with the time over for which it is left alone."""
    with database.writing(ledger.engine) as connection:
        gates.close(connection, "main", provider, "451 later", database.ledger_now(connection))
    gate_is_over(provider)


def test_one_probe_goes_to_a_provider_and_opens_it_for_all(ledger, relay):
    closed(ledger)
    theirs = ledger.queue_bulk(*many(20, domain="gmail.com"))
    relay.answer = holding = Holding((".", "ok"))
    with ledger.sending(to(relay, connections=4)):
        ledger.wait_until(lambda: holding.reached == 1)
        time.sleep(0.7)
        assert holding.reached == 1 and sorted(ledger.states(*theirs)) == ["planned"] * 19 + ["sending"]
        assert gate(GMAIL).probe in theirs
        holding.release()
        ledger.wait_until(lambda: ledger.states(*theirs) == ["sent"] * 20)
    assert ledger.states(*theirs) == ["sent"] * 20 and gate(GMAIL).not_before is None


def test_a_probe_that_is_put_off_leaves_the_provider_alone_for_longer(ledger, relay):
    closed(ledger)
    theirs = ledger.queue_bulk(*many(5, "rcpt-4xx", domain="gmail.com"))
    with ledger.sending(to(relay, connections=4)):
        ledger.wait_until(lambda: gate(GMAIL).fails == 2)
    assert gate(GMAIL).fails == 2 and gate(GMAIL).probe is None
    assert sorted(ledger.row(one).attempts for one in theirs) == [0, 0, 0, 0, 1]
    assert gate(GMAIL).not_before > clock.utc_now() + timedelta(minutes=2.5)


@pytest.mark.parametrize("trouble", ["a line that breaks", "it cannot be made", "it is suppressed"])
def test_a_probe_that_found_nothing_out_is_followed_by_the_next_one_at_once(ledger, relay, trouble, monkeypatch):
    monkeypatch.setattr(retries, "RELAY_FIRST", 0.1)
    closed(ledger)
    first, *rest = ledger.queue_bulk(*many(4, domain="gmail.com"))
    ledger.change(first, next_attempt_at=clock.utc_now() - timedelta(minutes=5))
    if trouble == "it cannot be made":
        ledger.change(first, address_sealed=b"not sealed by us at all")
    elif trouble == "it is suppressed":
        suppressed(ledger.row(first).addr_hash)
    else:
        breaks = iter([""])
        relay.answer = lambda verb, _to: next(breaks, None) if verb == "MAIL" else None
    with ledger.sending(to(relay, connections=1)):
        ledger.wait_until(lambda: ledger.states(*rest) == ["sent"] * 3)
    assert ledger.states(*rest) == ["sent"] * 3
    assert gate(GMAIL).not_before is None


def test_a_probe_is_any_mail_that_is_due_for_the_provider_of_whichever_mailing(ledger, relay):
    closed(ledger)
    put_off = ledger.queue_bulk(*many(3, "later", domain="gmail.com"), key="edition:1")
    for one in put_off:
        ledger.change(one, next_attempt_at=clock.utc_now() + timedelta(hours=2))
    due = ledger.queue_bulk(*many(3, domain="gmail.com"), key="edition:2")
    with ledger.sending(to(relay, connections=1)):
        ledger.wait_until(lambda: ledger.states(*due) == ["sent"] * 3)
    assert ledger.states(*due, *put_off) == ["sent"] * 3 + ["planned"] * 3


def test_a_relay_that_wants_a_login_is_paused_at_the_first_mail_until_a_person_resumes_it(ledger, relay):
    relay.answer = lambda verb, _to: "530 5.7.0 Authentication required" if verb == "MAIL" else None
    deliveries = ledger.queue_bulk(*many(20))
    with ledger.sending(to(relay, connections=1)):
        ledger.wait_until(lambda: gate() is not None and gate().paused_at is not None)
        ledger.wait_until(lambda: set(ledger.states(*deliveries)) == {"planned"})
        asked = sum(command.startswith("MAIL") for command in relay.commands)
        assert asked <= 2 and gate().why == "530 5.7.0 Authentication required"
        assert {ledger.row(one).attempts for one in deliveries} == {0}
        relay.answer = lambda _verb, _to: None
        for one in deliveries:
            ledger.change(one, next_attempt_at=clock.utc_now() - timedelta(seconds=1))
        with database.write_turn():
            control.resume_relay("main", known=["main"])
            db.session.commit()
        ledger.bell.set()
        ledger.wait_until(lambda: ledger.states(*deliveries) == ["sent"] * 20)
    assert ledger.states(*deliveries) == ["sent"] * 20


def test_our_own_faults_pause_the_mailing_and_cost_no_recipient_the_mail(ledger, relay):
    deliveries = ledger.queue_bulk(*many(30, "rcpt-policy"))
    with ledger.sending(to(relay, connections=1)):
        ledger.wait_until(lambda: mailing_state()[0] == "paused")
        ledger.wait_until(lambda: set(ledger.states(*deliveries)) == {"planned"})
    state, why = mailing_state()
    assert state == "paused" and "3 of its last mails" in str(why) and "5.7.1 Relay access denied" in str(why)
    assert ledger.states(*deliveries) == ["planned"] * 30
    assert sum(ledger.row(one).attempts for one in deliveries) <= 5


def test_dead_mailboxes_never_pause_a_mailing(ledger, relay):
    deliveries = ledger.queue_bulk(*many(60, "rcpt-5xx"), *many(20, "dot-5xx"))
    ledger.send_all(to(relay, connections=4))
    assert ledger.states(*deliveries) == ["failed"] * 80 and mailing_state()[0] == "running"


def test_mails_that_cannot_be_made_pause_their_mailing_and_no_other(ledger, relay):
    broken = ledger.queue_bulk(*many(30, "broken"), key="edition:broken")
    for one in broken:
        ledger.change(one, address_sealed=b"not sealed by us at all")
    sound = ledger.queue_bulk(*many(30), key="edition:sound")
    with ledger.sending(to(relay, connections=2)):
        ledger.wait_until(lambda: ledger.states(*sound) == ["sent"] * 30)
        ledger.wait_until(lambda: set(ledger.states(*broken)) == {"failed", "planned"})
    assert ledger.states(*sound) == ["sent"] * 30
    states = dict(db.session.execute(select(Mailing.key, Mailing.state)).all())
    assert states == {"edition:broken": "paused", "edition:sound": "running"}
    assert set(ledger.states(*broken)) == {"failed", "planned"}


def warmed(mails: int) -> identity.WarmUp:
    return identity.WarmUp(first_day=clock.utc_now().date(), mails=mails, grows=1.5)


def taken() -> int:
    db.session.rollback()
    return db.session.scalar(select(Quota.taken)) or 0


def test_a_daily_ceiling_lets_the_first_of_the_queue_go_and_holds_the_others_but_no_confirmation(ledger, relay):
    early = ledger.queue_bulk(*many(3, "early"))
    for one in early:
        ledger.change(one, next_attempt_at=clock.utc_now() - timedelta(minutes=5))
    late = ledger.queue_bulk(*many(9, "late"))
    confirmation = ledger.queue("now@example.org")
    with ledger.sending(to(relay, connections=2, warm_up=warmed(5))):
        ledger.wait_until(lambda: taken() == 5 and relay.readers.count("now@example.org") == 1)
        ledger.wait_until(lambda: ledger.states(*late).count("sent") == 2)
        time.sleep(0.5)
    assert ledger.states(*early) == ["sent"] * 3 and sorted(ledger.states(*late)) == ["planned"] * 7 + ["sent"] * 2
    assert ledger.states(confirmation) == ["sent"]
    assert taken() == 5


def test_a_relay_that_is_away_uses_up_no_ceiling(ledger, relay, monkeypatch):
    monkeypatch.setattr(retries, "RELAY_FIRST", 0.05)
    deliveries = ledger.queue_bulk(*many(12))
    away = identity.Relay("127.0.0.1", free_port(), "none", connections=2, warm_up=warmed(5))
    with ledger.sending(away):
        ledger.wait_until(lambda: taken() > 0)
        time.sleep(1)
    assert taken() == 0
    with ledger.sending(to(relay, connections=2, warm_up=warmed(5))):
        ledger.wait_until(lambda: ledger.states(*deliveries).count("sent") == 5)
    assert ledger.states(*deliveries).count("sent") == 5


def test_a_sender_that_stops_uses_up_no_ceiling_for_what_it_does_not_send(ledger, relay):
    deliveries = ledger.queue_bulk(*many(60))
    relay.on_dot = threading.Event()
    with ledger.sending(to(relay, connections=2, warm_up=warmed(50))):
        ledger.wait_until(lambda: relay.holding == 2)
        threading.Timer(0.5, relay.on_dot.set).start()
    assert ledger.states(*deliveries).count("sent") == taken()


@pytest.mark.parametrize("says", ["454 4.7.0 Throttling: too fast", "451 4.3.0 not now"])
def test_mails_that_will_be_tried_again_give_their_places_under_the_ceiling_back(ledger, relay, says):
    relay.answer = lambda verb, _recipient: says if verb == "RCPT" else None
    deliveries = ledger.queue_bulk("one@example.org", "two@example.org")
    with ledger.sending(to(relay, connections=1, warm_up=warmed(4))):
        ledger.wait_until(lambda: all(ledger.row(one).last_text for one in deliveries) and taken() == 0)
    assert ledger.states(*deliveries) == ["planned"] * 2
    assert taken() == 0


def test_mails_that_may_not_go_use_up_no_ceiling(ledger, relay, monkeypatch):
    monkeypatch.setattr(supplier, "CEILING_S", 0.1)
    gone, sound = ledger.queue_bulk(*many(4, "gone")), ledger.queue_bulk(*many(4))
    for one in gone:
        ledger.change(one, next_attempt_at=clock.utc_now() - timedelta(minutes=5))
    suppressed(*[ledger.row(one).addr_hash for one in gone])
    with ledger.sending(to(relay, connections=2, warm_up=warmed(4))):
        ledger.wait_until(lambda: ledger.states(*sound) == ["sent"] * 4)
    assert ledger.states(*gone, *sound) == ["suppressed"] * 4 + ["sent"] * 4
    assert taken() == 4


QQ = providers.number("qq.com")


def test_qq_that_says_too_fast_with_a_hard_code_is_left_alone_at_once_and_no_reader_has_failed(ledger, relay):
    says = "550 Sender frequency limited"
    relay.answer = lambda verb, to: says if verb == "RCPT" and to.endswith("@qq.com") else None
    theirs = ledger.queue_bulk(*many(20, domain="qq.com"))
    others = ledger.queue_bulk(*many(20))
    with ledger.sending(to(relay, connections=1)):
        ledger.wait_until(lambda: ledger.states(*others) == ["sent"] * 20 and gate(QQ) is not None)
        ledger.wait_until(lambda: set(ledger.states(*theirs)) == {"planned"})
    assert ledger.states(*theirs) == ["planned"] * 20 and ledger.states(*others) == ["sent"] * 20
    assert gate(QQ).fails == 1 and gate(QQ).why == says
    assert gate().rate is None and mailing_state()[0] == "running"
    assert sum(command.startswith("RCPT") and "qq.com" in command for command in relay.commands) <= 2


def test_mails_that_the_relay_cannot_read_pause_their_mailing(ledger, relay):
    relay.answer = lambda verb, _to: "554 5.6.0 Cannot parse this message" if verb == "." else None
    ledger.queue_bulk(*many(30))
    with ledger.sending(to(relay, connections=1)):
        ledger.wait_until(lambda: mailing_state()[0] == "paused")
    assert mailing_state()[0] == "paused" and "5.6.0" in str(mailing_state()[1])


def test_readers_whose_address_the_relay_cannot_write_pause_nothing(ledger, relay):
    says = "553 5.6.7 Must support SMTPUTF8"
    relay.answer = lambda verb, to: says if verb == "RCPT" and to.startswith("foreign") else None
    deliveries = ledger.queue_bulk(*many(20, "foreign"), *many(20))
    with ledger.sending(to(relay, connections=1)):
        ledger.wait_until(lambda: not {"planned", "claimed", "sending"} & set(ledger.states(*deliveries)))
    assert ledger.states(*deliveries) == ["failed"] * 20 + ["sent"] * 20 and mailing_state()[0] == "running"
