"""What came back about one mail, whoever said it: one value that bounces, complaints and webhooks are turned into."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What a signal is about."""

    BOUNCE = "bounce"
    """It was not delivered, for now or for good: the class says which."""
    DELAYED = "delayed"
    DELIVERED = "delivered"
    COMPLAINT = "complaint"
    NOT_SPAM = "not_spam"
    """The reverse of a complaint (RFC 5965, section 7.3): informs, and changes nothing."""
    LEAVE = "leave"
    """The reader asks by mail to get no more of this stream."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One piece of news about a delivery, with the words of who told it.

    `token` is the envelope sender's, signed: without it a signal has no effect (delivery.verp). `status` is an enhanced
    code such as `5.1.1` (RFC 3463), `code` one of SMTP, `source` who told: `dsn`, `arf`, `mail`, `ses`, …
    """

    kind: Kind
    token: str
    source: str
    code: int | None = None
    status: str = ""
    text: str = ""
    at: datetime | None = None
