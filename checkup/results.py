"""The last look at our records, kept as a mark: what was found and when, and which troubles operators are told of."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from checkup.findings import Finding, Level, Record, counts
from core import alerts
from core.alerts import Trouble, at
from core.database import Mark, insert_for

EVERY = timedelta(hours=1)
AGAIN = timedelta(minutes=10)
"""After a look that found an error, the next one comes sooner: it confirms it, or says that it is over."""
KIND = "dns"
"""What stands before the colon in the keys of the troubles that are found here."""
KEPT = 200
"""Findings that are kept; the worst come first."""
_NAME = "checkup"
_SILENT = "names.silent"


@dataclass(frozen=True, slots=True)
class Result:
    """One look. While nobody answers, `silent_since` is set, and the findings are older than the look: `found_at`."""

    looked_at: datetime
    found: tuple[Finding, ...]
    found_at: datetime
    silent_since: datetime | None = None
    confirmed: frozenset[tuple[str, str]] = frozenset()
    """The errors that the look before had found, too."""

    @property
    def errors(self) -> list[Finding]:
        """Return what is wrong."""
        return [one for one in self.found if one.level is Level.ERROR]


def is_due(last: Result | None, now: datetime) -> bool:
    """Say whether it is time to look again."""
    if last is None:
        return True
    return now - last.looked_at >= (AGAIN if last.errors or last.silent_since else EVERY)


def after(last: Result | None, found: Sequence[Finding], now: datetime) -> Result:
    """Return the result of a look, in the light of the one before.

    Where nobody answered, what was found before stands: our own line may be down, and that says nothing of our records.
    """
    if any(one.code == _SILENT for one in found):
        before = last or Result(now, tuple(found), now)
        return replace(before, looked_at=now, silent_since=before.silent_since or now)
    known = {one.key for one in last.errors} if last is not None else set()
    new = Result(now, tuple(found[:KEPT]), now)
    return replace(new, confirmed=frozenset(one.key for one in new.errors if one.key in known))


def troubles(result: Result) -> list[Trouble]:
    """Return what operators are told: the errors of each domain that were seen twice, as one trouble.

    That a sample does not verify mostly follows from a key that is wrong in the DNS: then only the key is told.
    """
    errors = [one for one in result.errors if one.key in result.confirmed]
    keys_are_wrong = any(one.code.startswith("dkim.") for one in errors)
    by_domain: dict[str, list[Finding]] = {}
    for one in errors:
        if not (keys_are_wrong and one.code.startswith("sample.")):
            by_domain.setdefault(_whose(one), []).append(one)
    return [_trouble(whose, several, result) for whose, several in by_domain.items()]


def _whose(finding: Finding) -> str:
    """Return the domain that an error is about: of a key the one that it signs for."""
    if finding.code.startswith("sample."):
        return "samples"
    return finding.about.partition("._domainkey.")[2] or finding.about


def _trouble(whose: str, several: Sequence[Finding], result: Result) -> Trouble:
    first, others = several[0], len(several) - 1
    more = f" And {others} more {'is' if others == 1 else 'are'} wrong there." if others else ""
    records = [record.line for one in several for record in one.records]
    cure = "See all of it, with the records to set: flask mail check"
    if records and len(records[0]) < alerts.LONGEST - 100:
        cure = f"Set in the DNS: {records[0]} Then look again: flask mail check"
    return alerts.trouble(
        f"{KIND}:{whose}",
        what=first.text,
        how_much=f"Two looks found it, the last one at {at(result.found_at)}.{more} Receivers may refuse our mail.",
        cure=cure,
    )


def keep(connection: Connection, result: Result) -> None:
    """Keep a look in the place of the one before."""
    mark = insert_for(connection.engine)(Mark).values(name=_NAME, value=_dumped(result))
    connection.execute(mark.on_conflict_do_update(index_elements=["name"], set_={"value": mark.excluded.value}))


def last(connection: Connection) -> Result | None:
    """Return the last look, None when there was none yet, or when another release wrote it down differently."""
    value = connection.execute(select(Mark.value).where(Mark.name == _NAME)).scalar()
    try:
        return None if value is None else _loaded(json.loads(value))
    except (ValueError, KeyError, TypeError):
        return None


def table(finding: Finding) -> dict[str, object]:
    """Return a finding as JSON has it."""
    return {
        "level": finding.level.value,
        "code": finding.code,
        "about": finding.about,
        "text": finding.text,
        "records": [
            {"name": one.name, "type": one.type, "value": one.value, "line": one.line} for one in finding.records
        ],
    }


def summary(result: Result, now: datetime) -> dict[str, object]:
    """Return what `/health` shows: how old the look is, how many findings of each level, and those to act on."""
    bad = [one for one in result.found if one.level in (Level.ERROR, Level.WARNING)]
    return {
        "age_s": round((now - result.found_at).total_seconds(), 1),
        "answered": result.silent_since is None,
        **counts(result.found),
        "findings": [table(one) for one in bad],
    }


def _dumped(result: Result) -> str:
    return json.dumps(
        {
            "looked_at": result.looked_at.isoformat(),
            "found_at": result.found_at.isoformat(),
            "silent_since": result.silent_since.isoformat() if result.silent_since else None,
            "confirmed": sorted(result.confirmed),
            "found": [table(one) for one in result.found],
        }
    )


def _loaded(rows: dict[str, object]) -> Result:
    match rows:
        case {
            "looked_at": str(looked_at),
            "found_at": str(found_at),
            "silent_since": silent,
            "confirmed": list(confirmed),
            "found": list(found),
        }:
            return Result(
                datetime.fromisoformat(looked_at),
                tuple(_finding(one) for one in found),
                datetime.fromisoformat(found_at),
                datetime.fromisoformat(silent) if isinstance(silent, str) else None,
                frozenset((str(code), str(about)) for code, about in confirmed),
            )
    raise ValueError("no look is written like this")


def _finding(row: dict[str, object]) -> Finding:
    match row:
        case {"level": level, "code": str(code), "about": str(about), "text": str(text), "records": list(records)}:
            kept = tuple(Record(str(one["name"]), str(one["type"]), str(one["value"])) for one in records)
            return Finding(Level(level), code, about, text, kept)
    raise ValueError("no finding is written like this")
