"""`flask digests special|specials|send-special`: editions without timetable, of stories by hand."""

import json
from pathlib import Path
from typing import Any

import click
from sqlalchemy import func, select

from articles import shelf
from commands import digests_forecast, turns
from commands.articles import named
from commands.digests_desk import DIGEST, JSON, digest_named, note_from
from core import clock
from core.database import db
from core.services import current
from digests import specials
from digests.models import Edition, Special, Wave
from subscribers.definition import REPEATS
from tasks import nudge

_KEY = click.argument("key")


@click.command("special")
@_KEY
@DIGEST
@click.argument("stories", metavar="STORY…", nargs=-1)
@click.option("--subject", required=True, help="Its subject, word for word.")
@click.option("--note", help="A note before the stories, in Markdown.")
@click.option("--note-file", type=click.Path(exists=True, allow_dash=True, path_type=Path), help="A file with it.")
@click.option("--also", metavar="DIGEST", multiple=True, help="A further digest whose readers get it; may be repeated.")
@click.option("--topics", metavar="KEYS", default="", help="Only readers of one of these topics, or of everything.")
@click.option("--repeat", type=click.Choice(REPEATS), help="What becomes of stories that a reader had.")
@JSON
def draft(
    key: str,
    digest: str,
    stories: tuple[str, ...],
    subject: str,
    note: str | None,
    note_file: Path | None,
    also: tuple[str, ...],
    topics: str,
    repeat: str | None,
    as_json: bool,
) -> None:
    """Write the draft of a special, KEY, of these stories in this order, sent as DIGEST; nothing is sent yet.

    It goes to the digest's readers and those of the digests that --also names. Each gets one copy, which says through
    which digest it came, and whose links leave that one. Stories that a reader had are left out, come as headlines or
    again, as the digest's rule or --repeat says; in a recap all come. Another draft with this KEY takes its place.

    Example: flask digests special vote asia-daily k3j5m7p9q2 b7d2m5x8r4 --subject "The vote" --also asia-weekly
    """
    with turns.writing():
        made = specials.draft(
            key,
            digest_named(digest),
            [named(one) for one in stories],
            also=[digest_named(one) for one in also],
            topic_keys=[one.strip() for one in topics.split(",") if one.strip()],
            subject=subject,
            note=note_from(note, note_file),
            repeat=repeat,
        )
        told = _told(made)
    _print(told, as_json=as_json)
    if not as_json:
        click.echo(f"To send it: flask digests send-special {key}")


@click.command("specials")
@JSON
def list_all(as_json: bool) -> None:
    """List the specials, the newest first: drafts, and those that were sent with how far their waves are."""
    found = [_told(one) for one in specials.every()]
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for one in found:
        click.echo(f"{one['key']}  {one['digest']}  {one['opened_at'] or 'draft'}  {one['subject']}")
    click.echo(f"{len(found)} shown.")


@click.command("send-special")
@_KEY
@JSON
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--mails", type=int, metavar="N", help="How many mails the forecast says, where that must be typed.")
def send(key: str, as_json: bool, yes: bool, mails: int | None) -> None:
    """Send the special KEY now. Its forecast is shown first, and asked for.

    Where it is more than five times as many mails as the digest's editions usually have, their number must be typed.
    """
    with turns.told():
        specials.refuse_sent(specials.by_key(key))
        found = digests_forecast.of_edition(f"special:{key}")
    digests_forecast.tell(f"special:{key}", found, as_json=as_json)
    digests_forecast.confirm(found, yes=yes, mails=mails)
    with turns.writing():
        specials.send(specials.by_key(key), now=clock.utc_now(), services=current())
    nudge.digests()
    click.echo("It is being composed. flask digests status shows how far it is.", err=True)


def _told(special: Special) -> dict[str, Any]:
    lead, *others = specials.through(special)
    waves = (
        select(Wave.state, func.count())
        .join(Edition, Edition.id == Wave.edition_id)
        .where(Edition.special_id == special.id)
        .group_by(Wave.state)
        .order_by(Wave.state)
    )
    return {
        "key": special.key,
        "digest": lead.key,
        "also": [one.key for one in others],
        "topics": special.topics,
        "subject": special.subject,
        "note": special.note,
        "repeat": special.repeat,
        "stories": [{"id": one.public_id, "headline": one.headline} for one in shelf.by_ids(special.article_ids)],
        "opened_at": special.opened_at.isoformat(timespec="minutes") if special.opened_at else None,
        "waves": [f"{count} {state}" for state, count in db.session.execute(waves)],
    }


def _print(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    for name, value in told.items():
        for one in value if isinstance(value, list) else [value]:
            if one not in (None, ""):
                text = f"{one['id']}  {one['headline']}" if isinstance(one, dict) else one
                click.echo(f"{name.replace('_', ' ')}: {text}")
