"""`flask suppression`: addresses that must not be mailed; shown, added, removed, listed, imported from a file."""

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from commands import asked, groups, suppression_file, turns
from core import clock, journal, services
from core.addresses import Address
from core.database import db
from core.journal import Change
from delivery import suppression
from delivery.classes import Class
from delivery.models import Suppression
from subscribers import joining, offer, unsubscribe

suppression_commands = groups.group("suppression", help="Addresses that must not be mailed.")

OPERATOR = "operator"
IMPORT = "import"
READERS_OWN = (joining.LEFT, Class.COMPLAINT.value)
"""What a reader wants: taken back by name only, and with a question."""
_SCOPE = click.option("--scope", required=True, help="digest: and its key, share, bulk or all.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")


def _hash(address: Address) -> bytes:
    return services.current().keyring.hash(address)


def _stream(scope: str) -> str:
    """Return the scope, if there is such a one; ends the command with one sentence that names those there are."""
    known = _scopes()
    if scope in known:
        return scope
    raise click.UsageError(f"There is no scope {scope!r}. There are: {', '.join(known)}")


def _scopes() -> list[str]:
    return ["all", suppression.BULK, "share", *offer.streams()]


def _future(until: datetime | None) -> datetime | None:
    end = asked.utc(until)
    if end is not None and end <= clock.utc_now():
        raise click.UsageError("--until is over already. Name a day that is still to come, in UTC.")
    return end


@suppression_commands.command("show")
@click.argument("address")
@_JSON
def show(address: str, as_json: bool) -> None:
    """Say why an ADDRESS gets no mail: the scope, the reason, since when and until when, and who reported it.

    With `-` the address is read from standard input.

    The exit status is 0 when nothing keeps mail from it, 1 when something does, 2 for a wrong call.
    """
    with turns.told():
        found = [_table(one) for one in suppression.of(_hash(asked.address(address)), now=clock.utc_now())]
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        for one in found:
            click.echo(_line(one))
        if not found:
            click.echo("Nothing keeps mail from this address.")
    if found:
        raise SystemExit(1)


@suppression_commands.command("add")
@click.argument("address")
@_SCOPE
@click.option("--reason", default=OPERATOR, show_default=True, callback=asked.word, help="Why, in one word.")
@click.option("--source", default=OPERATOR, show_default=True, callback=asked.word, help="Who says so, in one word.")
@click.option("--until", type=asked.MOMENTS, help="It holds until then, in UTC; else for good.")
def add(address: str, scope: str, reason: str, source: str, until: datetime | None) -> None:
    """Keep an ADDRESS from being mailed in a scope. Mail that is queued already does not leave any more.

    With `-` the address is read from standard input. The reason `left` is the reader's own wish: of a digest it turns
    that off, and subscribing again lifts it. A reason of your own is lifted by you alone.

    The exit status is 0 when it holds, 1 when that was refused, 2 for a wrong call.
    """
    end = _future(until)
    with turns.writing():
        change = Change(journal.SUPPRESS, _hash(asked.address(address)), _stream(scope), reason, source, end)
        unsubscribe.keep_away([change], now=clock.utc_now())
    standing = next(
        one
        for one in suppression.of(change.addr_hash, now=clock.utc_now())
        if (one.scope, one.reason) == (scope, reason)
    )
    click.echo(_line(_table(standing)))


_FOR_GOOD = ("all", "share")


