"""`flask digests`: what readers can subscribe to, and what is due."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click
from sqlalchemy import func, select

from commands import digests_clicks, files, groups, turns
from core.database import db
from core.identity import LANES
from core.services import current
from digests import parts
from digests.models import Edition
from subscribers import offer
from subscribers.models import Digest
from tasks import nudge

digest_commands = groups.group("digests", help="The digests on offer.")


@digest_commands.command("apply")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option("--yes", is_flag=True, help="Do not ask, also at a terminal.")
def apply(file: Path, dry_run: bool, yes: bool) -> None:
    """Take over the digests of a TOML FILE of [[digest]] tables; docs/settings.md lists the fields.

    What changes is shown first, and at a terminal asked for. Nothing is changed when one of them has a mistake; the
    message names the digest and the field.
    Example: flask digests apply demo/digests.toml
    """
    tables = files.read_tables(file, "digest")
    spoken = current().publication.languages
    for table in tables:
        if table.get("language") not in spoken:
            raise click.ClickException(
                f"Digest {table.get('key')}: language must be one of this publication ({', '.join(spoken)})."
            )
        _refuse_unread(table)
    with turns.told():
        found = offer.differences(tables)
    db.session.rollback()
    for line in _told(found):
        click.echo(line)
    if dry_run:
        return
    if found and not yes and sys.stdin.isatty():
        click.confirm("Shall it be so?", abort=True)
    if not yes:
        digests_clicks.ask_once()
    with turns.writing():
        offer.apply(tables)
    click.echo(f"{len(tables)} digests are on offer.")


def _told(found: Sequence[offer.Difference]) -> Iterator[str]:
    """Yield what would change, line by line: a new digest, or each column as it is and as it becomes."""
    for one in found:
        yield f"+ {one.key}: new" if one.is_new else f"~ {one.key}"
        if not one.is_new:
            for name, (now, new) in one.columns.items():
                yield f"    {name}: {json.dumps(now, ensure_ascii=False)} -> {json.dumps(new, ensure_ascii=False)}"
    if not found:
        yield "Nothing changes."


def _refuse_unread(table: Mapping[str, object]) -> None:
    """Refuse a Reply-To that nobody reads: readers' answers would come back to us, and be taken for bounces."""
    identity = current().identity
    wanted = str(table.get("reply_to") or "").strip().lower()
    ours = {identity.sender_of(lane).lower() for lane in LANES}
    bouncing = {identity.bounce_domain_of(lane).lower() for lane in LANES}
    if wanted in ours or wanted.rpartition("@")[2] in bouncing:
        raise click.ClickException(
            f"Digest {table.get('key')}: reply_to is {wanted}, which no person reads: mail is sent from it, or bounces "
            "come back there. Name an address of your desk, or leave it out."
        )


@digest_commands.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
@click.option("--last", default=20, show_default=True, help="How many editions to show.")
def status(as_json: bool, last: int) -> None:
    """Show the newest editions and how far their waves are: open, composing, composed or missed."""
    each = parts.waves()
    rows = db.session.execute(
        select(Digest.key, Edition.kind, Edition.slot, each.c.state, func.count())
        .join(Edition, Edition.digest_id == Digest.id)
        .join(each, each.c.edition_id == Edition.id)
        .group_by(Digest.key, Edition.kind, Edition.slot, each.c.state)
        .order_by(Edition.slot.desc(), Digest.key, Edition.kind, each.c.state)
        .limit(last)
    )
    found = [
        {"digest": key, "kind": kind, "slot": slot.isoformat(), "state": state, "waves": count}
        for key, kind, slot, state, count in rows
    ]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for one in found:
        click.echo("{slot}  {digest} ({kind}): {waves} {state}".format(**one))
    click.echo(f"{len(found)} shown.")


@digest_commands.command("open-due")
def open_due() -> None:
    """Ask a worker to look now for editions that are due, instead of at the next beat."""
    nudge.digests()
    click.echo("Asked.")
