"""How far mailings are: counted truly, at a rate over the last seconds, with an end that can be believed."""

import json
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, update

from core import beat, clock, database, errors
from core.alerts import Alert
from core.database import Mark, db
from core.identity import LaneSender, MailIdentity, PostOffice, Relay, WarmUp
from delivery import ceilings, doubts, figures, progress, refusals
from delivery.models import Lane, Mailing, Quota, Worker
from delivery.progress import Pace, Standing
from delivery.states import State
from tests.delivery import mailings
from tests.delivery.mailings import KEY
from tests.installation import IDENTITY

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
POST = PostOffice({"main": Relay("127.0.0.1", 9, "none")})


def commit(*rows: object) -> None:
    with database.write_turn():
        db.session.add_all(rows)
        db.session.commit()


def test_a_mailing_is_counted_by_state(ledger):
    mailing = mailings.mailing()
    counts = {State.PLANNED: 5, State.CLAIMED: 2, State.SENDING: 1, State.SENT: 7, State.FAILED: 3, State.IN_DOUBT: 2}
    mailings.mails(mailing, {**counts, State.SUPPRESSED: 1})
    mailings.mails(mailings.mailing("edition:other"), {State.PLANNED: 4})
    one = progress.of(KEY)
    assert one.counts == {**counts, State.SUPPRESSED: 1}
    assert (one.total, one.handed_over, one.waiting, one.ended, one.unsettled) == (21, 7, 8, 13, 2)
    assert not one.over


def test_a_closed_mailing_is_not_counted_again(ledger):
    mailing = mailings.mailing(state="closed", counts=json.dumps({"sent": 70, "failed": 2}))
    mailings.mails(mailing, {State.SENT: 1})
    one = progress.of(KEY)
    assert (one.total, one.handed_over, one.over) == (72, 70, True)
    assert [found.total for found in progress.of_all()] == [72]


def test_an_unknown_key_is_refused_with_those_that_are_near(ledger):
    mailings.mailing()
    with pytest.raises(errors.NotFound, match=f"Did you mean {KEY}"):
        progress.of("asia-daily")


@pytest.mark.parametrize(
    ("state", "counts", "policy", "over"),
    [
        ("running", {State.SENT: 2}, "resend", True),
        ("running", {State.PLANNED: 1}, "resend", False),
        ("running", {State.CLAIMED: 1}, "resend", False),
        ("paused", {State.SENDING: 1}, "resend", False),
        ("cancelled", {State.PLANNED: 1}, "resend", False),
        ("cancelled", {State.IN_DOUBT: 1}, "resend", True),
        ("running", {State.IN_DOUBT: 1}, "resend", False),
        ("running", {State.IN_DOUBT: 1}, "skip", True),
        ("running", {}, "resend", True),
    ],
)
def test_it_is_over_when_nothing_more_happens_by_itself(ledger, state, counts, policy, over):
    mailing = mailings.mailing(state=state, doubt_policy=policy)
    mailings.mails(mailing, counts)
    assert progress.of(KEY).over is over
    under_way = not over and state != "cancelled"
    assert [one.key for one in progress.of_running()] == ([KEY] if under_way else [])


def test_a_settled_doubt_keeps_nothing_under_way(ledger):
    settled = {"doubts": 2, "done_at": clock.utc_now(), "address_sealed": None}
    mailings.mails(mailings.mailing(), {State.IN_DOUBT: 2}, **settled)
    one = progress.of(KEY)
    assert (one.over, one.unsettled, one.count(State.IN_DOUBT)) == (True, 0, 2)
    assert progress.of_running() == []


def test_a_mailing_that_is_over_is_not_counted_to_see_what_is_under_way(ledger):
    for number in range(30):
        mailings.mails(mailings.mailing(f"edition:{number}"), {State.SENT: 3})
    mailings.mails(mailings.mailing(), {State.SENT: 3, State.PLANNED: 1})
    assert [(one.key, one.total) for one in progress.of_running()] == [(KEY, 4)]
    assert len(progress.of_all()) == 31


