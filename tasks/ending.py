"""The end of a worker: in order, and within half a minute whatever hangs."""

import os
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from core import logs

log = logs.get(__name__)

LIMIT_S = 29.0
"""From the signal to the end. The sender needs 25 s of it at most for the mails in hand, and some for the ledger."""


class Ending:
    """A thread that waits for the end, and then sees to it: no signal handler and no hanging task holds it up."""

    def __init__(self, stop: Callable[[float], bool], *, limit_s: float = LIMIT_S) -> None:
        """`stop` ends what this process does beside its tasks within so many seconds, and returns whether it could."""
        self._stop = stop
        self._limit_s = limit_s
        self._asked: SimpleQueue[None] = SimpleQueue()
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name="ending", daemon=True).start()

    def ask(self) -> None:
        """Begin to end. A signal handler may say so at any moment, and again."""
        self._asked.put(None)

    def wait(self) -> None:
        """Wait until all is stopped that `stop` stops."""
        self.ask()
        self._stopped.wait()

    def _run(self) -> None:
        self._asked.get()
        until = time.monotonic() + self._limit_s
        in_order = self._stop_in_order()
        self._stopped.set()
        time.sleep(max(0.0, until - time.monotonic()))
        # Still here: a task, the queue, the relay or the database does not let go. Claims, leases and beat see to what
        # is left.
        log.error("ended by force", threads=sorted(one.name for one in threading.enumerate()))
        os._exit(os.EX_OK if in_order else 1)

    def _stop_in_order(self) -> bool:
        try:
            return self._stop(self._limit_s)
        except Exception:
            log.exception("not stopped in order")
            return False
