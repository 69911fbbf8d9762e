"""What holds mail back: a relay that is paused, slowed down or warmed up, and providers that turn us away.

Gates stand in the database, so what one sender learns holds for all of them, on every host.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, case, func, or_, select, update

from core.database import insert_for
from core.identity import Relay
from delivery import retries
from delivery.models import Gate, Quota, Worker
from delivery.providers import RELAY

AHEAD_S, AHEAD_PLACES = 60.0, 100
"""So far ahead senders take their places at the most: each has half a second of them in hand, or one."""
SLOWEST = 0.1
"""Mails a second that a relay is offered however often it says that we are too fast."""
SLOW_AGAIN_S = 5
"""Replies to what was on its way already slow us down once only."""
FASTER_AFTER_S = 60
FASTER = 1.25
UNLIMITED = 10_000.0
"""A relay without a `rate` of its own that takes so many mails a second again is not held back any more."""
PROBE_S = 900
"""How long a probe may take until another one is sent; longer than the longest transaction."""
HEARTBEAT_OLD_S = 60


@dataclass(frozen=True, slots=True)
class Open:
    """What a relay takes now: nothing when it is paused; providers that are closed, and those that wait for a probe."""

    paused: str | None
    rate: float | None
    closed: frozenset[int]
    to_probe: frozenset[int]


def read(connection: Connection, relay: str, now: datetime) -> Open:
    """Return what stands in a relay's gates."""
    rows = connection.execute(select(Gate).where(Gate.relay == relay)).all()
    own = next((row for row in rows if row.provider == RELAY), None)
    held = [row for row in rows if row.provider != RELAY and row.not_before is not None]
    return Open(
        paused=(own.why or "paused") if own is not None and own.paused_at is not None else None,
        rate=own.rate if own is not None else None,
        closed=frozenset(row.provider for row in held if row.not_before > now),
        to_probe=frozenset(row.provider for row in held if row.not_before <= now),
    )


def _upsert(connection: Connection, relay: str, provider: int) -> None:
    row = {"relay": relay, "provider": provider, "fails": 0}
    connection.execute(insert_for(connection.engine)(Gate).values(row).on_conflict_do_nothing())


def close(connection: Connection, relay: str, provider: int, why: str, now: datetime) -> None:
    """Close a provider: it is left alone for a while, longer each time. One that is closed already stays as it is."""
    _upsert(connection, relay, provider)
    fails = connection.execute(select(Gate.fails).where(Gate.relay == relay, Gate.provider == provider)).scalar_one()
    connection.execute(
        update(Gate)
        .where(
            Gate.relay == relay,
            Gate.provider == provider,
            Gate.fails == fails,
            or_(Gate.not_before.is_(None), Gate.not_before <= now, Gate.probe.is_not(None)),
        )
        .values(
            fails=Gate.fails + 1,
            not_before=now + timedelta(seconds=retries.provider_delay(fails + 1)),
            probe=None,
            why=why[:300],
        )
    )


def reopen(connection: Connection, relay: str, provider: int, _now: datetime) -> None:
    """Open a provider again: its probe was answered."""
    connection.execute(
        update(Gate)
        .where(Gate.relay == relay, Gate.provider == provider)
        .values(fails=0, not_before=None, probe=None, why=None)
    )


def probe(connection: Connection, relay: str, provider: int, delivery: int, now: datetime) -> bool:
    """Let one delivery find out whether a provider can be opened; return False when another one does already."""
    changed = connection.execute(
        update(Gate)
        .where(Gate.relay == relay, Gate.provider == provider, Gate.not_before <= now)
        .values(probe=delivery, not_before=now + timedelta(seconds=PROBE_S))
    )
    return changed.rowcount == 1


def end_probes(connection: Connection, relay: str, deliveries: Sequence[int], now: datetime) -> None:
    """Take back probes that found nothing out: the next one may try at once."""
    connection.execute(
        update(Gate)
        .where(Gate.relay == relay, Gate.provider != RELAY, Gate.probe.in_(deliveries))
        .values(probe=None, not_before=now)
    )


def pause(connection: Connection, relay: str, why: str, now: datetime) -> None:
    """Stop everything through a relay until a person resumes it. The first reason stands."""
    _upsert(connection, relay, RELAY)
    connection.execute(
        update(Gate)
        .where(Gate.relay == relay, Gate.provider == RELAY, Gate.paused_at.is_(None))
        .values(paused_at=now, why=why[:300])
    )


