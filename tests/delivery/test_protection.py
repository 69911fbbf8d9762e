"""A stream of which too much comes back is told, then stopped; a few mails prove nothing, and system mail goes on."""

from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, literal_column, select, update

from core import alerts, clock, database
from core.alerts import Trouble
from core.database import db
from core.limits import Limit, ReturnLimits
from delivery import protection
from delivery.models import Delivery, DeliveryEvent, Lane, Mailing
from delivery.protection import Share
from delivery.states import State
from tests.delivery.conftest import Ledger, empty
from tests.delivery.mailings import mailing, mails
from tests.delivery.test_watch import look

LIMITS = ReturnLimits(complaints=Limit(0.02, 0.05, 100), bounces=Limit(0.02, 0.05, 100))
HOUR = timedelta(hours=1)


def edition(
    sent: int, *, complaints: int = 0, hard: int = 0, failed: int = 0, key: str = "edition:1", **values: Any
) -> int:
    """Hand so many mails over, of which some came back; return the mailing."""
    made = mailing(key, **values)
    now = clock.utc_now()
    mails(made, {State.SENT: sent - complaints - hard})
    mails(made, {State.SENT: complaints}, returned_at=now, returned_as="complaint")
    mails(made, {State.SENT: hard}, returned_at=now, returned_as="hard")
    mails(made, {State.FAILED: failed}, returned_at=now, returned_as="hard")
    return made


def over(ledger: Ledger, limits: ReturnLimits = LIMITS) -> list[Share]:
    with ledger.engine.connect() as connection:
        return protection.over(connection, limits, database.ledger_now(connection))


def guard(ledger: Ledger) -> list[str]:
    """Do what tasks.alerts does at each look; return the keys of the alerts."""
    shares = over(ledger)
    with database.writing(ledger.engine) as connection:
        found = list(protection.troubles(connection, shares, alerts.open_keys(connection)))
        alerts.keep(connection, found, kinds=protection.KINDS, now=database.ledger_now(connection))
        protection.stop(connection)
    return [one.key for one in found]


def standing(key: str = "edition:1") -> tuple[str, str | None]:
    db.session.rollback()
    row = db.session.execute(select(Mailing.state, Mailing.why_paused).where(Mailing.key == key)).one()
    return row.state, row.why_paused


def stop_key(kind: str = "complaints") -> str:
    return f"stopped:digest:asia-daily:{kind}:{today()}"


def answer(ledger: Ledger, key: str | None = None) -> None:
    with database.writing(ledger.engine) as connection:
        alerts.acknowledge(connection, [key or stop_key()], database.ledger_now(connection))


def today() -> str:
    return str(clock.utc_now().astimezone(UTC).date())


@pytest.mark.parametrize(
    ("complaints", "told", "stopped"), [(0, False, False), (4, False, False), (5, True, False), (11, True, True)]
)
def test_complaints_are_told_from_the_warning_on_and_stop_the_stream_at_the_limit(ledger, complaints, told, stopped):
    edition(200, complaints=complaints)
    edition(1, key="edition:later")
    assert guard(ledger) == ([stop_key() if stopped else f"complaints:digest:asia-daily:{today()}"] if told else [])
    for key in ("edition:1", "edition:later"):
        assert standing(key)[0] == ("paused" if stopped else "running")


def test_the_reason_and_the_alert_say_the_numbers_and_the_cure(ledger):
    edition(200, complaints=12)
    (key,) = guard(ledger)
    came_back = f"12 of 200 mails of {today()} were called spam, 6.00 %."
    assert standing() == ("paused", f"Too much mail of digest:asia-daily comes back: {came_back}")
    with ledger.engine.connect() as connection:
        (alert,) = alerts.standing(connection)
    what, how_much, cure = alert.text.splitlines()
    assert "digest:asia-daily" in what and "12 of 200" in what and "5.00 %" in how_much
    assert f"flask alerts acknowledge {key}" in cure


def test_hard_bounces_count_those_that_the_relay_refused_at_once_too(ledger):
    edition(100, hard=3, failed=4)
    assert guard(ledger) == [stop_key("bounces")]
    assert standing()[0] == "paused" and "7 of 104 mails" in str(standing()[1])


def test_one_of_three_stops_nothing(ledger):
    edition(3, complaints=1, hard=1)
    edition(99, complaints=40, key="edition:2", stream="digest:small")
    assert guard(ledger) == [] and standing()[0] == "running"