def test_the_rate_is_that_of_the_last_seconds():
    pace = Pace(window_s=30)
    looks = [(100.0, 1000), (102.0, 1400), *((float(second), 1400) for second in range(104, 160, 2)), (160.0, 1700)]
    rates = []
    for at, amount in looks:
        pace.look(at, amount)
        rates.append(pace.rate)
    assert rates[:3] == [None, 200, 100]
    assert rates[-2] == 0, "what was long ago counts no more"
    assert rates[-1] == 10


def test_a_rate_never_goes_below_nothing_and_needs_time():
    pace = Pace()
    pace.look(1.0, 10)
    pace.look(1.0, 20)
    assert pace.rate is None
    pace.look(2.0, 5)
    assert pace.rate == 0


def test_looks_that_lie_far_apart_still_give_a_rate():
    pace = Pace(window_s=30)
    for at, amount in [(0.0, 0), (100.0, 500), (200.0, 2500)]:
        pace.look(at, amount)
    assert pace.rate == 20


def test_the_end_is_what_waits_at_that_rate():
    assert progress.estimated_end(600, 10.0, NOON) == NOON + timedelta(minutes=1)
    assert progress.estimated_end(0, 10.0, NOON) is None
    assert progress.estimated_end(600, None, NOON) is None
    assert progress.estimated_end(600, 0.0, NOON) is None
    assert progress.estimated_end(10**9, 0.001, NOON) is None, "no date that nobody could write"


def test_the_oldest_due_mail_is_told_by_lane(ledger):
    now = clock.utc_now()
    digest, system = mailings.mailing(), mailings.mailing("system:confirm", lane=Lane.TRANSACTIONAL)
    mailings.mails(digest, {State.PLANNED: 1}, provider=3, next_attempt_at=now - timedelta(minutes=5))
    mailings.mails(digest, {State.PLANNED: 1}, provider=300, next_attempt_at=now - timedelta(minutes=9))
    mailings.mails(digest, {State.PLANNED: 1}, provider=300, next_attempt_at=now - timedelta(minutes=2))
    mailings.mails(system, {State.PLANNED: 1}, provider=0, next_attempt_at=now - timedelta(seconds=7))
    assert progress.oldest_due(now) == {30: now - timedelta(minutes=9), 0: now - timedelta(seconds=7)}


@pytest.mark.parametrize("state", ["paused", "cancelled", "closed"])
def test_what_waits_in_a_mailing_that_does_not_run_is_not_due(ledger, state):
    mailings.mails(mailings.mailing(state=state), {State.PLANNED: 1})
    assert progress.oldest_due(clock.utc_now()) == {}


def test_what_is_put_off_or_has_left_is_not_due(ledger):
    now = clock.utc_now()
    mailing = mailings.mailing()
    mailings.mails(mailing, {State.PLANNED: 2}, next_attempt_at=now + timedelta(minutes=5))
    mailings.mails(mailing, {State.CLAIMED: 1, State.SENDING: 1, State.SENT: 1, State.IN_DOUBT: 1})
    assert progress.oldest_due(now) == {}


@pytest.mark.parametrize(
    "read",
    [
        lambda: progress.oldest_due(clock.utc_now()),
        progress.of_running,
        progress.of_all,
        doubts.listed,
        lambda: doubts.unsettled_of(1),
        lambda: ceilings.held_back([ceilings.Ceiling("new.example.org", 0, frozenset({30}))], NOON),
        lambda: figures.read(POST, IDENTITY),
    ],
    ids=["oldest due", "of running", "of all", "doubts", "unsettled", "held back", "figures"],
)
def test_no_look_reads_the_whole_ledger(ledger, read):
    """By the plan: wherever it reads deliveries, it does by one of the indexes that hold only some of them."""
    for number in range(3):
        mailings.mails(mailings.mailing(f"edition:{number}"), {State.PLANNED: 200, State.SENT: 400, State.IN_DOUBT: 20})
    seen: list[tuple[str, Any]] = []

    def note(_connection, _cursor, statement, parameters, *_rest):
        if "deliveries" in statement:
            seen.append((statement, parameters))

    event.listen(ledger.engine, "before_cursor_execute", note)
    read()
    event.remove(ledger.engine, "before_cursor_execute", note)
    db.session.rollback()
    assert seen
    for statement, parameters in seen:
        reads = plan(ledger.engine, statement, parameters)
        assert reads
        assert all("ix_deliveries_" in line for line in reads), reads


