"""The settings of webhooks: by which secret each mail service is known. Without its secret a service has none."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from core.errors import SettingsError

MIN_SECRET = 16
POSTMARK_USER = "postrider"
"""The user name that stands before the password in the address that Postmark is given."""
_TOPIC = re.compile(r"arn:aws[a-z-]{0,12}:sns:[a-z0-9-]{3,30}:[0-9]{12}:[A-Za-z0-9_-]{1,256}")
_IN_AN_ADDRESS = re.compile(r"[A-Za-z0-9._~-]*")
"""What needs no percent-encoding (RFC 3986, section 2.3)."""


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """The topics, keys and passwords by service. There may be several of each, while one replaces another."""

    ses_topics: tuple[str, ...] = ()
    sendgrid_keys: tuple[ec.EllipticCurvePublicKey, ...] = ()
    mailgun_keys: tuple[bytes, ...] = ()
    postmark_passwords: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        """Show no secret."""
        return f"WebhookSettings({', '.join(self.set_up)})"

    @property
    def set_up(self) -> tuple[str, ...]:
        """Return the names of the services that have a webhook."""
        by_name = {
            "ses": self.ses_topics,
            "sendgrid": self.sendgrid_keys,
            "mailgun": self.mailgun_keys,
            "postmark": self.postmark_passwords,
        }
        return tuple(name for name, secrets in by_name.items() if secrets)


def read_webhooks(env: Mapping[str, str]) -> WebhookSettings:
    """Read what is in the environment. Raises SettingsError, whose text names the setting and shows no secret."""
    return WebhookSettings(
        ses_topics=tuple(map(_topic, _several(env.get("SES_TOPIC_ARN", "")))),
        sendgrid_keys=tuple(map(_public_key, _several(env.get("SENDGRID_WEBHOOK_KEY", "")))),
        mailgun_keys=tuple(map(_signing_key, _several(env.get("MAILGUN_WEBHOOK_KEY", "")))),
        postmark_passwords=tuple(map(_password, _several(env.get("POSTMARK_WEBHOOK_PASSWORD", "")))),
    )


def _several(text: str) -> list[str]:
    """Return what commas separate; nothing for an empty setting, and an empty one for a comma too many."""
    return [one.strip() for one in text.split(",")] if text.strip() else []


def _topic(text: str) -> str:
    if not _TOPIC.fullmatch(text):
        raise SettingsError(
            f"SES_TOPIC_ARN has {text[:80]!r} in it; a topic reads like arn:aws:sns:eu-west-1:123456789012:bounces."
        )
    return text


def _public_key(text: str) -> ec.EllipticCurvePublicKey:
    """Return the key that SendGrid shows: base64 of a SubjectPublicKeyInfo (RFC 5480) on the curve P-256."""
    try:
        key = load_der_public_key(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SettingsError(
            "SENDGRID_WEBHOOK_KEY must be the verification key that SendGrid shows: one line that begins with MFkw."
        )
    return key


def _signing_key(text: str) -> bytes:
    if len(text) < MIN_SECRET or not text.isascii() or not text.isprintable() or " " in text:
        raise SettingsError(
            "MAILGUN_WEBHOOK_KEY must be the HTTP webhook signing key that Mailgun shows: "
            f"at least {MIN_SECRET} characters without spaces."
        )
    return text.encode()


def _password(text: str) -> bytes:
    if len(text) < MIN_SECRET or not _IN_AN_ADDRESS.fullmatch(text):
        cure = 'python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
        raise SettingsError(
            f"POSTMARK_WEBHOOK_PASSWORD must be at least {MIN_SECRET} letters, digits, - and _, since it stands in an "
            f"address. Make one with: {cure}"
        )
    return text.encode()
