"""`flask feeds push-key|sign|push`: feeds that their publishers push, and how that is tried."""

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from articles import feeds, ingest, push
from articles.arriving import Manner
from articles.models import Feed
from commands import turns
from core import clock, database, errors, fetch
from core.database import db
from core.services import current

_FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


def named(feed: str) -> Feed:
    """Return the feed of an address, or of the id under which it is pushed. Raises Invalid."""
    found = feeds.by_url(feed) or feeds.by_public_id(feed.rstrip("/").rpartition("/")[2])
    if found is None:
        raise errors.Invalid("feed", "There is no such feed; flask feeds list shows those there are.")
    return found


@click.command("push-key")
@click.argument("feed", metavar="URL")
@click.option(
    "--overlap",
    metavar="HOURS",
    type=click.IntRange(0, int(push.MOST_OVERLAP / timedelta(hours=1))),
    default=0,
    help="Let the key before hold for so long beside the new one. Without it, that ends now.",
)
def push_key(feed: str, overlap: int) -> None:
    """Make a new key by which the publisher of the feed at URL signs what it pushes, and show it, once.

    The key before ends. How a push is signed, with an example to copy, is in docs/feeds.md.
    """
    with turns.writing():
        found = named(feed)
        key = push.renew_key(found, current().keyring, now=clock.utc_now(), overlap=timedelta(hours=overlap))
        address = current().links.to("feed_hook", feed=found.public_id)
    click.echo(f"Push to: {address}\nKey:     {key}")
    click.echo("Give both to the publisher's system. The key is not shown again.", err=True)


@click.command("sign")
@click.argument("feed", metavar="URL")
@_FILE
def sign(feed: str, file: Path) -> None:
    """Print the header that signs FILE as a push of the feed at URL, good for five minutes.

    Example: curl -H "$(flask feeds sign URL item.json)" --data-binary @item.json https://…/hooks/feeds/…
    """
    with turns.told():
        found = named(feed)
        if not found.push_version:
            raise errors.Invalid("feed", "This feed has no key yet. Make one with: flask feeds push-key")
        key = push.key_of(found, found.push_version, current().keyring)
    click.echo(f"{push.HEADER}: {push.sign(_read(file), key, at=int(clock.utc_now().timestamp()))}")


@click.command("push")
@click.argument("feed", metavar="URL")
@_FILE
def push_file(feed: str, file: Path) -> None:
    """Store FILE as if the publisher of the feed at URL had pushed it: a feed in any format, or one JSON item.

    The exit status is 1 when it cannot be read.
    """
    with turns.told():
        found = named(feed)
        feed_id, url = found.id, found.url
        db.session.rollback()
        read = ingest.read_entries(feed_id, _read(file), name=url, zone=ZoneInfo(current().publication.zone), item=True)
        with database.write_turn():
            ingest.take_turn()
            stored = ingest.store_entries(feed_id, read, clock.utc_now(), manner=Manner.PUSHED)
            db.session.commit()
    click.echo(f"{stored.new} new, {stored.changed} changed, {stored.known} as before, {stored.refused} refused.")


def _read(file: Path) -> bytes:
    """Return a file's bytes; ends the command with one sentence when they are too many."""
    most = fetch.LIMITS.max_bytes
    with file.open("rb") as opened:
        body = opened.read(most + 1)
    if len(body) > most:
        raise click.ClickException(f"{file} is larger than {most} bytes, which is the most that a push may have.")
    return body
