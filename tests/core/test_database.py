"""The database: SQLite's one writer's place, times that are always UTC, and that nothing uncommitted stays."""

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.orm import Session

from core import clock, database
from core.database import Mark, db, insert_for
from tests.core.conftest import COUNTERS

NOON = datetime(2024, 2, 14, 12, 30, 15, 123_456, UTC).replace(tzinfo=None)
INCREMENT = update(COUNTERS).where(COUNTERS.c.id == 1).values(n=COUNTERS.c.n + 1)


def counted() -> int:
    db.session.rollback()
    return db.session.execute(select(COUNTERS.c.n)).scalar_one()


def raise_by_one() -> None:
    """Read, think, write: what loses increments wherever two can do it at once."""
    with database.write_turn():
        n = db.session.execute(select(COUNTERS.c.n).with_for_update()).scalar_one()
        db.session.execute(update(COUNTERS).values(n=n + 1))
        db.session.commit()


def in_threads(app, *works: Callable[[], object]) -> list[BaseException]:
    """Run each in a thread with a context of its own; return what they raised."""
    raised: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            with app.app_context():
                work()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            raised.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return raised


def test_four_threads_with_fifty_increments_each_lose_nothing(on_both):
    def count_fifty() -> None:
        for _ in range(50):
            raise_by_one()

    assert in_threads(on_both, *[count_fifty] * 4) == []
    assert counted() == 200


def test_a_read_that_turns_into_a_write_never_finds_the_database_locked(on_sqlite):
    # Each thread has a snapshot that grows old while the others write; a plain BEGIN could then never write again.
    def read_then_write() -> None:
        for _ in range(15):
            db.session.execute(select(COUNTERS.c.n)).scalar_one()
            time.sleep(0.001)
            raise_by_one()

    assert in_threads(on_sqlite, *[read_then_write] * 4) == []
    assert counted() == 60


def test_writers_get_their_turn_in_the_order_in_which_they_came(on_sqlite):
    served: list[int] = []
    threads: list[threading.Thread] = []

    def write(number: int) -> None:
        with on_sqlite.app_context(), database.write_turn():
            served.append(number)

    with database.write_turn():
        for number in range(12):
            threads.append(threading.Thread(target=write, args=(number,)))
            threads[-1].start()
            while len(database._turn._waiting) <= number:
                time.sleep(0.001)
    for thread in threads:
        thread.join(10)
    assert served == list(range(12))


def test_a_turn_that_ends_in_an_error_is_handed_on_and_changes_nothing(on_both):
    def fail() -> None:
        with database.write_turn():
            db.session.execute(INCREMENT)
            raise KeyError("in the middle")

    assert [type(error) for error in in_threads(on_both, fail, fail)] == [KeyError, KeyError]
    raise_by_one()
    assert counted() == 1


def test_what_was_not_committed_in_the_turn_is_rolled_back(on_both):
    with database.write_turn():
        db.session.execute(INCREMENT)
        db.session.add(Mark(name="lost", value="x"))
    assert counted() == 0
    assert db.session.get(Mark, "lost") is None


def test_changes_made_before_the_turn_are_an_error_not_a_loss(on_both):
    db.session.add(Mark(name="early", value="x"))
    with pytest.raises(RuntimeError, match="before the write turn"), database.write_turn():
        pass
    db.session.rollback()


def test_the_turn_keeps_other_processes_from_writing_from_its_start_and_a_read_does_not(on_sqlite):
    # Another process, so to speak: a connection that knows nothing of our turns.
    with closing(sqlite3.connect(str(db.engine.url.database), timeout=0, isolation_level=None)) as other:
        with database.write_turn():
            db.session.execute(select(COUNTERS.c.n)).scalar_one()
            assert other.execute("SELECT n FROM counters").fetchone() == (0,), "others can read meanwhile"
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("UPDATE counters SET n = n + 1")
        db.session.execute(select(COUNTERS.c.n)).scalar_one()
        other.execute("UPDATE counters SET n = n + 1")
    assert counted() == 1


def test_a_transaction_of_its_own_is_committed_at_the_end_and_rolled_back_on_an_error(on_both):
    with database.writing(db.engine) as connection:
        connection.execute(INCREMENT)
    with pytest.raises(KeyError), database.writing(db.engine) as connection:
        connection.execute(INCREMENT)
        raise KeyError("in the middle")
    assert counted() == 1


def test_sqlite_is_durable_and_keeps_its_foreign_keys(on_sqlite):
    with db.engine.connect() as connection:
        found = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 20_000}


def test_a_time_without_a_zone_is_never_stored(on_both):
    with pytest.raises(StatementError, match="without a zone"):
        db.session.execute(update(COUNTERS).values(at=NOON))
    db.session.rollback()


zones = st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=-30)), ZoneInfo("Asia/Kathmandu")])
years = {"min_value": NOON - timedelta(days=50 * 365), "max_value": NOON + timedelta(days=150 * 365)}


@given(at=st.datetimes(**years, timezones=zones, allow_imaginary=False))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_instant_comes_back_as_it_was_in_utc(on_both, at):
    with Session(db.engine) as session:
        session.execute(update(COUNTERS).values(at=at))
        found = session.execute(select(COUNTERS.c.at)).scalar_one()
        assert found == at.astimezone(UTC) and found.utcoffset() == timedelta(0)
        assert session.execute(select(COUNTERS.c.id).where(COUNTERS.c.at == at)).scalar_one() == 1
        assert session.execute(select(COUNTERS.c.id).where(COUNTERS.c.at < at)).first() is None
        session.rollback()


def test_no_time_stays_no_time(on_both):
    assert db.session.execute(select(COUNTERS.c.at)).scalar_one() is None


def test_the_ledgers_time_is_aware_and_goes_on_inside_a_transaction(on_both):
    with database.writing(db.engine) as connection:
        first = database.ledger_now(connection)
        time.sleep(0.01)
        second = database.ledger_now(connection)
    assert first.utcoffset() == second.utcoffset() == timedelta(0)
    assert first < second < clock.utc_now() + timedelta(minutes=1)


def test_each_databases_own_insert_knows_what_to_do_on_a_conflict(on_both):
    row = {"name": "one", "value": "first"}
    with database.write_turn():
        for value in ("first", "second"):
            statement = insert_for(db.engine)(Mark).values(row | {"value": value})
            db.session.execute(statement.on_conflict_do_nothing())
        db.session.commit()
    assert db.session.get_one(Mark, "one").value == "first"
    with pytest.raises(IntegrityError):
        db.session.execute(insert_for(db.engine)(Mark).values(row))
    db.session.rollback()


def test_the_days_of_tokens_count_from_2024_in_utc():
    tokyo = timezone(timedelta(hours=9))
    assert clock.day_number(datetime(2024, 1, 1, tzinfo=UTC)) == 0
    assert clock.day_number(datetime(2024, 1, 2, 3, tzinfo=tokyo)) == 0
    assert clock.day_number(datetime(2203, 6, 5, tzinfo=UTC)) <= 0xFFFF
    assert clock.utc_now().tzinfo is UTC
