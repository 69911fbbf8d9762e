"""What an SPF record costs and says, walked through the DNS as a receiver does (RFC 7208, sections 4.6.4 and 5)."""

import ipaddress
from dataclasses import dataclass, field
from enum import Enum

from checkup import spf
from core.names import Names, Outcome

LOOKUPS = 10
VOIDS = 2
EXCHANGES = 10
"""How many lookups, how many of them in vain, and how many exchanges of one `mx` a receiver bears (section 4.6.4)."""
READ_ON = 50
"""After so many lookups nothing more is counted: it is far too many anyway."""


class Verdict(Enum):
    """What SPF says of one address (section 2.6)."""

    PASS = "pass"  # noqa: S105 - a word of RFC 7208
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    NONE = "none"
    PERMERROR = "permerror"
    TEMPERROR = "temperror"
    UNTOLD = "cannot be told"


_BY_QUALIFIER = {"+": Verdict.PASS, "-": Verdict.FAIL, "~": Verdict.SOFTFAIL, "?": Verdict.NEUTRAL}


@dataclass(frozen=True, slots=True)
class Found:
    """The SPF record of one domain: `policy` is None when there is not exactly one."""

    outcome: Outcome
    texts: tuple[str, ...]
    policy: spf.Policy | None


def look_up(domain: str, names: Names) -> Found:
    """Return the SPF record of a domain."""
    answer = names.texts(domain)
    texts = tuple(text for text in answer.records if spf.is_policy(text))
    return Found(answer.outcome, texts, spf.read(texts[0]) if len(texts) == 1 else None)


@dataclass(slots=True)
class Survey:
    """What all of a record costs when no term of it matches. `faults` are (code, sentence), each once."""

    lookups: int = 0
    voids: int = 0
    end: str | None = None
    faults: dict[tuple[str, str], None] = field(default_factory=dict)

    def fault(self, code: str, text: str) -> None:
        """Note something that a receiver stumbles over."""
        self.faults[code, text] = None


def survey(domain: str, policy: spf.Policy, names: Names) -> Survey:
    """Walk through all that a record names. It ends: each step costs a lookup, and READ_ON of them are walked."""
    found = Survey()
    found.end = _walk(domain, policy, names, found, (domain.lower(),))
    return found


def _walk(domain: str, policy: spf.Policy, names: Names, found: Survey, path: tuple[str, ...]) -> str | None:
    """Count what the terms cost, and return the qualifier of the `all` in which the record ends."""
    for word in policy.wrong:
        found.fault("broken", f"The SPF record of {domain} has a term that nobody understands: {word[:60]}.")
    for term in policy.asked:
        if term.name not in spf.ASKING:
            continue
        found.lookups += 1
        if found.lookups > READ_ON:
            break
        if term.name == "ptr":
            found.fault("ptr", f"The SPF record of {domain} uses ptr, which many receivers do not look at any more.")
        elif not term.has_macro:
            _cost(domain, term, names, found, path)
    if policy.all is not None or policy.redirect is None:
        return policy.all
    found.lookups += 1
    return _enter(policy.redirect, "redirects to", domain, names, found, path)


def _cost(domain: str, term: spf.Term, names: Names, found: Survey, path: tuple[str, ...]) -> None:
    """Look up what one term names."""
    target = term.domain or domain
    if term.name == "include":
        _enter(target, "includes", domain, names, found, path)
    elif term.name == "mx":
        exchanges = names.exchanges(target)
        if len(exchanges.hosts) > EXCHANGES:
            found.fault(
                "many_mx", f"The SPF record of {domain} uses the MX of {target}, which has more than {EXCHANGES}."
            )
        found.voids += exchanges.outcome in (Outcome.NOTHING, Outcome.NO_NAME)
    else:
        found.voids += names.addresses(target).void


def _enter(target: str, how: str, domain: str, names: Names, found: Survey, path: tuple[str, ...]) -> str | None:
    """Walk through the record of another domain, unless the way there leads in a circle."""
    if "%" in target or found.lookups > READ_ON:
        return None
    if target.lower().rstrip(".") in path:
        found.fault("loop", f"The SPF record of {domain} {how} {target}, which leads back to where it came from.")
        return None
    there = look_up(target, names)
    if there.policy is not None:
        return _walk(target, there.policy, names, found, (*path, target.lower().rstrip(".")))
    found.voids += there.outcome in (Outcome.NOTHING, Outcome.NO_NAME)
    if there.outcome in (Outcome.BROKEN, Outcome.SILENT):
        found.fault("unanswered", f"The SPF record of {domain} {how} {target}, of which the DNS says nothing just now.")
    else:
        what = "several SPF records" if there.texts else "no SPF record"
        found.fault("target", f"The SPF record of {domain} {how} {target}, which has {what}.")
    return None


