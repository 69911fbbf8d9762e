"""One installation for tests: settings, services, and a Flask application on a database of its own."""

import atexit
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from flask import Flask

from core import database, services
from core.database import Base, db
from core.identity import MailIdentity, PostOffice, Relay
from core.publication import Publication
from core.services import Services
from core.settings import ROOT, Settings
from core.signups import SignupSettings

DEMO = tomllib.loads((ROOT / "demo" / "postrider.toml").read_text("utf-8"))["publication"]
PUBLICATION = Publication(
    names=DEMO["name"],
    mottoes=DEMO["motto"],
    postal_address="1 Quay Street, Hong Kong",
    base_url="http://127.0.0.1:8000",
    languages=tuple(DEMO["languages"]),
    zone="Asia/Hong_Kong",
    contact="desk@monsoon.example.org",
)
IDENTITY = MailIdentity(
    sender="news@monsoon.example.org",
    domain="monsoon.example.org",
    bounce_domain="bounces.monsoon.example.org",
    feedback_sender="monsoon",
)
OPEN_DOOR = SignupSettings(
    proof_of_work=False,
    per_origin_hour=1000,
    per_origin_day=1000,
    per_domain_hour=1000,
    most_unconfirmed=1000,
    least_age_s=0,
)
"""For tests that are about something else. What the door keeps out is tested in tests/web/test_door.py."""


@cache
def state_folder() -> Path:
    """Return the folder that this test process keeps outside its databases; it goes with the process."""
    folder = Path(tempfile.mkdtemp(prefix="postrider-state-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def settings_for(database_url: str, *, smtp_port: int = 9, redis_url: str | None = None) -> Settings:
    """Return the settings of a test installation."""
    return Settings(
        publication=PUBLICATION,
        mail=IDENTITY,
        post=PostOffice({"main": Relay("127.0.0.1", smtp_port, "none")}),
        database_url=database_url.replace("postgresql://", "postgresql+psycopg://"),
        redis_url=redis_url,
        secret_key=b"0123456789abcdef0123456789abcdef",
        hash_key=b"fedcba9876543210fedcba9876543210",
        consent_key=b"0f1e2d3c4b5a69788796a5b4c3d2e1f0",
        signup=OPEN_DOOR,
        state_dir=state_folder(),
    )


def services_for(settings: Settings) -> Services:
    """Return what the rooms are given in a test."""
    return services.from_settings(settings)


@contextmanager
def rooms_on(settings: Settings) -> Iterator[Flask]:
    """Have the rooms' tables, empty, and an application context; no doors."""
    app = Flask("rooms")
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.database_url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = database.engine_options(settings.database_url)
    db.init_app(app)
    with app.app_context():
        database.prepare_engine(db.engine)
        Base.metadata.create_all(db.engine)
        yield app
        db.session.remove()
        db.engine.dispose()
