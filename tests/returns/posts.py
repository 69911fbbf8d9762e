"""What the four mail services post, made and signed here as their documentation has it; nothing of it is real."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from core.webhooks import WebhookSettings

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
TOKEN = "aaaaaaaaaaaaabz7ddm4uqmxhbp2s"
SENDER = f"b+{TOKEN}@bounces.monsoon.example.org"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:postrider"
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
CONFIRM_URL = f"https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=0123abcd"
MAILGUN_KEY = b"key-of-a-made-up-account"
PASSWORD = "a-password-of-32-characters-0123"
SENDGRID_KEY = ec.generate_private_key(ec.SECP256R1())
SETTINGS = WebhookSettings(
    ses_topics=(TOPIC,),
    sendgrid_keys=(SENDGRID_KEY.public_key(),),
    mailgun_keys=(MAILGUN_KEY,),
    postmark_passwords=(PASSWORD.encode(),),
)


@dataclass(frozen=True)
class Post:
    """A body and the headers it comes with."""

    body: bytes
    headers: Mapping[str, str]


@cache
def sns_key() -> rsa.RSAPrivateKey:
    """Return the key that our SNS signs with."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None,
    *,
    begins: datetime = NOW - timedelta(days=30),
    ends: datetime = NOW + timedelta(days=300),
) -> bytes:
    """Return a certificate of a key, in PEM."""
    key = key or sns_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begins.replace(tzinfo=None))
        .not_valid_after(ends.replace(tzinfo=None))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


# Amazon SES over SNS.


def notification(told: Mapping[str, Any] | str, **changes: Any) -> dict[str, Any]:
    """Return an unsigned notification that holds what SES tells."""
    return {
        "Type": "Notification",
        "MessageId": "6f1b8d0e-0000-4000-8000-000000000001",
        "TopicArn": TOPIC,
        "Message": told if isinstance(told, str) else json.dumps(told),
        "Timestamp": "2026-11-28T11:59:30.123Z",
        "SignatureVersion": "1",
        "SigningCertURL": CERTIFICATE_URL,
        "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
    } | changes


def confirmation(kind: str = "SubscriptionConfirmation", **changes: Any) -> dict[str, Any]:
    """Return an unsigned request to confirm a subscription."""
    asked = {"Type": kind, "Token": "0123abcd", "SubscribeURL": CONFIRM_URL, "Message": "Please confirm."}
    made = notification("", **asked) | changes
    del made["UnsubscribeURL"]
    return made


def string_to_sign(message: Mapping[str, Any]) -> str:
    """Return what SNS signs of a message, spelled out by hand."""
    lines = ["Message", message["Message"], "MessageId", message["MessageId"]]
    if message["Type"] == "Notification":
        if "Subject" in message:
            lines += ["Subject", message["Subject"]]
        lines += ["Timestamp", message["Timestamp"]]
    else:
        lines += ["SubscribeURL", message["SubscribeURL"], "Timestamp", message["Timestamp"], "Token", message["Token"]]
    lines += ["TopicArn", message["TopicArn"], "Type", message["Type"]]
    return "".join(line + "\n" for line in lines)


def signed(message: Mapping[str, Any], key: rsa.RSAPrivateKey | None = None) -> Post:
    """Sign a message as SNS does: SHA-1 in version 1, SHA-256 in version 2."""
    digest = hashes.SHA256() if message.get("SignatureVersion") == "2" else hashes.SHA1()  # noqa: S303
    signature = (key or sns_key()).sign(string_to_sign(message).encode(), padding.PKCS1v15(), digest)
    body = {**message, "Signature": base64.b64encode(signature).decode()}
    return Post(json.dumps(body).encode(), {"Content-Type": "text/plain; charset=UTF-8"})


