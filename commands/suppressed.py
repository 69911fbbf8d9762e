"""`flask delivery suppressed`: why an address gets no mail, and a way back when its owner asks for one."""

import json

import click

from commands import turns
from core import addresses, clock, services
from delivery import suppression
from delivery.models import Suppression


@click.command("suppressed")
@click.argument("address")
@click.option("--lift", is_flag=True, help="Let it be mailed again after bounces; never what a reader has chosen.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
def show(address: str, lift: bool, as_json: bool) -> None:
    """Say why an ADDRESS gets no mail: the scope, the reason, since when and until when, and who reported it.

    With --lift, what bounces have made is taken back, and what was counted is forgotten: its owner says that the
    mailbox works again. A complaint and the reader's own leaving stay: only a new opt-in lifts those.

    The exit status is 0 when nothing keeps mail from it (any more), 1 when something does, 2 for a wrong call.
    """
    with turns.writing():
        addr_hash = services.current().keyring.hash(addresses.parse(address))
        if lift:
            suppression.lift_bounces(addr_hash)
        found = [_table(one) for one in suppression.of(addr_hash, now=clock.utc_now())]
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        for one in found:
            until = f" until {one['until']}" if one["until"] else ""
            click.echo(f"{one['scope']}: {one['reason']}, since {one['since']}{until}, by {one['source']}")
        if not found:
            click.echo("Nothing keeps mail from this address.")
    if found:
        raise SystemExit(1)


def _table(one: Suppression) -> dict[str, str | None]:
    return {
        "scope": one.scope,
        "reason": one.reason,
        "since": f"{one.created_at:%Y-%m-%d %H:%M} UTC",
        "until": None if one.expires_at is None else f"{one.expires_at:%Y-%m-%d %H:%M} UTC",
        "source": one.source,
    }
