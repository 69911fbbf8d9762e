"""`flask subscribers`: what can be proved of readers' consent, and why a reader got a mail or none."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict

import click
from flask import current_app

from commands import asked, groups, turns
from core import clock
from core.alerts import at
from core.database import db
from core.services import current
from core.settings import Settings
from delivery import suppression
from digests import whybreaking, whywords
from digests.why import Slot
from subscribers import consentchain, consenthead, consentproof, past
from subscribers.consentchain import Head, Sealer
from subscribers.consenthead import Kept, Outside
from subscribers.consentproof import Fault, Report

subscriber_commands = groups.group("subscribers", help="What can be proved of readers' consent, and why a mail came.")

_SAID: Mapping[str, str] = {
    "missing": "is missing",
    "changed": "has been changed since it was sealed: it, or its seal",
    "moved": "stands in another's place: it belongs at number {belongs}",
    "unproved": "cannot be proved, since the one before it is missing",
    "beyond": "stands after the end of the chain that the database knows of",
    "particulars": "has particulars that are not those that were recorded",
    "end": "is not the last one that was sealed: the head of the chain in the database was changed",
    "cut": "was sealed, as this host has seen, and is not there: the end was cut off, or an old backup put back",
    "other": "is not the one that this host has seen here: the chain was written anew from there, or before",
}


def _settings() -> Settings:
    settings: Settings = current_app.extensions["postrider settings"]
    return settings


@subscriber_commands.command("verify-consent")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
def verify_consent(as_json: bool) -> None:
    """Read the whole proof of consent in order, and say which entry is missing, changed, out of order or cut off.

    The end of the chain is compared with what this host keeps in STATE_DIR, so run it on a host that has workers.
    Erased particulars are no fault: the entry stays, and names nobody.

    The exit status is 0 when all is as it was sealed, 1 when something is not, 2 for a wrong call.
    """
    settings = _settings()
    sealer, outside = Sealer(settings.consent_key), _outside(settings)
    head, report = _head(sealer, outside), Report()
    _walk(sealer, head, report, quiet=as_json)
    known = outside.heads.get(head.chain)
    if known is not None:
        consentproof.against(known, consentchain.head() or head, report)
    if as_json:
        click.echo(json.dumps(_table(report, known, outside), indent=2))
    else:
        _tell(report, known, outside)
    if report.faults:
        raise SystemExit(1)


def _outside(settings: Settings) -> Outside:
    try:
        return consenthead.kept(settings.state_dir)
    except (OSError, ValueError) as error:
        raise click.ClickException(
            f"{settings.state_dir / consenthead.FILE} cannot be read ({error}). If it is damaged, keep it aside, and "
            "verify on another host."
        ) from error


def _head(sealer: Sealer, outside: Outside) -> Head:
    """Return where the chain ends by the database, or its beginning when nothing was ever sealed."""
    try:
        head = consentchain.head()
    except ValueError as error:
        raise click.ClickException("The head of the chain in the database is damaged: its row in marks.") from error
    if head is None:
        if outside.heads:
            last = max(one.seq for one in outside.heads.values())
            raise click.ClickException(
                f"The database knows of no chain, and this host has seen one up to number {last}: all of it is gone."
            )
        return Head("", sealer.fingerprint, 0, sealer.first(""))
    if head.key != sealer.fingerprint:
        raise click.ClickException(
            "CONSENT_KEY is not the one that the chain was begun with, so nothing can be verified. Set the old one "
            "again."
        )
    return head


def _walk(sealer: Sealer, head: Head, report: Report, *, quiet: bool) -> None:
    """Read all entries, showing how far it is on standard error. No transaction stays open between two pages."""
    length = consentproof.count()
    bar = click.progressbar(length=length, label="Verifying", file=sys.stderr, hidden=quiet, show_pos=True)
    with bar:
        for read in consentproof.walk(sealer, head, report):
            db.session.rollback()
            bar.update(read)


def _tell(report: Report, known: Kept | None, outside: Outside) -> None:
    for fault in report.faults:
        click.echo(_sentence(fault))
    if report.more:
        click.echo(f"… and {report.more:,} more.")
    wrong = len(report.faults) + report.more
    said = f"{wrong:,} fault{'' if wrong == 1 else 's'}" if wrong else "all as they were sealed"
    click.echo(
        f"{report.sealed:,} sealed entries, {said}; {report.waiting:,} wait for their seal; of {report.erased:,} the "
        "particulars are erased."
    )
    if known is None:
        click.echo("This host has not seen the chain: that its end was cut would not show here.")
    else:
        click.echo(f"This host has seen it sealed up to number {known.seq}, last at {at(known.at)}.")
    for lost in outside.lost:
        click.echo(
            f"Noted earlier: this host had seen it up to number {lost.seq} at {at(lost.at)}; then a backup was put "
            "back and let go on. What the backup lacked of it is lost."
        )


def _sentence(fault: Fault) -> str:
    one = f"Number {fault.seq}" if fault.seq else "An entry without a seal"
    if fault.last and fault.last != fault.seq:
        one = f"Each of the numbers {fault.seq} to {fault.last}"
    entry = f" (entry {fault.entry})" if fault.entry else ""
    return f"{one}{entry} {_SAID[fault.kind].format(belongs=fault.belongs)}."


def _table(report: Report, known: Kept | None, outside: Outside) -> dict[str, object]:
    return {
        "sealed": report.sealed,
        "waiting": report.waiting,
        "erased": report.erased,
        "faults": [asdict(fault) for fault in report.faults],
        "more_faults": report.more,
        "seen_by_this_host": known.seq if known else None,
        "lost_before": [one.seq for one in outside.lost],
    }


@subscriber_commands.command("why")
@click.argument("address")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")
def why(address: str, as_json: bool) -> None:
    """Say why the reader with this ADDRESS got a mail or none: their last 30 slots over all digests, newest first.

    With `-` the address is read from standard input. The reader sees the same, from the link to their preferences.

    The exit status is 0 when there is such a reader, 1 when there is none, 2 for a wrong call.
    """
    with turns.told():
        addr_hash = current().keyring.hash(asked.address(address))
        subscriber = past.by_hash(addr_hash)
    if subscriber is None:
        raise click.ClickException("Nobody with this address has ever confirmed a subscription here.")
    slots = whybreaking.recent(subscriber, now=clock.utc_now(), hours=current().publication.quiet)
    if as_json:
        click.echo(json.dumps([_slot(one) for one in slots], indent=2))
        return
    for one in slots:
        at_, said = whywords.when(one, _ENGLISH), whywords.sentence(one, _ENGLISH)
        click.echo(f"{one.digest.key}  {at_} ({one.zone})  {said}")
    if suppression.of(addr_hash, now=clock.utc_now()):
        click.echo("Something keeps mail from this address. To see what: flask suppression show")


_ENGLISH = "en"


def _slot(one: Slot) -> dict[str, object]:
    return {
        "digest": one.digest.key,
        "at": one.at.isoformat(timespec="seconds"),
        "zone": one.zone,
        "reason": one.reason.value,
        "first": one.first,
        "breaking": one.breaking or None,
        "provider": one.provider,
        "until": one.until.isoformat() if one.until else None,
        "said": whywords.sentence(one, _ENGLISH),
    }
