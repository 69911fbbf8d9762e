"""Keys to sign with in tests, made once, and what the DNS would say of them."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import dkim

from core import dkimkeys
from core.dkimkeys import DomainKeys, Key, Private

DOMAIN = "monsoon.example.org"


@cache
def private(kind: str, number: int = 1) -> Private:
    """Return a private key: the same one each time."""
    return dkimkeys.made(kind)


def key(selector: str, domain: str = DOMAIN) -> Key:
    """Return a key; its selector begins with its kind."""
    kind = dkimkeys.RSA if selector.startswith("rsa") else dkimkeys.ED25519
    return Key(domain, selector, private(kind, int(selector[-1])))


def keys(*signing: str, ready: tuple[str, ...] = (), domain: str = DOMAIN) -> DomainKeys:
    """Return the keys of a domain by their selectors."""
    return DomainKeys(domain, tuple(key(one, domain) for one in signing), tuple(key(one, domain) for one in ready))


RSA_ONLY = ("rsa-1",)
BOTH = ("rsa-1", "ed-1")


def zone(*domains: DomainKeys) -> dict[str, str]:
    """Return the records of all keys by their names."""
    return {key.name: key.record for one in domains for key in (*one.signing, *one.ready)}


def looked_up(*domains: DomainKeys) -> Callable[[str], str | None]:
    """Return what asks a DNS with these records."""
    return zone(*domains).get


def by_dkimpy(raw: bytes, *domains: DomainKeys) -> list[bool]:
    """Return for each signature, from the top, whether dkimpy finds it good."""
    records = {f"{name}.".encode(): record.encode() for name, record in zone(*domains).items()}
    count = raw.partition(b"\r\n\r\n")[0].lower().count(b"dkim-signature:")

    def dns(name: bytes, timeout: float = 5) -> bytes | None:
        return records.get(name)

    return [_holds(raw, index, dns) for index in range(count)]


def _holds(raw: bytes, index: int, dns: Callable[..., bytes | None]) -> bool:
    try:
        return bool(dkim.DKIM(raw).verify(idx=index, dnsfunc=dns))
    except dkim.DKIMException:
        return False


def written(folder: Path, *selectors: str) -> Path:
    """Write key files as a person keeps them; return the folder."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for selector in selectors:
        path = folder / f"{selector}.pem"
        path.write_bytes(dkimkeys.pem(key(selector).private))
        path.chmod(0o600)
    return folder
