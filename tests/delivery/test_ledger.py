"""The ledger: claims, intents, results, leases and doubts, on both databases."""

from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from core import addresses, clock, database
from core.database import db
from delivery import batches, outbox, suppression
from delivery.models import Lane
from delivery.moves import Result
from delivery.states import MOVES, TERMINAL, State
from tests.delivery.conftest import TIMING

MINUTE = timedelta(minutes=1)


def past():
    return clock.utc_now() - MINUTE


def test_the_same_once_key_is_queued_once(ledger):
    first = ledger.row(ledger.queue())
    with pytest.raises(IntegrityError):
        ledger.change(ledger.queue(), once_key=first.once_key)
    db.session.rollback()


def test_a_claim_raises_the_epoch_and_two_workers_never_claim_one_mail(ledger):
    ids = {ledger.queue() for _ in range(5)}
    first = ledger.claim("one", 3)
    second = ledger.claim("two", 3)
    assert len(first) == 3 and len(second) == 2
    assert {one.id for one in first + second} == ids
    assert all(one.epoch == 1 for one in first + second)


def test_an_intent_is_durable_before_it_is_returned(ledger):
    delivery = ledger.queue()
    (intent,) = ledger.intend()
    row = ledger.row(delivery)
    assert (row.state, row.attempts, row.dated_at) == ("sending", 1, intent.dated_at)


def test_an_intent_asked_twice_counts_one_attempt(ledger):
    delivery = ledger.queue()
    wanted = ledger.claim()
    ledger.exchange("one", [], wanted)
    (again,) = ledger.exchange("one", [], wanted)
    assert again.id == delivery and ledger.row(delivery).attempts == 1


@pytest.mark.parametrize("scope", ["all", "system"])
def test_a_suppression_written_after_the_claim_still_stops_the_mail(ledger, scope):
    delivery = ledger.queue()
    wanted = ledger.claim()
    with database.write_turn():
        suppression.suppress(
            ledger.row(delivery).addr_hash,
            scope=scope,
            reason="complaint",
            source="test",
            now=clock.utc_now(),
        )
        db.session.commit()
    assert ledger.exchange("one", [], wanted) == []
    row = ledger.row(delivery)
    assert row.state == "suppressed" and row.address_sealed is None


def test_a_suppression_of_bulk_mail_does_not_stop_a_confirmation(ledger):
    delivery = ledger.queue()
    with database.write_turn():
        suppression.suppress(
            ledger.row(delivery).addr_hash, scope="bulk", reason="left", source="test", now=clock.utc_now()
        )
        db.session.commit()
    assert [intent.id for intent in ledger.intend()] == [delivery]


@pytest.mark.parametrize(("state", "outcome"), [("paused", "planned"), ("cancelled", "cancelled")])
def test_pause_and_cancel_are_decided_inside_the_intent(ledger, state, outcome):
    delivery = ledger.queue()
    wanted = ledger.claim()
    ledger.change_mailing(state=state)
    assert ledger.exchange("one", [], wanted) == []
    assert ledger.row(delivery).state == outcome


def test_a_mail_whose_time_is_over_expires(ledger):
    delivery = ledger.queue()
    ledger.change(delivery, not_after=past())
    assert ledger.intend() == []
    assert ledger.row(delivery).state == "expired"


def test_a_result_ends_the_delivery_and_forgets_the_address(ledger):
    delivery = ledger.queue()
    (intent,) = ledger.intend()
    ledger.exchange("one", [Result(intent.id, intent.epoch, State.SENT, 250, "taken")], [])
    row = ledger.row(delivery)
    assert row.state == "sent" and row.address_sealed is None and row.done_at is not None
    assert ledger.kinds(delivery) == []


def test_a_result_of_an_older_epoch_changes_nothing_and_is_noted(ledger):
    delivery = ledger.queue()
    (old,) = ledger.intend("one")
    ledger.change(delivery, lease_until=past())
    ledger.sweep()
    ledger.change(delivery, doubt_at=clock.utc_now() - timedelta(seconds=TIMING.doubt_grace_s + 1))
    ledger.sweep()
    (new,) = ledger.intend("two")
    ledger.exchange("one", [Result(old.id, old.epoch, State.FAILED, 550, "no")], [])
    assert ledger.row(delivery).state == "sending" and ledger.row(delivery).epoch == new.epoch
    assert ledger.kinds(delivery)[-1] == "late"


def test_a_claim_whose_lease_is_over_goes_back_without_a_doubt(ledger):
    delivery = ledger.queue()
    ledger.claim()
    ledger.change(delivery, lease_until=past())
    ledger.sweep()
    row = ledger.row(delivery)
    assert (row.state, row.doubts, row.attempts) == ("planned", 0, 0)


