"""The SPF record of a bounce domain: whether receivers understand it, bear it, and let our relay mail (RFC 7208)."""

from collections.abc import Iterator, Sequence

from checkup import spf, spfwalk
from checkup.findings import Finding, Level, Record, shown
from checkup.spfwalk import Found, Survey, Verdict
from core.names import Names, Outcome

_FATAL = ("broken", "target", "loop", "many_mx")
"""Faults for which a receiver gives up with an error (section 4.6)."""
_WELL = (Verdict.PASS, Verdict.UNTOLD, Verdict.TEMPERROR)
"""It passes, or nobody can tell from here that it does not."""
_TOO_LONG = 450
"""Octets up to which the answer fits into an old datagram (section 3.4)."""


def check_spf(domain: str, names: Names, *, addresses: Sequence[str], sends: str) -> Iterator[Finding]:
    """Yield what there is to say of the SPF record of a bounce domain.

    `addresses` are those that our mail comes from, if they are known; `sends` is the term that lets them mail.
    """
    found = spfwalk.look_up(domain, names)
    if found.outcome in (Outcome.BROKEN, Outcome.SILENT):
        level = Level.ERROR if found.outcome is Outcome.BROKEN else Level.WARNING
        text = f"The DNS says nothing of the SPF record of {domain}: {found.outcome.value}."
        yield Finding(level, "spf.unanswered", domain, text)
    elif not found.texts:
        text = f"{domain} has no SPF record: nobody can tell that our relay may mail for it."
        yield Finding(Level.ERROR, "spf.missing", domain, text, _txt(domain, f"{spf.VERSION} {sends} ~all"))
    elif found.policy is None:
        text = f"{domain} has {len(found.texts)} SPF records, so none of them holds: leave only this one."
        proposed = _letting(domain, _merged(found.texts), names, addresses)
        yield Finding(Level.ERROR, "spf.several", domain, text, proposed)
    else:
        survey = spfwalk.survey(domain, found.policy, names)
        proposed = _letting(domain, _mended(found.policy, sends), names, addresses)
        bad = list(_faults(domain, found.policy, survey, proposed))
        yield from bad
        yield from _verdicts(domain, names, addresses, proposed)
        if all(one.level is not Level.ERROR for one in bad):
            yield _good(domain, found, survey)


def _merged(texts: Sequence[str]) -> str:
    """Return one record in the place of several."""
    terms = [term.text for text in texts for term in spf.read(text).asked]
    return " ".join(dict.fromkeys([spf.VERSION, *terms, "~all"]))


def _mended(policy: spf.Policy, sends: str) -> str:
    """Return a record without what nobody understands, which ends as it should."""
    end = "-all" if policy.all == "-" else "~all"
    if policy.all is None and policy.redirect is not None:
        end = f"redirect={policy.redirect}"
    return policy.ending(end, adding=[] if policy.asked or policy.redirect else [sends])


def _letting(domain: str, record: str, names: Names, addresses: Sequence[str]) -> tuple[Record, ...]:
    """Return a record to set, with what it lacks to let each of our addresses mail."""
    policy = spf.read(record)
    lacks = [one for one in addresses if spfwalk.would_say(domain, policy, one, names) not in _WELL]
    if lacks:
        end = record.rpartition(" ")[2]
        record = policy.ending(end, adding=[term_of(address) for address in lacks])
    return _txt(domain, record)


def _faults(domain: str, policy: spf.Policy, survey: Survey, proposed: tuple[Record, ...]) -> Iterator[Finding]:
    """Yield what a receiver stumbles over."""
    for code, text in survey.faults:
        mine = code == "broken" and policy.wrong and text.startswith(f"The SPF record of {domain} ")
        level = Level.ERROR if code in _FATAL else Level.WARNING
        yield Finding(level, f"spf.{code}", domain, text, proposed if mine else ())
    if survey.lookups > spfwalk.LOOKUPS:
        count = f"more than {spfwalk.READ_ON}" if survey.lookups > spfwalk.READ_ON else str(survey.lookups)
        text = (
            f"The SPF record of {domain} needs {count} lookups, and receivers give up after {spfwalk.LOOKUPS}: "
            "take out what does not send, or name networks (ip4:, ip6:) in the place of includes."
        )
        yield Finding(Level.ERROR, "spf.lookups", domain, text)
    if survey.voids > spfwalk.VOIDS:
        text = (
            f"{survey.voids} lookups of the SPF record of {domain} find nothing, and receivers give up after "
            f"{spfwalk.VOIDS}: take out the names that are gone."
        )
        yield Finding(Level.ERROR, "spf.voids", domain, text)
    yield from _endings(domain, survey, proposed)


def _endings(domain: str, survey: Survey, proposed: tuple[Record, ...]) -> Iterator[Finding]:
    if survey.end == "+":
        text = f"The SPF record of {domain} lets everybody mail for it (+all): spammers do."
        yield Finding(Level.ERROR, "spf.everybody", domain, text, proposed)
    elif survey.end == "?" or (survey.end is None and not survey.faults):
        what = "ends in ?all" if survey.end else "has no all at its end"
        text = f"The SPF record of {domain} {what}: it says nothing of who may not mail for it."
        yield Finding(Level.WARNING, "spf.neutral", domain, text, proposed)


def _verdicts(domain: str, names: Names, addresses: Sequence[str], proposed: tuple[Record, ...]) -> Iterator[Finding]:
    """Yield what a receiver makes of mail from each of our addresses."""
    for address in addresses:
        verdict = spfwalk.verdict(domain, address, names)
        if verdict is Verdict.PASS:
            yield Finding(Level.GOOD, "spf.pass", domain, f"The SPF record of {domain} lets {address} mail for it.")
        elif verdict in (Verdict.UNTOLD, Verdict.TEMPERROR):
            text = f"Whether the SPF record of {domain} lets {address} mail for it cannot be told from here."
            yield Finding(Level.WARNING, "spf.untold", domain, text)
        else:
            text = f"The SPF record of {domain} does not let {address} mail for it: {verdict.value}."
            yield Finding(Level.ERROR, "spf.address", domain, text, proposed)


def term_of(address: str) -> str:
    """Return the term of an SPF record that lets an address mail."""
    return f"ip6:{address}" if ":" in address else f"ip4:{address}"


def _good(domain: str, found: Found, survey: Survey) -> Finding:
    record = found.texts[0]
    text = f"{domain} has one SPF record, which needs {survey.lookups} lookups: {shown(record)}"
    if len(record) > _TOO_LONG:
        text = (
            f"{domain} has one SPF record of {len(record)} octets, which is long: above {_TOO_LONG} some do not get it."
        )
        return Finding(Level.NOTE, "spf.long", domain, text)
    return Finding(Level.GOOD, "spf.good", domain, text)


def _txt(domain: str, value: str) -> tuple[Record, ...]:
    return (Record(domain, "TXT", value),)
