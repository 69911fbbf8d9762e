"""Verify the DKIM signatures of a mail of ours against the DNS, as a receiver does (RFC 6376, section 6; RFC 8463).

Only what we write ourselves is taken: relaxed/relaxed, sha256, no `l=`, no mail that is changed on its way.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from checkup import keys, tags
from checkup.keys import KeyRecord, Unusable
from core.names import Names

SIGNATURES = 5
"""Signatures of a mail that are looked at."""
_NEEDED = ("v", "a", "b", "bh", "c", "d", "h", "s")
_KINDS = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}
_OWN = re.compile(rb"((?:^|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")
_BLANKS = re.compile(rb"[ \t]+")

Header = tuple[bytes, bytes]
"""A header's name and its value, as they stand in the mail, without the last CRLF."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature, and why it does not verify; None when it does. `covered` are the headers it names."""

    domain: str
    selector: str
    algorithm: str
    covered: tuple[str, ...]
    fault: str | None


def verify(mail: bytes, names: Names) -> list[Signature]:
    """Return what becomes of each signature of a mail. Never raises."""
    head, _blank, body = mail.partition(b"\r\n\r\n")
    headers = split(head)
    signatures = [place for place, (name, _value) in enumerate(headers) if name.strip().lower() == b"dkim-signature"]
    return [_verify(headers, place, body, names) for place in signatures[:SIGNATURES]]


def split(head: bytes) -> list[Header]:
    """Return the headers in order, each with its folded lines."""
    lines: list[bytes] = []
    for line in head.split(b"\r\n"):
        if line[:1] in (b" ", b"\t") and lines:
            lines[-1] += b"\r\n" + line
        else:
            lines.append(line)
    parted = (line.partition(b":") for line in lines)
    return [(name, value) for name, colon, value in parted if colon]


def _verify(headers: Sequence[Header], place: int, body: bytes, names: Names) -> Signature:
    text = headers[place][1].replace(b"\r\n", b"").decode("ascii", "replace")
    found = tags.read(text)
    values = {name: found.get(name) or "" for name in (*_NEEDED, "i", "l")}
    covered = tuple(one.strip().lower() for one in values["h"].split(":"))
    try:
        _check_form(found, values, covered)
        record = _key(values, names)
        if base64.b64decode("".join(values["bh"].split())) != hashlib.sha256(relaxed_body(body)).digest():
            raise Unusable("the body is not the one that was signed")
        signed = _signed(headers, place, covered)
        _check(record, base64.b64decode("".join(values["b"].split())), signed)
    except (Unusable, binascii.Error, ValueError) as error:
        return Signature(values["d"], values["s"], values["a"], covered, str(error))
    return Signature(values["d"], values["s"], values["a"], covered, None)


def _check_form(found: tags.TagList, values: dict[str, str], covered: Sequence[str]) -> None:
    """Raise Unusable for a signature that is not of our kind."""
    missing = [name for name in _NEEDED if not values[name]]
    if missing or found.strange:
        raise Unusable(f"it is malformed ({', '.join(missing) or 'something in it is no tag'})")
    if values["v"] != "1" or values["c"] != "relaxed/relaxed" or "l" in found.names:
        raise Unusable("it is not version 1, relaxed/relaxed, of the whole body")
    if values["a"] not in _KINDS:
        raise Unusable(f"its algorithm is {values['a'][:20]}")
    if "from" not in covered:
        raise Unusable("it does not cover From")
    of = values["i"].rpartition("@")[2].lower() or values["d"].lower()
    if of != values["d"].lower() and not of.endswith("." + values["d"].lower()):
        raise Unusable("its i= is of another domain than its d=")


def _key(values: dict[str, str], names: Names) -> KeyRecord:
    """Return the public key in the DNS."""
    name = keys.record_name(values["d"], values["s"])
    answer = names.texts(name)
    if len(answer.records) != 1:
        what = "has several records" if answer.records else f"has no record ({answer.outcome.value})"
        raise Unusable(f"{name} {what}")
    record = keys.read(answer.records[0])
    if record.kind != _KINDS[values["a"]]:
        raise Unusable(f"the key at {name} is for {record.kind}")
    return record


def _signed(headers: Sequence[Header], place: int, covered: Sequence[str]) -> bytes:
    """Return what was signed: each named header from the bottom up, then the signature without its value (3.7)."""
    by_name: dict[bytes, list[Header]] = {}
    for header in headers:
        by_name.setdefault(header[0].strip().lower(), []).append(header)
    found = (by_name.get(name.encode("ascii", "replace")) for name in covered)
    chosen = [relaxed_header(*several.pop()) for several in found if several]
    name, value = headers[place]
    return b"".join(chosen) + relaxed_header(name, _OWN.sub(rb"\1", value)).removesuffix(b"\r\n")


def _check(record: KeyRecord, signature: bytes, signed: bytes) -> None:
    try:
        if isinstance(record.public, RSAPublicKey):
            record.public.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
        else:
            # Of the hash, not of the text (RFC 8463, section 3).
            record.public.verify(signature, hashlib.sha256(signed).digest())
    except InvalidSignature as error:
        raise Unusable("the headers are not those that were signed, or another key signed them") from error


def relaxed_header(name: bytes, value: bytes) -> bytes:
    """Return a header in its relaxed canonical form (section 3.4.2)."""
    unfolded = _BLANKS.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")
    return name.strip(b" \t").lower() + b":" + unfolded + b"\r\n"


def relaxed_body(body: bytes) -> bytes:
    """Return a body in its relaxed canonical form (section 3.4.4)."""
    lines = [line.removesuffix(b" ") for line in _BLANKS.sub(b" ", body).split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)