@dataclass(slots=True)
class _Bill:
    lookups: int = 0
    voids: int = 0


class _Stop(Exception):
    """The check ends here, with this verdict."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        super().__init__(verdict.value)


def verdict(domain: str, address: str, names: Names) -> Verdict:
    """Return what a receiver makes of mail of this domain from this address (section 4)."""
    try:
        return _judge(domain, ipaddress.ip_address(address), names, _Bill())
    except _Stop as stop:
        return stop.verdict


def would_say(domain: str, policy: spf.Policy, address: str, names: Names) -> Verdict:
    """Return what a receiver would make of it if this were the record of the domain."""
    try:
        return _apply(domain, policy, ipaddress.ip_address(address), names, _Bill())
    except _Stop as stop:
        return stop.verdict


def _judge(domain: str, address: spf.Address, names: Names, bill: _Bill) -> Verdict:
    there = look_up(domain, names)
    if there.outcome in (Outcome.BROKEN, Outcome.SILENT):
        raise _Stop(Verdict.TEMPERROR)
    if there.policy is None:
        return Verdict.PERMERROR if there.texts else Verdict.NONE
    return _apply(domain, there.policy, address, names, bill)


def _apply(domain: str, policy: spf.Policy, address: spf.Address, names: Names, bill: _Bill) -> Verdict:
    if policy.wrong:
        raise _Stop(Verdict.PERMERROR)
    for term in policy.terms:
        if _matches(domain, term, address, names, bill):
            return _BY_QUALIFIER[term.qualifier]
    if policy.redirect is None:
        return Verdict.NEUTRAL
    _pay(bill, policy.redirect)
    found = _judge(policy.redirect, address, names, bill)
    return Verdict.PERMERROR if found is Verdict.NONE else found


def _pay(bill: _Bill, target: str) -> None:
    """Count a lookup. Raises _Stop when it is one too many, or when nobody but the receiver knows the domain."""
    bill.lookups += 1
    if bill.lookups > LOOKUPS:
        raise _Stop(Verdict.PERMERROR)
    if "%" in target:
        raise _Stop(Verdict.UNTOLD)


def _matches(domain: str, term: spf.Term, address: spf.Address, names: Names, bill: _Bill) -> bool:
    if term.name == "all":
        return True
    if term.network is not None:
        return address in term.network
    target = term.domain or domain
    _pay(bill, target)
    if term.name == "include":
        found = _judge(target, address, names, bill)
        if found in (Verdict.NONE, Verdict.PERMERROR):
            raise _Stop(Verdict.PERMERROR)
        return found is Verdict.PASS
    if term.name == "ptr":
        raise _Stop(Verdict.UNTOLD)
    addresses = _addresses(term, target, names)
    bill.voids += not addresses
    if bill.voids > VOIDS:
        raise _Stop(Verdict.PERMERROR)
    return bool(addresses) if term.name == "exists" else any(_covers(one, term, address) for one in addresses)


def _addresses(term: spf.Term, target: str, names: Names) -> list[str]:
    """Return the addresses that `a`, `mx` or `exists` stands for."""
    hosts = [target]
    if term.name == "mx":
        hosts = [host for _preference, host in names.exchanges(target).hosts]
        if len(hosts) > EXCHANGES:
            raise _Stop(Verdict.PERMERROR)
    return [one for host in hosts if host for one in _of_host(host, names)]


def _of_host(host: str, names: Names) -> tuple[str, ...]:
    found = names.addresses(host)
    if not found.known:
        raise _Stop(Verdict.TEMPERROR)
    return found.records


def _covers(host: str, term: spf.Term, address: spf.Address) -> bool:
    """Say whether an address is in the network around a host's."""
    prefix = term.prefixes[0] if address.version == 4 else term.prefixes[1]
    other = ipaddress.ip_address(host)
    return other.version == address.version and address in ipaddress.ip_network(f"{host}/{prefix}", strict=False)
