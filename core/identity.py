"""As whom we mail, through whose servers, and how fast."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

MAIN = "main"
"""The relay of `SMTP_URL`, which carries every lane that names no other."""
LANES = ("transactional", "breaking", "share", "digest")
"""The names of the lanes, the one that leaves first at the front."""


@dataclass(frozen=True, slots=True)
class WarmUp:
    """The daily ceiling of a new sending domain: `mails` on its first day, `grows` times more on each next one."""

    first_day: date
    mails: int
    grows: float

    def ceiling(self, day: date) -> int:
        """Return how many mails may leave on a day; before the first day as many as on it."""
        return int(self.mails * self.grows ** min(60, max(0, (day - self.first_day).days)))


@dataclass(frozen=True, slots=True)
class Relay:
    """The SMTP server we hand mail to. `security` is `none`, `starttls` or `tls`; `ca_file` is for a private CA.

    `connections` are those of one sender process for bulk mail; transactional mail has `urgent_connections` of its
    own. `rate` is in mails a second over all processes and hosts; None is as fast as the relay takes them.
    """

    host: str
    port: int
    security: str
    username: str | None = None
    password: str | None = None
    ca_file: str | None = None
    name: str = MAIN
    connections: int = 8
    urgent_connections: int = 2
    mails_per_connection: int = 1000
    rate: float | None = None
    warm_up: WarmUp | None = None

    def __repr__(self) -> str:
        """Show everything but the password."""
        return f"Relay({self.name}, {self.host}:{self.port}, {self.security}, username={self.username!r})"


@dataclass(frozen=True, slots=True)
class LaneSender:
    """As whom one lane mails, where it differs from the others, and through which relay."""

    relay: str = MAIN
    sender: str | None = None
    bounce_domain: str | None = None
    signed_by_relay: bool = False


@dataclass(frozen=True, slots=True)
class MailIdentity:
    """As whom we send: the From address, the domains of Message-ID and List-Id and of bounces, the Feedback-ID name."""

    sender: str
    domain: str
    bounce_domain: str
    feedback_sender: str
    lanes: Mapping[str, LaneSender] = field(default_factory=dict)

    def sender_of(self, lane: str) -> str:
        """Return the From address of a lane."""
        own = self.lanes.get(lane)
        return own.sender if own and own.sender else self.sender

    def bounce_domain_of(self, lane: str) -> str:
        """Return the domain of a lane's envelope senders."""
        own = self.lanes.get(lane)
        return own.bounce_domain if own and own.bounce_domain else self.bounce_domain

    def signed_by_relay(self, lane: str) -> bool:
        """Return whether the relay of a lane signs its mails, so that we do not."""
        own = self.lanes.get(lane)
        return own is not None and own.signed_by_relay

    def relay_of(self, lane: str) -> str:
        """Return the name of the relay that carries a lane."""
        own = self.lanes.get(lane)
        return own.relay if own else MAIN


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a sender may be silent before its mails are called lost, a doubt waits, and a sender waits to look.

    All in seconds. None of them raises the bound of one mail in doubt for each open connection.
    """

    lease_s: float = 120.0
    doubt_grace_s: float = 600.0
    look_s: float = 15.0


@dataclass(frozen=True, slots=True)
class PostOffice:
    """The relays there are, by name, and the sender's times."""

    relays: Mapping[str, Relay]
    timing: Timing = field(default_factory=Timing)
