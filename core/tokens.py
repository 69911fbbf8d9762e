"""Compact signed tokens: each opens one door only, names no address, and fits on one line of a mail."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
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
    UNDO = "undo"
    NOT_ME = "not-me"
    ADDRESS = "address"
    """It opens the page on which a reader types a new address."""
    VIEW = "view"
    """It shows the stories of one mail in a browser, to whoever has the link."""
    CLICK = "click"
    """It leads to the story that it names, and is counted. All readers of an edition have the same."""
    NEW_ADDRESS = "new-address"
    """It confirms one change of address: only a mail to the new address holds it."""
    SHARE = "share"
    """It sends stories to friends as a reader: each of their digests has one."""
    SHARE_CONFIRM = "share-confirm"
    """It proves the mailbox of somebody who wants to send one story."""
    SHARE_OPT_OUT = "share-opt-out"
    """It ends mails from friends for whoever got one. It is good for ever."""
    SHARE_NOT_ME = "share-not-me"
    """It ends the link by which a story was sent, and all that waits of its sender."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a good token says: an opaque 16-byte key, the link version, the day (core.clock.day_number) it was made."""

    key: bytes
    version: int
    day: int


_CHUNK = 40
"""Octets that become 64 characters of base32."""


def _apart(groups: int) -> tuple[int, int, int]:
    """Return what moves each field of twice `groups` 5-bit groups apart into two: low half, high half, by how much."""
    width = 5 * groups
    low = sum(((1 << width) - 1) << (16 * groups * field) for field in range(32 // groups))
    return low, low << width, 8 * groups - width


_HALVES = tuple(_apart(groups) for groups in (32, 16, 8, 4, 2, 1))
_DIGITS = b"abcdefghijklmnopqrstuvwxyz234567".ljust(256)


def encode(raw: bytes) -> str:
    """Return bytes as lower-case base32 without padding (RFC 4648, section 6): mail programs may fold its case.

    Each mail has four tokens, so this is made for speed: one number, halved until each 5 bits have their own octet.
    """
    if len(raw) > _CHUNK:
        return encode(raw[:_CHUNK]) + encode(raw[_CHUNK:])
    length = (len(raw) * 8 + 4) // 5
    bits = int.from_bytes(raw, "big") << (length * 5 - len(raw) * 8)
    for low, high, shift in _HALVES:
        bits = bits & low | (bits & high) << shift
    return bits.to_bytes(64, "big").translate(_DIGITS)[64 - length :].decode("ascii")


def decode(text: str) -> bytes:
    """Undo `encode`. Raises LinkDamaged for anything that `encode` could not have written."""
    try:
        raw = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except ValueError as error:
        raise errors.LinkDamaged from error
    if encode(raw) != text.lower():
        raise errors.LinkDamaged
    return raw


def _keyed(secret: bytes) -> hmac.HMAC:
    """Return the code's beginning. Keyed once: a copy of it costs half of what a new one does."""
    return hmac.new(hashlib.sha256(b"postrider tokens" + secret).digest(), digestmod="sha256")


def _code(keyed: hmac.HMAC, text: bytes) -> bytes:
    code = keyed.copy()
    code.update(text)
    return code.digest()[:MAC_BYTES]


class Tokens:
    """Makes tokens with one secret key. It reads those made with `older` keys, too: links in mails live for years."""

    def __init__(self, secret: bytes, older: Sequence[bytes] = ()) -> None:
        self._keyed = _keyed(secret)
        self._older = tuple(_keyed(one) for one in older)

    def mac(self, purpose: str, payload: bytes, *, scope: str = "") -> bytes:
        """Return the 10-byte authentication code of a payload for one purpose and scope, by the newest key."""
        return _code(self._keyed, b"\0".join((purpose.encode(), scope.encode(), payload)))

    def is_ours(self, mac: bytes, purpose: str, payload: bytes, *, scope: str = "") -> bool:
        """Return whether `mac` is the code of a payload by any of the keys, compared in constant time."""
        text = b"\0".join((purpose.encode(), scope.encode(), payload))
        return any(hmac.compare_digest(mac, _code(key, text)) for key in (self._keyed, *self._older))

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
        if not self.is_ours(mac, purpose, payload, scope=scope):
            raise errors.LinkDamaged
        return Token(payload[:KEY_BYTES], payload[KEY_BYTES], int.from_bytes(payload[-2:], "big"))
