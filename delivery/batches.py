"""The sender's transactions: claim, exchange, sweep and the rest. Beside the doors, only this module commits.

Each is short, is one group of mails, and may run again when the answer to its COMMIT was lost.
"""

import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, Engine, update

from core import database, faults
from core.database import insert_for
from core.identity import Relay, Timing
from delivery import due, gates, leases, moves, recording, sweeping, tick
from delivery.due import Queue
from delivery.guard import Guard
from delivery.models import Mailing, Worker
from delivery.moves import Claimed, Intent, Result
from delivery.sweeping import Swept


@contextlib.contextmanager
def _ledger(engine: Engine) -> Iterator[tuple[Connection, datetime]]:
    """Open a transaction as a writer, with the ledger's time."""
    with database.writing(engine) as connection:
        yield connection, database.ledger_now(connection)


@dataclass(frozen=True, slots=True)
class Board:
    """What there is to claim for some lanes of a relay, and what its gates say of it."""

    queues: list[Queue]
    gates: gates.Open
    held: str | None


def _closed(connection: Connection, guard: Guard | None) -> str | None:
    """Return why nothing may leave this database, also when it was put back a moment ago under a running sender."""
    return tick.held(connection) if guard is None else guard.why_closed(connection)


def look(engine: Engine, relay: str, lanes: Sequence[int], guard: Guard | None = None) -> Board:
    """Read what there is to claim. Writes nothing."""
    with engine.connect() as connection:
        now = database.ledger_now(connection)
        return Board(
            due.queues(connection, lanes),
            gates.read(connection, relay, now),
            _closed(connection, guard),
        )


@dataclass(frozen=True, slots=True)
class Quota:
    """How many mails of a domain may leave today."""

    domain: str
    ceiling: Callable[[datetime], int]


Taken = tuple[str, date]
"""The domain and the day whose ceiling a mail was counted under."""


@dataclass(frozen=True, slots=True)
class Share:
    """What a claim brought: the mails, how far each queue was walked, and whether a ceiling held some back."""

    claimed: list[Claimed]
    cursors: Mapping[Queue, tuple[datetime, int]]
    ceiling_reached: bool = False
    taken: Taken | None = None


def claim(
    engine: Engine,
    worker: str,
    walked: Sequence[Queue],
    cursors: due.Cursors,
    *,
    limit: int,
    timing: Timing,
    quota: Quota | None = None,
    guard: Guard | None = None,
) -> Share:
    """planned → claimed: take up to `limit` due deliveries of the queues, in the order in which they became due."""
    faults.at("before_claim")
    each = limit if quota else -(-2 * limit // max(1, len(walked))) + 4
    with _ledger(engine) as (connection, now):
        if _closed(connection, guard):
            return Share([], {})
        granted = limit
        if quota is not None:
            granted = gates.take_quota(connection, quota.domain, now.date(), limit, quota.ceiling(now))
        found = due.first(connection, walked, cursors, each=min(each, limit), limit=granted, now=now) if granted else []
        claimed = moves.take(
            connection, worker, [one.id for one in found], lease=timedelta(seconds=timing.lease_s), now=now
        )
        if quota is not None and len(claimed) < granted:
            gates.give_quota_back(connection, quota.domain, now.date(), granted - len(claimed))
    faults.at("after_claim")
    lanes = {(queue.mailing_id, queue.provider): queue for queue in walked}
    return Share(
        claimed,
        {lanes[one.mailing_id, one.provider]: (one.at, one.id) for one in found},
        ceiling_reached=quota is not None and granted < limit,
        taken=None if quota is None else (quota.domain, now.date()),
    )


def claim_probe(
    engine: Engine,
    worker: str,
    relay: str,
    queue: Queue,
    *,
    timing: Timing,
    quota: Quota | None = None,
    guard: Guard | None = None,
) -> Share:
    """Claim the one mail that finds out whether a provider can be opened again."""
    with _ledger(engine) as (connection, now):
        found = [] if _closed(connection, guard) else due.first(connection, [queue], {}, each=1, limit=1, now=now)
        if not found:
            return Share([], {})
        if quota is not None and not gates.take_quota(connection, quota.domain, now.date(), 1, quota.ceiling(now)):
            return Share([], {}, ceiling_reached=True)
        claimed: list[Claimed] = []
        if gates.probe(connection, relay, queue.provider, found[0].id, now):
            lease = timedelta(seconds=timing.lease_s)
            claimed = moves.take(connection, worker, [found[0].id], lease=lease, now=now)
        if quota is not None and not claimed:
            gates.give_quota_back(connection, quota.domain, now.date(), 1)
    return Share(claimed, {}, taken=None if quota is None else (quota.domain, now.date()))


def exchange(
    engine: Engine,
    worker: str,
    results: Sequence[Result],
    wanted: Mapping[str, Sequence[Claimed]],
    *,
    timing: Timing,
) -> list[Intent]:
    """Record results and make intents durable, in one transaction: the committer's one call.

    `wanted` is by relay. Returns an intent for each wanted delivery that may go out now; the others were suppressed,
    cancelled, expired, given back, or are no longer this worker's.
    """
    lease = timedelta(seconds=timing.lease_s)
    if results:
        faults.at("before_result")
    if wanted:
        faults.at("before_intent")
    with _ledger(engine) as (connection, now):
        if results:
            recording.record(connection, results, now)
        intents = [
            intent
            for relay, group in wanted.items()
            if group
            for intent in moves.intend(connection, worker, relay, group, lease=lease, now=now)
        ]
    if results:
        faults.at("after_result")
    if intents:
        faults.at("after_intent")
    return intents


def give_back(engine: Engine, worker: str, relay: str, ids: Sequence[int], taken: Taken | None = None) -> None:
    """claimed → planned: mails that this worker took and will not send after all. Probes among them end.

    What they took of a ceiling is given back with them, and once only, should this run again.
    """
    with _ledger(engine) as (connection, now):
        count = leases.give_back(connection, worker, ids)
        gates.end_probes(connection, relay, ids, now)
        if taken is not None and count:
            gates.give_quota_back(connection, *taken, count)


def renew(engine: Engine, worker: str, ids: Sequence[int], timing: Timing) -> int:
    """Push on the leases of what a living worker knows that it holds."""
    with _ledger(engine) as (connection, now):
        return leases.renew(connection, worker, ids, lease=timedelta(seconds=timing.lease_s), now=now)


def pulse(engine: Engine, worker: str, *, pid: int, sent: int, rate: float, refused: str) -> None:
    """Say that a sender lives, and what it did."""
    with _ledger(engine) as (connection, now):
        insert = insert_for(engine)(Worker).values(
            id=worker,
            host=socket.gethostname(),
            pid=pid,
            started_at=now,
            heartbeat_at=now,
            sent=sent,
            rate=rate,
            refused=refused,
        )
        news = {name: insert.excluded[name] for name in ("heartbeat_at", "sent", "rate", "refused")}
        connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_=news))


