"""A publication on each kind of database, laid out once and copied for each test."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask, current_app
from sqlalchemy import Engine, text, update

from core.database import Base, db
from subscribers.models import Digest
from tests import at_once as at_once_module
from tests import installation, servers
from tests.digests.house import House, lay_out_offer

OFFER = {"digests", "topics"}


@contextmanager
def house_on(url: str) -> Iterator[House]:
    """Have a publication on a database whose tables are there."""
    settings = installation.settings_for(url)
    with installation.rooms_on(settings):
        yield House(installation.services_for(settings))


@pytest.fixture(scope="session")
def sqlite_file(tmp_path_factory) -> Path:
    """An SQLite file with the tables and the offer."""
    path: Path = tmp_path_factory.mktemp("digests") / "house.db"
    with house_on(f"sqlite:///{path}"):
        lay_out_offer()
        db.session.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    return path


@pytest.fixture(scope="session")
def house_postgres(postgres_server: servers.Postgres) -> Iterator[str]:
    """A PostgreSQL database with tables and offer, for all houses of this pytest process one after the other."""
    with postgres_server.database() as url:
        with house_on(url):
            lay_out_offer()
        yield url


def empty(engine: Engine) -> None:
    """Take out all but the offer that the test before has left: much quicker than a new database."""
    with engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            if table.name not in OFFER:
                connection.execute(table.delete())
        connection.execute(update(Digest).values(active=True))


@contextmanager
def sqlite_house(tmp_path: Path, sqlite_file: Path) -> Iterator[House]:
    with house_on(f"sqlite:///{shutil.copy(sqlite_file, tmp_path)}") as house:
        yield house


@pytest.fixture(params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """A publication on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        with sqlite_house(tmp_path, request.getfixturevalue("sqlite_file")) as made:
            yield made
    else:
        yield request.getfixturevalue("postgres_house")


@pytest.fixture
def one_house(tmp_path: Path, sqlite_file: Path) -> Iterator[House]:
    """A publication on SQLite only, for what no database makes a difference to."""
    with sqlite_house(tmp_path, sqlite_file) as made:
        yield made


@pytest.fixture
def postgres_house(house_postgres: str) -> Iterator[House]:
    """A publication on PostgreSQL only, where writers do not take turns."""
    with house_on(house_postgres) as made:
        empty(db.engine)
        lay_out_offer()
        yield made


@pytest.fixture
def at_once() -> Callable[..., list[object]]:
    """Run functions at one shot in threads with contexts of their own; return what each returned or raised."""

    def run_all(*works: Callable[[], object]) -> list[object]:
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        return at_once_module.run(app, *works)

    return run_all
