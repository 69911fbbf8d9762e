"""A real database for the tests of this package: each test gets a copy of an SQLite file that was made once."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask

from articles import topics
from core.addresses import Keyring
from core.database import Base, db, prepare_engine
from core.identity import MailIdentity
from core.links import Links
from core.publication import Publication
from core.services import Services
from core.tokens import Tokens
from subscribers import offer
from tests.subscribers import people


@contextmanager
def application(url: str) -> Iterator[Flask]:
    """A plain application on one database, with its context pushed."""
    app = Flask("subscribers")
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    db.init_app(app)
    with app.app_context():
        prepare_engine(db.engine)
        yield app
        db.session.remove()
        db.engine.dispose()


def lay_out_offer() -> None:
    """Put two digests and four topics on offer."""
    topics.apply(people.TOPICS)
    offer.apply([people.ASIA, people.ARABIC])
    db.session.commit()


@pytest.fixture(scope="session")
def made_files(tmp_path_factory) -> Path:
    """A folder with two databases: one with empty tables, one with the offer in it."""
    folder: Path = tmp_path_factory.mktemp("subscribers")
    for name in ("bare", "offer"):
        with application(f"sqlite:///{folder / name}"):
            Base.metadata.create_all(db.engine)
            if name == "offer":
                lay_out_offer()
    return folder


@pytest.fixture
def bare_app(tmp_path, made_files) -> Iterator[Flask]:
    """An application whose database holds nothing."""
    path = shutil.copy(made_files / "bare", tmp_path)
    with application(f"sqlite:///{path}") as app:
        yield app


@pytest.fixture
def app(tmp_path, made_files) -> Iterator[Flask]:
    """An application with two digests and four topics on offer."""
    path = shutil.copy(made_files / "offer", tmp_path)
    with application(f"sqlite:///{path}") as app:
        yield app


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
