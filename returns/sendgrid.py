"""SendGrid: which of its posts are genuine, the events in them, and what they say.

It rewrites the envelope sender. The token travels in X-SMTPAPI (delivery.echo), and comes back as a field of the event.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

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
    whole,
)

SOURCE = "sendgrid"
OLDEST = timedelta(hours=25)
"""How old a post may be: it is tried again for 24 hours. A replay changes nothing, since each event counts once."""
SIGNATURE = "x-twilio-email-event-webhook-signature"
TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
EVENTS: Mapping[str, Meaning] = {
    "delivered": Meaning(Kind.DELIVERED),
    "deferred": Meaning(Kind.DELAYED),
    "spamreport": Meaning(Kind.COMPLAINT),
    "unsubscribe": UNSUBSCRIBED,
    "group_unsubscribe": UNSUBSCRIBED,
    "group_resubscribe": NOT_ASKED,
    "processed": NOT_ASKED,
    "open": NOT_ASKED,
    "click": NOT_ASKED,
    "account_status_change": NOT_ASKED,
}
CLASSIFICATIONS: Mapping[str, Meaning] = {
    "Invalid Address": Meaning(Kind.BOUNCE, status="5.1.1"),
    "Reputation": Meaning(Kind.BOUNCE, status="5.7.1", ours=True),
    "Content": Meaning(Kind.BOUNCE, status="5.7.1", ours=True),
    "Frequency or Volume Too High": Meaning(Kind.BOUNCE, status="4.7.28", ours=True),
    "Frequency/Volume": Meaning(Kind.BOUNCE, status="4.7.28", ours=True),
    "Mailbox Unavailable": Meaning(Kind.BOUNCE, silent="4.3.0"),
    "Technical": Meaning(Kind.BOUNCE, silent="4.3.0"),
    "Technical Failure": Meaning(Kind.BOUNCE, silent="4.3.0"),
}
"""By `bounce_classification`, which tells more than the type, where it is there."""
BOUNCES: Mapping[str, Meaning] = {
    "bounce": Meaning(Kind.BOUNCE, silent="5.1.1"),
    "blocked": Meaning(Kind.BOUNCE, status="5.7.1", ours=True),
    "expired": Meaning(Kind.BOUNCE, status="4.4.7"),
}
DROPPED: Mapping[str, Meaning] = {
    "bounced address": NOT_FRESH,
    "spam reporting address": NOT_FRESH,
    "unsubscribed address": NOT_FRESH,
    "invalid": Meaning(Kind.BOUNCE, status="5.1.3"),
    "invalid smtpapi header": Meaning(Kind.BOUNCE, status="5.6.0", ours=True),
    "spam content": Meaning(Kind.BOUNCE, status="5.7.1", ours=True),
    "recipient list over package quota": Meaning(Kind.BOUNCE, status="5.7.1", ours=True),
}
"""Why it did not even try, by its reason in small letters, without what stands in brackets."""


def verify(asked: Asked, keys: Sequence[ec.EllipticCurvePublicKey]) -> None:
    """Check the signature over timestamp and body (ECDSA on P-256, SHA-256). Raises Refused."""
    timestamp = asked.headers.get(TIMESTAMP, "")
    said_at = documents.moment(timestamp) if timestamp.isdecimal() else None
    if said_at is None or not asked.now - OLDEST <= said_at <= asked.now + AHEAD:
        raise Refused("Its timestamp is missing, or not of the last 25 hours.")
    try:
        signature = base64.b64decode(asked.headers.get(SIGNATURE, ""), validate=True)
        signed = timestamp.encode("ascii") + asked.raw
    except (binascii.Error, ValueError) as error:
        raise Refused("Its signature cannot be read.") from error
    if not any(_is_good(key, signature, signed) for key in keys):
        raise Refused("Its signature is not good.")


def _is_good(key: ec.EllipticCurvePublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def events(raw: bytes) -> list[Event]:
    """Return the events of a post, each under its `sg_event_id`; a post that is no list of objects as one."""
    try:
        found = documents.read(raw)
    except documents.Unreadable:
        return whole(raw)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        return whole(raw)
    return [_event(one) for one in found]


def _event(one: dict[str, object]) -> Event:
    text = json.dumps(one, sort_keys=True).encode("ascii")
    name = documents.text(one, "sg_event_id").encode()
    return Event(name, text) if name else whole(text)[0]


def read(raw: bytes) -> Reading:
    """Return what an event says. Raises Unreadable for what is no event."""
    event = documents.read_object(raw)
    name = documents.text(event, "event")
    if not name:
        raise documents.Unreadable("It has no event.")
    return signal_of(
        _meaning(name, event),
        source=SOURCE,
        token=documents.text(event, ECHO),
        status=documents.text(event, "status"),
        words=documents.text(event, "reason") or documents.text(event, "response"),
        said_at=documents.moment(event.get("timestamp")),
    )


def _meaning(name: str, event: dict[str, object]) -> Meaning:
    if name == "bounce":
        judged = CLASSIFICATIONS.get(documents.text(event, "bounce_classification"))
        return judged or BOUNCES.get(documents.text(event, "type"), BOUNCES["bounce"])
    if name == "dropped":
        reason, _bracket, _remark = documents.text(event, "reason").lower().partition(" (")
        return DROPPED.get(reason, UNKNOWN)
    return EVENTS.get(name, UNKNOWN)
