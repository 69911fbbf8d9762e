"""Which part of a wave this process composes: one at a time, and the same one until it is done."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from core.database import db
from digests import parts

PATIENCE_S = 1.0
"""So long a part is left to the process that went on with it last."""
_A_DAY = timedelta(days=1)
_Whole = tuple[int, datetime]


class _Mine:
    """The parts of waves that this process is at, or went on with last: what is kept of a part is kept here.

    Two in one process would share one core, and leave none to another process; two processes that change places would
    find out anew what the other one has kept. A part that nobody else takes for PATIENCE_S is taken all the same.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_hand: set[_Whole] = set()
        self._last: dict[_Whole, int] = {}
        self._offered: dict[int, tuple[float, float]] = {}
        """When a part was left to others, first and last."""

    def take(self, whole: _Whole, wave_id: int) -> bool:
        """Return whether this process may be at a part now."""
        with self._lock:
            if whole in self._in_hand:
                return False
            if self._last.get(whole, wave_id) != wave_id and not self._nobody_else_takes(wave_id):
                return False
            self._in_hand.add(whole)
            # What others have ended is not told here; after a day nobody goes on with it.
            self._last = {one: last for one, last in self._last.items() if whole[1] - one[1] < _A_DAY}
            self._last[whole] = wave_id
            self._offered.pop(wave_id, None)
            return True

    def _nobody_else_takes(self, wave_id: int) -> bool:
        now = time.monotonic()
        # What has not been offered for that long somebody had meanwhile.
        self._offered = {one: at for one, at in self._offered.items() if now - at[1] <= PATIENCE_S}
        first, _last = self._offered.get(wave_id, (now, now))
        self._offered[wave_id] = first, now
        return now - first > PATIENCE_S

    def let_go(self, whole: _Whole) -> None:
        """Be at it no more, for now."""
        with self._lock:
            self._in_hand.discard(whole)

    def forget(self, wave_id: int) -> None:
        """Have done with a part: nothing is kept of it."""
        with self._lock:
            self._last = {whole: last for whole, last in self._last.items() if last != wave_id}


_mine = _Mine()


@contextmanager
def one_part(wave_id: int) -> Iterator[bool]:
    """Say whether this process may be at a wave: one that is whole, or the one part of a wave that it goes on with."""
    whole = parts.whole_of(wave_id)
    db.session.rollback()
    if whole is None:
        yield True
    elif _mine.take(whole, wave_id):
        try:
            yield True
        finally:
            _mine.let_go(whole)
    else:
        yield False


def forget(wave_id: int) -> None:
    """Have done with a wave: this process is free for another part of it."""
    _mine.forget(wave_id)
