"""A pile of lines that wait to be counted: in Redis, or in this process where there is none. It may be lost.

It is no state of ours: what is on it changes nothing until somebody takes it, and nobody misses what was lost.
"""

from collections import deque

import redis

from core import logs

log = logs.get(__name__)

MOST = 100_000
"""Lines that wait; beyond that new ones are dropped."""
PATIENCE_S = 0.2
"""Nobody waits longer than that for Redis."""
_KEY = "postrider:pile:"
_OWN: dict[str, deque[str]] = {}


class Pile:
    """Lines under a name, which any process adds to and any process takes."""

    def __init__(self, name: str, redis_url: str | None) -> None:
        self._key = _KEY + name
        self._own = _OWN.setdefault(name, deque())
        self._shared = None
        if redis_url:
            self._shared = redis.Redis.from_url(
                redis_url, socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S, decode_responses=True
            )

    def add(self, line: str) -> None:
        """Put a line on it, if there is room; while Redis is away it is lost."""
        if self._shared is None:
            if len(self._own) < MOST:
                self._own.append(line)
            return
        try:
            if self._shared.llen(self._key) < MOST:  # type: ignore[operator]  # a number: this client waits for it
                self._shared.rpush(self._key, line)
        except redis.RedisError as error:
            log.info("line lost", pile=self._key, why=type(error).__name__)

    def take(self) -> list[str]:
        """Take all that is on it, the oldest first; nothing while Redis is away."""
        if self._shared is None:
            return [self._own.popleft() for _ in range(len(self._own))]
        try:
            return list(self._shared.lpop(self._key, MOST) or ())  # type: ignore[arg-type]  # the same
        except redis.RedisError as error:
            log.info("pile not taken", pile=self._key, why=type(error).__name__)
            return []
