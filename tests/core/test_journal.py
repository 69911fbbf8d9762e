"""The opt-out journal: written with the commit, forgotten with a rollback, readable after any crash."""

import errno
import os
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from core import clock, database, hostfolder, journal, journals
from core.alerts import Alert
from core.database import db
from core.journal import Change, Journal, Line
from delivery import suppression
from delivery.models import Suppression
from tests import installation

ANNA, BORIS = bytes(range(16)), bytes(range(16, 32))
KEY = "0123456789abcdef"
AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@contextmanager
def keeping(url: str, folder: Path) -> Iterator[Flask]:
    """An application on a database, whose sessions keep a journal in a folder."""
    with installation.rooms_on(installation.settings_for(url)) as app:
        journal.register(app, db.session, Journal(folder, KEY))
        yield app


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def app(database_url, folder) -> Iterator[Flask]:
    """An application with a journal, on each kind of database."""
    with keeping(database_url, folder) as app:
        yield app


def leave(addr_hash: bytes = ANNA, scope: str = "digest:asia-daily", reason: str = "left") -> None:
    suppression.suppress(addr_hash, scope=scope, reason=reason, source="unsubscribe", now=clock.utc_now())


def lines(folder: Path) -> list[Line | None]:
    path = folder / journal.FILE
    return [line for _octets, line in journal.read(path)] if path.exists() else []


def changes(folder: Path) -> list[tuple[str, bytes]]:
    return [(line.change.kind, line.change.addr_hash) for line in lines(folder) if line]


def test_who_leaves_stands_in_the_journal_as_a_hash_and_nothing_else(app, folder):
    with database.write_turn():
        leave()
        db.session.commit()
    (line,) = lines(folder)
    assert line is not None
    assert line.change == Change("suppress", ANNA, "digest:asia-daily", "left", "unsubscribe")
    assert (line.host, line.key) == (hostfolder.name_of(folder), KEY)
    assert abs(line.at - clock.utc_now()) < timedelta(minutes=1)


def test_it_is_on_disk_before_the_database_has_it(app, folder, monkeypatch):
    seen: list[int] = []
    engine = db.engine

    def count() -> int:
        with engine.connect() as other:
            return len(other.execute(select(Suppression)).all())

    def fsync(_descriptor):
        with ThreadPoolExecutor(1) as elsewhere:
            seen.append(elsewhere.submit(count).result())

    hostfolder.name_of(folder)
    with database.write_turn():
        leave()
        monkeypatch.setattr(os, "fsync", fsync)
        db.session.commit()
    assert seen and set(seen) == {0}


def test_what_is_rolled_back_is_not_written_and_not_remembered(app, folder):
    with database.write_turn():
        leave()
    with database.write_turn():
        leave(BORIS)
        db.session.commit()
    assert changes(folder) == [("suppress", BORIS)]


def test_a_session_that_is_closed_forgets_what_it_did_not_commit(app, folder):
    leave()
    db.session.close()
    with database.write_turn():
        leave(BORIS)
        db.session.commit()
    assert changes(folder) == [("suppress", BORIS)]


def test_a_savepoint_writes_nothing_by_itself(app, folder):
    with database.write_turn():
        leave()
        with db.session.begin_nested():
            leave(BORIS)
        assert not lines(folder)
        db.session.commit()
    assert changes(folder) == [("suppress", ANNA), ("suppress", BORIS)]


def test_a_return_is_written_only_once_the_database_has_it(app, folder, monkeypatch):
    with database.write_turn():
        leave()
        db.session.commit()

    def refuse(*_arguments):
        raise OperationalError("COMMIT", {}, ConnectionError("the server went away"))

    with monkeypatch.context() as patch, database.write_turn(), pytest.raises(OperationalError):
        suppression.lift(ANNA, scope="digest:asia-daily", reason="left")
        patch.setattr(db.engine.dialect, "do_commit", refuse)
        db.session.commit()
    assert changes(folder) == [("suppress", ANNA)]
    with database.write_turn():
        suppression.lift(ANNA, scope="digest:asia-daily", reason="left")
        db.session.commit()
    assert changes(folder) == [("suppress", ANNA), ("lift", ANNA)]


def test_pressing_the_button_again_and_again_does_not_fill_the_journal(app, folder):
    for _again in range(3):
        with database.write_turn():
            leave()
            suppression.lift(BORIS, scope="digest:asia-daily", reason="left")
            db.session.commit()
    assert changes(folder) == [("suppress", ANNA)]


def test_all_that_one_commit_changes_is_one_write(app, folder, monkeypatch):
    writes: list[bytes] = []
    write = os.write

    def count(descriptor: int, text: bytes) -> int:
        writes.append(text)
        return write(descriptor, text)

    hostfolder.name_of(folder)
    monkeypatch.setattr(os, "write", count)
    with database.write_turn():
        leave()
        leave(BORIS)
        db.session.commit()
    assert [text.count(b"\n") for text in writes] == [2]


