"""`flask feeds`: where stories come from."""

from urllib.parse import urlsplit

import click
from flask.cli import AppGroup

from articles import feeds
from core import clock, database
from core.database import db
from core.services import current

feed_commands = AppGroup("feeds", help="The publisher's feeds that stories come from.")


@feed_commands.command("add")
@click.argument("url")
@click.option("--language", required=True, help="The language of the feed's stories, such as en or ar.")
def add(url: str, language: str) -> None:
    """Read the RSS or Atom feed at URL from now on, first within a minute.

    Example: flask feeds add https://publisher.example.org/feed.xml --language en
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.ClickException(f"{url} is not a web address. It should begin with https://")
    languages = current().publication.languages
    if language not in languages:
        raise click.ClickException(f"{language} is not a language of this publication ({', '.join(languages)}).")
    with database.write_turn():
        feeds.ensure(url, language=language, now=clock.utc_now())
        db.session.commit()
    click.echo(f"Reading {url}.")
