"""Keys and signed mails for the tests of this folder."""

from datetime import UTC, datetime
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from core import dkimkeys
from core.dkimkeys import DomainKeys, Key, SigningKeys

NOW = datetime(2026, 11, 28, 18, 0, tzinfo=UTC)
DOMAIN = "monsoon.example.org"


@cache
def rsa_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    """Return a key, made once for all tests."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=bits)


@cache
def signing(domain: str = DOMAIN) -> SigningKeys:
    """Return an RSA and an Ed25519 key that sign, and an RSA key that is ready to."""
    one = Key(domain, "rsa-1", rsa_key())
    two = Key(domain, "ed-1", ed25519.Ed25519PrivateKey.generate())
    ready = Key(domain, "rsa-2", rsa_key(2048, 1))
    return SigningKeys({domain: DomainKeys(domain, (one, two), (ready,))})


def zone_of(keys: SigningKeys) -> dict[str, dict[str, list[object]]]:
    """Return the records of keys, in strings that the DNS can hold."""
    every = (key for one in keys.domains.values() for key in (*one.signing, *one.ready))
    return {key.name: {"TXT": [dkimkeys.strings(key.record)]} for key in every}
