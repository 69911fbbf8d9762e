"""The whole application on an SQLite file of its own, with a broker in memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from core.database import Base, db
from tasks import nudge
from tests.installation import settings_for


@pytest.fixture
def app(tmp_path: Path, monkeypatch) -> Iterator[Flask]:
    """The application in its context; nobody is nudged."""
    made = create_app(settings_for(f"sqlite:///{tmp_path / 'tasks.db'}"))
    monkeypatch.setattr(nudge, "_nudge", lambda *_task: None)
    with made.app_context():
        Base.metadata.create_all(db.engine)
        yield made
        db.session.remove()
        db.engine.dispose()
