"""`flask feeds`: where stories come from."""

import json
from typing import Any

import click

from articles import feeds, ingest, life
from articles.models import Feed
from commands import groups, rights, turns
from core import clock, database, errors, fetch
from core.database import db
from core.services import current
from tasks import feeds as tasks

feed_commands = groups.group("feeds", help="The publisher's feeds that stories come from.")


@feed_commands.command("add")
@click.argument("url")
@click.option("--language", required=True, help="The language of the feed's stories, such as en or ar.")
@rights.options
def add(url: str, language: str, **said: Any) -> None:
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
        life.let_feed(feeds.ensure(url, language=language, now=clock.utc_now()), **said)
        db.session.commit()
    click.echo(f"Reading {url}.")


@feed_commands.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
def list_all(as_json: bool) -> None:
    """List the feeds: since when each was last read, how often it failed since, and when it is read next.

    The exit status is 1 when one fails, or is gone.
    """
    found = feeds.every()
    if as_json:
        click.echo(json.dumps([_told(feed) for feed in found], indent=2))
    else:
        for feed in found:
            click.echo(f"{feed.url}  {feed.language}  {_how(feed)}")
        click.echo(f"{len(found)} shown.")
    if any(feed.fails or feed.state == "gone" for feed in found):
        raise SystemExit(1)


@feed_commands.command("set")
@click.argument("url")
@rights.options
def set_rights(url: str, **said: Any) -> None:
    """Say what may be done with the stories of the feed at URL: those to come, and those that are here already.

    What was said of a single story of it (flask articles let) gives way.
    Example: flask feeds set https://publisher.example.org/feed.xml --teaser-only on --read-at publisher
    """
    if all(value is None for value in said.values()):
        raise click.UsageError("Say at least one: --read-at SITE, --teaser-only on|off.")
    with turns.writing():
        count = life.let_feed(_of(url), **said)
    click.echo(f"It holds for all stories of it, and the {count} that are here.")


def _told(feed: Feed) -> dict[str, object]:
    moments = {name: getattr(feed, name) for name in ("last_success_at", "next_fetch_at", "last_new_at")}
    return {
        "url": feed.url,
        "language": feed.language,
        "state": feed.state,
        "fails": feed.fails,
        "usual_gap_s": feed.usual_gap_s,
        "read_at": feed.read_at,
        "teaser_only": feed.teaser_only,
        **{name: at and at.isoformat(timespec="seconds") for name, at in moments.items()},
    }


def _how(feed: Feed) -> str:
    read = f"last read {feed.last_success_at:%Y-%m-%d %H:%M} UTC" if feed.last_success_at else "not read yet"
    if feed.state == "gone":
        return f"gone, as its publisher says; {read}"
    if feed.state == "paused":
        return f"paused; {read}"
    if feed.next_fetch_at is None:
        return "never fetched: its stories are handed to us"
    failed = f"; failed {feed.fails} times since" if feed.fails else ""
    return f"{read}{failed}; next {feed.next_fetch_at:%H:%M} UTC"


@feed_commands.command("fetch")
@click.argument("url")
def fetch_now(url: str) -> None:
    """Fetch the feed at URL now, and say what came in. It must have been added before."""
    with turns.told():
        feed_id = _of(url).id
    db.session.rollback()
    result, stored = tasks.fetch_one(feed_id)
    if isinstance(result, Exception):
        raise click.ClickException(f"It could not be read: {result}")
    if stored is None and result.status != fetch.NOT_MODIFIED:
        raise click.ClickException(f"It could not be read: the server answered {result.status}.")
    if stored is None:
        click.echo("Nothing has changed since it was last read.")
        return
    click.echo(f"{stored.new} new, {stored.changed} changed, {stored.known} as before, {stored.refused} refused.")


@feed_commands.command("pause")
@click.argument("url")
def pause(url: str) -> None:
    """Fetch the feed at URL no more, until it is resumed."""
    with turns.writing():
        feeds.pause(_of(url))
    click.echo(f"{url} is not read any more. To go on: flask feeds resume {url}")


@feed_commands.command("resume")
@click.argument("url")
def resume(url: str) -> None:
    """Fetch the feed at URL again, from now on: one that was paused, or that was gone."""
    with turns.writing():
        feeds.resume(_of(url), now=clock.utc_now())
    click.echo(f"Reading {url}.")


@feed_commands.command("release")
@click.argument("url")
def release(url: str) -> None:
    """Publish all stories of the feed at URL that the flood guard holds: too many at once, or old ones as new.

    They are new from now on, and come in the next mails. Look first: flask articles list --state held
    """
    with turns.writing():
        ingest.take_turn()
        count = life.release_guarded(_of(url).id, now=clock.utc_now())
    click.echo(f"{count} stories are published." if count else "Nothing of it is held.")


@feed_commands.command("remove")
@click.argument("url")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(url: str, yes: bool) -> None:
    """Forget the feed at URL; its stories stay. To stop reading it for a while, pause it instead.

    Added again later, all that is in it would be new, and could be mailed a second time.
    """
    with turns.told():
        _of(url)
    db.session.rollback()
    if not yes:
        click.confirm("Forget this feed? Added again later, its stories would be new.", abort=True)
    with turns.writing():
        count = feeds.remove(_of(url))
    click.echo(f"Forgotten. {count} stories of it stay.")


def _of(url: str) -> Feed:
    feed = feeds.by_url(url)
    if feed is None:
        raise errors.Invalid("url", "There is no such feed; flask feeds list shows those there are.")
    return feed
