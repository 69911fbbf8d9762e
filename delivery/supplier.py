"""Keeps the pools supplied with claimed mails."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine

from core import logs
from core.identity import MailIdentity, Timing
from delivery import batches
from delivery.batches import Board, Quota, Share, Taken
from delivery.due import Queue
from delivery.errands import Errands
from delivery.guard import Guard
from delivery.models import Lane
from delivery.moves import Claimed
from delivery.pools import Pool, Supplied

log = logs.get(__name__)

AHEAD = 512
"""Mails claimed ahead for a pool of bulk mail."""
AHEAD_URGENT = 20
AHEAD_S = 0.5
"""With a rate, no more is claimed than leaves in this time."""
BOARD_S = 1.0
"""How old the list of queues and the gates may be while mails leave."""
URGENT_S = 0.25
"""While bulk mail leaves, transactional mail is looked for so often, also without a bell."""
RESCAN_S = 5.0
"""A claim looks behind the last row it took; so often it looks from the start again, for rows that came back."""
CEILING_S = 10.0
TRY_S = 2.0


@dataclass(slots=True)
class _View:
    """What the supplier knows of a pool."""

    board: Board | None = None
    looked_at: float = 0.0
    rescanned_at: float = 0.0
    cursors: dict[Queue, tuple[datetime, int]] = field(default_factory=dict)
    ceiling_until: float = 0.0
    bare: bool = False


class Supplier:
    """The thread that claims."""

    def __init__(
        self,
        engine: Engine,
        worker: str,
        pools: Sequence[Pool],
        errands: Errands,
        *,
        identity: MailIdentity,
        timing: Timing,
        ring: Callable[[], None],
        prepare: Callable[[Sequence[Claimed]], None],
        may_begin: threading.Event,
        guard: Guard,
    ) -> None:
        self._engine = engine
        self._worker = worker
        self._pools = pools
        self._identity = identity
        self._timing = timing
        self._ring = ring
        self._prepare = prepare
        self._may_begin = may_begin
        self._guard = guard
        self._views = {id(pool): _View() for pool in pools}
        self._errands = errands
        self._woken = errands.woken
        self._ended = threading.Event()
        self._resting = False
        self._thread = threading.Thread(target=self._run, name="supplier", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def look(self) -> None:
        """Look now: somebody rang, so what was known is old."""
        for view in self._views.values():
            view.looked_at = 0.0
        self._woken.set()

    def low(self) -> None:
        """Hear that a pool has few mails left."""
        self._woken.set()

    def rest(self) -> None:
        """Claim no more; errands are still run."""
        self._resting = True

    def end(self, until: float) -> None:
        """Give back what is left of the supply, and stop. The lines are closed by then."""
        self._ended.set()
        self._woken.set()
        self._thread.join(max(0.1, until - time.monotonic()))

    def drop(self, pool: Pool, provider: int | None = None) -> None:
        """Give back what was claimed for a pool and has no line yet; of one provider, or all of it.

        For the loop's thread alone, which takes from the supply, too; when that has ended, for ours.
        """
        kept: list[Supplied] = []
        dropped: defaultdict[Taken | None, list[int]] = defaultdict(list)
        while pool.supply:
            one = pool.supply.popleft()
            if provider in (None, one.claimed.provider):
                dropped[one.quota].append(one.claimed.id)
            else:
                kept.append(one)
        pool.supply.extendleft(reversed(kept))
        for taken, ids in dropped.items():
            self._errands.give_back(pool.relay.name, ids, taken)

    def _run(self) -> None:
        while not (self._may_begin.wait(TRY_S) or self._ended.is_set()):
            log.info("waiting for the ledger")
        while not self._ended.is_set():
            self._woken.clear()
            claimed = False
            try:
                self._run_errands()
                for pool in self._pools:
                    claimed = self._fill(pool) or claimed
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the only thread that claims
                log.error("nothing claimed", error=repr(error))
                self._ended.wait(min(2.0, self._timing.look_s))
            if claimed:
                self._ring()
            self._woken.wait(self._patience())
        for pool in self._pools:
            self.drop(pool)
        self._run_last_errands()

    def _patience(self) -> float:
        """How long to wait for a bell: short while there is work, long when there is none."""
        busy = any(not self._views[id(pool)].bare for pool in self._pools)
        return min(URGENT_S, self._timing.look_s) if busy else self._timing.look_s

    def _run_errands(self) -> None:
        """Do what the loop asked for; what was known of the gates is old then."""
        if self._errands.run():
            for view in self._views.values():
                view.looked_at = 0.0

    def _run_last_errands(self) -> None:
        try:
            self._errands.run()
        except Exception as error:  # noqa: BLE001 - the leases and the sweep see to what is left
            log.error("ended without the ledger", error=repr(error), left=len(self._errands))

    def _fill(self, pool: Pool) -> bool:
        """Claim for one pool, best lane first; return whether anything came."""
        view = self._views[id(pool)]
        ahead = AHEAD_URGENT if pool.urgent else AHEAD
        if self._resting or (pool.reach.quiet and not pool.lines) or len(pool.supply) > ahead // 2:
            return False
        board = self._board(pool, view)
        view.bare = not board.queues
        pool.shut = board.held is not None or board.gates.paused is not None
        if pool.shut:
            view.bare = True
            self._ring()
            return False
        rate = board.gates.rate
        room = ahead - len(pool.supply)
        if rate is not None:
            room = min(room, max(1, int(rate * AHEAD_S)) - len(pool.supply))
        before = len(pool.supply)
        if room > 0:
            self._probe(pool, board)
            self._claim(pool, view, board, room)
        return len(pool.supply) > before

    def _board(self, pool: Pool, view: _View) -> Board:
        now = time.monotonic()
        if view.board is None or now - view.looked_at >= (URGENT_S if pool.urgent else BOARD_S):
            # A bell that rings while we look makes us look again.
            view.looked_at = now
            view.board = batches.look(self._engine, pool.relay.name, [int(lane) for lane in pool.lanes], self._guard)
        if now - view.rescanned_at >= RESCAN_S:
            view.rescanned_at = now
            view.cursors.clear()
        return view.board

    def _probe(self, pool: Pool, board: Board) -> None:
        probed: set[int] = set()
        for queue in board.queues:
            if queue.provider in board.gates.to_probe - probed and self._probe_with(pool, queue):
                probed.add(queue.provider)

    def _probe_with(self, pool: Pool, queue: Queue) -> bool:
        """Find out by a mail of this queue whether its provider can be opened; return whether there was one."""
        share = batches.claim_probe(
            self._engine,
            self._worker,
            pool.relay.name,
            queue,
            timing=self._timing,
            quota=self._quota(pool, Lane(queue.lane)),
            guard=self._guard,
        )
        if share.claimed:
            log.info("provider probed", relay=pool.relay.name, provider=queue.provider)
            self._supply(pool, share, probe=True)
            self._views[id(pool)].looked_at = 0.0
        return bool(share.claimed)

    def _claim(self, pool: Pool, view: _View, board: Board, room: int) -> None:
        shut = board.gates.closed | board.gates.to_probe
        for lane in pool.lanes:
            walked = [queue for queue in board.queues if queue.lane == lane and queue.provider not in shut]
            quota = self._quota(pool, lane)
            if not walked or room <= 0 or (quota and time.monotonic() < view.ceiling_until):
                continue
            share = batches.claim(
                self._engine,
                self._worker,
                walked,
                view.cursors,
                limit=room,
                timing=self._timing,
                quota=quota,
                guard=self._guard,
            )
            view.cursors.update(share.cursors)
            if share.ceiling_reached:
                view.ceiling_until = time.monotonic() + CEILING_S
                log.info("daily ceiling reached", relay=pool.relay.name, domain=quota.domain if quota else None)
            if not share.claimed and view.cursors:
                view.rescanned_at = 0.0
            room -= len(share.claimed)
            self._supply(pool, share)

    def _quota(self, pool: Pool, lane: Lane) -> Quota | None:
        warm_up = pool.relay.warm_up
        if warm_up is None or pool.urgent:
            return None
        domain = self._identity.sender_of(lane.name.lower()).partition("@")[2]
        return Quota(domain, lambda now: warm_up.ceiling(now.date()))

    def _supply(self, pool: Pool, share: Share, *, probe: bool = False) -> None:
        """Hand claimed mails to the pool, each with its place in the relay's rate."""
        claimed = share.claimed
        if not claimed:
            return
        try:
            self._prepare(claimed)
            places = self._places(pool, len(claimed))
        except Exception:
            self._errands.give_back(pool.relay.name, [one.id for one in claimed], share.taken)
            raise
        pool.supply.extend(Supplied(one, at, probe, share.taken) for one, at in zip(claimed, places, strict=True))

    def _places(self, pool: Pool, count: int) -> list[float]:
        reserved = None if self._rate(pool) is None else batches.reserve(self._engine, pool.relay.name, count)
        if reserved is None or pool.urgent:
            # A confirmation takes its place in the rate, but those behind it wait.
            return [0.0] * count
        start, apart = reserved
        begin = time.monotonic() + start
        return [begin + index * apart for index in range(count)]

    def _rate(self, pool: Pool) -> float | None:
        board = self._views[id(pool)].board
        return board.gates.rate if board is not None else None
