"""When anything that pages show changed last: one fact in the database, moved on with every such change.

A table whose rows are shown says so, with SHOWN among its arguments. Whatever a session writes into one of them moves
the fact on in the same transaction: whoever finds it as it was knows that all pages are as they were.
"""

import secrets
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, event, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import ORMExecuteState, Session, SessionTransaction, object_mapper, scoped_session
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.schema import Table

from core import clock, database
from core.database import Mark

ON_PAGES = "on pages"
SHOWN: Mapping[str, Any] = {"info": {ON_PAGES: True}}
NOT_SHOWN: Mapping[str, Any] = {"info": {ON_PAGES: False}}
"""The last of a table's `__table_args__`: whether its rows are on pages that everybody sees alike."""
_NAME = "pages changed"
_NOTED = "pages change"
_QUERY = f"SELECT value FROM marks WHERE name = '{_NAME}'"  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True)
class Seen:
    """The fact as it was read. `at` is when the last change was made, in whole seconds since 1970; 0: never.

    Each change is at least a second later than the one before, so that `at` alone tells two states apart; where
    changes come faster than that, it runs ahead of the clock.
    """

    value: str
    at: int


NEVER = Seen("", 0)


def register(session: "scoped_session[Any]") -> None:
    """Have what sessions write to tables on pages noted."""
    event.listen(session, "before_flush", _before_flush)
    event.listen(session, "do_orm_execute", _on_statement)
    event.listen(session, "before_commit", _before_commit)
    event.listen(session, "after_transaction_end", _forget)


def _is_shown(table: object) -> bool:
    return isinstance(table, Table) and bool(table.info.get(ON_PAGES))


def _before_flush(session: Session, _context: object, _instances: object) -> None:
    touched = [*session.new, *session.deleted, *(one for one in session.dirty if session.is_modified(one))]
    if any(_is_shown(object_mapper(one).local_table) for one in touched):
        session.info[_NOTED] = True


def _on_statement(asked: ORMExecuteState) -> None:
    if (asked.is_insert or asked.is_update or asked.is_delete) and _is_shown(getattr(asked.statement, "table", None)):
        asked.session.info[_NOTED] = True


def _before_commit(session: Session) -> None:
    """Move the fact on as the last thing: whoever changes something else meanwhile waits for nothing but the commit."""
    if session.in_nested_transaction():
        return
    session.flush()
    if session.info.pop(_NOTED, False):
        _move_on(session)


def _move_on(session: Session) -> None:
    mine = select(Mark).where(Mark.name == _NAME).with_for_update().execution_options(populate_existing=True)
    mark = session.scalar(mine)
    if mark is None:
        new = database.insert_for(session.get_bind().engine)(Mark).values(name=_NAME, value="")
        session.execute(new.on_conflict_do_nothing())
        mark = session.scalars(mine).one()
    at = max(int(clock.utc_now().timestamp()), _read(mark.value).at + 1)
    # What is drawn tells apart what came after a backup was restored from what had been before.
    mark.value = f"{at} {secrets.token_hex(8)}"
    session.flush()


def _forget(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session.info.pop(_NOTED, None)


def _read(value: str) -> Seen:
    return Seen(value, int(value.partition(" ")[0])) if value else NEVER


def latest(connection: Connection) -> str:
    """Return what stands for all that pages show, as this transaction sees it."""
    return connection.scalar(select(Mark.value).where(Mark.name == _NAME)) or ""


class Watch:
    """Reads the fact for every page that is asked for: on a line of its own, without a transaction, in microseconds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._line: PoolProxiedConnection | None = None
        self._driver: Any = None

    def seen(self) -> Seen | None:
        """Return the fact as it is now; None when the database cannot be asked."""
        with self._lock:
            for _try in range(2):
                try:
                    rows = self._opened().execute(_QUERY).fetchall()
                except (SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error):
                    # A line that was cut since the last page; or a database that is away.
                    self._drop()
                else:
                    return _read(rows[0][0]) if rows else NEVER
        return None

    def close(self) -> None:
        """Close the line. The next question opens another."""
        with self._lock:
            self._drop()

    def _opened(self) -> Any:
        if self._line is None:
            self._line = self._engine.raw_connection()
            self._driver = self._line.driver_connection
            # The pool would ask before each use whether the line stands, which costs as much as the question.
            self._line.detach()
            self._engine.dialect.set_isolation_level(self._driver, "AUTOCOMMIT")
        return self._driver

    def _drop(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            with suppress(SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error):
                line.close()
