"""The migrations make just the tables that the models describe, on both databases."""

from datetime import UTC, datetime
from pathlib import Path

import flask_migrate
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import ColumnElement

from app import create_app
from articles import bm25, periods, searchtables
from articles.searchtables import SearchDocument
from core import schema
from core.database import db
from subscribers import offer
from tests.digests.house import ASIA
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


WAVE_OF_BEFORE = (
    """INSERT INTO mailings (id, key, lane, stream, sender_name, sender, feedback, doubt_policy, state, revision,
    created_at) VALUES (1, 'k', 20, 's', 'n', 'a@example.org', 'f', 'resend', 'running', 1, '2026-11-28 07:00:00')""",
    """INSERT INTO editions (id, digest_id, kind, slot, number, mailing_id, opened_at)
    SELECT 1, min(id), 'regular', '2026-11-28', 0, 1, '2026-11-28 07:00:00' FROM digests""",
    "INSERT INTO waves (id, edition_id, due_at, state, cursor) VALUES (1, 1, '2026-11-28 07:00:00', 'composed', 0)",
    "INSERT INTO wave_counts (wave_id, reason, readers) VALUES (1, 'nothing', 7)",
)


def test_waves_of_before_are_whole_and_keep_what_was_counted_of_them_on_the_way_there_and_back(database_url):
    app = create_app(settings_for(database_url))
    with app.app_context():
        flask_migrate.upgrade()
        offer.apply([ASIA])
        db.session.commit()
        flask_migrate.downgrade(revision="0048")
        with db.engine.begin() as connection:
            for one in WAVE_OF_BEFORE:
                connection.exec_driver_sql(one)
        for revision, step in (("head", flask_migrate.upgrade), ("0048", flask_migrate.downgrade)):
            step(revision=revision)
            with db.engine.connect() as connection:
                counted = connection.exec_driver_sql("SELECT wave_id, reason, readers FROM wave_counts").all()
                waves = connection.exec_driver_sql("SELECT id, state FROM waves").all()
            assert counted == [(1, "nothing", 7)] and waves == [(1, "composed")]
        db.engine.dispose()


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


def test_an_index_of_before_is_found_in_as_one_that_is_made_anew_and_rules_are_compiled_once(database_url):
    """Ids 1, 128 and 70,000, as they were packed before revision 0039."""
    app = create_app(settings_for(database_url))
    packed = b"".join(one.to_bytes(4, "little") for one in (1, 128, 70_000)) + bytes((3, 1, 200))
    with app.app_context():
        flask_migrate.upgrade(revision="0041")
        with db.engine.begin() as connection:
            connection.execute(db.text("INSERT INTO stories (id, public_id, created_at) VALUES (1, 's', '2024-02-15')"))
            connection.execute(_ARTICLE)
            connection.execute(_DOCUMENT, {"counts": packed})
        flask_migrate.upgrade()
        with db.engine.connect() as connection:
            assert connection.scalar(db.text("SELECT value FROM marks WHERE name = 'topics changed'"))
            counts, terms = connection.execute(db.text("SELECT counts, terms FROM search_documents")).one()
            found = connection.scalars(db.select(SearchDocument.article_id).where(_having())).all()
        db.engine.dispose()
    assert bm25.unpack(bytes(counts)) == {1: 3, 128: 1, 70_000: 127}
    assert sorted(str(terms).replace("'", "").split()) == sorted(["1", "128", "70000", *periods.tags(_DAY)])
    assert found == [1]


_DAY = datetime(2024, 2, 15, tzinfo=UTC)
_ARTICLE = db.text("""
    INSERT INTO articles (id, story_id, language, public_id, slug, headline, standfirst, dateline_place,
    dateline_agency, body, author, words, revision, published_at, first_seen_at)
    VALUES (1, 1, 'en', 'a', '', '', '', '', '', '', '', 1, 1,
    '2024-02-15 00:00:00.000000', '2024-02-15 00:00:00.000000')
""")
_DOCUMENT = db.text("""
    INSERT INTO search_documents (article_id, language, published_at, length, terms, counts)
    VALUES (1, 'en', '2024-02-15 00:00:00.000000', 204, '1 128 70000', :counts)
""")


def _having() -> ColumnElement[bool]:
    return searchtables.having([1, 70_000], every=True, tags=periods.tags(_DAY))
