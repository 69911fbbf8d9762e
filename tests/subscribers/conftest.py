"""A real database for the tests of this package: a copy of an empty SQLite file, or the one TEST_DATABASE_URL names."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask

from articles import topics
from core.addresses import Keyring
from core.database import Base, db, prepare_engine
from core.links import Links
from core.publication import Publication
from core.services import Services
from core.settings import MailIdentity
from core.tokens import Tokens
from subscribers import offer
from tests.subscribers import people


@contextmanager
def _application(url: str) -> Iterator[Flask]:
    app = Flask("subscribers")
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    db.init_app(app)
    with app.app_context():
        prepare_engine(db.engine)
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory) -> Path:
    """An SQLite file with all tables and nothing in them, made once."""
    path = tmp_path_factory.mktemp("subscribers") / "empty.sqlite"
    with _application(f"sqlite:///{path}"):
        Base.metadata.create_all(db.engine)
    return path


@pytest.fixture
def bare_app(tmp_path, empty_file) -> Iterator[Flask]:
    """An application whose database holds nothing."""
    server = os.environ.get("TEST_DATABASE_URL")
    if not server:
        shutil.copy(empty_file, tmp_path / "test.sqlite")
    with _application(server or f"sqlite:///{tmp_path / 'test.sqlite'}") as app:
        if server:
            Base.metadata.drop_all(db.engine)
            Base.metadata.create_all(db.engine)
        yield app


@pytest.fixture
def app(bare_app) -> Flask:
    """An application with two digests and four topics on offer."""
    topics.apply(people.TOPICS)
    offer.apply([people.ASIA, people.ARABIC])
    db.session.commit()
    return bare_app


@pytest.fixture
def services() -> Services:
    publication = Publication(
        names={"en": "The Masthead", "ar": "الصحيفة"},
        mottoes={"en": "News that keeps", "ar": "أخبار تبقى"},
        postal_address="1 Harbour Road\nHong Kong",
        base_url="https://postrider.example",
        languages=("en", "ar"),
        zone="Asia/Hong_Kong",
        contact="readers@postrider.example",
    )
    identity = MailIdentity(
        sender="news@postrider.example",
        domain="postrider.example",
        bounce_domain="bounce.postrider.example",
        feedback_sender="postrider",
    )
    return Services(
        publication=publication,
        links=Links(publication.base_url, Tokens(b"links" * 8)),
        keyring=Keyring(b"hash!" * 8),
        identity=identity,
    )
