"""A second verifier of DKIM signatures, written from RFC 6376 and RFC 8463; it knows nothing of the product.

It reads a mail line by line with regular expressions, where the product cuts octets; so what both agree on was thought
of twice. Relaxed/relaxed only.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterator

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:((?:[^\r\n]|\r\n[ \t])*)\r\n", re.MULTILINE)
TAG = re.compile(r"\s*([A-Za-z]\w*)\s*=([^;]*)(?:;|$)")
Lookup = Callable[[str], str | None]
"""Returns the text of a TXT record by its name."""


class Refused(Exception):
    """A signature that says nothing, and why."""


def verified(raw: bytes, lookup: Lookup) -> list[tuple[str, str]]:
    """Return for each signature, from the top, its selector and `good` or why it is not."""
    return [(tags.get("s", ""), _verdict(raw, field, tags, lookup)) for field, tags in _signatures(raw)]


def _signatures(raw: bytes) -> Iterator[tuple[tuple[bytes, bytes], dict[str, str]]]:
    for field in fields(raw):
        if field[0].lower() == b"dkim-signature":
            yield field, dict(TAG.findall(field[1].decode()))


def fields(raw: bytes) -> list[tuple[bytes, bytes]]:
    """Return the header fields from the top: name and value, still folded."""
    return FIELD.findall(raw[: raw.index(b"\r\n\r\n") + 2])


def _verdict(raw: bytes, field: tuple[bytes, bytes], tags: dict[str, str], lookup: Lookup) -> str:
    try:
        _check(raw, field, tags, lookup)
    except Refused as error:
        return str(error)
    return "good"


def _check(raw: bytes, field: tuple[bytes, bytes], tags: dict[str, str], lookup: Lookup) -> None:
    tags = {name: re.sub(r"\s+", "", value) for name, value in tags.items()}
    if tags.get("v") != "1" or tags.get("c") != "relaxed/relaxed" or "l" in tags:
        raise Refused("not of the kind that is checked here")
    names = tags["h"].lower().split(":")
    if "from" not in names:
        raise Refused("From is not signed")
    body = raw[raw.index(b"\r\n\r\n") + 4 :]
    if base64.b64decode(tags["bh"]) != hashlib.sha256(relaxed_body(body)).digest():
        raise Refused("body hash")
    public = _public(tags, lookup(f"{tags['s']}._domainkey.{tags['d']}"))
    text = b"".join(relaxed_field(*one) + b"\r\n" for one in picked(raw, names))
    own = re.sub(rb"(;\s*b\s*=)[^;]*", rb"\1", field[1])
    _hold(public, base64.b64decode(tags["b"]), text + relaxed_field(field[0], own))


def _public(tags: dict[str, str], record: str | None) -> rsa.RSAPublicKey | ed25519.Ed25519PublicKey:
    if record is None:
        raise Refused("no record")
    said = {name: re.sub(r"\s+", "", value) for name, value in TAG.findall(record)}
    if f"{said['k']}-sha256" != tags["a"]:
        raise Refused("another algorithm than that of the record")
    octets = base64.b64decode(said["p"])
    if said["k"] == "ed25519":
        return ed25519.Ed25519PublicKey.from_public_bytes(octets)
    public = load_der_public_key(octets)
    assert isinstance(public, rsa.RSAPublicKey)
    return public


def _hold(public: rsa.RSAPublicKey | ed25519.Ed25519PublicKey, signature: bytes, text: bytes) -> None:
    try:
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
        else:
            public.verify(signature, hashlib.sha256(text).digest())
    except InvalidSignature as error:
        raise Refused("signature") from error


def picked(raw: bytes, names: list[str]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the fields that h= names: of several with one name the lowest first (RFC 6376, section 5.4.2)."""
    left = fields(raw)[::-1]
    for name in names:
        for index, field in enumerate(left):
            if field[0].lower().decode() == name:
                yield left.pop(index)
                break


def relaxed_field(name: bytes, value: bytes) -> bytes:
    """Return a field in relaxed canonical form, without its line end (RFC 6376, section 3.4.2)."""
    unfolded = re.sub(rb"\r\n(?=[ \t])", b"", value)
    return name.lower() + b":" + re.sub(rb"[ \t]+", b" ", unfolded).strip(b" ")


def relaxed_body(body: bytes) -> bytes:
    """Return a body in relaxed canonical form (RFC 6376, section 3.4.4)."""
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)
