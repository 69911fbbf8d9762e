"""Look at everything that receivers look at, for all the domains that an installation mails as, or for one of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from checkup import alignment, authors, bounces, hosts, keys, samples
from checkup.alignment import Lane
from checkup.findings import Finding, Level
from checkup.keys import Key
from checkup.samples import Sample
from core.dkimkeys import SigningKeys
from core.identity import LANES, MailIdentity, PostOffice
from core.names import Names
from core.relays import LOOPBACK

ORDER = (Level.ERROR, Level.WARNING, Level.NOTE, Level.GOOD)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is looked at. `host` is the site's own name, which is proposed where a host is needed; `addresses` are
    those that our mail comes from, as far as they are known. `sends` is the term of SPF that lets the relay mail.
    """

    lanes: tuple[Lane, ...]
    keys: tuple[Key, ...]
    addresses: tuple[str, ...]
    host: str
    sends: str
    supposed: bool = False


def plan(identity: MailIdentity, post: PostOffice, *, dkim: SigningKeys, addresses: Sequence[str], host: str) -> Plan:
    """Return what is looked at of an installation: all of it. `host` is that of its base URL."""
    if hosts.is_own(host):
        # It stands on this machine for now, under no name that could be proposed.
        host = f"mail.{identity.domain}"
    lanes: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for name in LANES:
        author = domain_of(identity.sender_of(name))
        signing = None if identity.signed_by_relay(name) else dkim.of(author)
        signers = (signing.domain,) if signing is not None else ()
        lanes.setdefault((author, identity.bounce_domain_of(name).lower(), signers), []).append(name)
    relays = [post.relays[identity.relay_of(name)].host for name in LANES]
    terms = [bounces.term_of(address) for address in addresses]
    terms = terms or [f"a:{host if relay in LOOPBACK else relay}" for relay in dict.fromkeys(relays)]
    return Plan(
        lanes=tuple(Lane(tuple(names), *rest) for rest, names in lanes.items()),
        keys=tuple(_keys(dkim)),
        addresses=tuple(addresses),
        host=host,
        sends=" ".join(terms),
    )


def _keys(dkim: SigningKeys) -> Iterator[Key]:
    for one in dkim.domains.values():
        for key in (*one.signing, *one.ready):
            yield Key(key.domain, key.selector, key.kind, key.record, signs=key in one.signing)


def only(whole: Plan, domain: str) -> Plan:
    """Return the part of a plan that has to do with one domain.

    When nothing mails from it yet, it is looked at as if everything did, with bounces going to `bounces.` below it.
    """
    domain = domain.lower().rstrip(".")
    lanes = tuple(one for one in whole.lanes if is_in(one.author, domain) or is_in(one.bounces, domain))
    supposed = not lanes
    if supposed:
        above = sorted({key.domain for key in whole.keys if key.signs and is_in(domain, key.domain)}, key=len)
        lanes = (Lane(LANES, domain, f"bounces.{domain}", tuple(above[-1:])),)
    signers = {signer for lane in lanes for signer in lane.signers}
    ours = tuple(key for key in whole.keys if is_in(key.domain, domain) or key.domain in signers)
    return Plan(lanes, ours, whole.addresses, whole.host, whole.sends, supposed)


def domain_of(address: str) -> str:
    """Return the domain of an address."""
    return address.rpartition("@")[2].lower()


def is_in(domain: str, other: str) -> bool:
    """Say whether a domain is another one, or below it."""
    return domain == other or domain.endswith(f".{other}")


def look(plan: Plan, names: Names, *, mails: Sequence[Sample] = ()) -> list[Finding]:
    """Return all that is found, each finding once, the worst first. `mails` are samples to be verified."""
    found = dict.fromkeys(_all(plan, names, mails))
    if not names.answered:
        text = "No DNS server answered, so nothing can be said. Ask another one with --resolver."
        return [Finding(Level.ERROR, "names.silent", "DNS", text)]
    return sorted(found, key=lambda one: ORDER.index(one.level))


def _all(plan: Plan, names: Names, mails: Sequence[Sample]) -> Iterator[Finding]:
    if plan.supposed:
        yield _supposed(plan.lanes[0])
    for domain in dict.fromkeys(lane.bounces for lane in plan.lanes):
        yield from bounces.check_spf(domain, names, addresses=plan.addresses, sends=plan.sends)
        yield from hosts.check_exchanges(domain, names, host=plan.host, bounces=True)
    for author in dict.fromkeys(lane.author for lane in plan.lanes):
        yield from _author(author, plan, names)
    yield from chain.from_iterable(keys.check(key, names) for key in plan.keys)
    yield from chain.from_iterable(alignment.check_lane(lane, names) for lane in plan.lanes)
    yield from chain.from_iterable(hosts.check_address(one, names, host=plan.host) for one in plan.addresses)
    yield from filter(None, (samples.check_sample(sample, names) for sample in mails))


def _author(author: str, plan: Plan, names: Names) -> Iterator[Finding]:
    near = [lane.bounces for lane in plan.lanes if lane.author == author]
    yield from authors.check_dmarc(author, names, home=alignment.common(author, *near) or author)
    if author not in near:
        yield from hosts.check_exchanges(author, names, host=plan.host, bounces=False)


def _supposed(lane: Lane) -> Finding:
    text = (
        f"Nothing mails from {lane.author} yet. It is looked at as if mail.sender were there and mail.bounce_domain "
        f"were {lane.bounces}."
    )
    return Finding(Level.NOTE, "plan.supposed", lane.author, text)
