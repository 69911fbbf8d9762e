"""The DKIM keys that we sign with, held against what the DNS says of them (RFC 6376, section 3.6; RFC 8463)."""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from checkup import tags
from checkup.findings import Finding, Level, Record, shown
from core.names import Names, Outcome

LEAST_BITS = 1024
BITS = 2048
"""Shorter RSA keys are refused, and looked down on (RFC 8301, section 3.2)."""
MOST_BITS = 4096
"""Receivers need not take longer ones."""
PublicKey = RSAPublicKey | Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class Key:
    """A key of ours, which signs now or is ready to. `kind` is `rsa` or `ed25519`; `text` is what its record says."""

    domain: str
    selector: str
    kind: str
    text: str
    signs: bool = True

    @property
    def name(self) -> str:
        """Return where its record stands."""
        return record_name(self.domain, self.selector)

    @property
    def record(self) -> Record:
        """Return the record to set."""
        return Record(self.name, "TXT", self.text)


class Unusable(Exception):
    """A key record that no signature can be verified with. Its text says why, to be followed by a full stop."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key record as it was read."""

    kind: str
    public: PublicKey
    flags: tuple[str, ...]

    @property
    def bits(self) -> int:
        """Return the length of an RSA key."""
        return self.public.key_size if isinstance(self.public, RSAPublicKey) else 0


def record_name(domain: str, selector: str) -> str:
    """Return where the record of a selector stands."""
    return f"{selector}._domainkey.{domain}"


def read(text: str) -> KeyRecord:
    """Return what a key record says. Raises Unusable, and nothing else, when it cannot be used for mail."""
    found = tags.read(text)
    if found.strange:
        raise Unusable(f"it has something in it that is no tag: {found.strange[0][:40]}")
    if (found.get("v") or "DKIM1") != "DKIM1" or ("v" in found.names and found.names[0] != "v"):
        raise Unusable("it does not begin with v=DKIM1")
    public = found.get("p")
    if public is None:
        raise Unusable("it has no p=")
    if not "".join(public.split()):
        raise Unusable("its p= is empty, which revokes the key")
    if "sha256" not in _list(found.get("h") or "sha256"):
        raise Unusable("its h= does not allow sha256")
    if not {"*", "email"} & set(_list(found.get("s") or "*")):
        raise Unusable("its s= does not allow mail")
    kind = found.get("k") or "rsa"
    return KeyRecord(kind, _public(kind, public), _list(found.get("t") or ""))


def _list(text: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.split(":") if one.strip())


def _public(kind: str, text: str) -> PublicKey:
    """Return the key in `p=`: an RSA one with or without its algorithm around it (erratum 3017 of RFC 6376)."""
    try:
        raw = base64.b64decode("".join(text.split()), validate=True)
        key = Ed25519PublicKey.from_public_bytes(raw) if kind == "ed25519" else load_der_public_key(raw)
    except (binascii.Error, ValueError, UnsupportedAlgorithm) as error:
        raise Unusable("its p= is no key, or a part of one is missing") from error
    if kind not in ("rsa", "ed25519"):
        raise Unusable(f"its k= is {kind[:20]}, which is neither rsa nor ed25519")
    if not isinstance(key, RSAPublicKey if kind == "rsa" else Ed25519PublicKey):
        raise Unusable(f"its p= is no key of the kind {kind}")
    return key


def same(one: PublicKey, other: PublicKey) -> bool:
    """Say whether two keys are the same, however they were written."""
    return one == other


def check(key: Key, names: Names) -> Iterator[Finding]:
    """Yield what there is to say of one key that we sign with."""
    answer = names.texts(key.name)
    if not answer.known:
        level = _bad(key) if answer.outcome is Outcome.BROKEN else Level.WARNING
        yield _finding(
            key, level, "unanswered", f"The DNS says nothing of {key.name} just now: {answer.outcome.value}."
        )
    elif not answer.records:
        text = f"There is no key at {key.name}: nobody can verify our signatures."
        if not key.signs:
            text = f"There is no key at {key.name} yet: set it before that selector signs."
        yield _finding(key, _bad(key), "missing", text)
    elif len(answer.records) > 1:
        text = (
            f"There are {len(answer.records)} records at {key.name}, and nobody knows which one holds: leave only this."
        )
        yield _finding(key, _bad(key), "several", text)
    else:
        yield from _compare(key, answer.records[0])


def _bad(key: Key) -> Level:
    """Return how bad it is that a record does not fit: nobody looks at that of a key that does not sign."""
    return Level.ERROR if key.signs else Level.WARNING


def _compare(key: Key, text: str) -> Iterator[Finding]:
    try:
        there = read(text)
    except Unusable as error:
        revoked = "revokes" in str(error)
        if revoked and not key.signs:
            what = f"The key at {key.name} is revoked, and ready to sign: take it out of the settings."
            yield Finding(Level.WARNING, "dkim.revoked", key.name, what)
            return
        what = f"The record at {key.name} cannot be used: {error}. It is: {shown(text)}"
        yield _finding(key, _bad(key), "revoked" if revoked else "broken", what)
        return
    if there.kind != key.kind:
        text = f"The record at {key.name} is for {there.kind}, and we sign with {key.kind} there."
        yield _finding(key, _bad(key), "kind", text)
    elif not same(there.public, read(key.text).public):
        text = f"The key at {key.name} is not ours: every signature fails."
        yield _finding(key, _bad(key), "other", text)
    else:
        yield from _judge(key, there)


def _judge(key: Key, there: KeyRecord) -> Iterator[Finding]:
    """Yield what there is to say of a key that is ours."""
    if key.kind == "rsa" and there.bits < BITS:
        level = Level.ERROR if there.bits < LEAST_BITS else Level.WARNING
        text = f"The key at {key.name} has {there.bits} bits; it should have {BITS}: make a new one, at a new selector."
        yield Finding(level, "dkim.short", key.name, text)
    elif there.bits > MOST_BITS:
        text = f"The key at {key.name} has {there.bits} bits; not everybody takes more than {MOST_BITS}."
        yield Finding(Level.WARNING, "dkim.long", key.name, text)
    if "y" in there.flags:
        text = f"The record at {key.name} says t=y: a test, and receivers may treat our mail as if it had no signature."
        yield _finding(key, Level.WARNING, "testing", text)
    what = "that we sign with" if key.signs else "that is ready to sign"
    yield Finding(Level.GOOD, "dkim.good", key.name, f"The key at {key.name} is the one {what}.")


def _finding(key: Key, level: Level, code: str, text: str) -> Finding:
    records = () if code == "unanswered" else (key.record,)
    return Finding(level, f"dkim.{code}", key.name, text, records)
