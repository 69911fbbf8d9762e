"""`flask mail check`: what receivers find in the DNS about us, and the exact records to set."""

import ipaddress
import json
from collections.abc import Sequence

import click
from flask import current_app

from checkup import results
from checkup.findings import Finding, Level, counts, worst
from commands.words import plain
from core import clock, relays
from core import names as dns
from core.errors import SettingsError
from core.names import Names
from core.services import current
from core.settings import Settings
from tasks import checkup

_MARKS = {Level.ERROR: "ERROR", Level.WARNING: "warning", Level.NOTE: "note", Level.GOOD: "good"}


@click.command("check")
@click.argument("domain", required=False)
@click.option("--resolver", metavar="ADDRESS[:PORT]", help="Ask this DNS server, and not those of the system.")
@click.option("--ip", "addresses", multiple=True, metavar="ADDRESS", help="An address that a relay mails from.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
def check(domain: str | None, resolver: str | None, addresses: tuple[str, ...], as_json: bool) -> None:
    """Look up what receivers look up about us, and print what to set in the DNS.

    It looks at all that the settings name: SPF and MX of the bounce domains, DMARC and MX of the From domains, the
    keys of [dkim], whether SPF and DKIM count for each lane; and it verifies a sample of each kind of mail. With
    DOMAIN, only at what has to do with that one. If nothing mails from DOMAIN yet, it is looked at as if everything
    did, with bounces going to bounces.DOMAIN: that is how to prepare a new domain.

    With --ip, as often as you like, it also looks whether SPF lets that address mail, and whether the address has a
    name that leads back to it. records.addresses and records.resolver of the settings do the same for good.

    A record that is printed is ready to be pasted into a zone file. A form of a DNS provider takes the text between
    the quotes, as one; --json has it so in "value".

    The exit status is 0 when there is no error, and 1 when there is one. Warnings do not count.

    Example: flask mail check example.org --ip 192.0.2.1 --resolver 192.0.2.53
    """
    settings: Settings = current_app.extensions["postrider settings"]
    found = checkup.look_now(
        settings,
        current(),
        _names(resolver, settings),
        addresses=_addresses(addresses) or settings.checkup.addresses,
        now=clock.utc_now(),
        domain=_domain(domain),
    )
    if as_json:
        click.echo(json.dumps([results.table(one) for one in found], indent=2))
    else:
        _print(found)
    if worst(found) is Level.ERROR:
        raise SystemExit(1)


def _names(resolver: str | None, settings: Settings) -> Names:
    try:
        return Names(dns.server_at(resolver) if resolver else settings.checkup.resolver)
    except ValueError as error:
        text = f"There is no DNS server to ask: {error}. Name one by its IP address, like --resolver 192.0.2.53:53."
        raise click.ClickException(text) from error


def _addresses(given: Sequence[str]) -> tuple[str, ...]:
    try:
        return tuple(dict.fromkeys(str(ipaddress.ip_address(one)) for one in given))
    except ValueError as error:
        raise click.ClickException(f"--ip: {error}. It must be an address like 192.0.2.1 or 2001:db8::1.") from error


def _domain(given: str | None) -> str | None:
    try:
        return None if given is None else relays.domain("DOMAIN", given.rstrip("."))
    except SettingsError as error:
        raise click.ClickException(str(error)) from error


def _print(found: Sequence[Finding]) -> None:
    for one in found:
        click.echo(f"{_MARKS[one.level]:8} {plain(one.text)}")
        for record in one.records:
            click.echo(f"         set: {record.line}")
    click.echo(", ".join(_counted(name, count) for name, count in counts(found).items()) + ".")


def _counted(name: str, count: int) -> str:
    return f"{count} {name}" if count == 1 or name == Level.GOOD.value else f"{count} {name}s"
