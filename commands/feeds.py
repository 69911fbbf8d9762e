"""`flask feeds`: where stories come from."""

import json
from datetime import datetime, timedelta
from typing import Any

import click

from articles import feedhealth, feeds, fulltext, ingest, life
from articles.models import Feed
from commands import groups, rights, turns, words
from core import clock, errors, fetch
from core.database import db
from core.services import current
from tasks import feeds as tasks
from tasks import fulltext as texts

_MOST_TEXTS_S = 600.0
"""How long somebody at a terminal waits for the texts of a feed."""

feed_commands = groups.group("feeds", help="The publisher's feeds that stories come from.")


@feed_commands.command("add")
@click.argument("url")
@click.option("--language", required=True, help="The language of the feed's stories, such as en or ar.")
@click.option("--pushed", is_flag=True, help="Never read it: its publisher pushes it (flask feeds push-key).")
@click.option("--full-text", is_flag=True, help="Its stories' texts are on their pages, and may be taken from there.")
@rights.options
def add(url: str, language: str, pushed: bool, full_text: bool, **said: Any) -> None:
    """Read the feed at URL from now on, first within a minute: RSS, RDF, Atom or JSON Feed.

    Where a feed has only a teaser and its publisher lets you show the whole story, say --full-text: news then waits ten
    minutes at most for its text.

    Example: flask feeds add https://publisher.example.org/feed.xml --language en
    """
    try:
        fetch.check(url)
    except fetch.FetchRefused as error:
        raise click.ClickException(f"This address cannot be read: {error}") from error
    languages = current().publication.languages
    if language not in languages:
        raise click.ClickException(f"{language} is not a language of this publication ({', '.join(languages)}).")
    with turns.writing():
        feed = feeds.ensure(url, language=language, now=clock.utc_now(), fetched=not pushed)
        life.let_feed(feed, **said)
        _want_texts(feed, wanted=full_text or None)
    click.echo(f"{url} waits to be pushed. Its key: flask feeds push-key {url}" if pushed else f"Reading {url}.")


@feed_commands.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
def list_all(as_json: bool) -> None:
    """List the feeds: since when each was last read, how often it failed since, and when it is read next.

    The exit status is 1 when one fails, is gone, or is late: silent for twice as long as it ever is.
    """
    found, now, missing = feeds.every(), clock.utc_now(), fulltext.missing_by_feed()
    if as_json:
        click.echo(json.dumps([_told(feed, now, missing.get(feed.id, 0)) for feed in found], indent=2))
    else:
        for feed in found:
            click.echo(
                f"{feed.url}  {feed.language}  {_how(feed, now)}{_news(feed, now)}{_texts(missing.get(feed.id, 0))}"
            )
        click.echo(f"{len(found)} shown.")
    if not all(feedhealth.is_well(feed, now) for feed in found):
        raise SystemExit(1)


@feed_commands.command("set")
@click.argument("url")
@rights.options
@rights.full_text
@rights.may_break
def set_rights(url: str, may_break: bool | None, full_text: bool | None, **said: Any) -> None:
    """Say what may be done with the stories of the feed at URL: those to come, and those that are here already.

    What was said of a single story of it (flask articles let) gives way.
    Example: flask feeds set https://publisher.example.org/feed.xml --teaser-only on --read-at publisher
    """
    if all(value is None for value in (may_break, full_text, *said.values())):
        raise click.UsageError(
            "Say at least one: --read-at SITE, --teaser-only on|off, --full-text on|off, --may-break on|off."
        )
    with turns.writing():
        feed = _of(url)
        feed.may_break = feed.may_break if may_break is None else may_break
        count = life.let_feed(feed, **said)
        _want_texts(feed, wanted=full_text)
    click.echo(f"It holds for all stories of it, and the {count} that are here." if count else "It holds from now on.")


