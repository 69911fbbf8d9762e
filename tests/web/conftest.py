"""A site with the demo's stories on SQLite: made once, copied for each test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from core import clock
from core.database import Base, db
from demo import publication
from tests.installation import settings_for
from tests.web.readers import Reader, Readers


@pytest.fixture(scope="session")
def site_and_file(tmp_path_factory) -> Iterator[tuple[Flask, Path, Path]]:
    """The application, its database file, and a copy of that file as it was when the demo had just been loaded."""
    file = tmp_path_factory.mktemp("web") / "site.sqlite"
    app = create_app(settings_for(f"sqlite:///{file}"))
    with app.app_context():
        Base.metadata.create_all(db.engine)
        publication.load(publication.read(), clock.utc_now())
        db.session.commit()
        db.session.remove()
        db.engine.dispose()
    loaded = file.with_suffix(".loaded")
    shutil.copy(file, loaded)
    yield app, file, loaded


@pytest.fixture
def app(site_and_file) -> Iterator[Flask]:
    """The site, with a fresh copy of the demo; in an application context."""
    app, file, loaded = site_and_file
    for left in file.parent.glob(f"{file.name}-*"):
        left.unlink()
    shutil.copy(loaded, file)
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def client(app):
    """A browser without JavaScript or cookies."""
    return app.test_client(use_cookies=False)


@pytest.fixture
def readers(app) -> Readers:
    """Make people who subscribe: `readers.join("reader@example.org")`."""
    return Readers(app)


@pytest.fixture
def reader(readers) -> Reader:
    """Somebody who has subscribed to Asia Daily and confirmed."""
    return readers.join("reader@example.org")
