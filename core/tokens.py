"""Compact signed tokens: each opens one door only, names no address, and fits on one line of a mail."""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum

from core import errors

KEY_BYTES = 16
MAC_BYTES = 10
"""80 bits: a forger needs 2**79 tries against the live service for one token (RFC 2104, section 5, on truncation)."""


class Purpose(StrEnum):
    """The doors that a token can open. A token of one purpose never opens another."""

    CONFIRM = "confirm"
    PREFERENCES = "preferences"
    UNSUBSCRIBE = "unsubscribe"


@dataclass(frozen=True, slots=True)
class Token:
    """What a good token says: an opaque 16-byte key, the link version, the day (core.clock.day_number) it was made."""

    key: bytes
    version: int
    day: int


def encode(raw: bytes) -> str:
    """Return bytes as lower-case base32 without padding (RFC 4648, section 6): mail programs may fold its case."""
    return base64.b32encode(raw).decode("ascii").rstrip("=").lower()


def decode(text: str) -> bytes:
    """Undo `encode`. Raises LinkDamaged for anything that `encode` could not have written."""
    try:
        raw = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except ValueError as error:
        raise errors.LinkDamaged from error
    if encode(raw) != text.lower():
        raise errors.LinkDamaged
    return raw


class Tokens:
    """Makes and reads tokens with one secret key."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hashlib.sha256(b"postrider tokens" + secret).digest()

    def mac(self, purpose: str, payload: bytes, *, scope: str = "") -> bytes:
        """Return the 10-byte authentication code of a payload for one purpose and scope."""
        text = b"\0".join((purpose.encode(), scope.encode(), payload))
        return hmac.digest(self._secret, text, "sha256")[:MAC_BYTES]

    def mint(self, purpose: Purpose, key: bytes, *, version: int, day: int, scope: str = "") -> str:
        """Return a token of 47 characters. `scope` (a digest's key) is signed, not carried: the URL names it."""
        payload = key + bytes((version & 0xFF,)) + day.to_bytes(2, "big")
        return encode(payload + self.mac(purpose, payload, scope=scope))

    def read(self, purpose: Purpose, token: str, *, scope: str = "") -> Token:
        """Return what a token says. Raises LinkDamaged unless it was minted for this very purpose and scope."""
        if len(token) != 47 or not token.isascii():
            raise errors.LinkDamaged
        raw = decode(token)
        payload, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
        if not hmac.compare_digest(mac, self.mac(purpose, payload, scope=scope)):
            raise errors.LinkDamaged
        return Token(payload[:KEY_BYTES], payload[KEY_BYTES], int.from_bytes(payload[-2:], "big"))
