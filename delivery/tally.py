"""What a sender counts: what it handed over, what was turned away, and our own faults in each mailing."""

import json
import time
from collections import Counter, OrderedDict, deque

SAMPLE = 200
"""The failure limit looks at the last mails of a mailing, which are in random order within what was queued together."""
MOST_FAULTS = 0.05
LEAST_FAULTS = 3
_MAILINGS = 200


class FailureLimit:
    """Counts our own faults in each mailing: never a dead mailbox, never a full one."""

    def __init__(self) -> None:
        self._seen: OrderedDict[int, deque[bool]] = OrderedDict()

    def note(self, mailing_id: int, *, ours: bool) -> int:
        """Note what one mail came to; return the number of faults when it is over the limit, else 0.

        Over the limit are 5 % of a sample of 200; before there are 200, at least three that are half of all.
        """
        seen = self._seen.setdefault(mailing_id, deque(maxlen=SAMPLE))
        seen.append(ours)
        self._seen.move_to_end(mailing_id)
        if len(self._seen) > _MAILINGS:
            self._seen.popitem(last=False)
        faults = sum(seen) if ours else 0
        over = faults >= SAMPLE * MOST_FAULTS or (faults >= LEAST_FAULTS and faults * 2 >= len(seen))
        if over:
            del self._seen[mailing_id]
        return faults if over else 0


class Tally:
    """Counters of one sender, written by its loop, read by its pulse."""

    def __init__(self) -> None:
        self.sent = 0
        self.refused: Counter[str] = Counter()
        self._read_at = time.monotonic()
        self._read_sent = 0

    def rate(self) -> float:
        """Return how many were handed over a second since the last look, as far as that can be said by now."""
        return (self.sent - self._read_sent) / max(1.0, time.monotonic() - self._read_at)

    def read(self) -> tuple[int, float, str]:
        """Return how many were handed over, how many a second since the last look, and refusals by reason as JSON."""
        now, sent = time.monotonic(), self.sent
        rate = (sent - self._read_sent) / max(0.001, now - self._read_at)
        self._read_at, self._read_sent = now, sent
        return sent, round(rate, 2), json.dumps(dict(self.refused))
