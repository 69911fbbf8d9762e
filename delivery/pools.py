"""What lines there are: for each relay a pool for its bulk lanes, and one of its own for transactional mail."""

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from core.identity import MailIdentity, PostOffice, Relay
from delivery import retries
from delivery.batches import Taken
from delivery.models import Lane
from delivery.moves import Claimed, Intent
from delivery.smtp import Line

Mail = tuple[str, str, bytes]
"""Envelope sender, recipient, and the whole message."""


@dataclass(frozen=True, slots=True)
class Supplied:
    """A claimed mail that waits for a line; it must not leave before `at` (time.monotonic).

    `quota` is what it took of a daily ceiling: it is given back when the mail does not leave.
    """

    claimed: Claimed
    at: float = 0.0
    probe: bool = False
    quota: Taken | None = None


@dataclass(slots=True)
class Reach:
    """How a relay could be reached lately, as this sender saw it; shared by its pools."""

    failures: int = 0
    quiet_until: float = 0.0

    def failed(self) -> float:
        """Hear of a failure; return for how many seconds the relay is left alone."""
        self.failures += 1
        delay = retries.relay_delay(self.failures)
        self.quiet_until = time.monotonic() + delay
        return delay

    def worked(self) -> None:
        """Hear that a line stands."""
        self.failures = 0
        self.quiet_until = 0.0

    @property
    def quiet(self) -> bool:
        """Return whether the relay is left alone just now."""
        return time.monotonic() < self.quiet_until


@dataclass(slots=True, eq=False)
class Slot:
    """A place for one line. It has at most one mail between its intent and its result, also while it redials.

    While it has none, it stands among the pool's `idle` ones with a line, or among its `vacant` ones without.
    """

    pool: "Pool"
    line: Line | None = None
    asking: Supplied | None = None
    intent: Intent | None = None
    mail: Mail | Exception | None = None
    """The mail of the intent, once it was signed, or why it cannot be. A line that is opened anew carries the same."""
    granted_at: float = 0.0
    writing: bool = False

    def take_intent(self) -> Intent | None:
        """Return the intent, and have none any more."""
        intent, self.intent, self.mail = self.intent, None, None
        return intent


@dataclass(slots=True, eq=False)
class Pool:
    """Lines to one relay for some lanes, best lane first, and the mails that were claimed for them."""

    relay: Relay
    lanes: tuple[Lane, ...]
    reach: Reach
    slots: list[Slot] = field(default_factory=list)
    idle: deque[Slot] = field(default_factory=deque)
    vacant: deque[Slot] = field(default_factory=deque)
    dialing: int = 0
    supply: deque[Supplied] = field(default_factory=deque)
    shut: bool = False
    """Nothing may leave here: what was claimed goes back."""

    def held(self) -> list[int]:
        """Return the deliveries that were claimed for this pool and have not come to their end. Any thread may ask."""
        found = [one.claimed.id for one in list(self.supply)]
        found += [asking.claimed.id for slot in self.slots if (asking := slot.asking) is not None]
        return found + [intent.id for slot in self.slots if (intent := slot.intent) is not None]

    @property
    def lines(self) -> int:
        """Return how many lines stand. A relay may take fewer than we would open: mails go over these all the same."""
        return len(self.slots) - len(self.vacant) - self.dialing

    @property
    def urgent(self) -> bool:
        """Return whether this is the pool of transactional mail."""
        return Lane.TRANSACTIONAL in self.lanes


def of(post: PostOffice, identity: MailIdentity) -> list[Pool]:
    """Return the pools of an installation, urgent ones first."""
    pools = []
    for relay in post.relays.values():
        reach = Reach()
        carried = [lane for lane in Lane if identity.relay_of(lane.name.lower()) == relay.name]
        for lanes, count in (
            (_only(carried, urgent=True), relay.urgent_connections),
            (_only(carried, urgent=False), relay.connections),
        ):
            if lanes:
                pool = Pool(relay, lanes, reach)
                pool.slots = [Slot(pool) for _ in range(count)]
                pool.vacant.extend(pool.slots)
                pools.append(pool)
    return sorted(pools, key=lambda pool: not pool.urgent)


def _only(lanes: Iterable[Lane], *, urgent: bool) -> tuple[Lane, ...]:
    return tuple(lane for lane in lanes if (lane is Lane.TRANSACTIONAL) is urgent)
