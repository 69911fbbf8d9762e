"""`flask alerts`: what operators are told, and their answer."""

import json

import click
from flask import current_app

from commands import groups
from core import alerts, clock, database
from core.alerts import Alert
from core.database import db, ledger_now
from core.services import current
from core.settings import Settings
from delivery import telling

alert_commands = groups.group("alerts", help="What operators are told, and their answer.")

_TEST = "This is a test of the alerts.\nNothing is wrong: somebody ran flask alerts test.\nThere is nothing to do."


@alert_commands.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
def list_alerts(as_json: bool) -> None:
    """List the troubles that stand: key, since when, when last told, whether somebody answered, and the three lines.

    The exit status is 1 when there is one that nobody has acknowledged.
    """
    found = alerts.standing(db.session.connection())
    if as_json:
        click.echo(json.dumps([_table(one) for one in found], indent=2))
    else:
        for one in found:
            click.echo(_heading(one))
            for line in one.text.split("\n"):
                click.echo(f"    {line}")
        click.echo(f"{len(found)} {'trouble stands' if len(found) == 1 else 'troubles stand'}.")
    if any(one.acknowledged_at is None for one in found):
        raise SystemExit(1)


def _table(one: Alert) -> dict[str, str | None]:
    times = {name: getattr(one, name) for name in ("opened_at", "told_at", "acknowledged_at")}
    shown = {name: at.isoformat(timespec="seconds") if at else None for name, at in times.items()}
    return {"key": one.key, "text": one.text, **shown}


def _heading(one: Alert) -> str:
    told = f"last told {alerts.at(one.told_at)}" if one.told_at else "not told yet"
    answered = f"acknowledged {alerts.at(one.acknowledged_at)}" if one.acknowledged_at else "not acknowledged"
    return f"{one.key}: since {alerts.at(one.opened_at)}, {told}, {answered}"


@alert_commands.command("acknowledge")
@click.argument("key", required=False)
@click.option("--all", "everything", is_flag=True, help="All that stand now.")
def acknowledge(key: str | None, everything: bool) -> None:
    """Say that you know of the trouble KEY: it is not repeated any more. When it is over you are told that once.

    A trouble that comes again later is told again. `flask alerts list` shows the keys.
    Example: flask alerts acknowledge relay:main
    """
    if (key is None) != everything:
        raise click.UsageError("Name one KEY, or say --all.")
    with database.write_turn():
        connection = db.session.connection()
        keys = alerts.open_keys(connection) if key is None else {key}
        if key is not None and key not in alerts.open_keys(connection):
            raise click.ClickException(f"No trouble {key!r} stands. flask alerts list shows those that do.")
        count = alerts.acknowledge(connection, keys, ledger_now(connection))
        db.session.commit()
    click.echo(f"{count} acknowledged.")


@alert_commands.command("test")
def test() -> None:
    """Send a test alert through every channel that is set up, and say of each what happened.

    The exit status is 1 when one of them failed, or when none is set up. docs/settings.md lists the settings.
    """
    settings: Settings = current_app.extensions["postrider settings"]
    by = telling.channels(settings.alerts, current())
    if not by:
        raise click.ClickException(
            "No channel is set up. Set ALERT_WEBHOOK, ALERT_COMMAND, or ALERT_SMTP_URL and ALERT_TO."
        )
    now = clock.utc_now()
    message = telling.Message("test", "test", _TEST, now, now)
    outcome = telling.tell({name: [message] for name in by}, by)
    for name in by:
        why = outcome[name, message.key]
        click.echo(f"{name}: told" if why is None else f"{name}: not told, {why}")
    if any(why is not None for why in outcome.values()):
        raise SystemExit(1)
