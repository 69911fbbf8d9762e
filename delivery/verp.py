"""The envelope sender of a delivery: it carries a signed token, so a bounce names the one delivery it is about."""

from core.tokens import Tokens, encode


def envelope_sender(delivery_id: int, *, tokens: Tokens, domain: str) -> str:
    """Return `b+TOKEN@domain`: 31 octets before the @ (64 are allowed, RFC 5321, 4.5.3.1.1), no address inside."""
    raw = delivery_id.to_bytes(8, "big")
    return f"b+{encode(raw + tokens.mac('verp', raw))}@{domain}"
