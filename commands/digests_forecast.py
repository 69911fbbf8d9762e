"""`flask digests forecast`: whom an edition will reach with what, and whom not, before it goes out."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import click
from flask import current_app

from commands import turns
from commands.digests_desk import JSON, digest_named
from core import clock, errors, garbage
from core.database import db
from core.services import current
from core.settings import Settings
from digests import forecast, specials
from digests.forecast import Forecast, Tally
from subscribers import rhythm
from subscribers.models import Digest

_SPECIAL = "special:"


@click.command("forecast")
@click.argument("edition")
@JSON
def show(edition: str, as_json: bool) -> None:
    """Forecast an EDITION: how many get it, how many none and why, its commonest first stories, and when it is through.

    EDITION is a digest and a date to come, as asia-daily:2026-12-01, or special:KEY. It is counted by the code that
    composes, of what is here now, and nothing is written. What is composed already is not in it.
    """
    garbage.look_seldom()
    with turns.told():
        found = of_edition(edition)
    tell(edition, found, as_json=as_json)


def of_edition(edition: str) -> Forecast:
    """Return the forecast of an edition by its name. Raises Invalid."""
    now, services = clock.utc_now(), current()
    if edition.startswith(_SPECIAL):
        key = edition.removeprefix(_SPECIAL)
        digest_id = specials.by_key(key).digest_id
        slot = rhythm.local_date(now, services.publication.zone)
        steps = forecast.special(key, slot, now=now, services=services)
    else:
        digest, day = _named(edition)
        digest_id, steps = digest.id, forecast.regular(digest, day, now=now, services=services)
    tally = _counted(steps)
    found = forecast.of_tally(tally, db.session.get_one(Digest, digest_id), rate=_rate(), now=now)
    db.session.rollback()
    return found


def _named(edition: str) -> tuple[Digest, date]:
    key, _colon, day = edition.partition(":")
    try:
        return digest_named(key), date.fromisoformat(day)
    except ValueError as error:
        message = "An edition is named like asia-daily:2026-12-01, or special:KEY, not %(edition)s."
        raise errors.Invalid("edition", message, edition=edition) from error


def _counted(steps: Iterator[Tally]) -> Tally:
    """Go through all readers, a short read each time, and show how many they are at a terminal."""
    tally = next(steps)
    for tally in steps:
        db.session.rollback()
        if sys.stderr.isatty():
            click.echo(f"\r{tally.readers:,} readers looked at", nl=False, err=True)
    if sys.stderr.isatty():
        click.echo(err=True)
    return tally


def _rate() -> float | None:
    """Return how many mails a second the relay of digests takes, where that is set."""
    settings: Settings = current_app.extensions["postrider settings"]
    return settings.post.relays[current().identity.relay_of("digest")].rate


def tell(edition: str, found: Forecast, *, as_json: bool) -> None:
    """Print a forecast."""
    if as_json:
        last = found.last_at.isoformat(timespec="seconds") if found.last_at else None
        click.echo(json.dumps({"edition": edition, **asdict(found), "last_at": last}, indent=2, ensure_ascii=False))
        return
    for line in _lines(edition, found):
        click.echo(line)


def _lines(edition: str, found: Forecast) -> Iterator[str]:
    usual = "" if found.usual is None else f"; usual are {found.usual:,}"
    yield f"{edition}: {found.mails:,} mails{usual}"
    if found.last_at is not None and found.rate is not None:
        yield f"At {_number(found.rate)}/s the last reader has it at {_local(found.last_at)}."
    if found.mails:
        mean, largest = found.mean_octets / 1000, found.largest_octets / 1000
        yield f"{mean:.0f} kB each in the mean, {largest:.0f} kB the largest."
    for title, rows in (("First stories:", found.leads), ("No mail:", [*found.nothing.items()])):
        if rows:
            yield title
        for name, count in rows:
            yield f"  {count:>9,}  {name}"


def _number(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


def _local(at: datetime) -> str:
    zone = current().publication.zone
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} ({zone})"


def confirm(found: Forecast, *, yes: bool, mails: int | None) -> None:
    """Ask whether it shall be sent; where it is many times the usual, for its number of mails. Ends the command."""
    if found.is_much:
        click.echo(f"That is more than {forecast.MUCH} times the usual.", err=True)
        if mails is None and yes:
            raise click.ClickException(f"To send so many without being asked, say their number: --mails {found.mails}")
        typed: Any = mails if mails is not None else click.prompt("How many mails are it?", type=int, err=True)
        if typed != found.mails:
            raise click.ClickException(f"It is {found.mails} mails, not {typed}. Nothing was sent.")
    elif not yes:
        click.confirm("Shall it be sent?", abort=True, err=True)