def watch_ledger(engine: Engine, guard: Guard) -> None:
    """Compare the ledger's tick with what this host saw, and hold all mail when the database is behind."""
    kept = guard.kept()
    with database.writing(engine) as connection:
        standing = tick.watch(connection, kept)
    guard.remember(standing, kept)


def leave(engine: Engine, worker: str) -> None:
    """Give everything back that was claimed, and take this sender off the list: it ends."""
    with _ledger(engine) as (connection, _now):
        leases.give_back(connection, worker)
        connection.execute(update(Worker).where(Worker.id == worker).values(rate=0.0))


def reserve(engine: Engine, relay: str, count: int) -> tuple[float, float] | None:
    """Take the next places in a relay's rate: in how many seconds the first one comes, and how far apart they are."""
    with _ledger(engine) as (connection, now):
        return gates.reserve(connection, relay, count, now)


def gate(engine: Engine, change: Callable[[Connection, datetime], object]) -> None:
    """Change a gate: `change` is one of delivery.gates with its relay and provider already named."""
    with _ledger(engine) as (connection, now):
        change(connection, now)


def pause_mailing(engine: Engine, mailing_id: int, why: str) -> bool:
    """Pause a mailing by ourselves; return whether it was running."""
    with _ledger(engine) as (connection, _now):
        paused = update(Mailing).where(Mailing.id == mailing_id, Mailing.state == "running")
        return connection.execute(paused.values(state="paused", why_paused=why)).rowcount == 1


def sweep(engine: Engine, timing: Timing, *, alone: bool = False) -> Swept:
    """Move what nobody holds any more, step by step, each a transaction of its own.

    `alone` says that no other sender can be alive (the embedded mode at its start): then every lease is over.
    """
    swept = Swept()
    swept.freed = _all(engine, lambda connection, now: sweeping.free(connection, now, alone=alone), sweeping.CHUNK)
    swept.doubted = _all(engine, lambda connection, now: sweeping.doubt(connection, now, alone=alone), sweeping.NAMED)
    swept.resent = _all(engine, lambda connection, now: sweeping.resend(connection, now, timing), sweeping.NAMED)
    swept.settled = _all(engine, sweeping.settle, sweeping.CHUNK)
    swept.expired = _all(engine, sweeping.expire, sweeping.CHUNK)
    swept.cancelled = _all(engine, sweeping.cancel, sweeping.CHUNK)
    with _ledger(engine) as (connection, now):
        sweeping.close(connection, now)
        sweeping.forget_workers(connection, now)
    return swept


def _all(engine: Engine, step: Callable[[Connection, datetime], int], most: int) -> int:
    """Repeat a step until it moves less than it could."""
    moved = 0
    while True:
        with _ledger(engine) as (connection, now):
            count = step(connection, now)
        moved += count
        if count < most:
            return moved


def settle_rate(engine: Engine, relay: Relay) -> None:
    """Bring a relay's rate in line with its setting and with how it fared."""
    with _ledger(engine) as (connection, now):
        gates.settle_rate(connection, relay, now)
