"""How Alembic reaches the database: through the application's engine, as a writer, one revision a transaction."""

from alembic import context
from flask import current_app

from core import database

db = current_app.extensions["migrate"].db


def run() -> None:
    """Apply revisions, or compare the models with the database for autogenerate."""
    options = current_app.extensions["migrate"].configure_args
    with database.writing(db.engine) as connection:
        context.configure(connection=connection, target_metadata=db.metadata, **options)
        with context.begin_transaction():
            context.run_migrations()


run()
