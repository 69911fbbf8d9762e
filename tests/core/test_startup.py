"""The start: refused on a database without tables, and with a hash key that forgot who left."""

import socket

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from core import database, hostfolder, journal, startup
from core.addresses import Keyring
from core.database import Mark
from core.errors import UnfitStart
from tests.core.conftest import lay_out

KEYS = Keyring(b"the hash key of an installation!")
OTHER_KEYS = Keyring(b"another key, as long as the key!")


@pytest.fixture
def engine(database_url):
    """An engine on an empty database of each kind."""
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    database.prepare_engine(engine)
    yield engine
    engine.dispose()


def marks(engine) -> dict[str, str]:
    with Session(engine) as session:
        return {mark.name: mark.value for mark in session.scalars(select(Mark))}


def test_a_database_without_tables_is_refused_with_the_cure(engine):
    with pytest.raises(UnfitStart, match=r"flask db upgrade$") as refused:
        startup.refuse_unfit(engine, KEYS)
    assert "\n" not in str(refused.value)


def test_a_start_writes_down_which_hash_key_it_was_and_never_the_key(engine):
    lay_out(engine)
    startup.refuse_unfit(engine, KEYS)
    assert marks(engine) == {"hash key": KEYS.fingerprint}
    assert "the hash key" not in KEYS.fingerprint and len(KEYS.fingerprint) == 32


def test_a_start_with_the_same_hash_key_is_good_as_often_as_it_comes(engine):
    lay_out(engine)
    for _ in range(3):
        startup.refuse_unfit(engine, Keyring(b"the hash key of an installation!"))
    assert len(marks(engine)) == 1


def test_a_start_with_a_changed_hash_key_is_refused_and_the_old_one_stays_known(engine):
    lay_out(engine)
    startup.refuse_unfit(engine, KEYS)
    for _ in range(2):
        with pytest.raises(UnfitStart, match="HASH_KEY") as refused:
            startup.refuse_unfit(engine, OTHER_KEYS)
        assert "old HASH_KEY" in str(refused.value), "it names the cure"
    assert marks(engine) == {"hash key": KEYS.fingerprint}
    startup.refuse_unfit(engine, KEYS)


def test_no_connection_stays_open_so_that_a_server_may_fork(engine):
    lay_out(engine)
    startup.refuse_unfit(engine, KEYS)
    assert engine.pool.checkedin() == 0 == engine.pool.checkedout()


def test_a_start_notes_where_this_host_keeps_its_journal(engine, tmp_path):
    lay_out(engine)
    for folder in (tmp_path / "here", tmp_path / "there", tmp_path / "here"):
        startup.keep_outside(engine, folder)
    assert engine.pool.checkedin() == 0 == engine.pool.checkedout()
    noted = {name: value for name, value in marks(engine).items() if name.startswith(journal.MARK)}
    assert len(noted) == 2
    here = noted[journal.MARK + hostfolder.name_of(tmp_path / "here")]
    assert here == f"{socket.gethostname()}:{tmp_path}/here/optouts.journal"


def test_a_start_without_a_folder_of_its_own_is_refused_with_the_cure(engine, tmp_path):
    lay_out(engine)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(UnfitStart, match="STATE_DIR"):
        startup.keep_outside(engine, tmp_path / "file" / "state")
    assert not marks(engine)
