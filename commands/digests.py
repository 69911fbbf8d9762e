"""`flask digests`: what readers can subscribe to, and what is due."""

from pathlib import Path

import click
from flask.cli import AppGroup

from commands import files
from core import database
from core.database import db
from core.errors import DomainError
from subscribers import offer
from tasks import nudge

digest_commands = AppGroup("digests", help="The digests on offer.")


@digest_commands.command("apply")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def apply(file: Path) -> None:
    """Take over the digests of a TOML FILE of [[digest]] tables; docs/settings.md lists the fields.

    Nothing is changed when one of them has a mistake; the message names the digest and the field.
    Example: flask digests apply demo/digests.toml
    """
    tables = files.read_tables(file, "digest")
    try:
        with database.write_turn():
            offer.apply(tables)
            db.session.commit()
    except DomainError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{len(tables)} digests are on offer.")


@digest_commands.command("open-due")
def open_due() -> None:
    """Ask a worker to look now for editions that are due, instead of at the next beat."""
    nudge.digests()
    click.echo("Asked.")
