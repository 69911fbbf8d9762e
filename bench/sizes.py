"""How much is measured: the sizes of the promise, and small ones for trying a change."""

from dataclasses import dataclass

CONNECTIONS = 32
"""Connections of one sender process: `[relays.main] connections`."""
SENDERS = 2
"""Sender processes where a part does not try several numbers of them: one for each core."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many of what: readers of a list, of the large one and of the small one; mails of the comparisons; reports;
    forms of people who sign up; stories of the archive, and of those that come in; pages of stories asked for.
    """

    readers: int = 100_000
    large: int = 1_000_000
    small: int = 10_000
    usual: int = 3_000
    source: int = 60_000
    signed: int = 60_000
    profiled: int = 20_000
    reports: int = 20_000
    forms: int = 8_000
    archive: int = 100_000
    arriving: int = 2_000
    pages: int = 20_000
    connections: int = CONNECTIONS
    senders: int = SENDERS


FULL = Sizes()
QUICK = Sizes(
    readers=5_000,
    large=20_000,
    small=2_000,
    usual=500,
    source=10_000,
    profiled=3_000,
    signed=4_000,
    reports=2_000,
    forms=1_000,
    archive=5_000,
    arriving=200,
    pages=2_000,
)
