"""The keys that sign our mails (DKIM): read from their files at the start, checked, and never shown.

Each sending domain has a table [dkim."example.org"]: the selectors that sign now, and those that are ready: their
records stand in the DNS, and they do not sign. A selector's private key is in the file SELECTOR.pem of the folder.
"""

import base64
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from core import relays
from core.errors import SettingsError
from core.identity import LANES, MailIdentity

RSA, ED25519 = "rsa", "ed25519"
"""The kinds of key, as the tag k= of a record names them (RFC 6376, section 3.6.1; RFC 8463, section 4)."""
DOMAIN_KEYS = ("folder", "signing", "ready")
RSA_BITS = 2048
"""What new keys have, and the least that a key of ours may have (RFC 8301, section 3.2)."""
MOST_BITS = 4096
"""Receivers need not check longer ones (RFC 8301, section 3.2)."""
THREADS = 2
TXT_OCTETS = 255
"""The most that one string of a TXT record holds (RFC 1035, section 3.3.14)."""
_LONGEST_FILE = 65_536
_SELECTOR = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")
_EVERYBODY = stat.S_IROTH | stat.S_IWOTH | stat.S_IXOTH | stat.S_IWGRP

Private = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Key:
    """A private key with its selector. Its name in the DNS is `SELECTOR._domainkey.DOMAIN`."""

    domain: str
    selector: str
    private: Private = field(repr=False)

    @property
    def kind(self) -> str:
        """Return RSA or ED25519."""
        return RSA if isinstance(self.private, rsa.RSAPrivateKey) else ED25519

    @property
    def name(self) -> str:
        """Return where its record stands in the DNS (RFC 6376, section 3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> str:
        """Return the text of its TXT record."""
        public = self.private.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            form = serialization.PublicFormat.SubjectPublicKeyInfo
            octets = public.public_bytes(serialization.Encoding.DER, form)
        else:
            octets = public.public_bytes_raw()
        return f"v=DKIM1; k={self.kind}; p={base64.b64encode(octets).decode('ascii')}"

    def sign(self, text: bytes) -> bytes:
        """Return the signature of a text: always the same one. An RSA signature takes some hundred microseconds,
        in which other threads run.
        """
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(text, padding.PKCS1v15(), hashes.SHA256())
        # Of the hash, not of the text (RFC 8463, section 3).
        return self.private.sign(hashlib.sha256(text).digest())


@dataclass(frozen=True, slots=True)
class DomainKeys:
    """The keys of one sending domain: those that sign, an RSA key first, and those that are ready to."""

    domain: str
    signing: tuple[Key, ...]
    ready: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """All keys by their domain. `threads` of each sender sign beside its lines."""

    domains: Mapping[str, DomainKeys] = field(default_factory=dict)
    threads: int = THREADS

    def __repr__(self) -> str:
        """Show whose keys they are."""
        return f"SigningKeys({', '.join(self.domains)})"

    def of(self, domain: str) -> DomainKeys | None:
        """Return the keys that sign for a From domain: its own, else those of the nearest domain above it.

        Both are aligned with it, as DMARC asks by default (RFC 9989); only the first is under `adkim=s`.
        """
        while domain:
            if domain in self.domains:
                return self.domains[domain]
            domain = domain.partition(".")[2]
        return None


def strings(record: str) -> list[str]:
    """Return a record as the strings of one TXT record, which readers join without a blank (RFC 6376, 3.6.2.2)."""
    return [record[start : start + TXT_OCTETS] for start in range(0, len(record), TXT_OCTETS)]


def made(kind: str) -> Private:
    """Return a new private key."""
    if kind == RSA:
        return rsa.generate_private_key(public_exponent=65_537, key_size=RSA_BITS)
    return ed25519.Ed25519PrivateKey.generate()


def pem(private: Private) -> bytes:
    """Return a private key as it stands in its file."""
    form, closed = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return private.private_bytes(serialization.Encoding.PEM, form, closed)


def read_dkim(table: Mapping[str, Any], identity: MailIdentity) -> SigningKeys:
    """Read [dkim] with its tables. Without any, nothing is signed here. Raises SettingsError, which shows no key.

    With keys, every lane must have some for the domain of its From address, unless its relay signs.
    """
    section = table.get("dkim", {})
    if not isinstance(section, Mapping):
        raise SettingsError('[dkim] must hold tables, each like [dkim."example.org"].')
    threads = section.get("threads", THREADS)
    if type(threads) is not int or not 1 <= threads <= 64:
        raise SettingsError(f"dkim.threads is {threads!r}; it must be a whole number from 1 to 64.")
    found: dict[str, DomainKeys] = {}
    for title, one in section.items():
        if title != "threads":
            keys = _domain_keys(title, one)
            found[keys.domain] = keys
    keyring = SigningKeys(found, threads)
    _refuse_unsigned_lanes(keyring, identity)
    return keyring


REWRITES = "ses"
"""The mail service that changes headers which a signature must cover."""


def _refuse_unsigned_lanes(keys: SigningKeys, identity: MailIdentity) -> None:
    for lane in LANES if keys.domains else ():
        sender = identity.sender_of(lane)
        domain = sender.rpartition("@")[2].lower()
        if identity.mail_service_of(lane) == REWRITES and not identity.signed_by_relay(lane):
            raise SettingsError(
                f"Amazon SES puts a Date and a Message-ID of its own into mails of the lane {lane}, so our signatures "
                f"would be broken. Have SES sign, and say so: lanes.{lane}.signed_by_relay = true."
            )
        if not identity.signed_by_relay(lane) and keys.of(domain) is None:
            raise SettingsError(
                f'There is no [dkim."{domain}"], so mails of the lane {lane}, which come from {sender}, would leave '
                f"unsigned. Add that table; if the relay of this lane signs: lanes.{lane}.signed_by_relay = true."
            )


def _domain_keys(title: str, section: object) -> DomainKeys:
    where = f'dkim."{title}"'
    if not isinstance(section, Mapping) or not section.keys() <= set(DOMAIN_KEYS):
        raise SettingsError(
            f'[{where}] must be a table named by a domain, like [dkim."example.org"] (the quotes are needed), '
            f"with {', '.join(DOMAIN_KEYS)}."
        )
    domain = relays.domain(where, title)
    folder = section.get("folder")
    if not isinstance(folder, str) or not Path(folder).is_absolute():
        raise SettingsError(
            f"{where}.folder is {folder!r}; it must be the whole path of the folder with the key files."
        )
    signing = tuple(_keys(f"{where}.signing", domain, Path(folder), section.get("signing", [])))
    ready = tuple(_keys(f"{where}.ready", domain, Path(folder), section.get("ready", [])))
    kinds = sorted(key.kind for key in signing)
    if kinds not in ([RSA], [ED25519, RSA]):
        raise SettingsError(
            f"{where}.signing has {' and '.join(kinds) or 'no key'}; it must name one RSA key, and beside it one "
            "Ed25519 key if you like: many receivers know no Ed25519, so it never signs alone."
        )
    if twice := {key.selector for key in signing} & {key.selector for key in ready}:
        raise SettingsError(f"{where}: {twice.pop()} is in signing and in ready; it can be in one of them only.")
    return DomainKeys(domain, tuple(sorted(signing, key=lambda key: key.kind, reverse=True)), ready)


def _keys(where: str, domain: str, folder: Path, selectors: object) -> Iterator[Key]:
    if not isinstance(selectors, Sequence) or isinstance(selectors, str) or len(set(map(str, selectors))) > 8:
        raise SettingsError(f'{where} must be a list of at most 8 selectors, like ["rsa-202611", "ed-202611"].')
    for selector in dict.fromkeys(map(str, selectors)):
        refuse_selector(where, selector, domain)
        yield Key(domain, selector, _private(where, folder / f"{selector}.pem"))


def refuse_selector(where: str, selector: str, domain: str) -> None:
    """Raise SettingsError for what cannot be a selector: it stands in a name of the DNS, and names a file."""
    if not _SELECTOR.fullmatch(selector) or len(f"{selector}._domainkey.{domain}") > 253:
        raise SettingsError(f"{where}: {selector!r} is no selector. Use small letters, digits and hyphens.")


def _private(where: str, path: Path) -> Private:
    """Return the private key in a file. Raises SettingsError, whose text never has anything of the file in it."""
    try:
        key = serialization.load_pem_private_key(_octets(where, path), password=None)
    except TypeError as error:
        raise SettingsError(f"{where}: {path} is closed with a password. Keep the key without one.") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SettingsError(f"{where}: {path} holds no private key in PEM form.") from error
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    if not isinstance(key, rsa.RSAPrivateKey):
        raise SettingsError(f"{where}: the key in {path} is neither RSA nor Ed25519; DKIM knows no other.")
    if not RSA_BITS <= key.key_size <= MOST_BITS:
        raise SettingsError(
            f"{where}: the RSA key in {path} has {key.key_size} bits. It must have {RSA_BITS} to {MOST_BITS}: "
            "shorter ones can be broken, and receivers need not check longer ones."
        )
    return key


def _octets(where: str, path: Path) -> bytes:
    try:
        if not path.is_file():
            raise SettingsError(f"{where}: there is no key file {path}. flask mail dkim new makes one.")
        with path.open("rb") as file:
            open_to = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            octets = file.read(_LONGEST_FILE)
    except OSError as error:
        raise SettingsError(f"{where}: the key file {path} cannot be read ({error.strerror}).") from error
    if open_to & _EVERYBODY:
        raise SettingsError(
            f"{where}: others than its owner may use the key file {path} (mode {open_to:04o}). Run: chmod 600 {path}"
        )
    return octets