@suppression_commands.command("remove")
@click.argument("address")
@_SCOPE
@click.option("--reason", callback=asked.word, help="Only what stands for this reason.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(address: str, scope: str, reason: str | None, yes: bool) -> None:
    """Let an ADDRESS be mailed again in a scope. It is noted in the opt-out journal, like every other return.

    With `-` the address is read from standard input. What a reader wants, `left` and `complaint`, stays unless you name
    it with --reason; then you are asked whether the reader said so. What bounces have counted is forgotten with theirs.

    The exit status is 0 when something was removed, 1 when nothing was or you said no, 2 for a wrong call.
    """
    if reason in READERS_OWN and not yes:
        if address == asked.STDIN:
            raise click.UsageError("With the address on standard input nobody can be asked: give --yes, too.")
        click.confirm("Only the reader may take that back. Did they ask you to?", abort=True)
    with turns.writing():
        addr_hash = _hash(asked.address(address))
        there = {one.reason for one in suppression.of(addr_hash, now=clock.utc_now()) if one.scope == scope}
        wanted = [reason] if reason else sorted(there.difference(READERS_OWN))
        removed = suppression.remove(addr_hash, scope=_stream(scope), reasons=wanted)
    for one in removed:
        click.echo(f"Removed: {scope}: {one}")
    for one in sorted(there.intersection(READERS_OWN).difference(removed)):
        # By a link in a friend's mail people end what they never asked for: no subscribing brings that back.
        cure = (
            f"when they ask you to, name it with --reason {one}" if scope in _FOR_GOOD else "subscribing again lifts it"
        )
        click.echo(f"Stays: {scope}: {one}. It is the reader's own wish; {cure}.")
    if not removed:
        raise click.ClickException("Nothing was removed.")


@suppression_commands.command("list")
@click.option("--scope", help="Only this scope: digest: and its key, share, bulk or all.")
@click.option("--reason", help="Only this reason.")
@click.option("--source", help="Only what was said by this source.")
@click.option("--limit", type=click.IntRange(1, 10_000_000), default=50, show_default=True, help="How many at most.")
@_JSON
def list_newest(scope: str | None, reason: str | None, source: str | None, limit: int, as_json: bool) -> None:
    """List what holds now, the newest first. Addresses are not stored: you see their keyed hashes.

    With --json there is one JSON object on each line.
    """
    found = suppression.newest(scope=scope, reason=reason, source=source, limit=limit, now=clock.utc_now())
    nothing = True
    for one in found:
        nothing = False
        table = _table(one) | {"hash": one.addr_hash.hex()}
        click.echo(json.dumps(table) if as_json else f"{table['hash']}  {_line(table)}")
        db.session.expunge(one)
    if nothing and not as_json:
        click.echo("There is none.")


@suppression_commands.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option("--scope", help="Where the file has no column scope: digest: and its key, share, bulk or all.")
@click.option("--reason", default=IMPORT, show_default=True, callback=asked.word, help="Where it has no column reason.")
@click.option("--source", default=IMPORT, show_default=True, callback=asked.word, help="Where it has no column source.")
@click.option("--until", type=asked.MOMENTS, help="Where it has no column until: it holds until then, in UTC.")
@click.option("--dry-run", is_flag=True, help="Read and check everything, and write nothing.")
def import_file(file: Path, scope: str | None, reason: str, source: str, until: datetime | None, dry_run: bool) -> None:
    """Keep the addresses of a CSV FILE from being mailed. Its first line names the columns: address, and if you like
    scope, reason, source, until. A file of addresses alone needs no first line.

    Lines that cannot be taken are told with their number, and left out. What is good is written in steps of 500 lines,
    each whole or not at all. It may run again, also after it was stopped: what is there already stays as it is.

    The exit status is 0 when all lines are taken, 1 when some are not, 2 for a wrong call.
    """
    given = suppression_file.Given(_stream(scope) if scope else None, reason, source, _future(until))
    reading = suppression_file.Reading(file, given, scopes=_scopes(), hashed=_hash, now=clock.utc_now())
    news = _import(reading, dry_run=dry_run)
    for number, why in reading.bad:
        click.echo(f"Line {number}: {why}", err=True)
    if reading.refused > len(reading.bad):
        click.echo(f"… and {reading.refused - len(reading.bad):,} lines more.", err=True)
    left_out = f"{reading.refused:,} left out" if reading.refused else "none left out"
    written = "nothing is written: a dry run" if dry_run else f"{news:,} are news"
    click.echo(f"{reading.good:,} addresses read, {left_out}; {written}. {reading.speed}")
    if reading.refused:
        raise SystemExit(1)


def _import(reading: suppression_file.Reading, *, dry_run: bool) -> int:
    """Write what the file says, each chunk whole or not at all; return how many are news."""
    news = 0
    try:
        for changes in _shown(reading):
            if not dry_run:
                with turns.writing():
                    news += unsubscribe.keep_away(changes, now=clock.utc_now())
    except OSError as error:
        raise click.ClickException(f"The file cannot be read: {error.strerror}.") from error
    except suppression_file.BadFile as error:
        raise click.ClickException(f"Line 1: {error}") from error
    except KeyboardInterrupt as error:
        raise click.ClickException(f"Stopped. {news:,} are written; run it again to go on.") from error
    return news


def _shown(reading: suppression_file.Reading) -> Iterator[list[Change]]:
    """Read the file, showing on standard error how far it is, at which rate, and how long it will take."""
    bar: Any = click.progressbar(
        length=max(1, reading.size), label="Importing", file=sys.stderr, item_show_func=lambda _item: reading.speed
    )
    with bar:
        for changes in reading.chunks():
            yield changes
            bar.update(reading.taken(), reading.good)


def _line(one: dict[str, str | None]) -> str:
    until = f" until {one['until']}" if one["until"] else ""
    return f"{one['scope']}: {one['reason']}, since {one['since']}{until}, by {one['source']}"


def _table(one: Suppression) -> dict[str, str | None]:
    return {
        "scope": one.scope,
        "reason": one.reason,
        "since": f"{one.created_at:%Y-%m-%d %H:%M} UTC",
        "until": None if one.expires_at is None else f"{one.expires_at:%Y-%m-%d %H:%M} UTC",
        "source": one.source,
    }