def test_an_intent_after_the_lease_is_refused(ledger):
    delivery = ledger.queue()
    wanted = ledger.claim()
    ledger.change(delivery, lease_until=past())
    assert ledger.exchange("one", [], wanted) == []


def test_a_lost_sender_leaves_a_doubt_that_is_named_and_resent_once_after_the_grace(ledger):
    delivery = ledger.queue()
    (first,) = ledger.intend()
    ledger.change(delivery, lease_until=past())
    assert ledger.sweep().doubted == 1
    assert ledger.sweep().resent == 0, "the grace is not over"
    ledger.change(delivery, doubt_at=clock.utc_now() - timedelta(seconds=TIMING.doubt_grace_s + 1))
    assert ledger.sweep().resent == 1
    (second,) = ledger.intend()
    assert second.dated_at == first.dated_at, "the same Date, and so the same bytes"
    ledger.change(delivery, lease_until=past())
    ledger.sweep()
    row = ledger.row(delivery)
    assert (row.state, row.doubts, row.address_sealed) == ("in_doubt", 2, None), "settled: never a third copy"
    assert ledger.kinds(delivery) == ["lost", "resend", "lost"]


def test_a_doubt_with_the_policy_skip_is_never_resent(ledger):
    delivery = ledger.queue()
    ledger.change_mailing(doubt_policy="skip")
    ledger.intend()
    ledger.change(delivery, lease_until=past())
    ledger.sweep()
    ledger.change(delivery, doubt_at=clock.utc_now() - timedelta(hours=1))
    assert ledger.sweep().resent == 0
    ledger.change(delivery, not_after=past())
    assert ledger.sweep().settled == 1
    assert ledger.row(delivery).state == "in_doubt"


@pytest.mark.parametrize("proof", [State.SENT, State.FAILED, State.PLANNED])
def test_late_proof_of_the_same_epoch_takes_the_doubt_away(ledger, proof):
    delivery = ledger.queue()
    (intent,) = ledger.intend()
    ledger.change(delivery, lease_until=past())
    ledger.sweep()
    ledger.exchange("one", [Result(intent.id, intent.epoch, proof, 250, "late")], [])
    assert ledger.row(delivery).state == proof


def test_a_doubt_that_was_swept_and_then_reported_is_counted_once(ledger):
    delivery = ledger.queue()
    (intent,) = ledger.intend()
    ledger.change(delivery, lease_until=past())
    ledger.sweep()
    ledger.exchange("one", [Result(intent.id, intent.epoch, State.IN_DOUBT)], [])
    assert ledger.row(delivery).doubts == 1


def test_a_sender_that_starts_alone_frees_every_lease_at_once(ledger):
    ledger.queue(), ledger.queue()
    wanted = ledger.claim()
    ledger.exchange("one", [], wanted[:1])
    swept = batches.sweep(ledger.engine, TIMING, alone=True)
    assert (swept.freed, swept.doubted) == (1, 1)


@pytest.mark.parametrize(
    "broken",
    [
        {"state": "sending"},
        {"state": "sent"},
        {"state": "in_doubt"},
        {"doubts": 3},
        {"attempts": 1},
        {"address_sealed": None},
        {"done_at": clock.utc_now()},
        {"state": "lost"},
        {"worker_id": "somebody"},
    ],
    ids=lambda broken: next(iter(broken.items()))[0] + str(broken.get("state", "")),
)
def test_the_database_itself_refuses_a_row_that_no_arrow_can_make(ledger, broken):
    delivery = ledger.queue()
    with pytest.raises(IntegrityError):
        ledger.change(delivery, **broken)
    db.session.rollback()


def test_an_end_is_an_end():
    assert all(state not in MOVES for state in TERMINAL)
    assert {target for targets in MOVES.values() for target in targets} == set(State)


def test_queueing_says_how_many_are_new(ledger):
    delivery = ledger.row(ledger.queue())
    rows = [
        outbox.Planned(outbox.Recipient(addresses.parse(f"reader{number}@example.org"), None), key, delivery.content_id)
        for number, key in enumerate([delivery.once_key, b"a" * 16, b"b" * 16])
    ]
    counts = []
    for _again in range(2):
        with database.write_turn():
            counts.append(
                outbox.queue_bulk(
                    rows,
                    mailing_id=delivery.mailing_id,
                    lane=Lane.DIGEST,
                    link_set=outbox.LinkSet.NONE,
                    not_after=clock.utc_now() + MINUTE,
                    services=ledger.services,
                )
            )
            db.session.commit()
    assert counts == [2, 0]
