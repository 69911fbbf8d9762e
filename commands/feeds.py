"""`flask feeds`: where stories come from."""

import click

from articles import feeds
from commands import groups
from core import clock, database, fetch
from core.database import db
from core.services import current

feed_commands = groups.group("feeds", help="The publisher's feeds that stories come from.")


@feed_commands.command("add")
@click.argument("url")
@click.option("--language", required=True, help="The language of the feed's stories, such as en or ar.")
def add(url: str, language: str) -> None:
    """Read the RSS or Atom feed at URL from now on, first within a minute.

    Example: flask feeds add https://publisher.example.org/feed.xml --language en
    """
    try:
        fetch.check(url)
    except fetch.FetchRefused as error:
        raise click.ClickException(f"This address cannot be read: {error}") from error
    languages = current().publication.languages
    if language not in languages:
        raise click.ClickException(f"{language} is not a language of this publication ({', '.join(languages)}).")
    with database.write_turn():
        feeds.ensure(url, language=language, now=clock.utc_now())
        db.session.commit()
    click.echo(f"Reading {url}.")