def _want_texts(feed: Feed, *, wanted: bool | None) -> None:
    """Say whether the texts of a feed's stories come from their pages; None: as before. Raises Invalid."""
    if (feed.full_text if wanted is None else wanted) and feed.teaser_only:
        why = "Nobody would see the texts of a feed of teasers: --full-text and --teaser-only cannot both be on."
        raise errors.Invalid("full_text", why)
    if wanted is not None:
        ingest.take_turn()
        fulltext.set_wanted(feed, wanted=wanted, now=clock.utc_now())


def _told(feed: Feed, now: datetime, missing: int) -> dict[str, object]:
    names = ("last_success_at", "next_fetch_at", "last_new_at", "last_push_at")
    moments = {name: getattr(feed, name) for name in names}
    return {
        "url": feed.url,
        "language": feed.language,
        "state": feed.state,
        "fails": feed.fails,
        "usual_gap_s": feed.usual_gap_s,
        "late": feedhealth.is_late(feed, now),
        "overdue": feedhealth.is_overdue(feed, now),
        "pushed_to": current().links.to("feed_hook", feed=feed.public_id) if feed.push_version else None,
        "may_break": feed.may_break,
        "read_at": feed.read_at,
        "teaser_only": feed.teaser_only,
        "full_text": feed.full_text,
        "without_text": missing,
        **{name: at and at.isoformat(timespec="seconds") for name, at in moments.items()},
    }


def _how(feed: Feed, now: datetime) -> str:
    read = f"last read {feed.last_success_at:%Y-%m-%d %H:%M} UTC" if feed.last_success_at else "not read yet"
    if feed.state == "gone":
        return f"gone, as its publisher says; {read}"
    if feed.state == "paused":
        return f"paused; {read}"
    if feed.next_fetch_at is None:
        pushed = f"last pushed {feed.last_push_at:%Y-%m-%d %H:%M} UTC" if feed.last_push_at else "not pushed yet"
        return pushed if feed.push_version else "never fetched: its stories are handed to us"
    failed = f"; failed {feed.fails} times since" if feed.fails else ""
    overdue = " (overdue: does beat run, and a worker?)" if feedhealth.is_overdue(feed, now) else ""
    return f"{read}{failed}; next {feed.next_fetch_at:%H:%M} UTC{overdue}"


def _texts(missing: int) -> str:
    return f"; without the text of their page: {missing}" if missing else ""


def _news(feed: Feed, now: datetime) -> str:
    """Return how long nothing new came, and how long that is as a rule, once its habits are known."""
    if not feed.usual_gap_s or feed.last_new_at is None:
        return ""
    since, usual = words.span(now - feed.last_new_at), words.span(timedelta(seconds=feed.usual_gap_s))
    late = ": late" if feedhealth.is_late(feed, now) else ""
    return f"; nothing new for {since}, {usual} at most are usual{late}"


@feed_commands.command("fetch")
@click.argument("url")
def fetch_now(url: str) -> None:
    """Fetch the feed at URL now, and say what came in. It must have been added before."""
    with turns.told():
        feed_id = _of(url).id
    db.session.rollback()
    result, stored = tasks.fetch_one(feed_id)
    if isinstance(result, Exception):
        raise click.ClickException(f"It could not be read: {str(result).rstrip('.')}. {feeds.cure(url, result)}")
    if stored is None and result.status != fetch.NOT_MODIFIED:
        raise click.ClickException(
            f"It could not be read: the server answered {result.status}. {feeds.cure(url, result)}"
        )
    if stored is None:
        click.echo("Nothing has changed since it was last read.")
        return
    click.echo(f"{stored.new} new, {stored.changed} changed, {stored.known} as before, {stored.refused} refused.")
    _fetch_texts(feed_id)


def _fetch_texts(feed_id: int) -> None:
    """Fetch the texts that wait for their page, and say how that went, and why it did not where it did not."""
    outcomes = texts.fetch_all(feed_id=feed_id, longest_s=_MOST_TEXTS_S)
    if taken := outcomes.pop("", 0):
        click.echo(f"Texts taken from their pages: {taken}.")
    for why, count in outcomes.items():
        click.echo(f"Stories that have the feed's teaser: {count}, since {why.rstrip('.')}.", err=True)


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
