"""The proof of consent: what was agreed to, when, in which words. Whose it is stands apart, to be erased alone."""

import hashlib
import ipaddress
import json
import os
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

from core.database import db
from subscribers.models import ConsentEntry, ConsentParticulars, Digest, Subscriber

_SALT_BYTES = 16
_PREFIX = {4: 24, 6: 48}
"""How much of an IP address is kept: enough to tell networks apart, not people."""


def truncated(origin: str | None) -> str:
    """Return the network of an IP address (`192.0.2.0/24`, `2001:db8:1::/48`); nothing for what is no address."""
    if not origin:
        return ""
    try:
        address = ipaddress.ip_interface(origin).ip
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(ipaddress.ip_network(f"{address}/{_PREFIX[address.version]}", strict=False))


def shown(network: str) -> str:
    """Return a truncated origin as people read it: `192.0.2.x`, `2001:db8:1:x`."""
    if not network:
        return ""
    kept, separator, _rest = network.partition("::")
    return f"{kept or ':'}:x" if separator else f"{network.rpartition('.')[0]}.x"


def record(
    kind: str,
    *,
    subscriber: Subscriber,
    digest: Digest | None,
    wording: str,
    form: str,
    origin: str | None,
    now: datetime,
) -> ConsentEntry:
    """Append one entry: `opt_in`, `change` or `opt_out`. `wording` is the text agreed to, or its version."""
    own = ConsentParticulars(
        salt=os.urandom(_SALT_BYTES),
        subscriber_id=subscriber.id,
        addr_hash=subscriber.addr_hash,
        form=form,
        origin_truncated=truncated(origin),
    )
    entry = ConsentEntry(at=now, kind=kind, digest_id=digest.id if digest else None, wording=wording)
    entry.commitment = commitment(
        entry, own, digest_key=digest.key if digest else None, subscriber_key=subscriber.public_id
    )
    db.session.add(entry)
    db.session.flush()
    own.entry_id = entry.id
    db.session.add(own)
    return entry


def commitment(
    entry: ConsentEntry | Row[Any],
    own: ConsentParticulars | Row[Any],
    *,
    digest_key: str | None,
    subscriber_key: bytes,
) -> bytes:
    """Return a salted hash of the whole entry: it binds the particulars, and tells nothing once they are erased."""
    committed = {
        "at": entry.at.astimezone(UTC).isoformat(),
        "kind": entry.kind,
        "digest": digest_key,
        "wording": entry.wording,
        "subscriber": subscriber_key.hex(),
        "addr_hash": own.addr_hash.hex(),
        "form": own.form,
        "origin": own.origin_truncated,
    }
    return hashlib.sha256(own.salt + json.dumps(committed, sort_keys=True).encode()).digest()
