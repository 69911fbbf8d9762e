"""What a sender does all the time beside sending: it renews its leases, says that it lives, and sweeps."""

import os
import threading
import time
from collections.abc import Callable, Sequence

from sqlalchemy import Engine

from core import logs
from core.identity import Relay, Timing
from delivery import batches
from delivery.guard import Guard
from delivery.tally import Tally

log = logs.get(__name__)

HEARTBEAT_S = 5.0


class Pulse:
    """Two threads: a lease must be renewed in time also while a sweep takes long."""

    def __init__(
        self,
        engine: Engine,
        worker: str,
        *,
        relays: Sequence[Relay],
        timing: Timing,
        tally: Tally,
        guard: Guard,
        held: Callable[[], list[int]],
    ) -> None:
        self._engine = engine
        self._worker = worker
        self._relays = relays
        self._timing = timing
        self._tally = tally
        self._guard = guard
        self._held = held
        self._ended = threading.Event()
        self.began = threading.Event()
        """Set once the ledger was compared with what this host saw of it: nothing is claimed before."""
        self.renewed_at = self.unbroken_since = time.monotonic()
        """When the leases were last known to be renewed, by time.monotonic, and since when always in time."""
        self._threads = [
            threading.Thread(target=self._every, args=(beat, pause), name=name, daemon=True)
            for name, beat, pause in (
                ("pulse", self._beat, min(HEARTBEAT_S, timing.lease_s / 4)),
                ("sweeper", self._sweep, timing.look_s),
            )
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def end(self, until: float) -> None:
        """Stop both."""
        self._ended.set()
        for thread in self._threads:
            thread.join(max(0.1, until - time.monotonic()))

    def _every(self, beat: Callable[[], None], pause: float) -> None:
        while not self._ended.is_set():
            try:
                beat()
            except Exception as error:  # noqa: BLE001 - the next beat may do better
                log.error("pulse missed", error=repr(error))
            self._ended.wait(pause)

    def _beat(self) -> None:
        self._renew()
        batches.watch_ledger(self._engine, self._guard)
        for relay in self._relays:
            batches.settle_rate(self._engine, relay)
        self.began.set()
        sent, rate, refused = self._tally.read()
        batches.pulse(self._engine, self._worker, pid=os.getpid(), sent=sent, rate=rate, refused=refused)

    def _renew(self) -> None:
        began = time.monotonic()
        batches.renew(self._engine, self._worker, self._held(), self._timing)
        if time.monotonic() - self.renewed_at >= self._timing.lease_s:
            # Leases of before were over by then, and what is over stays over.
            self.unbroken_since = began
        self.renewed_at = began

    def leased_at(self, granted_at: float) -> float:
        """Return when the lease of an intent of `granted_at` was last given or renewed; never too late."""
        return max(granted_at, self.renewed_at) if granted_at >= self.unbroken_since else granted_at

    def _sweep(self) -> None:
        swept = batches.sweep(self._engine, self._timing)
        if swept:
            log.warning("swept", **swept.moved())
