"""A site with the demo's stories on SQLite, made once and copied for each test; and one that mail services tell."""

import shutil
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import celery
import pytest
from flask import Flask
from werkzeug.serving import make_server

from app import create_app
from articles import related
from core import clock, fetch
from core.database import Base, db
from demo import publication
from tasks import nudge
from tests import servers
from tests.core.web import Web, serving
from tests.delivery.certificates import Authority
from tests.delivery.conftest import empty
from tests.installation import settings_for
from tests.returns import posts
from tests.web.mail_services import CERTIFICATE_PATH, SNS
from tests.web.readers import Reader, Readers

SITE = "https://courier.example.org"


@pytest.fixture(scope="session")
def site_and_file(tmp_path_factory) -> Iterator[tuple[Flask, Path, Path]]:
    """The application, its database file, and a copy of that file as it was when the demo had just been loaded."""
    file = tmp_path_factory.mktemp("web") / "site.sqlite"
    app = create_app(settings_for(f"sqlite:///{file}"))
    with app.app_context():
        Base.metadata.create_all(db.engine)
        publication.load(publication.read(), clock.utc_now())
        related.compute_due(clock.utc_now(), 100)  # As a task does.
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
    # Tasks that a test calls belong to the application that was made last, and others may have made theirs since.
    before = celery.current_app.tasks["tasks.delivery.ring"].app
    app.extensions["celery"].set_current()
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()
    before.set_current()


@pytest.fixture(scope="session")
def site_postgres(postgres_server: servers.Postgres) -> Iterator[str]:
    """A PostgreSQL database with all tables, for sites without stories one after the other."""
    with postgres_server.database() as url:
        with create_app(settings_for(url)).app_context():
            Base.metadata.create_all(db.engine)
            db.engine.dispose()
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request, tmp_path, nudged) -> Iterator[Flask]:
    """A site at SITE without stories, on an empty database of each kind, in an application context."""
    sqlite = request.param == "sqlite"
    settings = settings_for(f"sqlite:///{tmp_path / 's.db'}" if sqlite else request.getfixturevalue("site_postgres"))
    app = create_app(replace(settings, publication=replace(settings.publication, base_url=SITE)))
    with app.app_context():
        if sqlite:
            Base.metadata.create_all(db.engine)
        empty(db.engine)
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def served(app) -> Iterator[str]:
    """The address at which the site can be visited."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


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


@pytest.fixture
def sns(tmp_path, monkeypatch) -> Iterator[Web]:
    """SNS's own host, in TLS on this machine, which core.fetch reaches as if it were a public one."""
    authority = Authority(tmp_path, "ca")
    with serving(authority.server(SNS)) as web:
        web.trusted = ssl.create_default_context(cafile=authority.file)
        web.pages[CERTIFICATE_PATH] = lambda asked: asked.answer(200, posts.certificate())
        monkeypatch.setattr(fetch, "get", partial(fetch.get, _network=web.network()))
        yield web


@pytest.fixture
def nudged(monkeypatch) -> list[str]:
    """The tasks that were nudged."""
    names: list[str] = []
    monkeypatch.setattr(nudge, "_nudge", lambda task, *_ids: names.append(task))
    return names


def _told(url: str) -> Flask:
    return create_app(replace(settings_for(url), webhooks=posts.SETTINGS))


@pytest.fixture(scope="session")
def webhooks_postgres(postgres_server: servers.Postgres) -> Iterator[str]:
    """A PostgreSQL database with all tables, for the tests of webhooks one after the other."""
    with postgres_server.database() as url:
        with _told(url).app_context():
            Base.metadata.create_all(db.engine)
            db.engine.dispose()
        yield url


@pytest.fixture
def told(tmp_path, sns, nudged, monkeypatch) -> Iterator[Flask]:
    """An application that the mail services tell, on SQLite, at the time of the posts."""
    yield from _running(f"sqlite:///{tmp_path / 'webhooks.db'}", monkeypatch)


def _running(url: str, monkeypatch) -> Iterator[Flask]:
    monkeypatch.setattr(clock, "utc_now", lambda: posts.NOW)
    made = _told(url)
    with made.app_context():
        if url.startswith("sqlite"):
            Base.metadata.create_all(db.engine)
        empty(db.engine)
        yield made
        db.session.remove()
        db.engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def told_on_both(request, tmp_path, sns, nudged, monkeypatch) -> Iterator[Flask]:
    """The same on SQLite and on PostgreSQL."""
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'webhooks.db'}" if sqlite else request.getfixturevalue("webhooks_postgres")
    yield from _running(url, monkeypatch)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let time pass: `later(hours=3)`."""

    def pass_(**time: int) -> None:
        at = clock.utc_now() + timedelta(**time)
        monkeypatch.setattr(clock, "utc_now", lambda: at)

    return pass_