def test_two_prove_nothing_whatever_share_they_are(ledger):
    edition(100, complaints=2, hard=2)
    assert guard(ledger) == []


def test_streams_and_days_are_judged_apart(ledger):
    edition(200, complaints=12, key="edition:spam", stream="digest:spam")
    yesterday = clock.utc_now() - timedelta(days=1)
    edition(200, complaints=12, key="edition:yesterday", stream="digest:other", created_at=yesterday)
    edition(5000, key="edition:today", stream="digest:other")
    edition(200, key="edition:good", stream="digest:good")
    assert guard(ledger) == [
        f"stopped:digest:other:complaints:{yesterday.astimezone(UTC).date()}",
        f"stopped:digest:spam:complaints:{today()}",
    ]
    assert standing("edition:good")[0] == "running"
    assert standing("edition:today")[0] == standing("edition:spam")[0] == "paused"


def test_system_mail_goes_on_and_what_a_day_long_ago_was_like_is_history(ledger):
    edition(200, complaints=100, key="system", lane=Lane.TRANSACTIONAL, stream="system")
    edition(200, complaints=100, created_at=clock.utc_now() - timedelta(days=4))
    assert guard(ledger) == []


def test_an_operator_who_answers_may_resume_and_is_left_alone(ledger):
    edition(200, complaints=20)
    (key,) = guard(ledger)
    ledger.change_mailing(state="running", why_paused=None)
    assert guard(ledger) == [key] and standing()[0] == "paused", "resumed without an answer it is stopped again"
    with database.writing(ledger.engine) as connection:
        alerts.acknowledge(connection, [key], database.ledger_now(connection))
    ledger.change_mailing(state="running", why_paused=None)
    assert guard(ledger) == [key] and standing()[0] == "running"


def test_a_mailing_that_was_counted_for_good_is_counted_by_that(ledger):
    made = edition(10, complaints=10)
    with database.write_turn():
        counted = update(Mailing).where(Mailing.id == made).values(state="closed", counts='{"sent": 150, "failed": 9}')
        db.session.execute(counted)
        db.session.commit()
    (found,) = over(ledger)
    assert (found.found, found.of) == (10, 150)


def test_a_stopped_stream_is_one_alert_and_its_paused_mailing_none_until_its_day_is_history(ledger):
    edition(200, complaints=20)
    guard(ledger)
    with ledger.engine.connect() as connection:
        now = database.ledger_now(connection)
    assert list(look(ledger, now, shares=over(ledger))) == list(look(ledger, now)) == [stop_key()]
    answer(ledger)
    assert list(look(ledger, now, shares=over(ledger), known=[stop_key()])) == [stop_key()]
    assert list(look(ledger, now)) == ["mailing:edition:1"]


def test_a_stop_stands_until_it_is_answered_however_long_ago_its_day_is(ledger):
    edition(200, complaints=20)
    guard(ledger)
    ledger.change_mailing(created_at=clock.utc_now() - timedelta(days=9))
    edition(1, key="edition:later")
    assert guard(ledger) == [stop_key()] and standing("edition:later")[0] == "paused"
    answer(ledger)
    edition(1, key="edition:answered")
    assert guard(ledger) == [] and standing("edition:answered")[0] == "running"
    with ledger.engine.connect() as connection:
        assert alerts.standing(connection) == []


def test_a_warning_that_was_answered_does_not_answer_the_stop(ledger):
    made = edition(200, complaints=6)
    (warning,) = guard(ledger)
    answer(ledger, warning)
    mails(made, {State.SENT: 20}, returned_at=clock.utc_now(), returned_as="complaint")
    assert guard(ledger) == [stop_key(), warning] and standing()[0] == "paused"


def test_an_answered_stop_is_not_a_new_one_when_its_share_has_been_lower_for_a_while(ledger):
    made = edition(200, complaints=11)
    guard(ledger)
    answer(ledger)
    mails(made, {State.SENT: 100})
    assert stop_key() in guard(ledger)
    mails(made, {State.SENT: 20}, returned_at=clock.utc_now(), returned_as="complaint")
    ledger.change_mailing(state="running", why_paused=None)
    assert stop_key() in guard(ledger) and standing()[0] == "running"


