"""What nobody holds any more: each step of the sweep moves what it should, in bounded steps, and nothing else."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from core import clock, database
from core.database import db
from delivery import batches, sweeping
from delivery.models import Delivery, Lane, Mailing, Worker
from delivery.states import State
from delivery.sweeping import Swept
from tests.delivery.conftest import TIMING, Ledger
from tests.delivery.mailings import mailing, mails

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@pytest.fixture
def now() -> datetime:
    """The present, by which rows are aged."""
    return clock.utc_now()


def states_of(*deliveries: int) -> list[str]:
    db.session.rollback()
    found = dict(db.session.execute(select(Delivery.id, Delivery.state).where(Delivery.id.in_(deliveries))).all())
    return [found[one] for one in deliveries]


def state_of(key: str) -> str | None:
    db.session.rollback()
    return db.session.scalar(select(Mailing.state).where(Mailing.key == key))


def stepped(ledger: Ledger, step: Callable[[Connection, datetime], int], now: datetime) -> int:
    with database.writing(ledger.engine) as connection:
        return step(connection, now)


def test_a_sweep_of_a_sound_ledger_moves_nothing(ledger, now):
    one = mailing()
    made = mails(one, dict.fromkeys(State, 2))
    before = states_of(*made)
    assert not ledger.sweep() and states_of(*made) == before


def test_only_leases_that_are_over_are_taken_back(ledger, now):
    one = mailing()
    counts = {State.CLAIMED: 1, State.SENDING: 1}
    lost, lives = mails(one, counts, lease_until=now - MINUTE), mails(one, counts)
    assert ledger.sweep() == Swept(freed=1, doubted=1)
    assert states_of(*lost) == ["planned", "in_doubt"]
    assert states_of(*lives) == ["claimed", "sending"]
    row = ledger.row(lost[1])
    assert (row.doubts, row.worker_id, row.done_at) == (1, None, None) and row.address_sealed is not None
    assert ledger.kinds(lost[0]) == [] and ledger.kinds(lost[1]) == ["lost"]


def test_a_second_doubt_is_settled_at_once(ledger, now):
    (lost,) = mails(mailing(), {State.SENDING: 1}, lease_until=now - MINUTE, doubts=1)
    ledger.sweep()
    row = ledger.row(lost)
    assert (row.state, row.doubts, row.address_sealed) == ("in_doubt", 2, None) and row.done_at is not None


@pytest.mark.parametrize(
    ("values", "ages", "resent"),
    [
        ({}, {"doubt_at": timedelta(seconds=TIMING.doubt_grace_s + 1)}, True),
        ({}, {"doubt_at": timedelta(seconds=TIMING.doubt_grace_s - 5)}, False),
        ({"doubts": 2}, {"doubt_at": DAY, "done_at": DAY}, False),
        ({}, {"doubt_at": DAY, "done_at": DAY}, False),
    ],
    ids=["after the grace", "within it", "a second doubt", "one that was accepted"],
)
def test_a_doubt_is_sent_once_more_after_the_grace(ledger, now, values, ages, resent):
    aged = {name: now - age for name, age in ages.items()}
    sealed = {"address_sealed": None} if "done_at" in ages else {}
    (doubt,) = mails(mailing(), {State.IN_DOUBT: 1}, **values, **aged, **sealed)
    assert ledger.sweep().resent == int(resent)
    assert states_of(doubt) == ["planned" if resent else "in_doubt"]
    assert ledger.kinds(doubt) == ["resend"] * resent


@pytest.mark.parametrize(
    "frame",
    [{"doubt_policy": "skip"}, {"state": "paused"}, {"state": "cancelled"}],
    ids=["policy skip", "paused", "cancelled"],
)
def test_a_doubt_of_such_a_mailing_is_not_sent_again(ledger, now, frame):
    (doubt,) = mails(mailing(**frame), {State.IN_DOUBT: 1}, doubt_at=now - DAY)
    assert ledger.sweep().resent == 0
    assert states_of(doubt) == ["in_doubt"]


def test_a_doubt_whose_time_is_over_is_settled_and_its_address_forgotten(ledger, now):
    (doubt,) = mails(mailing(), {State.IN_DOUBT: 1}, doubt_at=now - DAY, not_after=now - MINUTE)
    assert ledger.sweep() == Swept(settled=1)
    row = ledger.row(doubt)
    assert (row.state, row.address_sealed) == ("in_doubt", None) and row.done_at is not None


@pytest.mark.parametrize("state", ["running", "paused", "cancelled"])
def test_a_planned_mail_whose_time_is_over_expires_whatever_held_it_back(ledger, now, state):
    one = mailing(state=state)
    late, sound = mails(one, {State.PLANNED: 2}, not_after=now - MINUTE), mails(one, {State.PLANNED: 1})
    put_off = mails(one, {State.PLANNED: 1}, not_after=now - MINUTE, next_attempt_at=now + DAY)
    assert ledger.sweep().expired == 3
    assert states_of(*late, *put_off) == ["expired"] * 3
    assert ledger.row(late[0]).address_sealed is None and ledger.row(late[0]).done_at is not None
    assert states_of(*sound) == ["cancelled" if state == "cancelled" else "planned"]


def test_what_is_left_of_a_cancelled_mailing_is_cancelled(ledger):
    gone, other = mailing("gone", state="cancelled"), mailing("other")
    left, stays = mails(gone, {State.PLANNED: 3, State.CLAIMED: 1, State.SENDING: 1}), mails(other, {State.PLANNED: 1})
    assert ledger.sweep() == Swept(cancelled=3)
    assert states_of(*left) == ["cancelled"] * 3 + ["claimed", "sending"], "those decide it in their intent"
    assert states_of(*stays) == ["planned"]
    assert ledger.row(left[0]).address_sealed is None


def test_a_step_moves_a_chunk_at_most_and_the_sweep_goes_on_until_nothing_is_left(ledger, now, monkeypatch):
    monkeypatch.setattr(sweeping, "CHUNK", 4)
    monkeypatch.setattr(sweeping, "NAMED", 3)
    gone = mailing("gone", state="cancelled")
    mails(gone, {State.PLANNED: 9})
    assert stepped(ledger, sweeping.cancel, now) == 4
    runs = mailing("runs")
    mails(runs, {State.PLANNED: 9}, not_after=now - MINUTE)
    assert stepped(ledger, sweeping.expire, now) == 4
    mails(runs, {State.CLAIMED: 9, State.SENDING: 7}, lease_until=now - MINUTE)
    assert stepped(ledger, sweeping.free, now) == 4
    assert stepped(ledger, sweeping.doubt, now) == 3
    mails(runs, {State.IN_DOUBT: 7}, doubt_at=now - DAY)
    assert stepped(ledger, lambda connection, at: sweeping.resend(connection, at, TIMING), now) == 3
    mails(runs, {State.IN_DOUBT: 9}, doubt_at=now - DAY, not_after=now - MINUTE)
    assert stepped(ledger, sweeping.settle, now) == 4
    assert ledger.sweep() == Swept(freed=5, doubted=4, resent=4, settled=5, expired=5, cancelled=5)
    assert not ledger.sweep()


@pytest.mark.parametrize("count", [4, 8])
def test_a_sweep_ends_also_when_the_last_chunk_was_full(ledger, monkeypatch, count):
    monkeypatch.setattr(sweeping, "CHUNK", 4)
    mails(mailing(state="cancelled"), {State.PLANNED: count})
    assert ledger.sweep() == Swept(cancelled=count)


def test_two_sweeps_at_once_count_each_mail_once(postgres_ledger, now):
    ledger = postgres_ledger
    (lost,) = mails(mailing(), {State.SENDING: 1}, lease_until=now - MINUTE)
    with database.writing(ledger.engine) as first:
        assert sweeping.doubt(first, now) == 1
        with database.writing(ledger.engine) as second:
            assert sweeping.doubt(second, now) == 0, "it does not wait for the other one"
    assert ledger.row(lost).doubts == 1


def old(key: str = "old", **frame: Any) -> int:
    """Write a mailing of three days ago."""
    return mailing(key, created_at=clock.utc_now() - 3 * DAY, **frame)


def test_an_old_mailing_of_which_nothing_is_open_is_closed_with_its_counts(ledger):
    one = old()
    mails(one, {State.SENT: 4, State.FAILED: 2, State.EXPIRED: 1})
    ledger.sweep()
    assert state_of("old") == "closed"
    counts = db.session.scalar(select(Mailing.counts).where(Mailing.key == "old"))
    assert json.loads(str(counts)) == {"sent": 4, "failed": 2, "expired": 1}


@pytest.mark.parametrize("state", [State.PLANNED, State.CLAIMED, State.SENDING, State.IN_DOUBT])
def test_a_mailing_of_which_something_is_open_stays(ledger, state):
    mails(old(), {State.SENT: 4, state: 1})
    ledger.sweep()
    assert state_of("old") == "running"


def test_a_settled_doubt_is_not_open(ledger, now):
    mails(old(), {State.IN_DOUBT: 1}, done_at=now, address_sealed=None)
    ledger.sweep()
    assert state_of("old") == "closed"


def test_young_mailings_system_mail_and_those_that_wait_for_a_person_are_not_closed(ledger):
    mails(mailing("young"), {State.SENT: 1})
    mails(old("system", lane=Lane.TRANSACTIONAL), {State.SENT: 1})
    mails(old("paused", state="paused"), {State.SENT: 1})
    mails(old("cancelled", state="cancelled"), {State.CANCELLED: 1})
    ledger.sweep()
    assert [state_of(key) for key in ("young", "system", "paused", "cancelled")] == [
        "running",
        "running",
        "paused",
        "cancelled",
    ]


def test_a_closed_mailing_that_gets_new_mails_is_opened_again_and_they_go(ledger):
    one = old()
    mails(one, {State.SENT: 1})
    ledger.sweep()
    assert state_of("old") == "closed"
    (late,) = mails(one, {State.PLANNED: 1})
    assert ledger.claim() == []
    ledger.sweep()
    assert state_of("old") == "running"
    assert db.session.scalar(select(Mailing.counts).where(Mailing.key == "old")) is None
    assert [claimed.id for claimed in ledger.claim()] == [late]


def test_so_many_mailings_that_are_over_are_closed_in_a_few_sweeps(ledger):
    for number in range(25):
        old(f"old {number}")
    ledger.sweep()
    ledger.sweep()
    assert Counter(db.session.scalars(select(Mailing.state))) == {"closed": 25}


def test_a_sender_that_was_silent_for_a_day_is_taken_off_the_list(ledger, now):
    with database.writing(ledger.engine) as connection:
        for name, age in (("gone", DAY + MINUTE), ("here", MINUTE)):
            row = {"id": name, "host": "h", "pid": 1, "started_at": now - 9 * DAY, "heartbeat_at": now - age}
            connection.execute(insert(Worker).values(row | {"sent": 0, "rate": 0.0, "refused": "{}"}))
    batches.sweep(ledger.engine, TIMING)
    assert list(db.session.scalars(select(Worker.id))) == ["here"]
