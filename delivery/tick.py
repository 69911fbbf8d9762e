"""The ledger tick: how a sender sees that the database is older than what its host saw, and then holds all mail.

The database counts for each host how often it looked; the host keeps the highest count it saw in a file of its own.
A database that was restored from a backup remembers less of this host than the host does. Other hosts cannot hide
that, however far they count. When the hold ends a new generation begins, and no count of an older one matters.
"""

import json
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, delete, select, update

from core import alerts, hostfolder, logs
from core.database import Mark, insert_for, ledger_now
from delivery.models import Mailing

log = logs.get(__name__)

EVERY_S = 5.0
"""How often a sender looks."""
FILE = "ledger-tick"
LEDGER, HOLD, STANDS_AT = "ledger", "restored", "restored to"
ALERT = "restored"
CURE = "flask restore finish"
WHY_PAUSED = f"The database was restored from a backup. Nothing leaves before: {CURE}"
_OF_HOST = "ledger tick "


@dataclass(frozen=True, slots=True, order=True)
class Tick:
    """How often a host looked, in one generation of the ledger: higher is later. `at` is the ledger's time then."""

    generation: int
    count: int
    at: datetime = field(compare=False)

    def __str__(self) -> str:
        """Return the tick as it is stored."""
        return f"{self.generation}.{self.count} {self.at.astimezone(UTC).isoformat(timespec='seconds')}"

    @classmethod
    def read(cls, text: str) -> "Tick":
        """Read a stored tick. Raises ValueError."""
        number, _blank, at = text.partition(" ")
        generation, _dot, count = number.partition(".")
        return cls(int(generation), int(count), datetime.fromisoformat(at).astimezone(UTC))


@dataclass(frozen=True, slots=True)
class Kept:
    """What a host keeps outside the database: its name, and the highest tick it saw of each ledger."""

    host: str
    ticks: Mapping[str, Tick]


@dataclass(frozen=True, slots=True)
class Standing:
    """What the database and this host know of each other. `generation` is the time at which it began, in seconds.

    `known` is what the database remembers of this host, `kept` what the host itself does; None is nothing yet.
    """

    ledger: str
    generation: int
    known: Tick | None
    kept: Tick | None
    held: str | None

    @property
    def behind(self) -> bool:
        """Return whether the database is older than what this host saw."""
        if self.kept is None or self.kept.generation < self.generation:
            return False
        return self.known is None or self.known < self.kept


def kept(folder: Path) -> Kept:
    """Read what this host keeps. Raises OSError."""
    return Kept(hostfolder.name_of(folder), _ticks(hostfolder.read(folder, FILE)))


def _ticks(text: str) -> dict[str, Tick]:
    try:
        return {ledger: Tick.read(tick) for ledger, tick in json.loads(text or "{}").items()}
    except (ValueError, AttributeError, TypeError) as error:
        log.error("ledger tick unreadable", why=str(error))
        return {}


def look(connection: Connection, kept: Kept) -> Standing | None:
    """Return what database and host know of each other, having only read; None before any sender looked."""
    names = [LEDGER, HOLD, _OF_HOST + kept.host]
    rows = connection.execute(select(Mark.name, Mark.value).where(Mark.name.in_(names)))
    found: dict[str, str] = dict(rows.all())
    if LEDGER not in found:
        return None
    ledger, _blank, generation = found[LEDGER].partition(" ")
    known = found.get(_OF_HOST + kept.host)
    return Standing(
        ledger=ledger,
        generation=int(generation),
        known=Tick.read(known) if known else None,
        kept=kept.ticks.get(ledger),
        held=found.get(HOLD),
    )


def watch(connection: Connection, kept: Kept) -> Standing:
    """Look, and raise the tick; or hold all mail when the database is behind. For every sender, every few seconds.

    `kept` was read before the transaction began. Whoever calls commits, and then lets the host `remember` the answer.
    """
    now = ledger_now(connection)
    standing = look(connection, kept) or _begun(connection, kept, now)
    if standing.behind and not standing.held:
        standing = _hold_if_behind(connection, kept, now)
    if standing.held:
        _pause(connection)
        return standing
    return _raised(connection, kept, standing, now)


def _begun(connection: Connection, kept: Kept, now: datetime) -> Standing:
    """Give the ledger its name and first generation, unless another sender just did."""
    _insert(connection, LEDGER, f"{secrets.token_hex(8)} {int(now.timestamp())}")
    standing = look(connection, kept)
    assert standing is not None  # noqa: S101 - for the type checker: the mark is there now
    return standing