def test_an_edition_of_a_stopped_stream_opens_paused_and_system_mail_runs(ledger):
    edition(200, complaints=20)
    guard(ledger)
    ledger.queue_bulk("reader@example.org", key="edition:stopped")
    ledger.queue()
    assert standing("edition:stopped") == standing() and standing()[0] == "paused"
    assert db.session.scalars(select(Mailing.state).where(Mailing.lane == Lane.TRANSACTIONAL)).all() == ["running"]
    answer(ledger)
    ledger.queue_bulk("reader@example.org", key="edition:answered")
    assert standing("edition:stopped")[0] == "paused" and standing("edition:answered") == ("running", None)


@pytest.mark.parametrize("stream", ["digest", "digest:asia", "digest:asia-daily:evening", "digest:asia_daily"])
def test_a_stream_with_a_like_name_is_not_stopped(ledger, stream):
    edition(200, complaints=20)
    guard(ledger)
    with ledger.engine.connect() as connection:
        assert protection.why_stopped(connection, stream) is None
        assert protection.why_stopped(connection, "digest:asia-daily") is not None


@given(sent=st.integers(0, 60), back=st.integers(0, 60), least=st.integers(1, 40), stop=st.integers(5, 90))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_it_is_stopped_exactly_when_the_share_is_reached_of_enough_mails(sqlite_ledger, sent, back, least, stop):
    empty(sqlite_ledger.engine)
    db.session.rollback()
    back = min(sent, back)
    edition(sent, complaints=back)
    limit = Limit(stop / 200, stop / 100, least)
    found = over(sqlite_ledger, ReturnLimits(limit, Limit(1, 1, 10**9)))
    enough = sent >= least and back >= 3
    assert any(one.stops for one in found) is (enough and back * 100 >= stop * sent)
    assert bool(found) is (enough and back * 200 >= stop * sent)


def refused(count: int, *, provider: int = 1, means: str = "refusal", hours_ago: float = 0) -> list[int]:
    at = clock.utc_now() - hours_ago * HOUR
    made = mailing(f"of {provider} {means} {hours_ago}", lane=Lane.TRANSACTIONAL)
    return mails(made, {State.SENT: count}, provider=provider, returned_at=at, returned_as=means)


def told(deliveries: Sequence[int], text: str) -> None:
    with database.write_turn():
        values = {"delivery_id": deliveries[-1], "epoch": 1, "at": clock.utc_now(), "kind": "returned", "text": text}
        db.session.execute(insert(DeliveryEvent).values(values))
        db.session.commit()


def refusals(ledger: Ledger) -> list[Trouble]:
    with ledger.engine.connect() as connection:
        return list(protection.refusals(connection, database.ledger_now(connection)))


def test_a_provider_that_turns_us_away_is_told_in_three_lines_with_its_words(ledger):
    told(refused(5), "refusal (Gmail: our authentication), from dsn: 550 5.7.26 blocked for ***@gmail.com")
    refused(3, provider=300, means="ours")
    first, second = refusals(ledger)
    assert (first.key, second.key) == ("refusals:gmail.com", "refusals:provider-300")
    what, how_much, cure = first.text.splitlines()
    assert "gmail.com turns our mails away" in what and "550 5.7.26" in what
    assert how_much.startswith("5 in the last 24 hours") and "flask mail check" in cure


@pytest.mark.parametrize(
    "values",
    [{"count": 2}, {"count": 9, "means": "hard"}, {"count": 9, "means": "throttle"}, {"count": 9, "hours_ago": 25}],
)
def test_few_refusals_old_ones_and_what_is_no_fault_of_ours_wake_nobody(ledger, values):
    refused(**values)
    assert refusals(ledger) == []


def test_no_row_is_read_that_did_not_come_back(ledger):
    explain = "EXPLAIN QUERY PLAN" if ledger.engine.dialect.name == "sqlite" else "EXPLAIN"
    recent = select(Delivery.id).where(Delivery.returned_at > literal_column("'2026-01-01'"))
    with ledger.engine.begin() as connection:
        if ledger.engine.dialect.name != "sqlite":
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = connection.exec_driver_sql(f"{explain} {recent.compile(ledger.engine)}")
        # Either index has only what came back; on a table of a few rows PostgreSQL takes whichever it likes.
        assert "ix_deliveries_returned" in " ".join(str(row) for row in plan)
