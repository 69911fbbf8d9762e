"""Postmark: which of its posts are genuine, and what they say.

It signs nothing: a password stands in the address that it was given, and https keeps it. It rewrites the envelope
sender. The token travels in X-PM-Metadata (delivery.echo), and comes back as metadata.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence

from delivery.signals import Kind
from returns import documents
from returns.events import (
    ECHO,
    NO_BOUNCE,
    NOT_ASKED,
    NOT_FRESH,
    UNKNOWN,
    UNSUBSCRIBED,
    Asked,
    Event,
    Meaning,
    Reading,
    Refused,
    nothing,
    signal_of,
    whole,
)

SOURCE = "postmark"
RECORDS: Mapping[str, Meaning] = {
    "Delivery": Meaning(Kind.DELIVERED),
    "SpamComplaint": Meaning(Kind.COMPLAINT),
    "Open": NOT_ASKED,
    "Click": NOT_ASKED,
    "Inbound": NOT_ASKED,
}
BOUNCES: Mapping[str, Meaning] = {
    "HardBounce": Meaning(Kind.BOUNCE, silent="5.1.1"),
    "BadEmailAddress": Meaning(Kind.BOUNCE, status="5.1.3"),
    "SoftBounce": Meaning(Kind.BOUNCE, silent="4.3.0"),
    "Unknown": Meaning(Kind.BOUNCE),
    "DnsError": Meaning(Kind.BOUNCE, status="4.4.3"),
    "Transient": Meaning(Kind.DELAYED),
    "SpamNotification": Meaning(Kind.BOUNCE, status="5.7.1", ours=True),
    "Blocked": Meaning(Kind.BOUNCE, status="5.7.1", ours=True),
    "DMARCPolicy": Meaning(Kind.BOUNCE, status="5.7.1", ours=True),
    "VirusNotification": Meaning(Kind.BOUNCE, status="5.6.0", ours=True),
    "SMTPApiError": Meaning(Kind.BOUNCE, status="5.6.0", ours=True),
    "SpamComplaint": Meaning(Kind.COMPLAINT),
    "AutoResponder": NO_BOUNCE,
    "ChallengeVerification": NO_BOUNCE,
    "AddressChange": NO_BOUNCE,
    "OpenRelayTest": NOT_ASKED,
    "InboundError": NOT_ASKED,
    "TemplateRenderingFailed": NOT_ASKED,
    "Subscribe": NOT_ASKED,
    "Unsubscribe": UNSUBSCRIBED,
    "ManuallyDeactivated": NOT_FRESH,
    "Unconfirmed": nothing("The service does not mail this address before it is confirmed there."),
}
"""By `Type`, of a record that is a bounce."""
CHANGES: Mapping[tuple[str, str], Meaning] = {
    ("ManualSuppression", "Recipient"): UNSUBSCRIBED,
    ("SpamComplaint", "Recipient"): Meaning(Kind.COMPLAINT),
}
"""By `SuppressionReason` and `Origin`, of a SubscriptionChange that suppresses. A bounce has a record of its own."""


def verify(asked: Asked, user: str, passwords: Sequence[bytes]) -> None:
    """Check user name and password (RFC 7617), in constant time. Raises Refused."""
    scheme, _blank, coded = asked.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(coded.strip(), validate=True) if scheme.lower() == "basic" else b""
    except (binascii.Error, ValueError):
        given = b""
    # Each is compared, so that how long it takes says nothing.
    if not sum(hmac.compare_digest(given, user.encode() + b":" + one) for one in passwords):
        raise Refused("Its user name and password are not those of POSTMARK_WEBHOOK_PASSWORD.")


def events(raw: bytes) -> list[Event]:
    """Return the one event of a post: bounces and complaints have numbers, a delivery is known by its message."""
    try:
        record = documents.read_object(raw)
    except documents.Unreadable:
        return whole(raw)
    number = documents.text(record, "ID") or documents.text(record, "MessageID")
    # Of one message there may be a delivery and, later, a change of the subscription, and then another one.
    parts = [documents.text(record, "RecordType"), number, documents.text(record, "ChangedAt")]
    return [Event("\n".join(parts).encode(), raw)] if number else whole(raw)


def read(raw: bytes) -> Reading:
    """Return what a record says. Raises Unreadable for what is no record."""
    record = documents.read_object(raw)
    kind = documents.text(record, "RecordType")
    if not kind:
        raise documents.Unreadable("It has no RecordType.")
    times = [documents.moment(record.get(name)) for name in ("BouncedAt", "DeliveredAt", "ChangedAt")]
    return signal_of(
        _meaning(kind, record),
        source=SOURCE,
        token=documents.text(record, "Metadata", ECHO),
        words=documents.text(record, "Details") or documents.text(record, "Description"),
        said_at=next((one for one in times if one), None),
    )


def _meaning(kind: str, record: Mapping[str, object]) -> Meaning:
    if kind == "Bounce":
        return BOUNCES.get(documents.text(record, "Type"), UNKNOWN)
    if kind == "SubscriptionChange":
        why = documents.text(record, "SuppressionReason"), documents.text(record, "Origin")
        return CHANGES.get(why, NOT_ASKED) if record.get("SuppressSending") is True else NOT_ASKED
    return RECORDS.get(kind, UNKNOWN)
