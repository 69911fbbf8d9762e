"""Amazon SNS, by which SES tells what happened: who signed a message, for which topic, and when."""

import base64
import binascii
import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from returns import documents
from returns.events import AHEAD, Refused

OLDEST = timedelta(hours=1)
"""How old a message may be: SNS tries for an hour at most to hand one over."""
KeyOf = Callable[[str], rsa.RSAPublicKey]
"""What brings the key of a certificate's address, which has passed `check_certificate_url`."""
CONFIRMATIONS = ("SubscriptionConfirmation", "UnsubscribeConfirmation")
_SIGNED = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_SIGNED_OF_CONFIRMATIONS = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_HASHES: Mapping[str, hashes.HashAlgorithm] = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303 - SNS's default
_HOST = r"https://sns\.[a-z0-9-]{2,40}\.amazonaws\.com(?:\.cn)?"
_CERTIFICATE = re.compile(_HOST + r"/[A-Za-z0-9_-]{1,120}\.pem")
_CONFIRM = re.compile(_HOST + r"/\?[A-Za-z0-9&=%:._~+-]{1,1500}")
_MAX_ID = 200


def verify(raw: bytes, *, topics: Collection[str], now: datetime, key_of: KeyOf) -> dict[str, Any]:
    """Return a message that SNS signed for one of our topics within the hour. Raises Refused.

    Nothing is fetched for a message that is refused for another reason.
    """
    try:
        message = documents.read_object(raw)
    except documents.Unreadable as error:
        raise Refused(str(error)) from error
    if documents.text(message, "TopicArn") not in topics:
        raise Refused("It is of a topic that SES_TOPIC_ARN does not name.")
    if not documents.text(message, "MessageId") or len(documents.text(message, "MessageId")) > _MAX_ID:
        raise Refused("It has no MessageId.")
    _check_time(message, now)
    signed, signature, digest = _signed(message)
    try:
        key = key_of(check_certificate_url(documents.text(message, "SigningCertURL")))
        key.verify(signature, signed, padding.PKCS1v15(), digest)
    except InvalidSignature as error:
        raise Refused("Its signature is not good.") from error
    return message


def check_certificate_url(url: str) -> str:
    """Return the address of a certificate if it is one of SNS. Raises Refused before anything is fetched from it."""
    if not _CERTIFICATE.fullmatch(url):
        raise Refused("Its certificate is not at a host of SNS.")
    return url


def confirm_url(message: Mapping[str, Any]) -> str:
    """Return the address that confirms a subscription. Raises Refused when it is not one of SNS."""
    url = documents.text(message, "SubscribeURL")
    if not _CONFIRM.fullmatch(url):
        raise Refused("The address that would confirm it is not at a host of SNS.")
    return url


def _check_time(message: Mapping[str, Any], now: datetime) -> None:
    said_at = documents.moment(message.get("Timestamp"))
    if said_at is None or not now - OLDEST <= said_at <= now + AHEAD:
        raise Refused("Its time is not within the last hour.")


def _signed(message: Mapping[str, Any]) -> tuple[bytes, bytes, hashes.HashAlgorithm]:
    """Return what is signed, the signature, and its hash: each name and value on a line of its own, in order."""
    digest = _HASHES.get(documents.text(message, "SignatureVersion"))
    kind = message.get("Type")
    names = _SIGNED if kind == "Notification" else _SIGNED_OF_CONFIRMATIONS if kind in CONFIRMATIONS else None
    if digest is None or names is None:
        raise Refused("It is of a type or a signature version that SNS does not have.")
    values = {name: message[name] for name in names if message.get(name) is not None}
    missing = set(names) - values.keys() - {"Subject"}
    if missing or not all(isinstance(value, str) for value in values.values()):
        raise Refused("A part that is signed is missing.")
    try:
        signature = base64.b64decode(documents.text(message, "Signature"), validate=True)
        signed = "".join(f"{name}\n{value}\n" for name, value in values.items()).encode()
    except (binascii.Error, ValueError) as error:
        raise Refused("Its signature cannot be read.") from error
    if not signature:
        raise Refused("It has no signature.")
    return signed, signature, digest
