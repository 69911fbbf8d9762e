"""What must be true before the service takes up work; otherwise it refuses to start, and names the cure."""

import socket
from pathlib import Path

from sqlalchemy import Engine, inspect, select

from core import database, hostfolder, journal
from core.addresses import Keyring
from core.database import Mark, insert_for
from core.errors import UnfitStart

_HASH_KEY = "hash key"


def refuse_unfit(engine: Engine, keyring: Keyring) -> None:
    """Check the database against the settings. Raises UnfitStart; leaves no connection open, so forking is safe."""
    try:
        if not inspect(engine).has_table(Mark.__tablename__):
            raise UnfitStart("The database has no tables yet. Run: flask db upgrade")
        _refuse_changed_hash_key(engine, keyring)
    finally:
        engine.dispose()


def _refuse_changed_hash_key(engine: Engine, keyring: Keyring) -> None:
    """The hash key knows who left and who must not be mailed: with another one, all of that would be forgotten."""
    with database.writing(engine) as connection:
        row = {"name": _HASH_KEY, "value": keyring.fingerprint}
        connection.execute(insert_for(engine)(Mark).values(row).on_conflict_do_nothing())
        known = connection.execute(select(Mark.value).where(Mark.name == _HASH_KEY)).scalar_one()
    if known != keyring.fingerprint:
        raise UnfitStart(
            "HASH_KEY is not the one this database was made with: every opt-out would be forgotten. "
            "Set the old HASH_KEY again."
        )


def keep_outside(engine: Engine, folder: Path) -> None:
    """Make the folder that this host keeps outside the database, and note in the database where its journal will be:
    whoever restores a backup is told which journals there are. Raises UnfitStart; leaves no connection open.
    """
    hostfolder.prepare(folder)
    row = {
        "name": journal.MARK + hostfolder.name_of(folder),
        "value": f"{socket.gethostname()}:{folder / journal.FILE}",
    }
    try:
        with database.writing(engine) as connection:
            mark = insert_for(engine)(Mark).values(row)
            connection.execute(mark.on_conflict_do_update(index_elements=["name"], set_={"value": mark.excluded.value}))
    finally:
        engine.dispose()
