"""Short windows: how often something happened within an hour, in Redis, or in this process where there is none."""

import threading
import time

from limits import RateLimitItemPerSecond
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter

from core import logs

log = logs.get(__name__)

PATIENCE_S = 0.2
"""Nobody who sends a form waits longer than that for Redis."""
APART_S = 10.0
"""After a failure so long Redis is not asked, so that its absence costs one visitor a moment, and the others none."""


class Away(Exception):
    """Redis cannot be asked, and what was to be counted must not be counted without it."""


class Windows:
    """Counts in sliding windows. Without Redis, and while it cannot be reached, each process counts for itself.

    So it fails neither open nor closed: the limit then holds once for each process of the site, and no reader is turned
    away because a server of ours is down. What must hold exactly is a budget (core.budgets).
    """

    def __init__(self, redis_url: str | None) -> None:
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._shared = _shared(redis_url) if redis_url else None
        self._not_before = 0.0
        self._lock = threading.Lock()

    def hit(self, key: bytes, *, limit: int, window_s: int, count: int = 1, alone: bool = True) -> bool:
        """Count uses under a keyed hash; return False, and count nothing, when the window has no room for all of them.

        Without `alone` it fails closed: a process that should ask Redis and cannot does not count for itself. Raises
        Away.
        """
        item, name = RateLimitItemPerSecond(limit, window_s), key.hex()
        if self._shared is not None and time.monotonic() >= self._not_before:
            try:
                return self._shared.hit(item, name, cost=count)
            except StorageError as error:
                with self._lock:
                    self._not_before = time.monotonic() + APART_S
                log.warning("short windows are counted without redis", why=type(error.storage_error).__name__)
        if self._shared is not None and not alone:
            raise Away
        return self._own.hit(item, name, cost=count)


def _shared(redis_url: str) -> MovingWindowRateLimiter:
    storage = RedisStorage(
        redis_url,
        key_prefix="postrider:window",
        wrap_exceptions=True,
        socket_timeout=PATIENCE_S,
        socket_connect_timeout=PATIENCE_S,
    )
    return MovingWindowRateLimiter(storage)
