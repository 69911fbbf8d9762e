"""Sign a whole mail with DKIM (RFC 6376): relaxed/relaxed, with RSA and beside it with Ed25519 (RFC 8463, RFC 8301).

What is cheap, canonical form and hashes, is done by `prepare`; what is slow, by `Prepared.signed`, in a thread of its
own: see delivery.making. Both are pure, and make the same bytes every time: the copies of a delivery stay the same.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from core.dkimkeys import DomainKeys, Key

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


@dataclass(frozen=True, slots=True)
class Prepared:
    """A mail, and for each key the beginning of its header and the text to be signed."""

    mail: bytes
    parts: tuple[tuple[Key, bytes, bytes], ...]

    def signed(self) -> bytes:
        """Return the mail with a signature of each key on top. This is the slow step."""
        heads = [head + _folded(base64.b64encode(key.sign(text))) for key, head, text in self.parts]
        return b"".join([*heads, self.mail])


def sign(mail: bytes, *, keys: DomainKeys, at: datetime) -> bytes:
    """Return a mail with a signature of each signing key on top. Raises ValueError, as `prepare` does."""
    return prepare(mail, keys=keys, at=at).signed()


def prepare(mail: bytes, *, keys: DomainKeys, at: datetime) -> Prepared:
    """Return a mail ready to be signed; `at` is what the signatures give as their time.

    Raises ValueError where a header that is signed stands there twice: nobody could say which one counts.
    """
    head, _blank, body = mail.partition(b"\r\n\r\n")
    names, canonical = _headers(head)
    listed, hashed = _listed(names), base64.b64encode(body_hash(body))
    parts = []
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
        text = canonical + b"dkim-signature:" + b" ".join(tags)
        parts.append((key, b"DKIM-Signature: " + b"\r\n ".join(tags), text))
    return Prepared(mail, tuple(parts))


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
