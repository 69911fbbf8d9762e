"""`flask restore`: a backup is put back, who left is brought back, and mail leaves again when a person says so."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import insert, select

from app import create_app
from articles import topics
from commands import restore
from core import clock, database, hostfolder, journal, services, startup
from core.database import Base, Mark, db
from core.journal import Change, Line
from delivery import suppression, tick
from delivery.states import State
from subscribers import joining, offer, unsubscribe
from subscribers.models import Digest, Rhythm
from tests.delivery import mailings
from tests.installation import settings_for
from tests.subscribers import people
from tests.web.readers import Reader, Readers

DAILY = "digest:asia-daily"
STRANGER = bytes(16)


@pytest.fixture
def state(tmp_path) -> Path:
    """What this host keeps outside the database."""
    return tmp_path / "state"


@pytest.fixture
def app(tmp_path, nudged, state) -> Iterator[Flask]:
    """The application, with a reader's digests on offer, and a sender that has looked."""
    settings = replace(settings_for(f"sqlite:///{tmp_path / 'commands.db'}"), state_dir=state)
    made = create_app(settings)
    with made.app_context():
        Base.metadata.create_all(db.engine)
        topics.apply(people.TOPICS)
        offer.apply([people.ASIA, people.ARABIC])
        db.session.commit()
        startup.keep_outside(db.engine, state)
        look(state)
        yield made
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def reader(app) -> Reader:
    """Somebody who has both digests."""
    return Readers(app).join("reader@example.org", digests=["asia-daily", "asia-arabic"])


def look(folder: Path) -> tick.Standing:
    """Look once, as a sender of this host does every few seconds."""
    kept = tick.kept(folder)
    with database.writing(db.engine) as connection:
        standing = tick.watch(connection, kept)
    tick.remember(folder, standing)
    return standing


def copy(source: Path, target: Path) -> Path:
    """Copy an SQLite database, as `.backup` does."""
    with sqlite3.connect(source) as from_, sqlite3.connect(target) as to:
        from_.backup(to)
    from_.close()
    to.close()
    return target


@pytest.fixture
def back_up(app, tmp_path, state) -> Callable[[], Callable[[], tick.Standing]]:
    """Make a backup; what is returned puts it back, and lets a sender look."""

    def make() -> Callable[[], tick.Standing]:
        here = tmp_path / "commands.db"
        db.session.remove()
        backup = copy(here, tmp_path / "backup.db")

        def put_back() -> tick.Standing:
            look(state)
            db.session.remove()
            db.engine.dispose()
            copy(backup, here)
            return look(state)

        return put_back

    return make


@pytest.fixture
def restored(back_up, reader) -> Callable[[], tick.Standing]:
    """Put a backup back, in which the reader has both digests; a sender has looked."""
    made: Callable[[], tick.Standing] = back_up()
    return made


def leave(reader: Reader, digest: str = "asia-daily") -> None:
    with database.write_turn():
        unsubscribe.leave(reader.row, offer.by_key(digest), now=clock.utc_now())
        db.session.commit()


def states(reader: Reader) -> dict[str, str]:
    return {one.digest.key: one.state for one in joining.subscriptions_of(reader.row).values()}


def written(path: Path, *changes: Change, host: str = "other", key: str | None = None, minutes: float = 0) -> Path:
    """Write a journal as another host has it."""
    key = key or services.current().keyring.fingerprint
    at = clock.utc_now() + timedelta(minutes=minutes)
    path.write_bytes(b"".join(Line(at, change, host, key).to_bytes() for change in changes))
    return path


def held() -> str | None:
    db.session.rollback()
    return tick.held(db.session.connection())


def assert_ends(ended: Result, status: int, *said: str) -> None:
    assert ended.exit_code == status, ended.output
    assert not [words for words in said if words not in ended.output], ended.output


def test_a_healthy_database_is_said_to_be_so(flask):
    assert_ends(flask("restore status"), 0, "No mail is held.")
    table = json.loads(flask("restore status --json").stdout)
    assert (table["held"], table["behind"]) == (None, False) and table["database"] == table["host"] is not None


def test_status_tells_a_hold_and_one_that_is_to_come_by_its_exit_status(flask, state):
    tick.remember(state, replace(look(state), known=tick.Tick(2**40, 1, clock.utc_now())))
    assert_ends(flask("restore status"), 1, "the next sender of this host that looks holds all mail")
    assert look(state).held
    assert_ends(flask("restore status"), 1, "The database is behind what the host", "flask restore finish")
    assert json.loads(flask("restore status --json").stdout)["held"]


