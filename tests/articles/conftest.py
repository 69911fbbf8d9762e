"""A database for each test of articles, a feed to let entries in by, and what was logged."""

import itertools
import shutil
from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from flask import Flask
from sqlalchemy import text

from articles import arriving, feeds, ingest, searchindex, shelf, topics
from articles.models import Article, Story
from core import database
from core.database import Base, db
from tests import servers
from tests.articles import atom
from tests.delivery.conftest import empty


@contextmanager
def application(url: str) -> Iterator[Flask]:
    """Open a Flask application's context on a database, with all tables."""
    app = Flask("articles")
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    db.init_app(app)
    with app.app_context():
        database.prepare_engine(db.engine)
        Base.metadata.create_all(db.engine)
        try:
            yield app
        finally:
            db.session.remove()
            db.engine.dispose()


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory) -> Path:
    """An SQLite file with all tables and nothing in them, made once."""
    path = tmp_path_factory.mktemp("articles") / "empty.db"
    with application(f"sqlite:///{path}"):
        db.session.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    return path


@pytest.fixture
def app(tmp_path, empty_file) -> Iterator[Flask]:
    """An application on an SQLite file of its own."""
    path = shutil.copy(empty_file, tmp_path / "articles.db")
    with application(f"sqlite:///{path}") as opened:
        yield opened


@pytest.fixture(scope="session")
def tables_on_postgres(postgres_server: servers.Postgres) -> Iterator[str]:
    """A PostgreSQL database with all tables, for one test after the other."""
    with postgres_server.database() as url:
        with application(url):
            pass
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def on_both(request) -> Iterator[Flask]:
    """The same on SQLite and on PostgreSQL, with empty tables."""
    if request.param == "sqlite":
        yield request.getfixturevalue("app")
        return
    with application(request.getfixturevalue("tables_on_postgres")) as opened:
        named = ", ".join(Base.metadata.tables)
        db.session.execute(text(f"TRUNCATE {named} RESTART IDENTITY"))
        db.session.commit()
        yield opened


class Archive:
    """Stories that came in some way or other: they are written, and the index is told."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def add(
        self, headline: str, standfirst: str = "", body: str = "", *, days: float = 0, language: str = "en"
    ) -> Article:
        """Write a story that was published `days` before the tests' now."""
        return self.add_all([(headline, standfirst, body)], days=days, language=language)[0]

    def add_all(
        self,
        texts: Iterable[tuple[str, str, str]],
        *,
        days: float = 0,
        language: str = "en",
        state: str = "published",
        hours_apart: int = 1,
    ) -> list[Article]:
        """Write stories, each published an hour before the one before, or more."""
        found = []
        for number, (headline, standfirst, body) in enumerate(texts):
            at = atom.NOW - timedelta(days=days, hours=number * hours_apart)
            name = str(next(self._numbers))
            story = Story(public_id=f"s{name}", created_at=at)
            db.session.add(story)
            db.session.flush()
            found.append(
                Article(
                    story_id=story.id,
                    language=language,
                    public_id=name.rjust(10, "a"),
                    slug="",
                    headline=headline,
                    standfirst=standfirst,
                    dateline_place="",
                    dateline_agency="",
                    body=body,
                    author="",
                    words=1,
                    published_at=at,
                    first_seen_at=at,
                    state=state,
                )
            )
            db.session.add(found[-1])
        searchindex.refresh(found)
        db.session.commit()
        return found


@pytest.fixture
def archive(on_both) -> Archive:
    """An archive to fill, on both databases."""
    return Archive()


class Desk:
    """A publisher's feeds, one a language: what comes in is stored at a time, and can be looked at."""

    def __init__(self) -> None:
        self.now = atom.NOW

    def feed_id(self, language: str = "en") -> int:
        """Return the feed of a language."""
        return feeds.ensure(f"{atom.SITE}/{language}.atom", language=language, now=self.now).id

    def define(self, *definitions: dict[str, Any]) -> None:
        """Define topics."""
        with database.write_turn():
            topics.apply(definitions)
            db.session.commit()

    def take(self, *entries: str, language: str = "en", at: datetime | None = None) -> ingest.Ingested:
        """Store a feed of these entries."""
        return self.take_bytes(atom.feed(*entries), language=language, at=at)

    def take_bytes(self, fetched: bytes, *, language: str = "en", at: datetime | None = None) -> ingest.Ingested:
        """Store a feed, committed as a door would."""
        with database.write_turn():
            stored = ingest.store_entries(self.feed_id(language), fetched, at or self.now)
            db.session.commit()
        return stored

    def articles(self, language: str = "en") -> list[Article]:
        """Return all articles of a language, newest first."""
        return shelf.latest(language, limit=1_000)


@pytest.fixture
def desk(app) -> Desk:
    """The desk of a publisher with an empty database."""
    return Desk()


@pytest.fixture
def events(monkeypatch) -> list[MutableMapping[str, Any]]:
    """What `ingest` and `feeds` log, as dictionaries."""
    capture = structlog.testing.LogCapture()
    for module in (ingest, arriving, feeds):
        monkeypatch.setattr(module, "log", structlog.wrap_logger(None, processors=[capture]))
    return capture.entries


@pytest.fixture(scope="session")
def postgres_articles(postgres_server: servers.Postgres) -> Iterator[str]:
    """A PostgreSQL database with all tables, for the tests of articles one after the other."""
    with postgres_server.database() as url:
        with application(url):
            pass
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def desk_on_both(request, tmp_path, empty_file) -> Iterator[Desk]:
    """The desk of a publisher with an empty database of each kind."""
    if request.param == "sqlite":
        url = f"sqlite:///{shutil.copy(empty_file, tmp_path / 'articles.db')}"
    else:
        url = request.getfixturevalue("postgres_articles")
    with application(url):
        empty(db.engine)
        yield Desk()