def _hold_if_behind(connection: Connection, kept: Kept, now: datetime) -> Standing:
    """Look again with the ledger's mark locked: the hold may be ending at this very moment."""
    _lock(connection)
    standing = look(connection, kept)
    assert standing is not None  # noqa: S101 - for the type checker: it was there before
    if not standing.behind or standing.held:
        return standing
    seen, known = standing.kept, standing.known
    stands = f"it stands at {alerts.at(known.at)}" if known else "it has never heard of that host"
    until = f", which sent until {alerts.at(seen.at)}" if seen else ""
    why = f"The database is behind what the host {socket.gethostname()} saw{until}: {stands}."
    hold(connection, why=why, stands_at=known.at if known else None, now=now)
    return look(connection, kept) or standing


def hold(connection: Connection, *, why: str, stands_at: datetime | None, now: datetime) -> None:
    """Hold all mail until `release`. `stands_at` is the time of the backup, as far as that is known."""
    why = f"{why} Held since {alerts.at(now)}; the cure: {CURE}"
    _insert(connection, HOLD, why)
    if stands_at is not None:
        _insert(connection, STANDS_AT, stands_at.astimezone(UTC).isoformat())
    how_much = f"No mail leaves since {alerts.at(now)}; forms and pages work, and what they cause waits."
    cure = f"Look with: flask restore status. Let mail leave again with: {CURE}"
    alerts.raise_alert(connection, alerts.trouble(f"{ALERT}:database", what=why, how_much=how_much, cure=cure), now)
    _pause(connection)


def _pause(connection: Connection) -> None:
    """Show people that nothing leaves; that nothing does is the mark's work, also for mailings opened later."""
    running = update(Mailing).where(Mailing.state == "running")
    connection.execute(running.values(state="paused", why_paused=WHY_PAUSED))


def _raised(connection: Connection, kept: Kept, standing: Standing, now: datetime) -> Standing:
    """Count one further; nobody waits for another sender of this host that is doing just that."""
    name = _OF_HOST + kept.host
    known = standing.known
    if known is not None:
        mine = select(Mark.value).where(Mark.name == name).with_for_update(skip_locked=True)
        value = connection.execute(mine).scalar_one_or_none()
        if value is None or Tick.read(value).generation > standing.generation:
            # Or a hold has just ended, and a sender of this host counts in the new generation already.
            return standing
        known = Tick.read(value)
    count = known.count if known and known.generation == standing.generation else 0
    tick = Tick(standing.generation, count + 1, now)
    if known is None:
        _insert(connection, name, str(tick))
    else:
        connection.execute(update(Mark).where(Mark.name == name).values(value=str(tick)))
    return Standing(standing.ledger, standing.generation, tick, standing.kept, None)


def remember(folder: Path, standing: Standing) -> None:
    """Keep a tick that the database has for certain: called after the commit. A full disk stops no mail."""
    tick = standing.known
    if tick is None:
        return

    def edit(text: str) -> str:
        ticks = _ticks(text)
        known = ticks.get(standing.ledger)
        if known is not None and known >= tick:
            return text
        return json.dumps({name: str(one) for name, one in (ticks | {standing.ledger: tick}).items()})

    try:
        hostfolder.change(folder, FILE, edit, wait=False)
    except BlockingIOError:
        return  # Another sender of this host is keeping its own, and the next look is seconds away.
    except OSError as error:
        log.error("ledger tick not kept", folder=str(folder), why=error.strerror or type(error).__name__)


def held(connection: Connection) -> str | None:
    """Return why no mail may leave; None when it may."""
    why: str | None = connection.execute(select(Mark.value).where(Mark.name == HOLD)).scalar_one_or_none()
    return why


def stands_at(connection: Connection) -> datetime | None:
    """Return the time of the backup that is held: nothing that the database lacks happened before. None: unknown."""
    value = connection.execute(select(Mark.value).where(Mark.name == STANDS_AT)).scalar_one_or_none()
    return datetime.fromisoformat(value) if value else None


def release(connection: Connection, kept: Kept) -> int:
    """End the hold: begin a new generation, and let the mailings run that the hold had paused; return how many."""
    now = ledger_now(connection)
    _lock(connection)
    standing = look(connection, kept) or _begun(connection, kept, now)
    seen = max(standing.generation, standing.kept.generation if standing.kept else 0)
    # A time, not the next number: another host may have seen a generation that this backup knows nothing of.
    generation = max(int(now.timestamp()), seen + 1)
    connection.execute(update(Mark).where(Mark.name == LEDGER).values(value=f"{standing.ledger} {generation}"))
    connection.execute(delete(Mark).where(Mark.name.in_([HOLD, STANDS_AT])))
    alerts.close(connection, [f"{ALERT}:database"], now)
    paused = update(Mailing).where(Mailing.state == "paused", Mailing.why_paused == WHY_PAUSED)
    return connection.execute(paused.values(state="running", why_paused=None)).rowcount


def _lock(connection: Connection) -> None:
    connection.execute(select(Mark.value).where(Mark.name == LEDGER).with_for_update())


def _insert(connection: Connection, name: str, value: str) -> None:
    connection.execute(insert_for(connection.engine)(Mark).values(name=name, value=value).on_conflict_do_nothing())
