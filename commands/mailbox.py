"""`flask mailbox`: what came back by mail."""

import json
import sys
from collections.abc import Mapping

import click
from flask import current_app
from sqlalchemy.exc import InterfaceError, OperationalError

from commands import groups
from core.mailboxes import Mailbox
from core.services import current
from core.settings import Settings
from returns import arrivals
from returns.taking import AGAIN, DESK, OLD, UNREAD, WAITS, Taken
from tasks import mailbox as reading

mailbox_commands = groups.group("mailbox", help="What came back by mail: bounces, complaints, replies.")

_NAMES: Mapping[str, str] = {
    "bounce": "bounces",
    "delayed": "reports of a delay",
    "delivered": "reports of a delivery",
    "complaint": "complaints",
    "not_spam": "complaints taken back",
    "report": "reports of no reader",
    "leave": "wishes to leave",
    "auto_reply": "automatic replies",
    "challenge": "challenges",
    "automaton": "letters of programs",
    "reply": "letters passed on",
    DESK: "letters of the desk itself",
    OLD: "letters too old to be passed on",
    WAITS: "letters that are passed on later",
    UNREAD: "unreadable, kept aside",
    AGAIN: "had come before",
}


@mailbox_commands.command("read")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
def read(as_json: bool) -> None:
    """Read the mailboxes of MAILBOX_URL to their end: bounces, complaints, wishes to leave, replies. Each mail counts
    once, however often it is read. What could not be read is moved aside within the mailbox, and counted.

    Beat asks for the same once a minute. Only one reads at a time, over all machines.

    The exit status is 0 when every mailbox was read, 1 when one could not be, or somebody else is reading just now.
    """
    settings: Settings = current_app.extensions["postrider settings"]
    if not settings.returns.mailboxes:
        raise click.ClickException("No mailbox is set up. Set MAILBOX_URL; docs/settings.md says how.")
    all_of, boxes = Taken(), dict.fromkeys((box.name for box in settings.returns.mailboxes), 0)

    def tell(box: Mailbox, taken: Taken) -> None:
        all_of.add(taken)
        boxes[box.name] += taken.kinds.total()
        _progress(all_of.kinds.total(), quiet=as_json)

    try:
        failed = reading.read_all(settings.returns, services=current(), tell=tell)
    except reading.BoxesTaken as error:
        raise click.ClickException(
            "The mailboxes are being read just now, by beat's task or by somebody else. Try again in a minute."
        ) from error
    except (OperationalError, InterfaceError) as error:
        raise click.ClickException(f"The database cannot be reached: {error.orig}") from error
    _progress(None, quiet=as_json)
    if as_json:
        click.echo(json.dumps(_table(all_of, boxes, failed), indent=2))
    else:
        _tell(all_of, boxes, failed)
    if failed:
        raise SystemExit(1)


def _progress(count: int | None, *, quiet: bool) -> None:
    """Show on a terminal how many were read so far; nothing elsewhere."""
    if not quiet and sys.stderr.isatty():
        click.echo("\r\x1b[K" + ("" if count is None else f"{count:,} read"), nl=False, err=True)


def _table(taken: Taken, boxes: Mapping[str, int], failed: Mapping[str, str]) -> Mapping[str, object]:
    return {
        "boxes": dict(boxes),
        "kinds": dict(taken.kinds),
        "classes": dict(taken.classes),
        "asked_to_stop": taken.stops,
        "failed": dict(failed),
        "unread_in_all": arrivals.unread(),
    }


def _tell(taken: Taken, boxes: Mapping[str, int], failed: Mapping[str, str]) -> None:
    for name, count in boxes.items():
        click.echo(f"{name}: {count:,} read" if name not in failed else f"{name}: {count:,} read, then it failed")
    for kind, name in _NAMES.items():
        if taken.kinds[kind]:
            click.echo(f"  {taken.kinds[kind]:,} {name}")
    if taken.stops:
        click.echo(f"  {taken.stops:,} of the letters seem to ask for no more mail")
    if taken.classes:
        click.echo("  " + ", ".join(f"{count:,} {name}" for name, count in sorted(taken.classes.items())))
    for why in failed.values():
        click.echo(why, err=True)


@mailbox_commands.command("unread")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
@click.option("--last", default=20, show_default=True, help="How many to show.")
def unread(as_json: bool, last: int) -> None:
    """Show the newest arrivals that could not be read: when they came, from where, and why.

    The exit status is 1 when there are any.
    """
    found = arrivals.newest_unread(last)
    if as_json:
        rows = [
            {"at": one.arrived_at.isoformat(timespec="seconds"), "source": one.source, "why": one.why} for one in found
        ]
        click.echo(json.dumps({"unread": arrivals.unread(), "newest": rows}, indent=2))
    else:
        for one in found:
            click.echo(f"{one.arrived_at:%Y-%m-%d %H:%M} UTC  {one.source}: {one.why}")
        click.echo(f"{arrivals.unread():,} could not be read.")
    if found:
        raise SystemExit(1)
