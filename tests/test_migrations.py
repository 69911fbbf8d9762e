"""The migrations make just the tables that the models describe, on both databases."""

from pathlib import Path

import flask_migrate
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from app import create_app
from core import schema
from core.database import db
from tests.installation import settings_for


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    return request.getfixturevalue("postgres_database")


def test_upgrading_an_empty_database_makes_what_the_models_describe_and_a_second_time_changes_nothing(database_url):
    app = create_app(settings_for(database_url))
    with app.app_context():
        flask_migrate.upgrade()
        flask_migrate.upgrade()
        with db.engine.connect() as connection:
            context = MigrationContext.configure(
                connection, opts={"compare_type": True, "include_name": schema.is_compared}
            )
            differences = compare_metadata(context, db.metadata)
        db.engine.dispose()
    assert differences == []


def test_the_way_back_leaves_nothing(database_url):
    app = create_app(settings_for(database_url))
    with app.app_context():
        flask_migrate.upgrade()
        flask_migrate.downgrade(revision="base")
        with db.engine.connect() as connection:
            left = set(db.inspect(connection).get_table_names()) - {"alembic_version"}
        db.engine.dispose()
    assert left == set()


def test_the_index_of_the_stories_is_made_alike_by_the_migrations_and_by_the_models(database_url):
    app = create_app(settings_for(database_url))
    made = []
    with app.app_context():
        for make in (flask_migrate.upgrade, db.create_all):
            make()
            made.append(_of_search())
            db.drop_all()
        db.engine.dispose()
    assert made[0] == made[1]
    assert len(made[0]) == (7 if database_url.startswith("sqlite") else 3)


def _of_search() -> list[object]:
    """Return what the databases say of the index, each in its own words."""
    with db.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            asked = "SELECT name, sql FROM sqlite_master WHERE name LIKE 'search_words%'"
        else:
            asked = """
            SELECT 'index', indexdef FROM pg_indexes WHERE indexname = 'search_words'
            UNION ALL SELECT 'options', reloptions::text FROM pg_class WHERE relname = 'search_documents'
            UNION ALL SELECT 'storage', string_agg(attname || attstorage::text, ',' ORDER BY attname) FROM pg_attribute
            WHERE attrelid = 'search_documents'::regclass AND attnum > 0
            """
        return [*sorted(map(tuple, connection.execute(db.text(asked))))]
