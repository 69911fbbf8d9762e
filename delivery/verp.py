"""The envelope sender of a delivery: it carries a signed token, so a bounce names the one delivery it is about."""

from core import errors
from core.tokens import MAC_BYTES, Tokens, decode, encode

PREFIX = "b+"
"""What stands before the token of a bounce address."""
LEAVE_PREFIX = "u+"
"""What stands before the token of an address that a reader leaves by: the mailto of List-Unsubscribe."""
_ID_BYTES = 8
_LENGTH = 29


def token(delivery_id: int, *, tokens: Tokens, prefix: str = PREFIX) -> str:
    """Return the token of a delivery, 29 characters of lower-case base32. Those of the two prefixes differ."""
    raw = delivery_id.to_bytes(_ID_BYTES, "big")
    return encode(raw + tokens.mac("verp" if prefix == PREFIX else "verp-leave", raw))


def envelope_sender(delivery_id: int, *, tokens: Tokens, domain: str) -> str:
    """Return `b+TOKEN@domain`: 31 octets before the @ (64 are allowed, RFC 5321, 4.5.3.1.1), no address inside."""
    return f"{PREFIX}{token(delivery_id, tokens=tokens)}@{domain}"


def leave_address(delivery_id: int, *, tokens: Tokens, domain: str) -> str:
    """Return `u+TOKEN@domain`: whoever writes there leaves the stream of this mail, whatever stands in From."""
    return f"{LEAVE_PREFIX}{token(delivery_id, tokens=tokens, prefix=LEAVE_PREFIX)}@{domain}"


def read(text: str, *, tokens: Tokens, prefix: str = PREFIX) -> int:
    """Return the delivery that a token names, in whatever case. Raises LinkDamaged unless made for this prefix."""
    if len(text) != _LENGTH or not text.isascii():
        raise errors.LinkDamaged
    raw = decode(text.lower())
    number, mac = raw[:_ID_BYTES], raw[-MAC_BYTES:]
    if not tokens.is_ours(mac, "verp" if prefix == PREFIX else "verp-leave", number):
        raise errors.LinkDamaged
    return int.from_bytes(number, "big")


def token_of(address: str, *, prefix: str = PREFIX) -> str | None:
    """Return what stands between the prefix and the @ of an address, None when it is no address of ours."""
    local, at, _domain = address.strip().strip("<>").rpartition("@")
    found = local[len(prefix) :] if at and local.lower().startswith(prefix) else ""
    return found or None