def settle_rate(connection: Connection, relay: Relay, now: datetime) -> None:
    """Bring a relay's rate in line with its setting, and let one that was slowed down become faster again."""
    _upsert(connection, relay.name, RELAY)
    gate = connection.execute(select(Gate).where(Gate.relay == relay.name, Gate.provider == RELAY)).one()
    slowed, rate = gate.slowed_at, gate.rate
    if slowed is None:
        if rate != relay.rate:
            _set_rate(connection, relay.name, relay.rate, None, was=None)
        return
    # Slowed down in the future: the ledger's clock was set back since.
    quiet = not timedelta() <= now - slowed < timedelta(seconds=FASTER_AFTER_S)
    faster = (rate or SLOWEST) * (FASTER if quiet else 1)
    if faster >= (relay.rate or UNLIMITED):
        _set_rate(connection, relay.name, relay.rate, None, was=slowed)
    elif quiet:
        _set_rate(connection, relay.name, faster, now, was=slowed)


def _set_rate(
    connection: Connection, relay: str, rate: float | None, slowed_at: datetime | None, *, was: datetime | None
) -> None:
    unchanged = Gate.slowed_at.is_(None) if was is None else Gate.slowed_at == was
    connection.execute(
        update(Gate)
        .where(Gate.relay == relay, Gate.provider == RELAY, unchanged)
        .values(rate=rate, slowed_at=slowed_at)
    )


def slow_down(connection: Connection, relay: str, why: str, own: float, now: datetime) -> None:
    """Halve the rate at which a relay is offered mail: its own words say that we are too fast.

    Half of what all senders together sent a moment ago, or of the rate that held already when that was less. `own` is
    what the sender that asks sends just now, which its last heartbeat may not tell yet.
    """
    _upsert(connection, relay, RELAY)
    living = Worker.heartbeat_at > now - timedelta(seconds=HEARTBEAT_OLD_S)
    sent = max(own, connection.execute(select(func.sum(Worker.rate)).where(living)).scalar() or 1.0)
    gate = connection.execute(select(Gate).where(Gate.relay == relay, Gate.provider == RELAY)).one()
    base = min(sent, gate.rate) if gate.rate is not None else sent
    quiet = or_(Gate.slowed_at.is_(None), Gate.slowed_at < now - timedelta(seconds=SLOW_AGAIN_S))
    connection.execute(
        update(Gate)
        .where(Gate.relay == relay, Gate.provider == RELAY, quiet)
        .values(
            rate=max(SLOWEST, base / 2),
            slowed_at=now,
            # A pause keeps its own reason: that is the one a person has to set right.
            why=case((Gate.paused_at.is_(None), why[:300]), else_=Gate.why),
        )
    )


def reserve(connection: Connection, relay: str, count: int, now: datetime) -> tuple[float, float] | None:
    """Take the next `count` places in a relay's rate, which is shared by all senders.

    Returns in how many seconds the first place comes and how far apart they are; None when nothing limits the relay.
    Places further ahead than senders ever take them were given before the ledger's clock was set back: they are void.
    """
    gate = connection.execute(
        select(Gate.rate, Gate.ready_at).where(Gate.relay == relay, Gate.provider == RELAY).with_for_update()
    ).first()
    if gate is None or gate.rate is None:
        return None
    apart = 1 / gate.rate
    ready_at = gate.ready_at or now
    start = ready_at if now <= ready_at <= now + timedelta(seconds=AHEAD_S + AHEAD_PLACES * apart) else now
    connection.execute(
        update(Gate)
        .where(Gate.relay == relay, Gate.provider == RELAY)
        .values(ready_at=start + timedelta(seconds=count * apart))
    )
    return (start - now).total_seconds(), apart


def take_quota(connection: Connection, domain: str, day: date, count: int, ceiling: int) -> int:
    """Take up to `count` of what a domain may send on a day; return how many were left to take."""
    insert = insert_for(connection.engine)
    connection.execute(insert(Quota).values(domain=domain, day=day, taken=0).on_conflict_do_nothing())
    taken = connection.execute(
        select(Quota.taken).where(Quota.domain == domain, Quota.day == day).with_for_update()
    ).scalar_one()
    granted = max(0, min(count, ceiling - taken))
    if granted:
        give_quota_back(connection, domain, day, -granted)
    return granted


def give_quota_back(connection: Connection, domain: str, day: date, count: int) -> None:
    """Give back what was taken and not used."""
    connection.execute(update(Quota).where(Quota.domain == domain, Quota.day == day).values(taken=Quota.taken - count))
