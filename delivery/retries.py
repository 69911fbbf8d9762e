"""When a mail that was put off is tried again: the written table of delays, in seconds."""

import random

RECIPIENT_FIRST = 300
RECIPIENT_MOST = 14_400
PROVIDER_FIRST = 120
PROVIDER_MOST = 3600
RELAY_FIRST = 2
RELAY_MOST = 60
THROTTLED = 10
"""A mail that came too fast goes to the end of the line: the others are slower by then."""
POLICY = 900
"""A mail that was turned away by a policy against us: somebody has to set it right first."""
JITTER = 0.2


def _spread(seconds: float) -> float:
    """With jitter, so that what failed together does not come back together."""
    return seconds * (1 + random.uniform(-JITTER, JITTER))  # noqa: S311 - spreading, not secrecy


def _doubled(first: float, most: float, times: int) -> float:
    return min(float(most), first * 2.0 ** min(max(0, times - 1), 16))


def recipient_delay(attempts: int) -> float:
    """Delay in seconds after `attempts` tries, doubling from 300 to 14,400 with 20 % jitter (RFC 5321, 4.5.4.1)."""
    return _spread(_doubled(RECIPIENT_FIRST, RECIPIENT_MOST, attempts))


def provider_delay(fails: int) -> float:
    """Delay in seconds before a provider that turned us away `fails` times in a row is probed."""
    return _spread(_doubled(PROVIDER_FIRST, PROVIDER_MOST, fails))


def throttled_delay() -> float:
    """Delay in seconds of a mail that the relay was offered too fast."""
    return _spread(THROTTLED)


def policy_delay(attempts: int) -> float:
    """Delay in seconds of a mail that was turned away because of us, doubling from 900 to 14,400."""
    return _spread(_doubled(POLICY, RECIPIENT_MOST, attempts))


def relay_delay(failures: int) -> float:
    """Delay in seconds before a relay that gave trouble `failures` times in a row is spoken to again."""
    return _doubled(RELAY_FIRST, RELAY_MOST, failures)
