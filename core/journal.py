"""The opt-out journal: an append-only file outside the database, so that a restored backup can learn who left since.

Rooms note a change in the session; what is committed is written here. An address stands in it as its keyed hash only.
"""

import json
import socket
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from flask import Flask, current_app, has_app_context  # noqa: TID251 - how a session finds what create_app made
from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction, scoped_session

from core import alerts, database, hostfolder, logs

log = logs.get(__name__)

FILE = "optouts.journal"
SUPPRESS, LIFT, ERASE = "suppress", "lift", "erase"
ALERT = "journal"
MARK = "journal of "
"""What the mark begins with that says where a host keeps its journal."""
_NOTED, _AFTER = "journal noted", "journal after commit"
_EXTENSION = "postrider journal"


@dataclass(frozen=True, slots=True)
class Change:
    """One change to whom we may mail: `suppress` or `lift` of a scope for a reason, or `erase` of a person.

    A suppression may hold `until` a moment only.
    """

    kind: str
    addr_hash: bytes
    scope: str = ""
    reason: str = ""
    source: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A change as it stands in a journal: when, by the ledger's clock; on which host; under which hash key."""

    at: datetime
    change: Change
    host: str
    key: str

    def to_bytes(self) -> bytes:
        """Return the line as it is written, with its checksum in front."""
        change = self.change
        text = json.dumps(
            {
                "at": self.at.isoformat(),
                "kind": change.kind,
                "hash": change.addr_hash.hex(),
                "scope": change.scope,
                "reason": change.reason,
                "source": change.source,
                **({} if change.until is None else {"until": change.until.isoformat()}),
                "host": self.host,
                "key": self.key,
            }
        ).encode("ascii")
        return b"%08x %s\n" % (zlib.crc32(text), text)

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Line | None":
        """Read a line; None when it is damaged: cut short, or not as it was written."""
        checksum, _blank, text = raw.rstrip(b"\n").partition(b" ")
        if not raw.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text):
            return None
        try:
            return cls._from_table(json.loads(text))
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    @classmethod
    def _from_table(cls, table: dict[str, Any]) -> "Line":
        at, until = _time(table["at"]), table.get("until")
        change = Change(
            kind=str(table["kind"]),
            addr_hash=bytes.fromhex(table["hash"]),
            scope=str(table["scope"]),
            reason=str(table["reason"]),
            source=str(table["source"]),
            until=None if until is None else _time(until),
        )
        return cls(at, change, str(table["host"]), str(table["key"]))


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("A time without a zone.")
    return found


def read(path: Path) -> Iterator[tuple[int, Line | None]]:
    """Yield the length in bytes of each line of a journal and what it says; None for a damaged one. Raises OSError."""
    with path.open("rb") as file:
        for raw in file:
            if raw != b"\n":
                yield len(raw), Line.from_bytes(raw)


@dataclass(frozen=True, slots=True)
class Journal:
    """The journal of this host. `key` is the fingerprint of the hash key that its hashes are made with."""

    folder: Path
    key: str

    @property
    def path(self) -> Path:
        """Return where it is."""
        return self.folder / FILE

    def write(self, changes: Iterable[Change], at: datetime) -> None:
        """Append changes, and wait until they are on disk. Raises OSError."""
        host = hostfolder.name_of(self.folder)
        lines = b"".join(Line(at, change, host, self.key).to_bytes() for change in changes)
        hostfolder.append(self.folder, FILE, lines)


def note(session: Session, change: Change) -> None:
    """Have a change written when the session's transaction is committed, and forgotten when it is rolled back."""
    session.info.setdefault(_NOTED, []).append(change)


def register(app: Flask, session: "scoped_session[Any]", journal: Journal) -> None:
    """Have the changes that the sessions of an application note written to its journal."""
    app.extensions[_EXTENSION] = journal
    event.listen(session, "before_commit", _before_commit)
    event.listen(session, "after_commit", _after_commit)
    event.listen(session, "after_transaction_end", _forget)


def current() -> Journal | None:
    """Return the journal of the running application; None where it keeps none."""
    found: Journal | None = current_app.extensions.get(_EXTENSION) if has_app_context() else None
    return found


def _before_commit(session: Session) -> None:
    """Write who left before the database has it: an opt-out that was answered is never in the database alone.

    A failed commit leaves a line that says more than is true, which at worst keeps one mail back. A `lift` waits until
    after the commit for the same reason: it must not stand there for a return that the database never had.
    """
    if session.in_nested_transaction() or not (noted := session.info.pop(_NOTED, None)):
        return
    journal = current()
    if journal is None:
        return
    at = database.ledger_now(session.connection())
    first = [change for change in noted if change.kind != LIFT]
    session.info[_AFTER] = (journal, at, [change for change in noted if change.kind == LIFT])
    if first and (why := _tried(journal, first, at)):
        _tell(session, journal, why, at)


def _after_commit(session: Session) -> None:
    if session.in_nested_transaction() or (left := session.info.pop(_AFTER, None)) is None:
        return
    journal, at, lifts = left
    if lifts:
        _tried(journal, lifts, at)


def _forget(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session.info.pop(_NOTED, None)
        session.info.pop(_AFTER, None)


def _tried(journal: Journal, changes: list[Change], at: datetime) -> str | None:
    """Write, and return why it failed. A full disk must not keep anybody from leaving: the database knows it, and
    without the journal it is lost only if that is restored from a backup made before.
    """
    try:
        journal.write(changes, at)
    except OSError as error:
        why = error.strerror or type(error).__name__
        log.error("journal not written", journal=str(journal.path), changes=len(changes), why=why)
        return why
    return None


def _tell(session: Session, journal: Journal, why: str, at: datetime) -> None:
    """Raise an alert with the very change that the journal lacks."""
    host = socket.gethostname()
    trouble = alerts.trouble(
        f"{ALERT}:{host}",
        what=f"Opt-outs cannot be written to the journal {journal.path} on {host}: {why}.",
        how_much=f"Since {alerts.at(at)} who leaves there is known to the database alone.",
        cure="Make room or mend the folder, then back up the database: an older backup would forget them.",
    )
    if trouble.key not in alerts.open_keys(session.connection()):
        alerts.raise_alert(session.connection(), trouble, at)
