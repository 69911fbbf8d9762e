"""Mailgun: which of its posts are genuine, and what they say.

It rewrites the envelope sender. The token travels in X-Mailgun-Variables (delivery.echo), and comes back as one of the
event's user variables. The signature covers no more than its own time and token: so a token counts once.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from delivery import verp
from delivery.signals import Kind
from returns import documents
from returns.events import (
    AHEAD,
    ECHO,
    NOT_ASKED,
    NOT_FRESH,
    UNKNOWN,
    UNSUBSCRIBED,
    Asked,
    Event,
    Meaning,
    Reading,
    Refused,
    signal_of,
)

SOURCE = "mailgun"
OLDEST = timedelta(hours=9)
"""How old a post may be: it is tried again for 8 hours, under the signature of the first time."""
EVENTS: Mapping[str, Meaning] = {
    "delivered": Meaning(Kind.DELIVERED),
    "complained": Meaning(Kind.COMPLAINT),
    "rejected": Meaning(Kind.BOUNCE, status="5.7.1", ours=True),
    "unsubscribed": UNSUBSCRIBED,
    "accepted": NOT_ASKED,
    "stored": NOT_ASKED,
    "opened": NOT_ASKED,
    "clicked": NOT_ASKED,
}
FAILED: Mapping[tuple[str, str], Meaning] = {
    ("permanent", "bounce"): Meaning(Kind.BOUNCE, silent="5.1.1"),
    ("permanent", "hardfail"): Meaning(Kind.BOUNCE, silent="5.1.1"),
    ("permanent", "generic"): Meaning(Kind.BOUNCE, silent="4.3.0"),
    ("permanent", "espblock"): Meaning(Kind.BOUNCE, status="5.7.1", ours=True),
    ("permanent", "greylisted"): Meaning(Kind.BOUNCE, status="4.7.1"),
    ("permanent", "old"): Meaning(Kind.BOUNCE, status="4.4.7"),
    ("permanent", "suppress-bounce"): NOT_FRESH,
    ("permanent", "suppress-complaint"): NOT_FRESH,
    ("permanent", "suppress-unsubscribe"): NOT_FRESH,
    ("temporary", "old"): Meaning(Kind.BOUNCE, status="4.4.7"),
    ("temporary", "generic"): Meaning(Kind.DELAYED),
    ("temporary", "greylisted"): Meaning(Kind.DELAYED),
    ("temporary", "espblock"): Meaning(Kind.DELAYED),
}
"""By severity and reason. A new reason is read as the generic one of its severity."""
NOT_TRIED = (605, 606, 607)
"""Mailgun's own codes for an address that bounced, left or complained before."""


def verify(asked: Asked, keys: Sequence[bytes]) -> None:
    """Check the HMAC-SHA256 over time and token, in constant time. Raises Refused."""
    try:
        signature = documents.read_object(asked.raw).get("signature")
    except documents.Unreadable as error:
        raise Refused(str(error)) from error
    timestamp, token = documents.text(signature, "timestamp"), documents.text(signature, "token")
    said_at = documents.moment(timestamp) if timestamp.isdecimal() else None
    if said_at is None or not asked.now - OLDEST <= said_at <= asked.now + AHEAD:
        raise Refused("Its timestamp is missing, or not of the last 9 hours.")
    if not token:
        raise Refused("It has no token.")
    # Where the event is a subaccount's, the other one is made with the key of the account above it.
    given = [documents.text(signature, name).encode() for name in ("signature", "parent-signature")]
    good = [hmac.new(key, (timestamp + token).encode(), hashlib.sha256).hexdigest().encode() for key in keys]
    # Each is compared, so that how long it takes says nothing.
    if not sum(hmac.compare_digest(one, other) for one in given for other in good):
        raise Refused("Its signature is not good.")


def events(raw: bytes) -> list[Event]:
    """Return the one event of a verified post, under its token: the same one with another event is not kept."""
    return [Event(documents.text(documents.read_object(raw), "signature", "token").encode(), raw)]


def read(raw: bytes) -> Reading:
    """Return what an event says. Raises Unreadable for what is no event."""
    event = documents.at(documents.read_object(raw), "event-data")
    name = documents.text(event, "event")
    if not name:
        raise documents.Unreadable("It has no event-data.event.")
    status = documents.at(event, "delivery-status")
    code = documents.at(status, "code")
    return signal_of(
        _meaning(name, event, code),
        source=SOURCE,
        token=documents.text(event, "user-variables", ECHO)
        or verp.token_of(documents.text(event, "envelope", "sender"))
        or "",
        status=documents.text(status, "enhanced-code"),
        code=code if isinstance(code, int) and 200 <= code < 600 else None,
        words=documents.text(status, "message")
        or documents.text(status, "description")
        or documents.text(event, "reject", "reason"),
        said_at=documents.moment(documents.at(event, "timestamp")),
    )


def _meaning(name: str, event: Any, code: object) -> Meaning:
    if name != "failed":
        return EVENTS.get(name, UNKNOWN)
    severity, reason = documents.text(event, "severity"), documents.text(event, "reason")
    if code in NOT_TRIED or reason.startswith("suppress-"):
        return NOT_FRESH
    return FAILED.get((severity, reason)) or FAILED.get((severity, "generic"), UNKNOWN)
