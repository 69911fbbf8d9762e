"""What follows from mails that the relay itself refused: as from a report, once, and never against a reader for us."""

from datetime import timedelta

import pytest
from sqlalchemy import literal_column, select, text

from core import clock, database
from core.database import db
from delivery import judging
from delivery.models import Bounce, Delivery, Outcome, Suppression
from delivery.moves import Result
from delivery.states import UNJUDGED, State
from tests.delivery.conftest import Ledger
from tests.delivery.test_loop import many, to

DAY = timedelta(days=1)


def judge(limit: int = 100, *, later: timedelta = timedelta()) -> int:
    with database.write_turn():
        count = judging.judge_failed(limit, now=clock.utc_now() + later)
        db.session.commit()
    return count


def ended(
    ledger: Ledger, code: int | None, words: str, to: str = "reader@example.org", *, key: str = "edition:1"
) -> int:
    """Have a mail refused with these words."""
    (one,) = ledger.queue_bulk(to, key=key)
    (intent,) = ledger.intend()
    ledger.exchange("one", [Result(one, intent.epoch, State.FAILED, code, words)], [])
    return one


def suppressed() -> set[tuple[str, str, str]]:
    db.session.rollback()
    return {(row.scope, row.reason, row.source) for row in db.session.scalars(select(Suppression))}


def test_a_hard_refusal_in_the_session_suppresses_and_tells_those_above_once(ledger):
    one = ended(ledger, 550, "5.1.1 no such user")
    assert [judge(), judge()] == [1, 0]
    row = ledger.row(one)
    assert (row.state, row.returned_as) == ("failed", "hard")
    assert suppressed() == {("bulk", "hard", "session")}
    assert list(db.session.scalars(select(Outcome.kind))) == ["hard_bounce"]


@pytest.mark.parametrize(
    ("code", "words", "means"),
    [
        (554, "5.7.1 turned away by policy", "refusal"),
        (550, "5.1.8 bad sender", "sender"),
        (554, "5.6.0 cannot parse", "ours"),
        (554, "5.7.1 Relay access denied", "config"),
    ],
)
def test_a_refusal_for_our_own_fault_is_looked_at_once_and_held_against_nobody(ledger, code, words, means):
    one = ended(ledger, code, words)
    assert [judge(), judge()] == [1, 0]
    assert ledger.row(one).returned_as == means and suppressed() == set()
    assert not db.session.scalars(select(Bounce)).all() and not db.session.scalars(select(Outcome)).all()


def test_full_mailboxes_count_also_when_they_were_put_off_until_the_end(ledger):
    (one,) = ledger.queue_bulk("full@example.org")
    (intent,) = ledger.intend()
    ledger.exchange("one", [Result(one, intent.epoch, State.PLANNED, 452, "4.2.2 over quota", delay=60)], [])
    assert judge() == 0, "it may still be delivered"
    ledger.change(one, not_after=clock.utc_now() - DAY / 24)
    ledger.sweep()
    assert judge() == 1 and ledger.row(one).returned_as == "full"
    assert db.session.scalar(select(Bounce.kind)) == "full"


@pytest.mark.parametrize("words", ["4.3.0 temporary failure", "4.4.1 no route", "4.7.1 greylisted", ""])
def test_trouble_that_may_be_the_relays_own_counts_for_nothing_when_time_is_over(ledger, words):
    for day in range(4):
        (one,) = ledger.queue_bulk("reader@example.org", key=f"edition:{day}")
        (intent,) = ledger.intend()
        ledger.exchange("one", [Result(one, intent.epoch, State.PLANNED, 451, words, delay=60)], [])
        ledger.change(one, not_after=clock.utc_now() - DAY / 24, intent_at=clock.utc_now() - day * DAY)
        ledger.sweep()
    assert judge() == 4 and suppressed() == set() and not db.session.scalars(select(Bounce)).all()


