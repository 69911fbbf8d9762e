"""`flask delivery`: what became of the mails, and a sender without Celery."""

import json
import os
import signal
import threading

import click
from flask import current_app

from commands import groups
from core import ending, garbage, logs, startup
from core.database import db
from core.errors import UnfitStart
from core.settings import Settings
from delivery import progress
from delivery.progress import Standing
from tasks import alerts
from tasks import delivery as sending

STOPPED_WITHIN_S = 29.0

delivery_commands = groups.group("delivery", help="What became of the mails, and what becomes of them.")


@delivery_commands.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
def status(as_json: bool) -> None:
    """Count the mails of each mailing by state. `sent` means handed over to the relay; of those, `returned` came back
    later, by class.

    The exit status is 1 when a mail is in doubt and not settled yet.
    """
    found = progress.of_all()
    if as_json:
        click.echo(json.dumps({one.key: _counted(one) for one in found}, indent=2))
    else:
        for one in found:
            states = ", ".join(f"{count} {state}" for state, count in one.counts.items())
            came_back = ", ".join(f"{count} {name}" for name, count in one.returned.items())
            click.echo(f"{one.key}: {states}" + (f"; came back later: {came_back}" if came_back else ""))
    if any(one.unsettled for one in found):
        raise SystemExit(1)


def _counted(one: Standing) -> dict[str, object]:
    return {**one.counts, **({"returned": dict(one.returned)} if one.returned else {})}


@delivery_commands.command("pump")
def run_pump() -> None:
    """Send what is due until Ctrl-C, without Celery: the same loop that a worker runs in a thread."""
    logs.configure(as_json=True)
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    settings: Settings = app.extensions["postrider settings"]
    try:
        startup.keep_outside(db.engine, settings.state_dir)
    except UnfitStart as error:
        raise click.ClickException(str(error)) from error
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_signal: asked.set())
    garbage.look_seldom()
    sender, watch = sending.start_sender(app), alerts.start_watch(app)
    click.echo("Sending. Ctrl-C ends it.")
    ending.wait_for(asked)
    watch.stop()
    ended = sender.stop(STOPPED_WITHIN_S)
    logs.flush()
    # Not by the usual way, which waits for every thread, such as one that dials a relay that does not answer. What did
    # not come to its end in time is seen to by claims and leases.
    os._exit(0 if ended else 1)
