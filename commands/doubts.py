"""`flask delivery doubts`: the mails that may or may not have been accepted, and what an operator decides of them."""

import json
from collections.abc import Callable

import click

from commands import turns, words
from core import clock
from core.services import current
from delivery import control, doubts, message
from tasks import nudge

NUMBER = click.IntRange(1, 2**63 - 1)


@click.group("doubts", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
@click.pass_context
def doubt_commands(context: click.Context, as_json: bool) -> None:
    """List the mails that may or may not have been accepted: number, mailing, since when, what comes next, Message-ID.

    With `resend` or `accept` you decide yourself. The relay's log knows: look there for the Message-ID.
    """
    if context.invoked_subcommand is None:
        _list(as_json)


def _list(as_json: bool) -> None:
    found = [
        {
            "delivery": one.id,
            "mailing": one.mailing,
            "since": one.since.isoformat(timespec="seconds"),
            "doubts": one.doubts,
            "next": one.then,
            "message_id": message.message_id(one.id, current()),
        }
        for one in doubts.listed()
    ]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for line in found:
        click.echo("{delivery}  {mailing}  in doubt since {since}  next: {next}  {message_id}".format(**line))
    told = words.cannot_tell(len(found)) if found else "nothing is in doubt"
    click.echo(f"{told[0].upper()}{told[1:]}, at {clock.utc_now():%H:%M:%S} UTC.")


@doubt_commands.command("resend")
@click.argument("ids", metavar="ID…", nargs=-1, type=NUMBER)
@click.option("--mailing", metavar="KEY", help="All doubts of this mailing that are not settled, instead of numbers.")
def resend(ids: tuple[int, ...], mailing: str | None) -> None:
    """Send the mails with these numbers once more, now: the same mails, with the same Message-IDs.

    Nobody gets more than two copies, and nothing stale: a mail that was in doubt twice, or whose time is over, is
    refused. The others go out all the same.

    The exit status is 0 when all go out once more, 1 when one was refused, 2 for a wrong call.
    """
    try:
        _decide(ids, mailing, doubts.resend, "goes out once more")
    finally:
        nudge.post()


@doubt_commands.command("accept")
@click.argument("ids", metavar="ID…", nargs=-1, type=NUMBER)
@click.option("--mailing", metavar="KEY", help="All doubts of this mailing that are not settled, instead of numbers.")
def accept(ids: tuple[int, ...], mailing: str | None) -> None:
    """Settle the doubts with these numbers: they stay in doubt for good, and their addresses are forgotten.

    The exit status is 0 when all are settled, 1 when one was refused, 2 for a wrong call.
    """
    _decide(ids, mailing, doubts.accept, "is settled as it is")


def _decide(ids: tuple[int, ...], mailing: str | None, move: Callable[[int], None], told: str) -> None:
    """Move each of the doubts for itself, and say what became of it."""
    if bool(ids) == (mailing is not None):
        raise click.UsageError("Name mails by their numbers, or a mailing with --mailing KEY: one of the two.")
    refused = 0
    for number in _numbers(ids, mailing):
        try:
            with turns.writing():
                move(number)
        except click.ClickException as error:
            refused += 1
            error.show()
        else:
            click.echo(f"Mail {number} {told}.")
    if refused:
        raise SystemExit(1)


def _numbers(ids: tuple[int, ...], mailing: str | None) -> list[int]:
    if mailing is None:
        return list(dict.fromkeys(ids))
    with turns.told():
        found = doubts.unsettled_of(control.by_key(mailing).id)
    if not found:
        raise click.ClickException(f"Nothing of {mailing} is in doubt and not settled.")
    return found
