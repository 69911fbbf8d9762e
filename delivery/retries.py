"""When a mail that was put off is tried again: the written table of delays, in seconds."""

import random

RECIPIENT_FIRST = 300
RECIPIENT_MOST = 14_400
RELAY_FIRST = 2
RELAY_MOST = 60
JITTER = 0.2

DOUBT_GRACE = 600
"""How long a doubtful mail waits for late proof before it is sent once more."""


def recipient_delay(attempts: int) -> float:
    """Delay in seconds after `attempts` tries, doubling from 300 to 14,400 with 20 % jitter (RFC 5321, 4.5.4.1)."""
    base = min(float(RECIPIENT_MOST), RECIPIENT_FIRST * 2.0 ** min(max(0, attempts - 1), 16))
    return base * (1 + random.uniform(-JITTER, JITTER))  # noqa: S311 - spreading, not secrecy


def relay_delay(failures: int) -> float:
    """Delay in seconds before a relay that gave trouble `failures` times in a row is spoken to again."""
    return min(float(RELAY_MOST), RELAY_FIRST * 2.0 ** min(max(0, failures - 1), 16))
