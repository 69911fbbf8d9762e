"""`flask topics`: the shelves that readers can choose."""

from pathlib import Path

import click

from articles import topics
from commands import files, groups
from core import database
from core.database import db
from core.errors import DomainError

topic_commands = groups.group("topics", help="The topics and countries that readers can choose.")


@topic_commands.command("apply")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def apply(file: Path) -> None:
    """Take over the topics of a TOML FILE of [[topic]] tables: key, kind (country or theme), names by language.

    Example: flask topics apply demo/topics.toml
    """
    tables = files.read_tables(file, "topic")
    try:
        with database.write_turn():
            topics.apply(tables)
            db.session.commit()
    except DomainError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{len(tables)} topics are on offer.")
