"""`flask sharing`: the switch of "Send to a friend", and what came of it in numbers."""

import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import click
from flask import current_app

from articles import shelf
from commands import groups, turns
from core import alerts, clock
from core.settings import Settings
from core.shares import ShareSettings
from sharing import counts, signs, switch
from sharing.models import ShareCount
from sharing.signs import Signs
from sharing.switch import Mode, Standing

sharing_commands = groups.group("sharing", help="The switch of “Send to a friend”, and what came of it in numbers.")

_MODES = [mode.value for mode in Mode]
_TURNS = 10


@sharing_commands.command("switch")
@click.argument("mode", required=False, type=click.Choice(_MODES))
@click.option("--by", "who", help="Who turns it: a name, which is kept.")
@click.option("--why", default="", help="Why, in one line; it is kept, too.")
@click.option("--accept-notice", is_flag=True, help="Accept the legal notice without being asked, as a script must.")
@click.option("--json", "as_json", is_flag=True, help="Print how it stands as JSON for a script.")
def turn(mode: str | None, who: str | None, why: str, accept_notice: bool, as_json: bool) -> None:
    """Show how the switch stands and who turned it, or turn it to MODE.

    mailto: the page offers the reader's own mail program, and no address reaches you. verified: we send the story, for
    readers who come from their own digest, and for others once they have confirmed from their own mailbox; you are
    shown a legal notice, and who accepts it, and when, is kept. off: there is no such page.

    Turned away from verified, nothing of what waits is sent any more.

    Example: flask sharing switch verified --by "Ada Moore, managing editor"
    """
    if mode is None:
        _show(switch.standing(), as_json=as_json)
        return
    accepted = _accepted(accept_notice) if mode == Mode.VERIFIED else None
    with turns.writing():
        switch.turn(Mode(mode), who=who or "", why=why, accepted=accepted, now=clock.utc_now())
    _show(switch.standing(), as_json=as_json)


def _accepted(without_asking: bool) -> str:
    """Show the notice, and return its version when it is accepted."""
    click.echo(switch.NOTICE, err=True)
    if not without_asking:
        click.confirm("Have you looked at the law that holds for you, and do you accept this?", abort=True, err=True)
    return switch.NOTICE_VERSION


def _show(stands: Standing, *, as_json: bool) -> None:
    turns_made = switch.turns(_TURNS)
    if as_json:
        rows = [_row(one.at, one.mode, one.who, one.why, one.accepted) for one in turns_made]
        click.echo(json.dumps({"mode": stands.mode.value, "turns": rows}, indent=2))
        return
    click.echo(f"{stands.mode.value}{f', since {alerts.at(stands.since)}' if stands.since else ', as at first'}")
    for one in turns_made:
        accepted = f"; accepted the notice of {one.accepted}" if one.accepted else ""
        why = f": {one.why}" if one.why else ""
        click.echo(f"  {alerts.at(one.at)}  {one.mode}, by {one.who or 'bad signs'}{accepted}{why}")


def _row(at: datetime, mode: str, who: str, why: str, accepted: str | None) -> dict[str, str | None]:
    return {"at": at.isoformat(timespec="seconds"), "mode": mode, "by": who or None, "why": why, "accepted": accepted}


@sharing_commands.command("report")
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 3650), help="How many days back.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
def report(days: int, as_json: bool) -> None:
    """Count what was sent to friends: by story and day, what was refused and why, and how the switch stands.

    Counts only: who sent what to whom is in none of it. Reads are counted where sharing.count_reads is on. The signs
    that turn the switch are shown with their bounds. docs/operations.md explains the reasons.
    """
    since = clock.utc_now().date() - timedelta(days=days - 1)
    found, refused = counts.by_story(since=since), counts.refusals(since=since)
    seen = signs.look(now=clock.utc_now())
    settings: Settings = current_app.extensions["postrider settings"]
    given = settings.sharing
    headlines = {one.id: one.headline for one in shelf.by_ids(sorted({row.article_id for row in found}))}
    if as_json:
        table = {
            "mode": switch.mode().value,
            "signs": _signs(seen, given),
            "stories": [_story(one, headlines) for one in found],
            "refusals": [{"day": str(day), "reason": why, "friends": count} for (day, why), count in refused.items()],
        }
        click.echo(json.dumps(table, indent=2, ensure_ascii=False))
        return
    click.echo(f"The switch stands at {switch.mode().value}.")
    _tell_signs(seen, given)
    _list(found, headlines)
    for (day, reason), count in refused.items():
        click.echo(f"{day}  {reason}: {count:,} {'recipient' if count == 1 else 'recipients'} refused")


def _signs(seen: Signs, given: ShareSettings) -> dict[str, object]:
    return {
        "complaints": seen.complaints,
        "bounces": seen.bounces,
        "of": seen.mails,
        "ten_minutes": {"friends": seen.in_ten_minutes, "asked": seen.asked_in_ten_minutes, "most": given.burst},
        "day": {"friends": seen.in_a_day, "asked": seen.asked_in_a_day, "most": given.stop_day},
    }


def _tell_signs(seen: Signs, given: ShareSettings) -> None:
    click.echo(
        f"Of the last {seen.mails} mails to friends {seen.bounces} bounced hard; {signs.MOST_BOUNCES} are too many. "
        f"Called spam: {seen.complaints}; one is too many."
    )
    for when, friends, asked, most in (
        ("ten minutes", seen.in_ten_minutes, seen.asked_in_ten_minutes, given.burst),
        ("24 hours", seen.in_a_day, seen.asked_in_a_day, given.stop_day),
    ):
        click.echo(f"In {when}: sent to friends {friends:,}, senders asked {asked:,}; at most {most:,} of each.")


def _list(found: Sequence[ShareCount], headlines: dict[int, str]) -> None:
    day: date | None = None
    for one in found:
        if one.day != day:
            day = one.day
            click.echo(f"{day}")
        numbers = f"{one.shares:,} shares, {one.mails:,} mails, {one.reads:,} reads"
        click.echo(f"  {numbers}: {headlines.get(one.article_id, 'a story that is gone')}")
    if not found:
        click.echo("Nothing was sent.")


def _story(one: ShareCount, headlines: dict[int, str]) -> dict[str, object]:
    return {
        "day": str(one.day),
        "headline": headlines.get(one.article_id),
        "shares": one.shares,
        "mails": one.mails,
        "reads": one.reads,
    }