def test_who_left_since_the_backup_has_left_again_and_mail_goes_on(flask, reader, restored, nudged):
    mailings.mails(mailings.mailing(), {State.PLANNED: 3})
    leave(reader)
    assert restored().held
    assert states(reader) == {"asia-daily": "on", "asia-arabic": "on"}
    ended = flask("restore finish --yes")
    assert_ends(ended, 0, "Brought back: 1 opt-out.", "Mail leaves again")
    assert states(reader) == {"asia-daily": "off", "asia-arabic": "on"}
    assert suppression.is_suppressed(reader.row.addr_hash, [DAILY], now=clock.utc_now())
    assert held() is None
    assert nudged == ["tasks.delivery.ring"]
    assert_ends(flask("restore status"), 0, "No mail is held.")


def test_who_left_and_came_back_since_the_backup_stays(flask, app, reader, restored):
    leave(reader)
    Readers(app).join("reader@example.org", digests=["asia-daily"])
    restored()
    assert_ends(flask("restore finish --yes"), 0, "Brought back: 0 opt-outs.")
    assert states(reader)["asia-daily"] == "on"


def test_nothing_that_the_backup_knows_is_ever_lifted(flask, app, reader, back_up):
    leave(reader)
    put_back = back_up()
    Readers(app).join("reader@example.org", digests=["asia-daily"])
    put_back()
    assert_ends(flask("restore finish --yes"), 0)
    assert states(reader)["asia-daily"] == "off"
    assert suppression.is_suppressed(reader.row.addr_hash, [DAILY], now=clock.utc_now())


def test_saying_no_keeps_the_hold_and_what_was_brought_back(flask, reader, restored):
    leave(reader)
    restored()
    assert_ends(flask("restore finish", input="n\n"), 1, "Let all mail leave again?", "Aborted!")
    assert held() and states(reader)["asia-daily"] == "off"
    assert_ends(flask("restore finish", input="y\n"), 0, "Brought back: 0 opt-outs.", "Mail leaves again")
    assert held() is None


def test_what_may_be_sent_twice_is_shown_and_how_to_leave_it_out(flask, back_up):
    mailings.mails(mailings.mailing(), {State.PLANNED: 1200, State.SENT: 7, State.IN_DOUBT: 2})
    put_back = back_up()
    put_back()
    shown = f"{mailings.KEY}: 1,200 waiting, 2 in doubt"
    assert_ends(flask("restore finish", input="n\n"), 1, shown, "readers get twice", "flask delivery cancel KEY")
    assert_ends(flask(f"delivery cancel --yes {mailings.KEY}"), 0)
    ended = flask("restore finish --yes")
    assert_ends(ended, 0, "Mail leaves again; 0 mailings")
    assert mailings.KEY not in ended.output


def test_the_journals_of_other_hosts_are_read_once_each_and_the_missing_ones_named(flask, reader, back_up, tmp_path):
    with database.writing(db.engine) as connection:
        for host in ("web1", "web2"):
            connection.execute(
                insert(Mark).values(name=journal.MARK + host, value=f"{host}.test:/var/lib/{journal.FILE}")
            )
    put_back = back_up()
    leave(reader)
    put_back()
    arabic = Change("suppress", reader.row.addr_hash, "digest:asia-arabic", "left", "x")
    other = written(tmp_path / "web1", arabic, host="web1")
    ended = flask(f"restore finish --yes --journal {other} --journal {other}")
    assert_ends(ended, 0, "2 lines read.", "Brought back: 2 opt-outs.", f"web2.test:/var/lib/{journal.FILE}")
    assert "web1.test" not in ended.output
    assert states(reader) == {"asia-daily": "off", "asia-arabic": "off"}


def test_what_cannot_be_replayed_is_said_and_stops_nothing(flask, restored, tmp_path):
    restored()
    mixed = written(
        tmp_path / "mixed", Change("erase", STRANGER), Change("suppress", STRANGER, "all", "complaint", "x")
    )
    mixed.write_bytes(mixed.read_bytes() + b"torn")
    foreign = written(tmp_path / "foreign", Change("suppress", STRANGER, DAILY, "left", "x"), key="another")
    ended = flask(f"restore finish --yes --journal {mixed} --journal {foreign}")
    assert_ends(ended, 0, "4 lines read", "Brought back: 1 opt-out.", "1 line of the kind 'erase', which")
    assert_ends(ended, 0, "Left out: 1 damaged line", "Left out: 1 line written with another HASH_KEY")
    assert suppression.is_suppressed(STRANGER, ["all"], now=clock.utc_now()) and not suppression.is_suppressed(
        STRANGER, [DAILY], now=clock.utc_now()
    )