def ses_bounce(
    kind: str = "Permanent", detail: str = "NoEmail", *, words: str = "", status: str = "", sender: str = SENDER
) -> dict[str, Any]:
    """Return a bounce in the classic form."""
    recipient = {"emailAddress": "reader@example.org", "action": "failed", "status": status, "diagnosticCode": words}
    return {
        "notificationType": "Bounce",
        "bounce": {
            "bounceType": kind,
            "bounceSubType": detail,
            "bouncedRecipients": [{name: value for name, value in recipient.items() if value}],
            "timestamp": "2026-11-28T11:59:29.000Z",
            "feedbackId": "0102-feedback",
        },
        "mail": {"source": sender, "destination": ["reader@example.org"], "messageId": "0102-message"},
    }


def ses_complaint(feedback: str | None = "abuse", *, sender: str = SENDER, **changes: Any) -> dict[str, Any]:
    """Return a complaint in the form of event publishing."""
    complaint = {"complaintFeedbackType": feedback} if feedback is not None else {}
    return {
        "eventType": "Complaint",
        "complaint": {**complaint, "timestamp": "2026-11-28T11:59:29.000Z", **changes},
        "mail": {"source": sender},
    }


def ses_other(name: str, **detail: Any) -> dict[str, Any]:
    """Return any other event of event publishing."""
    return {"eventType": name, name[:1].lower() + name[1:]: detail, "mail": {"source": SENDER}}


# SendGrid.


def sendgrid_event(name: str = "bounce", *, number: int = 1, token: str | None = TOKEN, **more: Any) -> dict[str, Any]:
    """Return one event; with the token among its fields, as it comes back from X-SMTPAPI."""
    echoed = {"postrider": token} if token is not None else {}
    fixed = {"email": "reader@example.org", "timestamp": 1795866000, "event": name, "sg_event_id": f"event-{number}"}
    return {**fixed, **echoed, **more}


def sendgrid(
    events: list[Any] | bytes, *, at: datetime = NOW, key: ec.EllipticCurvePrivateKey = SENDGRID_KEY, **headers: str
) -> Post:
    """Return a signed post of some events."""
    body = events if isinstance(events, bytes) else json.dumps(events).encode()
    timestamp = str(int(at.timestamp()))
    signature = key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    given = {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
        "Content-Type": "application/json",
    }
    return Post(body, given | headers)


# Mailgun.


def mailgun_event(name: str = "failed", *, token: str | None = TOKEN, **more: Any) -> dict[str, Any]:
    """Return the event of a post; with the token as a user variable, as it comes back from X-Mailgun-Variables."""
    variables = {"postrider": token} if token is not None else {}
    return {"event": name, "id": "e1", "timestamp": 1795866000.25, "user-variables": variables, **more}


def mailgun_failed(severity: str, reason: str, **status: Any) -> dict[str, Any]:
    """Return a failure."""
    return mailgun_event() | {"severity": severity, "reason": reason, "delivery-status": status}


def mailgun(event: Any, *, at: datetime = NOW, token: str = "once-0001", key: bytes = MAILGUN_KEY, **more: str) -> Post:
    """Return a signed post of an event."""
    timestamp = str(int(at.timestamp()))
    code = hmac.new(key, (timestamp + token).encode(), hashlib.sha256).hexdigest()
    signature = {"timestamp": timestamp, "token": token, "signature": code, **more}
    body = json.dumps({"signature": signature, "event-data": event}).encode()
    return Post(body, {"Content-Type": "application/json"})


# Postmark.


def postmark_bounce(kind: str = "HardBounce", *, number: int = 42, details: str = "", **more: Any) -> dict[str, Any]:
    """Return a record of a bounce; with the token as metadata, as it comes back from X-PM-Metadata."""
    record = {"RecordType": "Bounce", "ID": number, "Type": kind, "Details": details, "MessageID": "m1"}
    return record | {"Metadata": {"postrider": TOKEN}, "BouncedAt": "2026-11-28T11:59:29.9070259Z"} | more


def postmark(record: Any, *, user: str = "postrider", password: str = PASSWORD) -> Post:
    """Return a post with a user name and a password."""
    body = record if isinstance(record, bytes) else json.dumps(record).encode()
    given = base64.b64encode(f"{user}:{password}".encode()).decode()
    return Post(body, {"Authorization": f"Basic {given}", "Content-Type": "application/json"})
