"""The database: the declarative base, UTC times, the ledger's clock, and the turn that SQLite's writers take."""

import json
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Annotated, Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    String,
    Text,
    any_,
    bindparam,
    cast,
    create_engine,
    event,
    func,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Mapped, mapped_column, registry
from sqlalchemy.types import TypeDecorator

from core import clock

IDLE_IN_TRANSACTION_MS = 60_000
LOOKED_UP_AT_ONCE = 2_000
"""Fingerprints in one statement."""
SQLITE_WAIT_MS = 20_000
"""How long a connection waits for another process's write (PRAGMA busy_timeout)."""


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC instant: `timestamptz` on PostgreSQL, naive UTC text on SQLite."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Return the column type of this database."""
        return dialect.type_descriptor(DateTime(timezone=dialect.name != "sqlite"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times, which are always a mistake, and hand SQLite its naive UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A time without a zone was about to be stored.")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the stored instant, aware."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


BigId = BigInteger().with_variant(Integer, "sqlite")
RowId = Annotated[int, mapped_column(BigId, primary_key=True)]

_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The base of every table. Text is unbounded unless a column says otherwise; times are UTC."""

    registry = registry(
        metadata=MetaData(naming_convention=_NAMING),
        type_annotation_map={datetime: UtcTime, str: Text, bytes: LargeBinary},
    )


class Mark(Base):
    """A single named fact of the installation, such as which hash key it was made with."""

    __tablename__ = "marks"
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


db = SQLAlchemy(model_class=Base)

_writing: ContextVar[bool] = ContextVar("writing", default=False)


class _FairLock:
    """A lock that is handed on in the order in which it was asked for; `threading.Lock` lets anybody overtake."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._held = False

    def acquire(self) -> None:
        with self._mutex:
            if not self._held:
                self._held = True
                return
            mine = threading.Event()
            self._waiting.append(mine)
        mine.wait()

    def release(self) -> None:
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._held = False


_turn = _FairLock()


@contextmanager
def _taking_turn(engine: Engine) -> Iterator[None]:
    """Hold SQLite's one writer's place and begin as a writer; on PostgreSQL there is nothing to hold."""
    if engine.dialect.name != "sqlite":
        yield
        return
    if _writing.get():
        # It would wait for itself, and every other writer behind it.
        raise RuntimeError("A write turn was asked for inside a write turn.")
    _turn.acquire()
    token = _writing.set(True)
    try:
        yield
    finally:
        _writing.reset(token)
        _turn.release()


@contextmanager
def write_turn() -> Iterator[None]:
    """Run a door's writes: on SQLite first come first served, begun with BEGIN IMMEDIATE. The door commits inside.

    What was read before is given back first, so that no read turns into a write (SQLite refuses that at once when
    another writer came between). What was not committed at the end is rolled back.
    """
    session = db.session()
    if session.new or session.dirty or session.deleted:
        raise RuntimeError("Changes were made before the write turn was taken.")
    session.rollback()
    with _taking_turn(db.engine):
        try:
            yield
        finally:
            session.rollback()


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a transaction of its own on `engine` as a writer; committed at the end, rolled back on an error."""
    with _taking_turn(engine), engine.begin() as connection:
        yield connection


_CLOCK = select(func.clock_timestamp())


def ledger_now(connection: Connection) -> datetime:
    """Return the ledger's time: the database server's clock, which all hosts share; on SQLite this host's."""
    if connection.dialect.name == "sqlite":
        return clock.utc_now()
    now: datetime = connection.execute(_CLOCK).scalar_one()
    return now.astimezone(UTC)


def insert_for(engine: Engine) -> Any:
    """Return this database's own `insert`, which knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert


def one_of(column: InstrumentedAttribute[int], values: Iterable[int]) -> ColumnElement[bool]:
    """Return the condition that a column is one of these integers.

    On PostgreSQL they are one array, so that the statement is the same text for any number of them: as parameters of
    their own, thousands take longer to be written into it than to be looked up.
    """
    if db.engine.dialect.name == "sqlite":
        return column.in_(_listed(values))
    return column == func.any(cast(bindparam(None, array_text(values), type_=String), ARRAY(BigInteger)))


def one_of_texts(column: InstrumentedAttribute[str], values: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that a column is one of these texts, which also are one value for any number of them."""
    if db.engine.dialect.name == "sqlite":
        return column.in_(_listed(values))
    return column == any_(literal(list(values), ARRAY(Text)))


def _listed(values: Iterable[int] | Iterable[str]) -> Select[Any]:
    """Return values that SQLite takes as one: it has a bound for parameters."""
    return select(func.json_each(json.dumps(list(values))).table_valued("value").c.value)


def array_text(values: Iterable[int]) -> str:
    """Return integers as PostgreSQL writes an array: as a list they would be turned into text one by one."""
    return f"{{{','.join(map(str, values))}}}"


def intern_rows(model: type[Base], rows: Mapping[bytes, Mapping[str, object]], **within: object) -> dict[bytes, int]:
    """Return the ids of rows by their fingerprints, which tell apart the rows with the columns `within`.

    New ones are written in one order, whoever writes, so that nobody waits for somebody who waits for them.
    """
    db.session.flush()
    connection = db.session.connection()
    table: Any = model
    fingerprints, found = sorted(rows), dict[bytes, int]()
    for _look in range(2):
        missing = [one for one in fingerprints if one not in found]
        for start in range(0, len(missing), LOOKED_UP_AT_ONCE):
            some = missing[start : start + LOOKED_UP_AT_ONCE]
            wanted = select(table.fingerprint, table.id).where(_one_of_prints(table.fingerprint, some))
            found.update(connection.execute(wanted.filter_by(**within)).all())
        new = [{**rows[one], **within, "fingerprint": one} for one in fingerprints if one not in found]
        if not new:
            break
        connection.execute(insert_for(db.engine)(model).on_conflict_do_nothing(), new)
    return found


def _one_of_prints(column: InstrumentedAttribute[bytes], values: list[bytes]) -> ColumnElement[bool]:
    if db.engine.dialect.name == "sqlite":
        return column.in_(values)
    return column == func.any(bindparam(None, values, type_=ARRAY(LargeBinary)))


def engine_options(url: str) -> dict[str, Any]:
    """Return how engines are made: errors show no parameters, since addresses are among them.

    A PostgreSQL session that sleeps inside a transaction is ended: a process that was stopped must not keep its locks.
    """
    if url.startswith("sqlite"):
        return {"hide_parameters": True}
    options = f"-c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_MS}"
    return {"hide_parameters": True, "pool_pre_ping": True, "connect_args": {"options": options}}


def own_engine(url: str) -> Engine:
    """Return an engine for a thread that commits all the time, and tries again by itself when a line was dead.

    So it asks no line whether it still stands, which would cost each transaction a way to the server and back.
    """
    engine = create_engine(url, **engine_options(url) | {"pool_pre_ping": False})
    prepare_engine(engine)
    return engine


def prepare_engine(engine: Engine) -> None:
    """Make SQLite durable and explicit: WAL, FULL, foreign keys, and transactions begun by us, not by the driver."""
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def _set_pragmas(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            f"busy_timeout={SQLITE_WAIT_MS}",
            "synchronous=FULL",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if _writing.get() else "BEGIN")
