"""Whether the database is at the step of the migrations that this code was written for, or behind it."""

from functools import cache

from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, column, inspect, select, table

from core.settings import ROOT

_VERSION = table("alembic_version", column("version_num"))

_OF_ONE_DATABASE = "search_words"
"""What only one of the two databases has, which no model can describe: on SQLite FTS5's tables, else a GIN index."""


def is_compared(name: str | None, _kind: object, _parents: object) -> bool:
    """Say whether Alembic compares a table or an index with the models, as `include_name` asks."""
    return not (name or "").startswith(_OF_ONE_DATABASE)


@cache
def _script() -> ScriptDirectory:
    return ScriptDirectory(str(ROOT / "migrations"))


def is_behind(connection: Connection) -> bool:
    """Say whether steps are missing. A step that this code does not know is a newer one, with which it can live."""
    if not inspect(connection).has_table(_VERSION.name):
        return True
    there = connection.scalars(select(_VERSION.c.version_num)).all()
    return not set(_script().get_heads()) <= set(there) and all(_is_known(one) for one in there)


def _is_known(step: str) -> bool:
    try:
        return _script().get_revision(step) is not None
    except CommandError:
        return False
