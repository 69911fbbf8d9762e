"""The certificates that SNS signs with: fetched once by a process, a few at most, and none twice in a row in vain."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa

from returns.events import Refused

MOST = 8
"""How many are kept: a region has one at a time."""
KEPT = timedelta(days=1)
AGAIN = timedelta(minutes=1)
"""So long an address that brought no certificate is not asked again."""
PATIENCE_S = 2.0
"""How long a request waits for another one that is fetching."""
Fetch = Callable[[str], bytes | None]
"""Brings what is at an address: None when it is not to be had just now."""
T = TypeVar("T")


class CertificateAway(Exception):
    """The certificate cannot be had just now, so nobody can say whether the message is good: it should come again."""


class Certificates:
    """The keys of certificates by their addresses, for all threads of a process."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._fetching = threading.Lock()
        self._kept = _Recent[x509.Certificate]()
        # Apart, so that addresses that somebody made up do not drive the good ones out.
        self._in_vain = _Recent[None]()

    def __len__(self) -> int:
        return len(self._kept) + len(self._in_vain)

    def key_of(self, url: str, *, now: datetime) -> rsa.RSAPublicKey:
        """Return the key at a checked address. Raises CertificateAway, or Refused when it is not valid now."""
        certificate = self._kept.get(url, now) or self._asked(url, now)
        key = certificate.public_key()
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise Refused("Its certificate is not valid now.")
        if not isinstance(key, rsa.RSAPublicKey):
            raise Refused("Its certificate has no RSA key.")
        return key

    def _asked(self, url: str, now: datetime) -> x509.Certificate:
        """Fetch a certificate, one at a time: whoever waited finds what the other one brought."""
        if not self._fetching.acquire(timeout=PATIENCE_S):
            raise CertificateAway
        try:
            if url in self._in_vain.standing(now):
                raise CertificateAway
            certificate = self._kept.get(url, now) or _read(self._fetch(url))
            if certificate is None:
                self._in_vain.put(url, None, now + AGAIN)
                raise CertificateAway
            self._kept.put(url, certificate, now + KEPT)
            return certificate
        finally:
            self._fetching.release()


class _Recent(Generic[T]):
    """The last few values by their addresses, each until a time."""

    def __init__(self) -> None:
        self._values: OrderedDict[str, tuple[datetime, T]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, url: str, now: datetime) -> T | None:
        found = self._values.get(url)
        return found[1] if found is not None and found[0] > now else None

    def standing(self, now: datetime) -> set[str]:
        return {url for url, (until, _value) in self._values.items() if until > now}

    def put(self, url: str, value: T, until: datetime) -> None:
        self._values[url] = (until, value)
        self._values.move_to_end(url)
        while len(self._values) > MOST:
            self._values.popitem(last=False)


def _read(pem: bytes | None) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(pem) if pem else None
    except (ValueError, UnsupportedAlgorithm):
        return None