@pytest.mark.parametrize(
    ("code", "words", "means"),
    [
        (550, "Your account has been suspended", "refusal"),
        (550, "5.1.1 unknown user", "refusal"),
        (552, "5.2.2 over quota", "refusal"),
        (550, "5.1.8 bad sender", "sender"),
        (450, "5.1.1 unknown user", "transient"),
    ],
)
def test_what_the_relay_said_of_us_until_time_was_over_is_never_held_against_the_reader(ledger, code, words, means):
    for day in range(6):
        (one,) = ledger.queue_bulk("reader@example.org", key=f"edition:{day}")
        (intent,) = ledger.intend()
        ledger.exchange("one", [Result(one, intent.epoch, State.PLANNED, code, words, delay=60)], [])
        ledger.change(one, not_after=clock.utc_now() - DAY / 24, intent_at=clock.utc_now() - day * 3 * DAY)
        ledger.sweep()
    assert judge() == 6 and ledger.row(one).returned_as == means
    assert suppressed() == set() and not db.session.scalars(select(Bounce)).all()


def test_three_refusals_that_nobody_understands_suppress_for_a_while(ledger):
    for day in range(3):
        one = ended(ledger, 550, "no", key=f"edition:{day}")
        ledger.change(one, intent_at=clock.utc_now() - day * DAY)
    assert judge() == 3 and suppressed() == {("bulk", "soft", "session")}


def test_what_was_never_offered_to_a_relay_is_not_looked_at(ledger):
    ended(ledger, None, "Not made: a place is missing")
    (late,) = ledger.queue_bulk("late@example.org", key="edition:2")
    ledger.change(late, not_after=clock.utc_now() - DAY)
    ledger.sweep()
    assert ledger.states(late) == ["expired"] and judge() == 0


def test_mails_of_long_ago_are_named_and_have_no_effect(ledger):
    one = ended(ledger, 550, "5.1.1 no such user")
    assert judge(later=15 * DAY) == 1
    assert ledger.row(one).returned_as == "hard" and suppressed() == set()


def test_they_are_looked_at_some_at_a_time(ledger):
    for number in range(5):
        ended(ledger, 550, "5.1.1 no", f"r{number}@example.org", key=f"edition:{number}")
    assert [judge(2), judge(2), judge(2), judge(2)] == [2, 2, 1, 0]


def test_two_who_look_at_once_look_at_different_mails(postgres_ledger):
    for number in range(4):
        ended(postgres_ledger, 550, "5.1.1 no", f"r{number}@example.org", key=f"edition:{number}")
    with postgres_ledger.engine.begin() as other:
        assert (
            other.execute(select(Delivery.id).where(literal_column(UNJUDGED)).limit(3).with_for_update()).rowcount == 3
        )
        assert judge() == 1
    assert judge() == 3


def test_they_are_found_by_an_index_of_their_own(ledger):
    ended(ledger, 550, "5.1.1 no")
    explain = "EXPLAIN QUERY PLAN" if ledger.engine.dialect.name == "sqlite" else "EXPLAIN"
    wanted = select(Delivery.id).where(literal_column(UNJUDGED)).order_by(Delivery.id).limit(10)
    query = wanted.compile(ledger.engine, compile_kwargs={"literal_binds": True})
    with ledger.engine.begin() as connection:
        if ledger.engine.dialect.name != "sqlite":
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = connection.execute(text(f"{explain} {query}"))
        assert "ix_deliveries_unjudged" in " ".join(str(row) for row in plan)


@pytest.mark.smtp
def test_a_sender_fails_the_dead_ones_and_what_follows_follows_later(ledger, relay):
    deliveries = ledger.queue_bulk(*many(5, "rcpt-5xx"), *many(5), *many(3, "dot-5xx"))
    ledger.send_all(to(relay, connections=2))
    assert ledger.states(*deliveries) == ["failed"] * 5 + ["sent"] * 5 + ["failed"] * 3
    assert suppressed() == set()
    assert judge() == 8
    assert len(db.session.scalars(select(Suppression)).all()) == 5
    assert list(db.session.scalars(select(Bounce.kind))) == ["full"] * 3