def test_lines_from_before_the_backup_are_left_out_unless_somebody_knows_better(flask, restored, tmp_path):
    restored()
    old = written(tmp_path / "old", Change("suppress", STRANGER, "all", "complaint", "x"), minutes=-60)
    assert_ends(flask(f"restore finish --journal {old}", input="n\n"), 1, "Left out: 1 line from before it.")
    assert not suppression.is_suppressed(STRANGER, ["all"], now=clock.utc_now())
    since = clock.utc_now() - timedelta(hours=2)
    ended = flask(f"restore finish --yes --since {since:%Y-%m-%dT%H:%M} --journal {old}")
    assert_ends(ended, 0, "Brought back: 1 opt-out.")


def test_an_operator_who_knows_that_it_was_restored_can_hold_it(flask, reader, restored, state):
    leave(reader)
    restored()
    for file in state.iterdir():
        if file.name != journal.FILE:
            file.unlink()
    with database.writing(db.engine) as connection:
        tick.release(connection, tick.kept(state))
    assert_ends(flask("restore finish --yes"), 0, "No mail is held", "flask restore hold")
    assert states(reader)["asia-daily"] == "on"
    assert_ends(flask("restore hold"), 0, "All mail is held.")
    assert_ends(flask("restore hold"), 0, "An operator said")
    assert_ends(flask("restore status"), 1)
    assert_ends(flask("restore finish --yes"), 0, "Brought back: 1 opt-out.")
    assert states(reader)["asia-daily"] == "off"


def test_a_script_gets_json_and_has_to_say_yes(flask, reader, restored):
    leave(reader)
    restored()
    assert_ends(flask("restore finish --json"), 2, "--yes")
    table = json.loads(flask("restore finish --json --yes").stdout)
    # What the reader's confirmation was sent in is what goes on.
    assert (table["brought_back"], table["lines"], table["resumed"], table["not_read"]) == (1, 1, 1, [])
    assert json.loads(flask("restore finish --json --yes").stdout) == {}


def test_a_long_journal_is_brought_back_in_pieces(flask, restored, tmp_path, monkeypatch):
    restored()
    monkeypatch.setattr(restore, "CHUNK", 3)
    changes = [Change("suppress", number.to_bytes(16, "big"), "all", "complaint", "x") for number in range(1, 11)]
    ended = flask(f"restore finish --yes --journal {written(tmp_path / 'long', *changes)}")
    assert_ends(ended, 0, "Brought back: 10 opt-outs.")


def test_editions_that_are_due_are_shown_and_stale_ones_are_not(flask, reader, restored):
    restored()
    now = clock.utc_now()
    with database.write_turn():
        digests = {one.key: one for one in db.session.scalars(select(Digest))}
        for row in db.session.scalars(select(Rhythm)):
            hours = 1 if row.digest_id == digests["asia-daily"].id else 100
            row.next_due_at, row.slot = now - timedelta(hours=hours), (now - timedelta(hours=hours)).date()
        db.session.commit()
    ended = flask("restore finish", input="n\n")
    assert_ends(ended, 1, "asia-daily of", "due, and not composed yet")
    assert "asia-arabic of" not in ended.output


def test_a_journal_that_is_not_there_is_a_wrong_call(flask, restored):
    restored()
    assert_ends(flask("restore finish --yes --journal /nowhere"), 2, "/nowhere")
    assert held()


def test_a_journal_that_cannot_be_read_is_one_sentence(flask, restored, tmp_path, monkeypatch):
    restored()
    file = written(tmp_path / "one")

    def unreadable(_path):
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(journal, "read", unreadable)
    ended = flask(f"restore finish --yes --journal {file}")
    assert_ends(ended, 1, f"Error: {file} cannot be read: Permission denied.")
    assert held()


def test_a_folder_that_cannot_be_read_is_one_sentence(flask, monkeypatch):
    def unreadable(_folder, _name):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(hostfolder, "read", unreadable)
    assert_ends(flask("restore status"), 1, "cannot be read: Permission denied", "STATE_DIR")
