"""The ledger tick: a database that is behind what a host saw is known, held, and let go again."""

import json
import os
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select

from core import alerts, clock, database, hostfolder, identity
from core.database import Mark
from delivery import batches, guard, tick
from delivery.models import Gate, Mailing
from delivery.tick import Kept, Standing, Tick

TIMING = identity.Timing()
AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Host:
    """A sender host: its folder, and its looks at one database."""

    def __init__(self, engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.guard = guard.Guard(folder)

    def look(self) -> Standing:
        """Look once, as a sender does every few seconds."""
        kept = self.guard.kept()
        with database.writing(self.engine) as connection:
            standing = tick.watch(connection, kept)
        self.guard.remember(standing, kept)
        return standing

    def kept(self) -> Tick | None:
        """Return the highest tick it saw."""
        with self.engine.connect() as connection:
            found = tick.look(connection, tick.kept(self.folder))
        return found.kept if found else None

    def why_closed(self) -> str | None:
        """Return why this host claims nothing."""
        with self.engine.connect() as connection:
            return self.guard.why_closed(connection)


@pytest.fixture
def host(ledger, tmp_path) -> Host:
    return Host(ledger.engine, tmp_path / "here")


@pytest.fixture
def other(ledger, tmp_path) -> Host:
    return Host(ledger.engine, tmp_path / "there")


def backup(engine) -> dict[str, str]:
    """Return all marks as they are now."""
    with engine.connect() as connection:
        return dict(connection.execute(select(Mark.name, Mark.value)).all())


def restore(engine, marks: dict[str, str]) -> None:
    """Put the marks back as they were."""
    with database.writing(engine) as connection:
        connection.execute(delete(Mark))
        for name, value in marks.items():
            connection.execute(insert(Mark).values(name=name, value=value))


def held(engine) -> str | None:
    with engine.connect() as connection:
        return tick.held(connection)


def finish(host: Host) -> int:
    with database.writing(host.engine) as connection:
        return tick.release(connection, tick.kept(host.folder))


def mailings(engine) -> list[tuple[str, str | None]]:
    with engine.connect() as connection:
        rows = connection.execute(select(Mailing.state, Mailing.why_paused).order_by(Mailing.id))
        return [(row.state, row.why_paused) for row in rows]


def in_transaction(engine, change) -> None:
    with database.writing(engine) as connection:
        change(connection)


def test_each_look_counts_one_further_and_the_host_keeps_what_it_saw(ledger, host):
    first, second = host.look(), host.look()
    assert first.known and second.known and first.known < second.known
    assert host.kept() == second.known
    assert held(ledger.engine) is None and host.why_closed() is None


def test_a_database_that_is_behind_is_held_and_says_why(ledger, host):
    host.look()
    old = backup(ledger.engine)
    host.look()
    restore(ledger.engine, old)
    standing = host.look()
    assert standing.held and "behind what the host" in standing.held and "flask restore finish" in standing.held
    assert held(ledger.engine) == standing.held
    with ledger.engine.connect() as connection:
        (alert,) = alerts.standing(connection)
        assert tick.stands_at(connection) == standing.known.at
    assert "flask restore status" in alert.text


def test_a_backup_that_has_never_heard_of_the_host_is_held(ledger, host, other):
    other.look()
    old = backup(ledger.engine)
    host.look()
    restore(ledger.engine, old)
    assert "never heard of that host" in (host.look().held or "")
    with ledger.engine.connect() as connection:
        assert tick.stands_at(connection) is None


def test_a_host_that_saw_less_cannot_hide_it_however_often_it_looks_first(ledger, host, other):
    other.look()
    host.look()
    old = backup(ledger.engine)
    host.look()
    restore(ledger.engine, old)
    for _often in range(10):
        assert other.look().held is None, "nothing tells it"
    assert host.look().held
    assert other.look().held, "now the database does"


def test_a_new_host_and_one_that_was_away_hold_nothing(ledger, host, other):
    host.look()
    for _often in range(5):
        other.look()
    assert host.look().held is None


def test_a_new_database_is_not_a_restored_one(ledger, host):
    host.look()
    host.look()
    restore(ledger.engine, {})
    assert host.look().held is None
    assert len(json.loads(hostfolder.read(host.folder, tick.FILE))) == 2, "the first one is still known"


def test_a_database_that_comes_back_after_another_one_was_tried_is_still_known(ledger, host):
    host.look()
    old = backup(ledger.engine)
    host.look()
    restore(ledger.engine, {})
    host.look()
    restore(ledger.engine, old)
    assert host.look().held


def test_the_hold_shows_on_mailings_also_on_those_that_come_later(ledger, host):
    ledger.queue()
    host.look()
    old = backup(ledger.engine)
    host.look()
    restore(ledger.engine, old)
    host.look()
    assert mailings(ledger.engine) == [("paused", tick.WHY_PAUSED)]
    ledger.change_mailing(key="another", state="running", why_paused=None)
    host.look()
    assert mailings(ledger.engine) == [("paused", tick.WHY_PAUSED)]


def test_the_hold_ends_for_all_hosts_and_lets_go_only_of_what_it_paused(ledger, host, other):
    ledger.queue()
    for one in (host, other):
        one.look()
    old = backup(ledger.engine)
    for one in (host, other):
        one.look()
    restore(ledger.engine, old)
    host.look()
    assert finish(host) == 1
    assert mailings(ledger.engine) == [("running", None)]
    for one in (host, other, host, other):
        assert one.look().held is None
        assert one.why_closed() is None
    with ledger.engine.connect() as connection:
        assert not alerts.standing(connection) and tick.stands_at(connection) is None


def test_what_an_operator_paused_or_cancelled_stays_so(ledger, host):
    ledger.queue()
    ledger.change_mailing(state="paused", why_paused="An operator paused it.")
    in_transaction(ledger.engine, lambda it: tick.hold(it, why="Said so.", stands_at=None, now=clock.utc_now()))
    assert finish(host) == 0
    assert mailings(ledger.engine) == [("paused", "An operator paused it.")]
    in_transaction(ledger.engine, lambda it: tick.hold(it, why="Said so.", stands_at=None, now=clock.utc_now()))
    ledger.change_mailing(state="cancelled", why_paused=None)
    assert finish(host) == 0
    assert mailings(ledger.engine) == [("cancelled", None)]


def test_the_same_backup_restored_a_second_time_is_held_again(ledger, host, other):
    host.look()
    old = backup(ledger.engine)
    host.look()
    for _time in range(3):
        restore(ledger.engine, old)
        assert host.look().held
        finish(host)
        assert host.look().held is None
        assert host.look().held is None


def test_a_finish_on_a_host_that_saw_less_ends_the_hold_for_those_that_saw_more(ledger, host, other, monkeypatch):
    host.look()
    old = backup(ledger.engine)
    host.look()
    restore(ledger.engine, old)
    host.look()
    finish(host)
    host.look()
    restore(ledger.engine, old)
    assert host.look().held
    later = clock.utc_now() + timedelta(hours=1)
    monkeypatch.setattr(tick, "ledger_now", lambda _connection: later)
    finish(other)
    assert host.look().held is None


def test_a_hold_that_ends_while_a_sender_is_about_to_set_it_is_not_set_again(ledger, host, monkeypatch):
    host.look()
    old = backup(ledger.engine)
    host.look()
    restore(ledger.engine, old)
    host.look()
    # What a sender read before the hold ended; it decides again with the mark locked.
    with ledger.engine.connect() as connection:
        stale = tick.look(connection, tick.kept(host.folder))
    assert stale is not None
    finish(host)
    real, answers = tick.look, iter([replace(stale, held=None)])
    monkeypatch.setattr(tick, "look", lambda connection, kept: next(answers, None) or real(connection, kept))
    assert host.look().held is None
    assert held(ledger.engine) is None


def test_a_sender_that_missed_the_end_of_a_hold_by_a_moment_does_not_count_back(ledger, host, monkeypatch):
    host.look()
    with ledger.engine.connect() as connection:
        stale = tick.look(connection, tick.kept(host.folder))
    finish(host)
    after = host.look()
    real, answers = tick.look, iter([stale])
    monkeypatch.setattr(tick, "look", lambda connection, kept: next(answers, None) or real(connection, kept))
    host.look()
    assert host.kept() == after.known
    assert host.look().held is None


@pytest.mark.parametrize("ledger", ["postgresql"], indirect=True)  # on SQLite whoever writes holds up all writers
def test_a_sender_that_stands_still_in_the_middle_of_its_look_holds_nobody_up(ledger, host):
    host.look()
    inside, go_on = threading.Event(), threading.Event()

    def stand_still() -> None:
        with database.writing(ledger.engine) as connection:
            tick.watch(connection, tick.kept(host.folder))
            inside.set()
            go_on.wait(30)

    thread = threading.Thread(target=stand_still)
    thread.start()
    assert inside.wait(30)
    standing = Host(ledger.engine, host.folder).look()
    go_on.set()
    thread.join()
    assert standing.known and standing.known.count == 1 and standing.held is None
    assert host.look().known.count == 3


def test_senders_of_one_host_that_look_at_once_never_think_they_are_behind(ledger, host):
    found: list[Standing] = []

    def look_often() -> None:
        mine = Host(ledger.engine, host.folder)
        found.extend(mine.look() for _often in range(15))

    threads = [threading.Thread(target=look_often) for _sender in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 60 and not [one for one in found if one.held]


def test_a_database_put_back_under_a_running_sender_is_not_claimed_from(ledger, host):
    assert host.why_closed() == guard.NOT_YET
    host.look()
    old = backup(ledger.engine)
    host.look()
    assert host.why_closed() is None
    restore(ledger.engine, old)
    assert host.why_closed() == guard.CHANGED
    for marks in ({}, {tick.LEDGER: "another 1"}):
        restore(ledger.engine, marks)
        assert host.why_closed() == guard.CHANGED
    restore(ledger.engine, old)
    assert host.look().held and host.why_closed() == held(ledger.engine)
    finish(host)
    assert host.why_closed() is None


def test_a_claim_asks_again_what_was_so_when_the_sender_looked_at_the_board(ledger, host):
    ledger.queue()
    provider = ledger.row(ledger.queue()).provider
    gate = {"relay": "main", "provider": provider, "fails": 1, "not_before": clock.utc_now() - timedelta(hours=1)}
    in_transaction(ledger.engine, lambda it: it.execute(insert(Gate).values(gate)))
    host.look()
    old = backup(ledger.engine)
    host.look()
    board = batches.look(ledger.engine, "main", [0], host.guard)
    assert board.queues and board.held is None
    restore(ledger.engine, old)
    with_guard = {"timing": TIMING, "guard": host.guard}
    assert not batches.claim(ledger.engine, "w", board.queues, {}, limit=1, **with_guard).claimed
    assert not batches.claim_probe(ledger.engine, "w", "main", board.queues[0], **with_guard).claimed
    assert batches.look(ledger.engine, "main", [0], host.guard).held == guard.CHANGED
    host.look()
    finish(host)
    host.look()
    assert batches.claim_probe(ledger.engine, "w", "main", board.queues[0], **with_guard).claimed
    assert batches.claim(ledger.engine, "w", board.queues, {}, limit=1, **with_guard).claimed


def test_a_hold_and_its_end_are_logged_once_each(ledger, host, monkeypatch):
    said: list[str] = []
    for level in ("error", "info"):
        monkeypatch.setattr(guard.log, level, lambda event, **_fields: said.append(event))
    host.look()
    in_transaction(ledger.engine, lambda it: tick.hold(it, why="Said so.", stands_at=None, now=clock.utc_now()))
    for _often in range(3):
        host.look()
    finish(host)
    for _often in range(3):
        host.look()
    assert said == ["mail held", "mail leaves again"]


def test_a_full_disk_stops_no_mail(ledger, host, monkeypatch):
    host.look()

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert host.look().held is None and host.look().held is None
    monkeypatch.undo()
    assert host.kept().count == 1
    host.look()
    assert host.kept().count == 4


def test_a_file_that_was_damaged_is_begun_anew(ledger, host):
    host.look()
    for text in ("{", "[]", '{"a": 1}', '{"a": "x"}', "\x00" * 10):
        (host.folder / tick.FILE).write_text(text)
        assert host.look().held is None
        assert host.kept() is not None


def test_a_tick_is_read_as_it_was_written_and_ordered_by_generation_first():
    ticks = [Tick(1, 2, AT), Tick(1, 10, AT), Tick(2, 1, AT - timedelta(days=1))]
    assert sorted([ticks[2], ticks[0], ticks[1]]) == ticks
    assert [Tick.read(str(one)) for one in ticks] == ticks
    assert Tick.read(str(ticks[0])).at == AT


def test_looking_writes_nothing(ledger, host):
    with ledger.engine.connect() as connection:
        assert tick.look(connection, Kept("nobody", {})) is None
    assert backup(ledger.engine) == {}
