"""What a sender has to do in the ledger between two claims, in order: gates, what goes back, mailings to pause."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, Engine

from core import logs
from delivery import batches, gates
from delivery.batches import Taken

log = logs.get(__name__)


class Errands:
    """Given by the loop and run by the thread that claims: nothing is claimed before they are done."""

    def __init__(self, engine: Engine, worker: str) -> None:
        self._engine = engine
        self._worker = worker
        self._waiting: deque[Callable[[], object]] = deque()
        self.woken = threading.Event()
        """Set when there is something to do."""

    def __len__(self) -> int:
        return len(self._waiting)

    def run(self) -> bool:
        """Run all of them; return whether there were any. One that fails stays, and is run again the next time."""
        ran = bool(self._waiting)
        while self._waiting:
            self._waiting[0]()
            self._waiting.popleft()
        return ran

    def _add(self, errand: Callable[[], object]) -> None:
        self._waiting.append(errand)
        self.woken.set()

    def gate(self, relay: str, change: Callable[..., object], *arguments: object) -> None:
        """Have a function of delivery.gates called with the relay, the arguments and the ledger's time."""

        def call(connection: Connection, now: datetime) -> object:
            return change(connection, relay, *arguments, now)

        self._add(partial(batches.gate, self._engine, call))

    def give_back(self, relay: str, ids: Sequence[int], taken: Taken | None) -> None:
        """Have claimed mails given back, with what they took of a ceiling."""
        self._add(partial(batches.give_back, self._engine, self._worker, relay, ids, taken))

    def return_quota(self, taken: Taken) -> None:
        """Have given back what a mail took of a ceiling and did not use."""
        self._add(partial(batches.gate, self._engine, lambda one, _now: gates.give_quota_back(one, *taken, 1)))

    def pause_mailing(self, mailing_id: int, why: str) -> None:
        """Have a mailing paused because of our own faults in it."""

        def pause() -> None:
            if batches.pause_mailing(self._engine, mailing_id, why):
                log.error("mailing paused", mailing=mailing_id, why=why)

        self._add(pause)
