"""`flask mail dkim`: make the keys that sign our mails, and say what the DNS must say of them."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import click
from flask.cli import AppGroup

from core import clock, dkimkeys, relays
from core.dkimkeys import DomainKeys, Key
from core.errors import SettingsError
from core.services import current

dkim_commands = AppGroup("dkim", help="The keys that sign our mails, and their records in the DNS.")


@dkim_commands.command("new")
@click.argument("domain")
@click.option(
    "--folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path, resolve_path=True),
    help="Where the key files go. It is made if it is not there. Keep it outside the code.",
)
@click.option("--selector", metavar="NAME", help="What the selectors end in, instead of the year and the month.")
@click.option("--rsa-only", is_flag=True, help="Make no Ed25519 key beside the RSA key.")
def new(domain: str, folder: Path, selector: str | None, rsa_only: bool) -> None:
    """Make new keys for DOMAIN, and print what to publish in the DNS and what to write into the settings.

    Nothing is overwritten, and nothing signs with the new keys before the settings say so.
    """
    ending = selector or f"{clock.utc_now():%Y%m}"
    kinds = {dkimkeys.RSA: f"rsa-{ending}"} | ({} if rsa_only else {dkimkeys.ED25519: f"ed-{ending}"})
    try:
        domain = relays.domain("DOMAIN", domain)
        for name in kinds.values():
            dkimkeys.refuse_selector("--selector", name, domain)
        keys = [Key(domain, name, dkimkeys.made(kind)) for kind, name in kinds.items()]
        _write(folder, keys)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename} cannot be written: {error.strerror}.") from error
    _tell(folder, domain, keys)


def _write(folder: Path, keys: Sequence[Key]) -> None:
    """Write the key files, for their owner only. Raises SettingsError when there is one already."""
    files = {folder / f"{key.selector}.pem": key for key in keys}
    for path in files:
        if path.exists():
            raise SettingsError(f"{path} is there already, and stays as it is. Name another --selector.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path, key in files.items():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(dkimkeys.pem(key.private))


def _tell(folder: Path, domain: str, keys: Sequence[Key]) -> None:
    listed = json.dumps([key.selector for key in keys])
    click.echo(f"Written to {folder}: {', '.join(f'{key.selector}.pem' for key in keys)}. Keep them secret.")
    click.echo("\nPublish in the DNS:\n")
    for key in keys:
        click.echo(_zone_lines(key))
    known = current().dkim.domains.get(domain)
    if known is None:
        click.echo("\nWhen the DNS has it, write into the TOML file, and start anew:\n")
        click.echo(f'[dkim."{domain}"]\nfolder = {json.dumps(str(folder))}\nsigning = {listed}')
    else:
        click.echo(
            f'\nTo rotate, add them to [dkim."{domain}"], and have them sign when the DNS has them everywhere:\n'
        )
        click.echo(f"ready = {listed}")


@dkim_commands.command("show")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
def show(as_json: bool) -> None:
    """Print the TXT records that the DNS must have for the keys of the settings, in the form of a zone file."""
    domains = list(current().dkim.domains.values())
    if as_json:
        click.echo(json.dumps([_row(key, one) for one in domains for key in (*one.signing, *one.ready)], indent=2))
        return
    for one in domains:
        for key in (*one.signing, *one.ready):
            click.echo(f"; {key.selector} of {one.domain}: {key.kind}, {_state(key, one)}\n{_zone_lines(key)}")
    if not domains:
        click.echo("No keys are set, so mails leave unsigned, and the relay must sign. To sign: flask mail dkim new")


def _row(key: Key, keys: DomainKeys) -> dict[str, object]:
    return {
        "domain": keys.domain,
        "selector": key.selector,
        "kind": key.kind,
        "state": _state(key, keys),
        "name": key.name,
        "strings": dkimkeys.strings(key.record),
    }


def _state(key: Key, keys: DomainKeys) -> str:
    return "signing" if key in keys.signing else "ready"


def _zone_lines(key: Key) -> str:
    """Return a record as a zone file has it: in strings that the DNS can hold."""
    shown = "\n".join(f'    "{one}"' for one in dkimkeys.strings(key.record))
    return f"{key.name}. IN TXT (\n{shown} )"
