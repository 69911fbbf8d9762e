"""A DNS in which all is well for the installation of the tests, what can be changed in it, and records set in it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from checkup import checking
from checkup.checking import Plan
from checkup.findings import Record
from core.dkimkeys import SigningKeys
from core.identity import MailIdentity, PostOffice, Relay
from tests.checkup.signing import signing, zone_of
from tests.installation import IDENTITY

World = dict[str, Mapping[str, list[Any]]]
FROM, BOUNCES = "monsoon.example.org", "bounces.monsoon.example.org"
ADDRESS = "192.0.2.1"
HOST = "news.monsoon.example.org"
SPF = f"v=spf1 ip4:{ADDRESS} include:_spf.relay.test ~all"
DMARC = f"v=DMARC1; p=quarantine; rua=mailto:reports@{FROM}"


def good() -> World:
    """Return a world without a fault."""
    return {
        FROM: {"MX": [(10, "in.monsoon.example.org")], "TXT": ["hello=world"]},
        BOUNCES: {"MX": [(10, "in.monsoon.example.org")], "TXT": [SPF, "other=thing"]},
        "in.monsoon.example.org": {"A": ["198.51.100.4"]},
        f"_dmarc.{FROM}": {"TXT": [DMARC]},
        "_spf.relay.test": {"TXT": ["v=spf1 ip4:203.0.113.0/24 -all"]},
        "1.2.0.192.in-addr.arpa": {"PTR": ["out.monsoon.example.org"]},
        "out.monsoon.example.org": {"A": [ADDRESS]},
        **zone_of(signing()),
    }


def plan(
    *,
    identity: MailIdentity = IDENTITY,
    dkim: SigningKeys | None = None,
    addresses: Iterable[str] = (ADDRESS,),
    relay: str = "127.0.0.1",
) -> Plan:
    """Return what is looked at of the installation of the tests."""
    post = PostOffice({"main": Relay(relay, 25, "none")})
    keys = signing() if dkim is None else dkim
    return checking.plan(identity, post, dkim=keys, addresses=list(addresses), host=HOST)


def changed(world: World, changes: Mapping[str, Mapping[str, list[Any]] | None]) -> World:
    """Return a world with other records at some names; None takes a name out."""
    after = {**world, **{name: there for name, there in changes.items() if there is not None}}
    return {name: there for name, there in after.items() if changes.get(name, there) is not None}


def spf(text: str, *more: str) -> dict[str, Mapping[str, list[Any]] | None]:
    """Return the change to another SPF record, or to several."""
    return {BOUNCES: {"MX": [(10, "in.monsoon.example.org")], "TXT": [text, *more]}}


def dmarc(*texts: str) -> dict[str, Mapping[str, list[Any]] | None]:
    """Return the change to another DMARC record, or to several, or to none."""
    return {f"_dmarc.{FROM}": {"TXT": list(texts)} if texts else None}


def set_in(world: World, record: Record) -> World:
    """Return a world in which somebody has set a record, in the place of those of its sort."""
    there = dict(world.get(record.name, {}))
    value: Any = record.value
    if record.type == "TXT":
        sort = record.value[:6].lower()
        kept = [one for one in there.get("TXT", []) if isinstance(one, str) and not _is_of(one, sort)]
        there["TXT"] = [*kept, value]
    elif record.type == "MX":
        preference, host = record.value.split()
        there["MX"] = [(int(preference), host.rstrip("."))]
    else:
        there[record.type] = [value.rstrip(".")]
    return {**world, record.name: there}


def _is_of(text: str, sort: str) -> bool:
    return sort in ("v=dmar", "v=dkim") or text[:6].lower() == sort


def without(identity: MailIdentity, **changes: Any) -> MailIdentity:
    """Return another identity."""
    return replace(identity, **changes)
