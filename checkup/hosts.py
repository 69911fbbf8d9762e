"""Who takes the mail of a domain, and which names an address has: MX, A, AAAA and PTR, as receivers look at them."""

import ipaddress
from collections.abc import Iterator

from checkup.findings import Finding, Level, Record
from core.names import Exchanges, Names, Outcome, reverse

LOOKED_AT = 10
"""Exchanges and names that are looked at."""
_OWN = tuple(
    map(ipaddress.ip_network, ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"))
) + tuple(map(ipaddress.ip_network, ("172.16.0.0/12", "192.168.0.0/16", "::/127", "fc00::/7", "fe80::/10")))
"""Networks that lead nowhere from outside: loopback, private and link-local ones."""


def check_exchanges(domain: str, names: Names, *, host: str, bounces: bool) -> Iterator[Finding]:
    """Yield what there is to say of who takes the mail of a domain: bounces, or replies to a From address.

    `host` is proposed where there is nobody. Where bounces are not taken, readers that are gone are mailed for ever.
    """
    found = names.exchanges(domain)
    bad = Level.ERROR if bounces else Level.WARNING
    what = "bounces" if bounces else "replies"
    proposal = (Record(domain, "MX", f"10 {host}."),)
    if found.outcome in (Outcome.BROKEN, Outcome.SILENT):
        level = bad if found.outcome is Outcome.BROKEN else Level.WARNING
        yield Finding(
            level, "mx.unanswered", domain, f"The DNS says nothing of the MX of {domain}: {found.outcome.value}."
        )
    elif any(not exchange for _preference, exchange in found.hosts):
        text = f"{domain} has a null MX, which says that it takes no mail (RFC 7505): {what} are lost."
        yield Finding(bad, "mx.null", domain, text, proposal)
    elif found.hosts:
        yield from _check_hosts(domain, found, names, bad, proposal)
    elif names.addresses(domain).records:
        text = f"{domain} has an address and no MX: mail is delivered there, but some receivers ask for an MX."
        yield Finding(
            Level.WARNING if bounces else Level.NOTE,
            "mx.implicit",
            domain,
            text,
            (Record(domain, "MX", f"10 {domain}."),),
        )
    else:
        text = f"{domain} has neither an MX nor an address: {what} are lost" + (
            ", and receivers refuse an envelope sender that cannot be answered." if bounces else "."
        )
        yield Finding(bad, "mx.missing", domain, text, proposal)


def _check_hosts(
    domain: str, found: Exchanges, names: Names, bad: Level, proposal: tuple[Record, ...]
) -> Iterator[Finding]:
    """Yield what is wrong with the exchanges; if one of them can be reached, mail comes."""
    usable, unsure = [], False
    for _preference, host in found.hosts[:LOOKED_AT]:
        code, text = _fault(host, names)
        unsure = unsure or code == "host_unanswered"
        if code in ("", "alias"):
            usable.append(host)
        if code:
            records = () if code == "host_unanswered" else proposal
            yield Finding(Level.WARNING, f"mx.{code}", domain, f"The MX of {domain} names {host}, {text}.", records)
    if usable:
        yield Finding(Level.GOOD, "mx.good", domain, f"Mail for {domain} is taken by {', '.join(usable)}.")
    elif not unsure:
        text = f"No exchange of {domain} can be reached, so no mail comes in."
        yield Finding(bad, "mx.unreachable", domain, text, proposal)


def _fault(host: str, names: Names) -> tuple[str, str]:
    """Return what is wrong with an exchange, code and words; both empty when nothing is."""
    if _is_address(host):
        return "literal", "which is an address: it must be a name"
    addresses = names.addresses(host)
    if not addresses.known:
        return "host_unanswered", f"of which the DNS says nothing just now: {addresses.outcome.value}"
    if not addresses.records:
        return "no_host", "which has no address"
    if all(is_own(one) for one in addresses.records):
        return "private", f"whose address {addresses.records[0]} nobody outside can reach"
    if names.alias(host).records:
        return "alias", "which is an alias (CNAME): it must have addresses of its own (RFC 2181, section 10.3)"
    return "", ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_own(host: str) -> bool:
    """Say whether a host is an address that leads nowhere from outside, or this machine by name."""
    if not _is_address(host):
        return host in ("", "localhost")
    ip = ipaddress.ip_address(host)
    return any(ip in network for network in _OWN)


def check_address(address: str, names: Names, *, host: str) -> Iterator[Finding]:
    """Yield what there is to say of an address that our mail comes from: a name that leads back to it (RFC 8601, 3).

    `host` is the name that is proposed for it.
    """
    back = reverse(address)
    proposal = (Record(back, "PTR", f"{host}."), _forward(host, address))
    answer = names.pointers(address)
    good = [one for one in answer.records[:LOOKED_AT] if address in _same_form(names.addresses(one).records)]
    if not answer.known:
        level = Level.ERROR if answer.outcome is Outcome.BROKEN else Level.WARNING
        yield Finding(level, "ptr.unanswered", address, f"The DNS says nothing of {back}: {answer.outcome.value}.")
    elif not answer.records:
        text = f"{address} has no name. Whoever gave you the address sets it; large receivers refuse mail without."
        yield Finding(Level.ERROR, "ptr.missing", address, text, proposal)
    elif not good:
        named = answer.records[0]
        text = f"{address} is called {named}, which does not lead back to it: large receivers refuse its mail."
        yield Finding(Level.ERROR, "ptr.forward", address, text, (_forward(named, address),))
    else:
        yield Finding(Level.GOOD, "ptr.good", address, f"{address} is called {good[0]}, which leads back to it.")


def _forward(host: str, address: str) -> Record:
    return Record(host, "A" if ipaddress.ip_address(address).version == 4 else "AAAA", address)


def _same_form(addresses: tuple[str, ...]) -> set[str]:
    return {str(ipaddress.ip_address(one)) for one in addresses}
