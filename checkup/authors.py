"""The DMARC record of a From domain: what it asks of receivers, and where their reports go (RFC 9989, RFC 9990)."""

from collections.abc import Iterator

from checkup import dmarc, tags
from checkup.dmarc import Place, Policy, Walk
from checkup.findings import Finding, Level, Record, shown
from core.names import Names, Outcome


def check_dmarc(domain: str, names: Names, *, home: str) -> Iterator[Finding]:
    """Yield what there is to say of the DMARC record that holds for mail from a domain.

    `home` is the domain at which a record belongs when there is none: ours, above all that we mail as.
    """
    walk = dmarc.walk(domain, names)
    applied = walk.applied
    if not walk.known:
        silent = next(place.domain for place in walk.places if not place.known)
        text = f"The DNS says nothing of _dmarc.{silent} just now, so what holds for {domain} may be something else."
        yield Finding(Level.WARNING, "dmarc.unanswered", domain, text)
    yield from _stray(walk)
    if applied is None or applied.policy is None:
        if walk.known:
            yield _missing(domain, walk, home)
    else:
        yield from _read(domain, applied, applied.policy, names)


def _stray(walk: Walk) -> Iterator[Finding]:
    """Yield records that were meant to be one and are none."""
    for place in walk.places:
        name = f"_dmarc.{place.domain}"
        if len(place.texts) > 1:
            text = f"There are {len(place.texts)} DMARC records at {name}, so none of them holds: leave only this one."
            best = max((dmarc.read(one) for one in place.texts), key=lambda one: len(one.tags.pairs))
            yield Finding(
                Level.ERROR, "dmarc.several", place.domain, text, (_txt(name, best.tags.without(*dmarc.GONE)),)
            )
        for nearly in place.nearly:
            text = f"The record at {name} is no DMARC record; it must begin with v=DMARC1; and has: {shown(nearly)}"
            yield Finding(Level.ERROR, "dmarc.nearly", place.domain, text, (_txt(name, _begun(nearly)),))


def _begun(text: str) -> str:
    """Return a record that was meant as one, begun as it must be."""
    found = tags.read(text.strip().strip("\"'"), fold=True)
    policy = dmarc.read(tags.written(("v", "DMARC1"), *(pair for pair in found.pairs if pair[0] in dmarc.KNOWN[1:])))
    kept = [pair for pair in policy.tags.pairs if pair[0] not in (*policy.wrong, "v", "p")]
    return tags.written(("v", "DMARC1"), ("p", policy.value("p", "none")), *kept)


def _missing(domain: str, walk: Walk, home: str) -> Finding:
    text = f"No DMARC record holds for mail from {domain}: large receivers refuse newsletters without one."
    value = tags.written(("v", "DMARC1"), ("p", "none"), ("rua", f"mailto:postmaster@{home}"))
    several = any(len(place.texts) > 1 or place.nearly for place in walk.places)
    # What is there must be set right, and not get another record beside it.
    return Finding(Level.ERROR, "dmarc.missing", domain, text, () if several else (_txt(f"_dmarc.{home}", value),))


def _read(domain: str, applied: Place, policy: Policy, names: Names) -> Iterator[Finding]:
    """Yield what there is to say of the record that holds."""
    name = f"_dmarc.{applied.domain}"
    faults = [*_faults(applied.domain, name, policy), *_reports(applied.domain, name, policy, names)]
    yield from faults
    if policy.holds:
        yield _asks(domain, applied, policy, exists=names.exchanges(domain).outcome is not Outcome.NO_NAME)


