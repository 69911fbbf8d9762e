"""Amazon SES, over SNS: which of its notifications are genuine, and what they say.

The envelope sender comes back as `mail.source`, so the token is where a bounce would have it.
"""

from collections.abc import Mapping
from typing import Any

from delivery import verp
from delivery.signals import Kind
from returns import documents, sns
from returns.events import NOT_ASKED, NOT_FRESH, UNKNOWN, UNSUBSCRIBED, Event, Meaning, Reading, nothing, signal_of

SOURCE = "ses"
CONFIRMATION = "confirmation"
"""What SNS asks before it tells anything, and after it was told to stop."""
BOUNCES: Mapping[tuple[str, str], Meaning] = {
    ("Undetermined", "Undetermined"): Meaning(Kind.BOUNCE),
    ("Permanent", "General"): Meaning(Kind.BOUNCE, silent="5.1.1"),
    ("Permanent", "NoEmail"): Meaning(Kind.BOUNCE, status="5.1.1"),
    ("Permanent", "Suppressed"): NOT_FRESH,
    ("Permanent", "OnAccountSuppressionList"): NOT_FRESH,
    ("Permanent", "UnsubscribedRecipient"): UNSUBSCRIBED,
    ("Transient", "General"): Meaning(Kind.BOUNCE, silent="4.3.0"),
    ("Transient", "MailboxFull"): Meaning(Kind.BOUNCE, status="4.2.2"),
    ("Transient", "MessageTooLarge"): Meaning(Kind.BOUNCE, status="5.3.4", ours=True),
    ("Transient", "ContentRejected"): Meaning(Kind.BOUNCE, status="5.6.0", ours=True),
    ("Transient", "AttachmentRejected"): Meaning(Kind.BOUNCE, status="5.6.0", ours=True),
    ("Transient", "CustomTimeoutExceeded"): Meaning(Kind.BOUNCE, status="4.4.7"),
}
"""By type and subtype. A new subtype is read as the general one of its type."""
COMPLAINTS: Mapping[str, Meaning] = {
    "abuse": Meaning(Kind.COMPLAINT),
    "fraud": Meaning(Kind.COMPLAINT),
    "virus": Meaning(Kind.COMPLAINT),
    "other": Meaning(Kind.COMPLAINT),
    "": Meaning(Kind.COMPLAINT),
    "not-spam": Meaning(Kind.NOT_SPAM),
    "auth-failure": nothing("A report about authentication, not a complaint."),
}
"""By Feedback-Type (RFC 5965, section 7.3; RFC 6591). One that is not here is a complaint, too."""
OTHERS: Mapping[str, Meaning] = {
    "Delivery": Meaning(Kind.DELIVERED),
    "DeliveryDelay": Meaning(Kind.DELAYED),
    "Reject": Meaning(Kind.BOUNCE, status="5.6.0", ours=True),
    "Rendering Failure": NOT_ASKED,
    "Send": NOT_ASKED,
    "Open": NOT_ASKED,
    "Click": NOT_ASKED,
    "Subscription": NOT_ASKED,
}
"""By event. A reader who has left all topics at SES has left; any other change there is none of ours."""
_GREETING = "Successfully validated SNS topic"
"""What SES writes once when a topic is set up."""


def events(raw: bytes) -> list[Event]:
    """Return the one event that a verified message is: SNS calls it by the same MessageId when it tries again."""
    return [Event(documents.text(documents.read_object(raw), "MessageId").encode(), raw)]


def read(raw: bytes) -> Reading:
    """Return what a message says. Raises Unreadable when it is not one of SES.

    Of several recipients the first one speaks: a mail of ours has one.
    """
    envelope = documents.read_object(raw)
    kind = documents.text(envelope, "Type")
    if kind in sns.CONFIRMATIONS:
        return Reading(CONFIRMATION, why=_ASKS[kind], asks=True)
    if documents.text(envelope, "Message").startswith(_GREETING):
        return Reading("nothing", why=NOT_ASKED.why)
    told = documents.read_object(documents.text(envelope, "Message"))
    about = documents.text(told, "notificationType") or documents.text(told, "eventType")
    if not about:
        raise documents.Unreadable("It has neither notificationType nor eventType.")
    return _read(told, about)


_ASKS = {
    "SubscriptionConfirmation": "The topic asks whether to tell us: flask webhooks confirm",
    "UnsubscribeConfirmation": "The topic was told to tell us no more. If that was not you: flask webhooks confirm",
}


def _read(told: dict[str, Any], about: str) -> Reading:
    token = _token(documents.at(told, "mail"))
    if about == "Bounce":
        bounce = documents.at(told, "bounce")
        words = documents.text(bounce, "bouncedRecipients", 0, "diagnosticCode")
        return signal_of(
            _bounced(documents.text(bounce, "bounceType"), documents.text(bounce, "bounceSubType")),
            source=SOURCE,
            token=token,
            status=documents.text(bounce, "bouncedRecipients", 0, "status"),
            words=words,
            said_at=documents.moment(documents.at(bounce, "timestamp")),
        )
    if about == "Complaint":
        complaint = documents.at(told, "complaint")
        return signal_of(
            _complained(complaint),
            source=SOURCE,
            token=token,
            words=documents.text(complaint, "complaintFeedbackType"),
            said_at=documents.moment(documents.at(complaint, "timestamp")),
        )
    detail = documents.at(told, about[:1].lower() + about[1:])
    left = about == "Subscription" and documents.at(detail, "newTopicPreferences", "unsubscribeAll") is True
    return signal_of(
        UNSUBSCRIBED if left else OTHERS.get(about, UNKNOWN),
        source=SOURCE,
        token=token,
        words=documents.text(detail, "smtpResponse") or documents.text(detail, "reason"),
        said_at=documents.moment(documents.at(detail, "timestamp")),
    )


def _bounced(kind: str, detail: str) -> Meaning:
    general = "Undetermined" if kind == "Undetermined" else "General"
    return BOUNCES.get((kind, detail)) or BOUNCES.get((kind, general), UNKNOWN)


def _complained(complaint: object) -> Meaning:
    if documents.text(complaint, "complaintSubType") == "OnAccountSuppressionList":
        return NOT_FRESH
    return COMPLAINTS.get(documents.text(complaint, "complaintFeedbackType"), COMPLAINTS["other"])


def _token(mail: object) -> str:
    """Return the token of the envelope sender, or of the Return-Path where the original headers were asked for."""
    places = (documents.text(mail, "source"), documents.text(mail, "commonHeaders", "returnPath"))
    return next((token for place in places if (token := verp.token_of(place))), "")
