"""One committer for many lines: whatever results and next intents wait are written as one transaction.

While one transaction is on its way to the disk the next group gathers by itself; so many lines cost few commits, and
still each line has at most one mail between its intent and its result.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Engine

from core import logs
from core.identity import Timing
from delivery import batches, retries, verdicts
from delivery.moves import Claimed, Intent, Result

log = logs.get(__name__)

GATHER_S = 0.003
"""How long a group gathers before it is committed."""
GROUP = 256
"""The most that one transaction takes of either."""
REFUSED = "The sender was told to stop before this mail was begun."


@dataclass(frozen=True, slots=True)
class Ask:
    """A line that is free asks to send the mail it was given."""

    relay: str
    claimed: Claimed


@dataclass(frozen=True, slots=True)
class Grant:
    """The answer: an intent that is durable since before `granted_at` (time.monotonic), or None: do not send."""

    claimed: Claimed
    intent: Intent | None
    granted_at: float


class Committer:
    """The thread that commits. Nothing handed to it is lost: what could not be committed is committed again."""

    def __init__(self, engine: Engine, worker: str, timing: Timing, ring: Callable[[], None]) -> None:
        self._engine = engine
        self._worker = worker
        self._timing = timing
        self._ring = ring
        self._results: deque[Result] = deque()
        self._asks: deque[Ask] = deque()
        self._under_way = 0
        """How many of the asks are in the transaction that is being committed."""
        self._grants: deque[Grant] = deque()
        self._waiting = threading.Condition()
        self._refusing = self._ended = False
        self._fails = 0
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def hand_in(self, results: list[Result], asks: list[Ask]) -> None:
        """Take results and what their lines ask for next."""
        with self._waiting:
            self._results += results
            if not self._refusing:
                self._asks += asks
            self._waiting.notify()

    def grants(self) -> Iterator[Grant]:
        """Yield the answers there are; one that is not taken stays."""
        while self._grants:
            yield self._grants.popleft()

    def refuse(self) -> None:
        """Grant nothing more. What is on its way to the ledger is taken back as soon as it is there.

        It is asked for again when the answer to its COMMIT is lost: it may be there already.
        """
        with self._waiting:
            self._refusing = True
            while len(self._asks) > self._under_way:
                self._asks.pop()

    def end(self, until: float) -> int:
        """Commit what is left, and stop; return how many results could not be written until then."""
        self.refuse()
        with self._waiting:
            self._ended = True
            self._waiting.notify()
        self._thread.join(max(0.1, until - time.monotonic()))
        return len(self._results)

    def _run(self) -> None:
        while True:
            with self._waiting:
                while not (self._results or self._asks or self._ended):
                    self._waiting.wait()
                if self._ended and not (self._results or self._asks):
                    return
            if not self._ended:
                # What comes in meanwhile shares the commit: many small ones would cost more than this wait.
                time.sleep(GATHER_S)
            with self._waiting:
                results = list(islice(self._results, GROUP))
                asks = list(islice(self._asks, GROUP))
                self._under_way = len(asks)
            try:
                self._exchange(results, asks)
                self._fails = 0
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the only thread that commits
                self._fails += 1
                log.error("ledger out of reach", error=repr(error), unrecorded=len(self._results), asked=len(asks))
                self._wait_before_retry()

    def _wait_before_retry(self) -> None:
        """Results and asks are kept: handing them in again changes nothing that was already written."""
        time.sleep(min(retries.relay_delay(self._fails) / 4, 5.0))

    def _exchange(self, results: list[Result], asks: list[Ask]) -> None:
        wanted: defaultdict[str, list[Claimed]] = defaultdict(list)
        for ask in asks:
            wanted[ask.relay].append(ask.claimed)
        granted_at = time.monotonic()
        intents = batches.exchange(self._engine, self._worker, results, wanted, timing=self._timing)
        # A claim that is over and a newer one of the same mail may both ask: only one of them is granted.
        by_claim = {(intent.id, intent.epoch): intent for intent in intents}
        with self._waiting:
            for _ in results:
                self._results.popleft()
            for _ in asks:
                self._asks.popleft()
            self._under_way = 0
            if self._refusing:
                self._results.extend(verdicts.put_back(intent, REFUSED) for intent in intents)
                return
            self._grants.extend(
                Grant(ask.claimed, by_claim.get((ask.claimed.id, ask.claimed.epoch)), granted_at) for ask in asks
            )
        if asks:
            self._ring()
