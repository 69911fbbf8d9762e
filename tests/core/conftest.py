"""An empty database of each kind, and an application on it with nothing but the marks and a table to count in."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from sqlalchemy import Column, Engine, Integer, MetaData, Table

from core import database
from core.database import Mark, UtcTime, db

COUNTERS = Table(
    "counters",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("n", Integer, nullable=False),
    Column("at", UtcTime),
)


@contextmanager
def ground_on(url: str) -> Iterator[Flask]:
    """Have an application's context on a database, with the table of marks and one counter at 0."""
    app = Flask("ground")
    app.config["SQLALCHEMY_DATABASE_URI"] = url.replace("postgresql://", "postgresql+psycopg://")
    db.init_app(app)
    with app.app_context():
        database.prepare_engine(db.engine)
        lay_out(db.engine)
        yield app
        db.session.remove()
        db.engine.dispose()


def lay_out(engine: Engine) -> None:
    """Make the tables, and the counter at 0."""
    Mark.metadata.create_all(engine, tables=[Mark.metadata.tables[Mark.__tablename__]])
    COUNTERS.create(engine)
    with database.writing(engine) as connection:
        connection.execute(COUNTERS.insert().values(id=1, n=0))


@pytest.fixture
def sqlite_url(tmp_path) -> str:
    """An SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path / 'ground.db'}"


@pytest.fixture
def on_sqlite(sqlite_url) -> Iterator[Flask]:
    """An application on an SQLite file."""
    with ground_on(sqlite_url) as app:
        yield app


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, sqlite_url) -> str:
    """An empty database of each kind."""
    return sqlite_url if request.param == "sqlite" else request.getfixturevalue("postgres_database")


@pytest.fixture
def on_both(database_url) -> Iterator[Flask]:
    """An application on each kind of database."""
    with ground_on(database_url) as app:
        yield app
