"""`flask digests report` and `numbers`: what became of editions, without an address and without following anybody."""

import csv
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta

import click

from commands import turns
from core import clock
from core.database import db
from digests import numbers, report
from digests.clicks import OfStory
from subscribers import offer

_MOST_FOLLOWED = 10
"""So many stories are named of those whose links were followed."""


@click.command("report")
@click.argument("edition")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script; with --readers a line for each reader.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV; with --readers a row for each reader.")
@click.option("--readers", "each", is_flag=True, help="List the readers, by opaque keys that tell no address.")
def edition_report(edition: str, as_json: bool, as_csv: bool, each: bool) -> None:
    """Report on an EDITION: how many readers it was handed over to, and why it was not to the others.

    EDITION is a digest and a date, or the key of a mailing.
    Example: flask digests report asia-daily:2026-03-02 --readers --csv > readers.csv
    """
    with turns.told():
        of = report.find(edition)
    if each:
        _list(of, as_json=as_json)
    elif as_csv:
        rows = csv.writer(sys.stdout)
        rows.writerows([("reason", "readers"), *report.totals(of).items()])
    else:
        _sum_up(of, as_json=as_json)


def _list(of: report.Of, *, as_json: bool) -> None:
    rows = csv.writer(sys.stdout)
    if not as_json:
        rows.writerow(("reader", "reason", "at", "code"))
    for one in report.readers(of, now=clock.utc_now()):
        at = one.at.isoformat(timespec="seconds") if one.at else ""
        if as_json:
            click.echo(json.dumps({**asdict(one), "at": at or None}))
        else:
            rows.writerow((one.reader, one.reason, at, one.code or ""))
    db.session.rollback()


def _sum_up(of: report.Of, *, as_json: bool) -> None:
    found: Mapping[str, object] = {
        "edition": of.name,
        "state": of.mailing.state,
        "waves": report.waves(of),
        "readers": report.totals(of),
    }
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    totals = report.totals(of)
    waves = ", ".join(f"{count} {state}" for state, count in report.waves(of).items())
    click.echo(f"{of.name}: {of.mailing.state}" + (f"; waves: {waves}" if waves else ""))
    width = max((len(f"{count:,}") for count in totals.values()), default=1)
    for reason, count in totals.items():
        click.echo(f"  {count:>{width},}  {reason}")
    click.echo(f"{sum(totals.values()):,} readers.")


def _by_edition(found: Sequence[OfStory]) -> list[dict[str, object]]:
    """Return what was followed, by edition and story, with the hour in which it was most often."""
    return [
        {
            "edition": one.edition,
            "story": one.story,
            "headline": one.headline,
            "clicks": one.clicks,
            "busiest_hour": one.busiest.isoformat(timespec="minutes"),
        }
        for one in found
    ]


def _clicks(found: Sequence[OfStory]) -> dict[str, int]:
    """Return how often the stories that were followed most were, over all editions."""
    return dict(sum((Counter({one.story: one.clicks}) for one in found), Counter[str]()).most_common(_MOST_FOLLOWED))


@click.command("numbers")
@click.option("--days", default=30, show_default=True, help="How far back.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the editions as CSV.")
def show_numbers(days: int, as_json: bool, as_csv: bool) -> None:
    """Show the numbers of the last days, from the ledger and the proof of consent alone: nobody's reading is followed.

    Of each edition: handed over, bounced, complaints, refused, in doubt, and how many left after it. Of each digest:
    who came, changed and left, the reasons that were given, and, where clicks are counted (flask digests clicks), the
    stories that were followed most; with --json also by edition, with the busiest hour. Of all: confirmed sign-ups by
    page.
    """
    since = clock.utc_now() - timedelta(days=days)
    digests = offer.active()
    editions = [asdict(row) for one in digests for row in numbers.editions(one, since=since)]
    followed = {one.key: numbers.stories(one, since=since) for one in digests}
    rest = {
        "readers": {one.key: numbers.consents(one, since=since) for one in digests},
        "reasons": {one.key: numbers.reasons(one, since=since) for one in digests},
        "reasons_by_edition": {
            edition: found for one in digests for edition, found in numbers.reasons_by_edition(one, since=since).items()
        },
        "clicks": {key: _clicks(found) for key, found in followed.items()},
        "sign_ups": {"all": numbers.sign_ups(since=since)},
    }
    if as_json:
        stories = [row for found in followed.values() for row in _by_edition(found)]
        click.echo(json.dumps({"editions": editions, "stories": stories, **rest}, indent=2, ensure_ascii=False))
    elif as_csv:
        table = csv.DictWriter(sys.stdout, [*numbers.OfEdition.__dataclass_fields__])
        table.writeheader()
        table.writerows(editions)
    else:
        for row in editions:
            counts = [f"{count:,} {name.replace('_', ' ')}" for name, count in row.items() if name != "edition"]
            click.echo(f"{row['edition']}: {', '.join(counts)}")
        for what, of in rest.items():
            for key, found in of.items():
                counts = [f"{name} {count:,}" for name, count in found.items()]
                click.echo(f"{what.replace('_', '-')}, {key}: {', '.join(counts) or 'none'}")
