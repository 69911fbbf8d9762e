"""E-mail addresses: checked, normalised, hashed with a key, and sealed for the ledger."""

import hashlib
import hmac
import os
import unicodedata
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from email_validator import EmailNotValidError, validate_email

from core import characters, errors
from core.errors import _

MAX_OCTETS = 254
"""The longest address that fits a MAIL or RCPT path of 256 octets (RFC 5321, section 4.5.3.1.3)."""
_NONCE_BYTES = 12
_DOTS_DO_NOT_COUNT = ("gmail.com", "googlemail.com")
"""Domains of one service, which delivers `a.b@` and `ab@` of both to one mailbox."""


@dataclass(frozen=True, slots=True)
class Address:
    """A checked address: `mailbox` is what we mail to (domain as A-label), `folded` what we compare."""

    mailbox: str
    folded: str

    @property
    def masked(self) -> str:
        """Return the address as its owner would still know it: `m***@example.org`."""
        local, _at, domain = self.mailbox.rpartition("@")
        return f"{local[:1]}***@{domain}"


def stored(mailbox: str) -> Address:
    """Return an address that was checked when it came in."""
    return Address(mailbox, mailbox.lower())


def inbox(address: Address) -> str:
    """Return the inbox that an address most likely ends in: without a plus-tag, and without the dots of Gmail.

    For counting only. Two addresses of one inbox are two addresses in every other respect.
    """
    local, _at, domain = address.folded.rpartition("@")
    local = local.partition("+")[0] or local
    if domain in _DOTS_DO_NOT_COUNT:
        return f"{local.replace('.', '') or local}@{_DOTS_DO_NOT_COUNT[0]}"
    return f"{local}@{domain}"


def parse(text: str, *, field: str = "email") -> Address:
    """Return the address that a person typed. Raises Invalid, whose message says what to look at.

    One address, no display name, at most 254 octets; the domain may be an IDN (UTS 46, RFC 5891) and is kept as
    its A-label; the local part must be ASCII, since most receivers still refuse others (RFC 6531).
    """
    typed = unicodedata.normalize("NFC", text).strip(" \t")
    if not typed:
        raise errors.Invalid(field, _("Please type your e-mail address."))
    if any(map(characters.is_hidden, typed)):
        raise errors.Invalid(field, _("Please type one e-mail address, without spaces or hidden characters in it."))
    if len(typed.encode()) > MAX_OCTETS:
        raise errors.Invalid(field, _("This address is too long. An e-mail address has at most 254 characters."))
    try:
        if "=?" in typed:
            raise EmailNotValidError("an encoded word (RFC 2047): some mail programs decode it into something else")
        if "%" in typed:
            raise EmailNotValidError("percent routing: some relays send a%b@c on to a@b; %FF is a broken character")
        checked = validate_email(
            typed, check_deliverability=False, allow_smtputf8=False, strict=True, test_environment=True
        )
    except EmailNotValidError as error:
        message = _("This does not look like an e-mail address. Please check it: it should read like name@example.org.")
        raise errors.Invalid(field, message) from error
    mailbox = f"{checked.local_part}@{checked.ascii_domain.lower()}"
    return Address(mailbox=mailbox, folded=mailbox.lower())


class Keyring:
    """The two uses of the installation's hash key: knowing an address again, and sealing it until its mail has gone."""

    def __init__(self, hash_key: bytes) -> None:
        self._hash_key = hashlib.sha256(b"postrider address hash" + hash_key).digest()
        self._seal = ChaCha20Poly1305(hashlib.sha256(b"postrider address seal" + hash_key).digest())

    @property
    def fingerprint(self) -> str:
        """Return a short proof of which hash key this is; it tells nothing of the key."""
        return hmac.new(self._hash_key, b"fingerprint", "sha256").hexdigest()[:32]

    def hash(self, address: Address) -> bytes:
        """Return the 16-byte keyed hash under which an address is known."""
        return hmac.digest(self._hash_key, address.folded.encode(), "sha256")[:16]

    def blur(self, kind: str, value: str) -> bytes:
        """Return the 16-byte keyed hash under which something is counted; another one for each kind, and for `hash`."""
        return hmac.digest(self._hash_key, f"{kind}\0{value}".encode(), "sha256")[:16]

    def close(self, address: Address) -> tuple[bytes, bytes]:
        """Return the hash of an address, and the address encrypted, bound to that."""
        addr_hash = self.hash(address)
        return addr_hash, self.seal(address, addr_hash)

    def seal(self, address: Address, addr_hash: bytes) -> bytes:
        """Return the address encrypted (ChaCha20-Poly1305, RFC 8439), bound to its hash."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._seal.encrypt(nonce, address.mailbox.encode(), addr_hash)

    def unseal(self, sealed: bytes, addr_hash: bytes) -> str:
        """Return the mailbox that `seal` closed. Raises cryptography's InvalidTag if it was sealed for another hash."""
        return self._seal.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], addr_hash).decode()
