"""`flask signups`: how the form is used, and the end of its breaker."""

import json

import click
from flask import current_app

from commands import groups, turns
from core import alerts, clock
from core.settings import Settings
from subscribers import breaker
from tasks import nudge

signup_commands = groups.group("signups", help="How the sign-up form is used, and the end of its breaker.")


@signup_commands.command("show")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
def show(as_json: bool) -> None:
    """Say what became of the confirmations of the last hour, and how many sign-ups wait for an answer.

    The exit status is 1 while the breaker keeps them waiting, else 0.
    """
    settings: Settings = current_app.extensions["postrider settings"]
    judged = breaker.judge(now=clock.utc_now(), limits=settings.signup)
    since, waiting = breaker.stopped_since(), breaker.waiting()
    if as_json:
        table = {"used": judged.used, "unused": judged.unused, "waiting": waiting}
        click.echo(json.dumps({**table, "stopped_since": since and since.isoformat(timespec="seconds")}, indent=2))
    else:
        click.echo(f"Confirmations of the last hour: {judged.used:,} used, {judged.unused:,} not used yet.")
        click.echo(f"Sign-ups that wait for an answer: {waiting:,}.")
        click.echo(f"Stopped since {alerts.at(since)}." if since else "Not stopped.")
    if since:
        raise SystemExit(1)


@signup_commands.command("release")
@click.option("--drop", is_flag=True, help="Forget the sign-ups that wait, with their addresses; they get no mail.")
def release(drop: bool) -> None:
    """Let sign-ups be answered again, also those that wait; what went out until now is not counted any more.

    Look first where they came from, and whether they are people's. The exit status is 0, and 1 when nothing is stopped.
    """
    with turns.writing():
        if breaker.stopped_since() is None:
            raise click.ClickException("Nothing is stopped.")
        count = breaker.release(now=clock.utc_now(), drop=drop)
    nudge.signup()
    click.echo(f"Released. {count:,} {'dropped' if drop else 'will be answered now'}.")
