"""`flask delivery pause`, `resume`, `cancel`: what an operator does to a mailing or a relay."""

import click
from flask import current_app

from commands import turns, words
from core.settings import Settings
from delivery import control, progress
from delivery.progress import Standing
from delivery.states import State
from tasks import nudge

_WHICH = "Name a mailing by its KEY, or a relay with --relay NAME: one of the two."


def _relays() -> list[str]:
    settings: Settings = current_app.extensions["postrider settings"]
    return sorted(settings.post.relays)


def _chosen(key: str | None, relay: str | None) -> None:
    if (key is None) == (relay is None):
        raise click.UsageError(_WHICH)


@click.command("pause")
@click.argument("key", required=False)
@click.option("--relay", metavar="NAME", help="Pause a relay instead: main, or another of the settings.")
@click.option("--why", default="", help="Whoever looks next reads this.")
def pause(key: str | None, relay: str | None, why: str) -> None:
    """Hand over nothing more of the mailing KEY, or nothing more to a relay, until it is resumed.

    Mails that are being handed over at this moment come to their end. What waits keeps its place, and goes out when it
    is resumed, unless its time is over by then.

    The exit status is 0 when it is paused, 1 when that was refused, 2 for a wrong call.
    """
    _chosen(key, relay)
    # Its first words tell the alerts that a person did it, who need not be told.
    said = f"An operator paused it: {why}" if why else "An operator paused it."
    with turns.writing():
        if relay is not None:
            control.pause_relay(relay, known=_relays(), why=said)
        elif key is not None:
            control.pause(key, why=said)
    if relay is not None:
        click.echo(f"The relay {relay} is paused. To go on: flask delivery resume --relay {relay}")
    elif key is not None:
        click.echo(f"{key} is paused: {words.how_far(progress.of(key))}. To go on: flask delivery resume {key}")


@click.command("resume")
@click.argument("key", required=False)
@click.option("--relay", metavar="NAME", help="Resume a relay instead.")
def resume(key: str | None, relay: str | None) -> None:
    """Let the mailing KEY, or a relay, go on that was paused: by hand, or by Postrider itself.

    A mailing that was cancelled cannot be resumed. What was the relay's trouble cost no mail an attempt.

    The exit status is 0 when it goes on, 1 when that was refused, 2 for a wrong call.
    """
    _chosen(key, relay)
    with turns.writing():
        if relay is not None:
            control.resume_relay(relay, known=_relays())
        elif key is not None:
            control.resume(key)
    nudge.post()
    if relay is not None:
        click.echo(f"The relay {relay} is spoken to again.")
    elif key is not None:
        click.echo(f"{key} goes on: {words.how_far(progress.of(key))}.")


@click.command("cancel")
@click.argument("key")
@click.option("--yes", is_flag=True, help="Do not ask.")
def cancel(key: str, yes: bool) -> None:
    """Hand over nothing more of the mailing KEY, for good. It asks first, and says how many had left already.

    What was handed over cannot be called back. System mail is not cancelled: later mails would end with it.

    The exit status is 0 when it is cancelled, 1 when that was refused or you said no, 2 for a wrong call.
    """
    with turns.told():
        control.refuse_to_cancel(control.by_key(key))
        before = progress.of(key)
    if not yes:
        click.confirm(f"{key}: {words.how_far(before)}. Cancel it for good?", abort=True)
    with turns.writing():
        control.cancel(key)
    click.echo(_cancelled(progress.of(key)))


def _cancelled(after: Standing) -> str:
    leaving = after.count(State.SENDING)
    stopped = after.total - after.handed_over - after.count(State.SENDING, State.FAILED, State.IN_DOUBT)
    parts = [f"{after.key} is cancelled. {after.handed_over:,} of {after.total:,} had left already"]
    if leaving:
        parts.append(f"{leaving:,} are leaving at this moment")
    if after.count(State.IN_DOUBT):
        parts.append(words.cannot_tell(after.count(State.IN_DOUBT)))
    return ", ".join(parts) + f"; {stopped:,} do not go out."