def _faults(domain: str, name: str, policy: Policy) -> Iterator[Finding]:
    rid = policy.tags.without(*dmarc.GONE, *policy.wrong)
    if not policy.holds:
        fixed = tags.written(("v", "DMARC1"), ("p", policy.value("p", "none")), *_rest(policy))
        text = f"The DMARC record at {name} does not hold: {', '.join(policy.wrong)} says nothing that receivers know."
        yield Finding(Level.ERROR, "dmarc.broken", domain, text, (_txt(name, fixed),))
    elif policy.wrong:
        text = f"Receivers leave out what they do not know in the DMARC record at {name}: {', '.join(policy.wrong)}."
        fixed = tags.written(("v", "DMARC1"), ("p", policy.value("p", "none")), *_rest(policy))
        yield Finding(Level.WARNING, "dmarc.values", domain, text, (_txt(name, fixed),))
    if policy.tags.strange:
        text = f"The DMARC record at {name} has something in it that is no tag: {shown(policy.tags.strange[0])}"
        yield Finding(Level.WARNING, "dmarc.strange", domain, text, (_txt(name, rid),))
    gone = [one for one in policy.tags.names if one in dmarc.GONE]
    if gone:
        text = (
            f"The DMARC record at {name} has {', '.join(gone)}, which RFC 9989 took away: receivers do not look at it."
        )
        yield Finding(Level.NOTE, "dmarc.gone", domain, text, (_txt(name, rid),))
    if policy.value("psd", "u") == "y":
        text = (
            f"The DMARC record at {name} says psd=y: that {domain} is a suffix, under which others have their domains."
        )
        yield Finding(Level.ERROR, "dmarc.suffix", domain, text, (_txt(name, policy.tags.without("psd", *dmarc.GONE)),))
    if policy.value("t", "n") == "y":
        text = f"The DMARC record at {name} says t=y: a test, and what it asks for is not done."
        yield Finding(Level.NOTE, "dmarc.testing", domain, text, (_txt(name, policy.tags.without("t", *dmarc.GONE)),))


def _rest(policy: Policy) -> list[tuple[str, str]]:
    left_out = ("v", "p", *dmarc.GONE, *policy.wrong)
    return [(name, value) for name, value in policy.tags.pairs if name not in left_out]


def _reports(domain: str, name: str, policy: Policy, names: Names) -> Iterator[Finding]:
    """Yield what there is to say of where the aggregate reports go."""
    if not policy.reports:
        value = f"{policy.tags.without('rua', *dmarc.GONE)}; rua=mailto:postmaster@{domain}"
        text = f"The DMARC record at {name} has no rua: nobody reports who mails as {domain}, and what fails."
        yield Finding(Level.NOTE, "dmarc.no_reports", domain, text, (_txt(name, value),))
    if any(sized for _address, _host, sized in policy.reports):
        text = f"The DMARC record at {name} has a size in its rua (!10m), which RFC 9989 took away."
        yield Finding(Level.NOTE, "dmarc.size", domain, text)
    for host in dict.fromkeys(host for _address, host, _sized in policy.reports):
        if not dmarc.aligned(host, domain, strict=False, names=names):
            yield _external(domain, host, names)


def _external(domain: str, host: str, names: Names) -> Finding:
    """Say whether a stranger's domain takes reports about ours (RFC 9990): without its word nobody sends them."""
    name = dmarc.report_name(domain, host)
    answer = names.texts(name)
    if any(dmarc.is_policy(text) for text in answer.records):
        text = f"Reports about {domain} go to {host}, which says that it takes them."
        return Finding(Level.GOOD, "dmarc.external", domain, text)
    what = "does not say" if answer.known else "could not be asked"
    text = (
        f"Reports about {domain} go to {host}, which {what} that it takes them; whoever runs it must set this record."
    )
    return Finding(Level.WARNING, "dmarc.external", domain, text, (_txt(name, "v=DMARC1"),))


def _asks(domain: str, applied: Place, policy: Policy, *, exists: bool) -> Finding:
    """Say what the record asks for."""
    inherited = applied.domain != domain
    request = policy.request(inherited=inherited, exists=exists)
    whose = (
        f"The DMARC record of {applied.domain} holds for {domain}, too, and"
        if inherited
        else f"{domain}'s DMARC record"
    )
    if request == "none":
        text = f"{whose} asks for nothing (p=none): go on to quarantine when the reports show that our own mail passes."
        return Finding(Level.GOOD, "dmarc.none", domain, text)
    return Finding(Level.GOOD, "dmarc.good", domain, f"{whose} asks to {request} mail that fails.")


def _txt(name: str, value: str) -> Record:
    return Record(name, "TXT", value)
