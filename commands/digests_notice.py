"""`flask digests notice`: one labelled block of support or advertisement in the editions of a digest."""

from datetime import datetime
from pathlib import Path

import click

from commands import turns
from commands.digests_desk import DIGEST, digest_named, note_from
from core import clock
from digests import notices
from digests.models import Notice

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command("notice")
@DIGEST
@click.option("--kind", type=click.Choice(["support", "advertisement"]), help="What its label says that it is.")
@click.option("--from", "begins", type=_DAY, help="The first date of editions that have it.")
@click.option("--until", "ends", type=_DAY, help="The last one.")
@click.option("--text", help="What it says, in Markdown.")
@click.option(
    "--file", type=click.Path(exists=True, allow_dash=True, path_type=Path), help="A file with it; - reads it."
)
@click.option("--undo", is_flag=True, help="Take the one back that begins on --from.")
def notice(
    digest: str,
    kind: str | None,
    begins: datetime | None,
    ends: datetime | None,
    text: str | None,
    file: Path | None,
    undo: bool,
) -> None:
    """Put a labelled block of support or advertisement into the editions of DIGEST, from a date to a date.

    It stands below the stories in full, and its label says what it is. A digest has one at a time, in its language.
    Regular and first editions have it; breaking mails, corrections, friends' mails and system mails never. Without
    options, all notices of the digest are listed.

    Example: flask digests notice asia-daily --kind support --from 2026-12-01 --until 2026-12-24 --text "[Join us](…)"
    """
    given = note_from(text, file)
    if undo and begins is None:
        raise click.UsageError("Say with --from which one to take back.")
    if not undo and (kind or begins or ends or given) and not (kind and begins and ends and given):
        raise click.UsageError("A notice needs --kind, --from, --until, and --text or --file.")
    with turns.writing():
        found = digest_named(digest)
        if undo and begins:
            notices.take_back(found, begins.date())
        elif kind and begins and ends:
            notices.add(found, kind=kind, text=given, begins=begins.date(), ends=ends.date(), now=clock.utc_now())
        listed = notices.listed(found)
    for one in listed:
        click.echo(_line(one))
    click.echo(f"{len(listed)} notices.")


def _line(one: Notice) -> str:
    return f"{one.begins_on} to {one.ends_on}  {one.kind} ({one.language}): {' '.join(one.text.split())[:80]}"
