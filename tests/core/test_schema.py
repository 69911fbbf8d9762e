"""Whether the database has the steps that this code was written for, on both databases."""

from pathlib import Path

import flask_migrate
import pytest
from sqlalchemy import text

from app import create_app
from core import schema
from core.database import db
from tests.installation import settings_for


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path):
    """An empty database of each kind, in the context of an application."""
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'empty.db'}" if sqlite else request.getfixturevalue("postgres_database")
    with create_app(settings_for(url)).app_context():
        yield db.engine
        db.engine.dispose()


def is_behind(engine) -> bool:
    with engine.connect() as connection:
        return schema.is_behind(connection)


def test_only_a_database_with_every_step_is_not_behind(engine):
    assert is_behind(engine), "it has no tables"
    flask_migrate.upgrade(revision="0001")
    assert is_behind(engine)
    flask_migrate.upgrade()
    assert not is_behind(engine)


def test_a_step_of_a_newer_version_is_not_behind(engine):
    flask_migrate.upgrade()
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert not is_behind(engine)


def test_a_table_of_steps_without_a_step_is_behind(engine):
    flask_migrate.upgrade()
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
    assert is_behind(engine)
