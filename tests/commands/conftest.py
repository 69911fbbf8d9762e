"""The whole application on an SQLite file of its own, and its commands as a person types them."""

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from app import create_app
from core.database import Base, db
from tasks import nudge
from tests.installation import settings_for


@pytest.fixture
def nudged(monkeypatch) -> list[str]:
    """The tasks that were nudged."""
    names: list[str] = []
    monkeypatch.setattr(nudge, "_nudge", lambda task, *_ids: names.append(task))
    return names


@pytest.fixture
def app(tmp_path: Path, nudged) -> Iterator[Flask]:
    """The application in its context."""
    made = create_app(settings_for(f"sqlite:///{tmp_path / 'commands.db'}"))
    with made.app_context():
        Base.metadata.create_all(db.engine)
        yield made
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def flask(app) -> Callable[..., Result]:
    """Run a command: `flask("delivery pause KEY")`."""

    def run(line: str, **options) -> Result:
        db.session.remove()
        return app.test_cli_runner().invoke(args=shlex.split(line), **options)

    return run
