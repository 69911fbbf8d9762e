"""Sign a whole mail with DKIM (RFC 6376): relaxed/relaxed, with RSA and beside it with Ed25519 (RFC 8463, RFC 8301).

It makes the same bytes every time, so the copies of a delivery stay the same. It takes some hundred microseconds, most
of them in OpenSSL and without Python's lock: see delivery.making for the threads that it runs in.
"""

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from core.dkimkeys import DomainKeys

SIGNED = frozenset(
    b"from to cc subject date message-id reply-to in-reply-to references mime-version content-type "
    b"content-transfer-encoding auto-submitted feedback-id".split()
)
"""Headers that are signed where they are there, with all that begin with `list-` (RFC 6376, section 5.4.1)."""
OVERSIGNED = tuple(
    b"from to cc subject date message-id reply-to content-type list-unsubscribe list-unsubscribe-post".split()
)
"""Named once more than they are there: adding one more breaks the signature (RFC 6376, section 8.15)."""
_COLUMNS = 76


def sign(mail: bytes, *, keys: DomainKeys, at: datetime) -> bytes:
    """Return a mail with a signature of each signing key on top; `at` is what they give as their time.

    Raises ValueError where a header that is signed stands there twice: nobody could say which one counts.
    """
    head, _blank, body = mail.partition(b"\r\n\r\n")
    names, canonical = _headers(head)
    listed, hashed = _listed(names), base64.b64encode(body_hash(body))
    signatures = []
    for key in keys.signing:
        tags = (
            b"v=1; a=%s-sha256; c=relaxed/relaxed; t=%d;" % (key.kind.encode("ascii"), int(at.timestamp())),
            b"d=%s;" % key.domain.encode("ascii"),
            b"s=%s;" % key.selector.encode("ascii"),
            *listed,
            b"bh=%s;" % hashed,
            b"b=",
        )
        # No tag has two blanks in a row, so joined by one they are the relaxed form of the folded header.
        signature = key.sign(canonical + b"dkim-signature:" + b" ".join(tags))
        signatures.append(b"DKIM-Signature: " + b"\r\n ".join(tags) + _folded(base64.b64encode(signature)))
    return b"".join([*signatures, mail])


def body_hash(body: bytes) -> bytes:
    """Return the hash of a body's relaxed canonical form (RFC 6376, section 3.4.4).

    Bodies of ours are that form already (delivery.content), but for empty lines at the end, which do not count.
    """
    if body.endswith(b"\r\n\r\n") or body == b"\r\n":
        stripped = body.rstrip(b"\r\n")
        body = stripped + b"\r\n" if stripped else b""
    return hashlib.sha256(body).digest()


def _headers(head: bytes) -> tuple[tuple[bytes, ...], bytes]:
    """Return the names of the headers that are signed, in order, and all of them in relaxed canonical form."""
    names, canonical = [], []
    for line in head.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").split(b"\r\n"):
        name, _colon, value = line.partition(b":")
        name = name.rstrip().lower()
        if name in SIGNED or name.startswith(b"list-"):
            names.append(name)
            canonical.append(b"%s:%s\r\n" % (name, b" ".join(value.split())))
    if len(set(names)) < len(names):
        raise ValueError("A header that is to be signed stands there twice.")
    return tuple(names), b"".join(canonical)


@lru_cache(maxsize=256)
def _listed(names: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the tag h= in lines that are short enough, broken after a colon (RFC 6376, section 3.5)."""
    lines = [b"h="]
    every = b":".join([*names, *OVERSIGNED])
    for name in (b"%s:" % one for one in every.split(b":")):
        if len(lines[-1]) + len(name) > _COLUMNS - 1:
            lines.append(b"")
        lines[-1] += name
    return (*lines[:-1], lines[-1][:-1] + b";")


def _folded(signature: bytes) -> bytes:
    """Return a signature's base64 as the end of its header: blanks in it do not count (RFC 6376, section 3.5)."""
    first, rest = signature[: _COLUMNS - 3], signature[_COLUMNS - 3 :]
    rows = [rest[start : start + _COLUMNS - 1] for start in range(0, len(rest), _COLUMNS - 1)]
    return b"\r\n ".join([first, *rows]) + b"\r\n"
