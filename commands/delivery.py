"""`flask delivery`: what became of the mails, and a sender without Celery."""

import json
import signal
import threading

import click
from flask import current_app
from sqlalchemy import func, select

from commands import groups
from core import clock, logs
from core.database import db
from core.services import current
from core.settings import Settings
from delivery import pump
from delivery.models import Delivery, Mailing
from delivery.states import State

delivery_commands = groups.group("delivery", help="What became of the mails.")


@delivery_commands.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
def status(as_json: bool) -> None:
    """Count the mails of each mailing by state. `sent` means handed over to the relay.

    The exit status is 1 when a mail is in doubt and not settled yet.
    """
    rows = db.session.execute(
        select(Mailing.key, Delivery.state, func.count())
        .join(Mailing, Mailing.id == Delivery.mailing_id)
        .group_by(Mailing.key, Delivery.state)
        .order_by(Mailing.key, Delivery.state)
    )
    table: dict[str, dict[str, int]] = {}
    for key, state, count in rows:
        table.setdefault(key, {})[state] = count
    if as_json:
        click.echo(json.dumps(table, indent=2))
    else:
        for key, counts in table.items():
            click.echo(f"{key}: " + ", ".join(f"{count} {state}" for state, count in counts.items()))
    if any(State.IN_DOUBT in counts for counts in table.values()) and _unsettled():
        raise SystemExit(1)


def _unsettled() -> int:
    wanted = select(func.count()).where(Delivery.state == State.IN_DOUBT, Delivery.done_at.is_(None))
    return int(db.session.scalar(wanted) or 0)


@delivery_commands.command("doubts")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
def doubts(as_json: bool) -> None:
    """List the mails that may or may not have been accepted: number, mailing, since when, what comes next."""
    rows = db.session.execute(
        select(
            Delivery.id,
            Mailing.key,
            Delivery.doubt_at,
            Delivery.doubts,
            Delivery.done_at,
            Mailing.doubt_policy,
        )
        .join(Mailing, Mailing.id == Delivery.mailing_id)
        .where(Delivery.state == State.IN_DOUBT)
        .order_by(Delivery.doubt_at)
    ).all()
    found = [
        {
            "delivery": row.id,
            "mailing": row.key,
            "since": row.doubt_at.isoformat(timespec="seconds"),
            "next": "settled" if row.done_at else "sent once more" if row.doubt_policy == "resend" else "left as it is",
        }
        for row in rows
    ]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for one in found:
        click.echo("{delivery}  {mailing}  in doubt since {since}  next: {next}".format(**one))
    click.echo(f"{len(found)} in doubt at {clock.utc_now():%H:%M:%S} UTC.")


@delivery_commands.command("pump")
def run_pump() -> None:
    """Send what is due until Ctrl-C, without Celery: the same loop that a worker runs in a thread."""
    settings: Settings = current_app.extensions["postrider settings"]
    logs.configure(as_json=True)
    stop, bell = threading.Event(), threading.Event()

    def end(*_signal: object) -> None:
        stop.set()
        bell.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    click.echo("Sending. Ctrl-C ends it.")
    pump.run(stop, bell, engine=db.engine, relay=settings.relay, services=current())