def test_a_full_disk_keeps_nobody_from_leaving_and_is_told(app, folder, monkeypatch):
    def full(_descriptor, _text):
        raise OSError(errno.ENOSPC, "No space left on device")

    hostfolder.name_of(folder)
    monkeypatch.setattr(os, "write", full)
    for addr_hash in (ANNA, BORIS):
        with database.write_turn():
            leave(addr_hash)
            db.session.commit()
    assert suppression.is_suppressed(ANNA, ["digest:asia-daily"], now=clock.utc_now())
    assert suppression.is_suppressed(BORIS, ["digest:asia-daily"], now=clock.utc_now())
    (alert,) = db.session.scalars(select(Alert))
    assert "No space left on device" in alert.text and "back up the database" in alert.text


def test_an_application_without_a_journal_works_and_writes_none(database_url, folder):
    with keeping(database_url, folder):
        pass
    with installation.rooms_on(installation.settings_for(database_url)), database.write_turn():
        leave()
        db.session.commit()
    assert not lines(folder)


def line(kind: str = "suppress", addr_hash: bytes = ANNA, *, minutes: float = 0, key: str = KEY, host="a") -> Line:
    return Line(AT + timedelta(minutes=minutes), Change(kind, addr_hash, "all", "left", "test"), host, key)


def written(path: Path, *found: Line) -> Path:
    path.write_bytes(b"".join(one.to_bytes() for one in found))
    return path


def left(*paths: Path, since: datetime | None = None) -> list[bytes]:
    return [one.change.addr_hash for one in journals.gather(paths, key=KEY, since=since).left()]


def test_a_line_is_read_as_it_was_written():
    one = Line(AT, Change("suppress", ANNA, "digest:naïve", 'a "reason"\n', "x\ty"), "host", KEY)
    assert one.to_bytes().count(b"\n") == 1 and one.to_bytes().isascii()
    assert Line.from_bytes(one.to_bytes()) == one


def test_a_suppression_with_an_end_is_read_with_it_and_one_without_as_before_there_were_any():
    one = Line(AT, Change("suppress", ANNA, "bulk", "full", "dsn", AT + timedelta(days=90)), "host", KEY)
    assert Line.from_bytes(one.to_bytes()) == one
    assert b"until" not in line().to_bytes()


def test_a_line_that_was_cut_anywhere_is_known_as_damaged():
    whole = line().to_bytes()
    assert not [cut for cut in range(len(whole)) if Line.from_bytes(whole[:cut]) is not None]
    assert not [cut for cut in range(len(whole)) if Line.from_bytes(whole[:cut] + b"\n" * (cut < len(whole) - 1))]


@pytest.mark.parametrize("place", [0, 8, 9, 40, -3])
def test_a_line_with_one_wrong_octet_is_known_as_damaged(place):
    wrong = bytearray(line().to_bytes())
    wrong[place] ^= 1
    assert Line.from_bytes(bytes(wrong)) is None


def test_a_line_that_says_nothing_we_know_is_damaged_and_not_a_crash():
    for text in (b"[]", b"{}", b'{"at": 1}', b"null", b'"', b"\xff"):
        raw = b"%08x %s\n" % (zlib.crc32(text), text)
        assert Line.from_bytes(raw) is None


def test_torn_lines_are_counted_and_the_others_are_read(tmp_path):
    path = tmp_path / "journal"
    path.write_bytes(line().to_bytes()[:30] + b"\n\n" + line(addr_hash=BORIS).to_bytes() + line().to_bytes()[:-1])
    gathered = journals.gather([path], key=KEY, since=None)
    assert (gathered.lines, gathered.damaged) == (3, 2)
    assert [one.change.addr_hash for one in gathered.left()] == [BORIS]


def test_the_last_change_wins_over_all_hosts_in_whatever_order_they_are_read(tmp_path):
    here = written(tmp_path / "here", line(minutes=0), line("lift", BORIS, minutes=3))
    there = written(tmp_path / "there", line("lift", minutes=1), line(addr_hash=BORIS, minutes=2), line(minutes=5))
    assert left(here, there) == left(there, here) == [ANNA]


def test_at_one_moment_who_left_has_left(tmp_path):
    for order in ([line(), line("lift")], [line("lift"), line()]):
        assert left(written(tmp_path / "journal", *order)) == [ANNA]


def test_what_was_before_the_backup_the_database_knows_itself(tmp_path):
    path = written(tmp_path / "journal", line(minutes=-60), line(addr_hash=BORIS, minutes=-1))
    assert left(path, since=AT) == [BORIS], "a moment before the backup may not be in it yet"


def test_another_hash_key_and_a_kind_of_a_later_version_are_counted_and_left_out(tmp_path):
    path = written(tmp_path / "journal", line(key="other"), line("erase"), line("erase", BORIS), line("forget"))
    gathered = journals.gather([path], key=KEY, since=None)
    assert (gathered.foreign, dict(gathered.unknown), gathered.left()) == (1, {"erase": 2, "forget": 1}, [])
