"""A group of our commands: none of them runs on a database that is not fit for it."""

import click
from flask.cli import AppGroup, with_appcontext
from sqlalchemy.exc import InterfaceError, OperationalError

from core import logs, startup
from core.database import db
from core.errors import UnfitStart
from core.services import current


def group(name: str, *, help: str) -> AppGroup:
    """Return a group of commands that first looks at the database, and ends with one sentence when it is unfit."""

    @with_appcontext
    def refuse_unfit() -> None:
        logs.configure(as_json=False, level="WARNING")
        try:
            startup.refuse_unfit(db.engine, current().keyring)
        except UnfitStart as error:
            raise click.ClickException(str(error)) from error
        except (OperationalError, InterfaceError) as error:
            raise click.ClickException(f"The database cannot be reached: {error.orig}") from error

    return AppGroup(name, help=help, callback=refuse_unfit)