def plan(engine: Engine, statement: str, parameters: Any) -> list[str]:
    """Return how deliveries would be read, were the table so large that reading it whole cost too much."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            told = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters)
            return [row.detail for row in told if "deliveries" in row.detail]
        connection.exec_driver_sql("ANALYZE deliveries, mailings")
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        lines = connection.exec_driver_sql("EXPLAIN " + statement, parameters).scalars()
        return [line for line in lines if re.search(r"(Seq Scan|using \w+) on deliveries|Scan on ix_deliveries", line)]


def warm(mails: int, *, lane: str = "digest") -> tuple[PostOffice, MailIdentity]:
    """An installation whose bulk mail goes through a relay that is being warmed up."""
    warming = Relay("127.0.0.1", 9, "none", name="new", warm_up=WarmUp(date(2026, 1, 1), mails, 1.0))
    post = PostOffice({"main": Relay("127.0.0.1", 9, "none"), "new": warming})
    lanes = {lane: LaneSender(relay="new", sender="news@new.example.org")}
    return post, MailIdentity(IDENTITY.sender, IDENTITY.domain, IDENTITY.bounce_domain, "monsoon", lanes)


def test_a_ceiling_that_is_reached_says_how_many_it_holds_back(ledger):
    now = clock.utc_now()
    mailing = mailings.mailing()
    mailings.mails(mailing, {State.PLANNED: 4, State.SENT: 2})
    mailings.mails(mailing, {State.PLANNED: 1}, next_attempt_at=now + timedelta(hours=1))
    mailings.mails(mailings.mailing("system:confirm", lane=Lane.TRANSACTIONAL), {State.PLANNED: 1})
    mailings.mails(mailings.mailing("edition:paused", state="paused"), {State.PLANNED: 1})
    here = ceilings.of_today(*warm(500), now)
    assert [(one.domain, one.mails, one.lanes) for one in here] == [("new.example.org", 500, frozenset({30}))]
    assert ceilings.held_back(here, now) == {"new.example.org": 0}
    commit(Quota(domain="new.example.org", day=now.date(), taken=499))
    assert ceilings.held_back(here, now) == {"new.example.org": 0}
    with database.write_turn():
        db.session.execute(update(Quota).values(taken=500))
        db.session.commit()
    assert ceilings.held_back(here, now) == {"new.example.org": 4}
    tomorrow = now + timedelta(days=1)
    assert ceilings.held_back(ceilings.of_today(*warm(500), tomorrow), tomorrow) == {"new.example.org": 0}


def test_transactional_mail_is_under_no_ceiling(ledger):
    assert ceilings.of_today(*warm(500, lane="transactional"), clock.utc_now()) == []


def sender(name: str, *, silent_s: float = 0, **values: object) -> Worker:
    now = clock.utc_now()
    pulse = {"host": "h", "pid": 1, "started_at": now, "heartbeat_at": now - timedelta(seconds=silent_s)}
    return Worker(id=name, **{**pulse, "sent": 0, "rate": 0.0, "refused": "{}", **values})


def test_the_figures_of_an_empty_installation_are_all_there(ledger):
    found = figures.read(POST, IDENTITY)
    assert set(found.deliveries.values()) == {0}
    assert len(found.deliveries) == 4 * 9
    assert found.oldest_due_s == {"transactional": 0, "breaking": 0, "share": 0, "digest": 0}
    assert (found.senders, found.rate, found.sender_age_s, found.beat_age_s) == (0, 0.0, None, None)
    assert (found.refused, found.doubts, found.alerts, found.held_back) == ({}, 0, 0, {})


def test_the_figures_say_what_there_is(ledger):
    now = clock.utc_now()
    mailing = mailings.mailing()
    mailings.mails(mailing, {State.PLANNED: 3, State.SENT: 5, State.IN_DOUBT: 2})
    settled = {"doubts": 2, "done_at": now, "address_sealed": None}
    mailings.mails(mailing, {State.IN_DOUBT: 1}, **settled)
    mailings.mailing("edition:old", state="closed", counts='{"sent": 70}')
    mailings.mails(mailings.mailing("system:confirm", lane=Lane.TRANSACTIONAL), {State.SENT: 1})
    commit(
        sender("a", rate=12.5, refused='{"later": 3}'),
        sender("b", rate=2.5, silent_s=30, refused='{"later": 1, "policy": 2}'),
        sender("gone", rate=100.0, silent_s=300, refused='{"refused": 9}'),
        Alert(key="relay", text="x", opened_at=now),
        Alert(key="queue", text="x", opened_at=now, closed_at=now),
    )
    with database.write_turn():
        beat.note(now - timedelta(hours=1))
        beat.note(now - timedelta(seconds=40))
        db.session.commit()
    found = figures.read(POST, IDENTITY)
    assert found.deliveries["digest", "planned"] == 3
    assert found.deliveries["digest", "sent"] == 75
    assert found.deliveries["digest", "in_doubt"] == 3
    assert found.deliveries["transactional", "sent"] == 1
    assert 29 < found.oldest_due_s["digest"] < 60
    assert (found.senders, found.rate, found.doubts, found.alerts) == (2, 15.0, 2, 1)
    assert found.sender_age_s is not None
    assert found.sender_age_s < 20
    assert found.beat_age_s is not None
    assert 39 < found.beat_age_s < 60
    assert found.refused == {"later": 4, "policy": 2, "refused": 9}


def test_a_sender_that_is_forgotten_leaves_its_refusals_behind(ledger):
    now = clock.utc_now()
    commit(
        sender("a", refused='{"later": 3}'),
        sender("b", silent_s=9000, refused='{"later": 2}'),
        sender("c", silent_s=9000, refused='{"policy": 1}'),
    )
    for gone in (2, 0):
        with database.writing(ledger.engine) as connection:
            assert refusals.forget_senders(connection, now - timedelta(hours=1)) == gone
        assert refusals.by_reason() == {"later": 5, "policy": 1}
        db.session.rollback()
    assert [one.id for one in db.session.query(Worker)] == ["a"]
    commit(sender("d", silent_s=9000, refused='{"later": 1}'))
    with database.writing(ledger.engine) as connection:
        refusals.forget_senders(connection, now - timedelta(hours=1))
    assert refusals.by_reason() == {"later": 6, "policy": 1}
    assert db.session.get_one(Mark, "refused").value == '{"later": 3, "policy": 1}'


def test_what_a_relay_said_never_becomes_a_reason(sqlite_ledger):
    told = {"ada@example.org unknown": 1, "550 no": 2, "later": 4, "x" * 41: 1}
    commit(sender("a", refused=json.dumps(told)))
    assert refusals.by_reason() == {"later": 4, "other": 4}


def test_counting_while_a_mailing_is_closed_neither_loses_nor_doubles_it(ledger):
    """One statement sees one moment: a mailing is counted by its rows or by its counts, never by both or none."""
    mailing = mailings.mailing()
    mailings.mails(mailing, {State.SENT: 5})
    seen: list[str] = []

    @event.listens_for(ledger.engine, "before_cursor_execute")
    def note(_connection, _cursor, statement, *_rest):
        seen.append(statement)

    assert progress.of_all()[0].total == 5
    event.remove(ledger.engine, "before_cursor_execute", note)
    (counted, came_back) = (statement for statement in seen if "deliveries" in statement)
    assert "counts" in counted and "returned_at IS NOT NULL" in came_back, (
        "what came back is of another moment, and may be"
    )
    with database.write_turn():
        db.session.execute(update(Mailing).values(state="closed", counts='{"sent": 5}'))
        db.session.commit()
    assert progress.of_all()[0].total == 5


def test_a_state_that_is_not_there_counts_nothing():
    assert Standing(1, KEY, 30, "running").count(State.SENT) == 0
