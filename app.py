"""create_app(): settings, extensions, doors. Nothing else."""

import os
import sys

import click
from flask import Flask
from flask_migrate import Migrate
from werkzeug.middleware.proxy_fix import ProxyFix

import commands
import web
from core import database, journal, logs, pile, schema, services, startup, windows
from core import settings as settings_module
from core.database import db
from core.errors import SettingsError, UnfitStart
from core.settings import ROOT, Settings
from tasks.celery_app import init_celery

MAX_REQUEST_BYTES = 64 * 1024
MAX_FORM_PARTS = 400
"""The choices form has a field for each topic and country."""


def create_app(settings: Settings | None = None) -> Flask:
    """Return the wired application. Raises SettingsError, whose text names the setting and the cure."""
    settings = settings or _own_settings()
    app = Flask(
        "postrider",
        root_path=str(ROOT),
        template_folder=str(ROOT / "templates"),
        static_folder=str(ROOT / "static"),
    )
    app.config.update(
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=database.engine_options(settings.database_url),
        MAX_CONTENT_LENGTH=MAX_REQUEST_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_REQUEST_BYTES,
        MAX_FORM_PARTS=MAX_FORM_PARTS,
    )
    app.extensions["postrider"] = services.from_settings(settings)
    app.extensions["postrider settings"] = settings
    app.extensions["postrider windows"] = windows.Windows(settings.redis_url)
    app.extensions["postrider clicks"] = pile.Pile("clicks", settings.redis_url)
    db.init_app(app)
    with app.app_context():
        database.prepare_engine(db.engine)
        outside = journal.Journal(settings.state_dir, services.current().keyring.fingerprint)
    journal.register(app, db.session, outside)
    folder, compared = str(ROOT / "migrations"), schema.is_compared
    Migrate(app, db, directory=folder, compare_type=True, render_as_batch=True, include_name=compared)
    init_celery(app, settings)
    if settings.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.trusted_proxies, x_proto=0)  # type: ignore[method-assign]
    web.register(app)
    commands.register(app)
    return app


def _own_settings() -> Settings:
    try:
        return settings_module.load()
    except SettingsError as error:
        if os.environ.get("FLASK_RUN_FROM_CLI"):
            # At a terminal a wrong setting is one sentence, not a traceback.
            raise click.ClickException(str(error)) from error
        raise


def site() -> Flask:
    """Return the application for a web server, or end with one sentence when it must not start like this."""
    try:
        logs.configure(as_json=True)
        app = create_app()
        with app.app_context():
            startup.refuse_unfit(db.engine, services.current().keyring)
            settings: Settings = app.extensions["postrider settings"]
            startup.keep_outside(db.engine, settings.state_dir)
    except (SettingsError, UnfitStart) as error:
        sys.exit(f"Postrider does not start: {error}")
    return app
