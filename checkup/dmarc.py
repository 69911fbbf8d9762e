"""A DMARC record and how it is found: its tags, the walk up the tree, the organisation's domain (RFC 9989).

RFC 9989 took the place of RFC 7489 in 2026: no list of public suffixes, no `pct`, `rf` and `ri`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from checkup import tags
from core.names import Names

LABELS = 8
"""A walk asks at most so many names: of a longer domain it leaves labels out (section 4.10)."""
GONE = ("pct", "rf", "ri")
"""Tags of RFC 7489 that mean nothing any more."""
KNOWN = ("v", "p", "sp", "np", "t", "psd", "adkim", "aspf", "fo", "rua", "ruf")
REQUESTS = ("none", "quarantine", "reject")
_ALLOWED = {
    **dict.fromkeys(("p", "sp", "np"), REQUESTS),
    "t": ("y", "n"),
    "psd": ("y", "n", "u"),
    **dict.fromkeys(("adkim", "aspf"), ("r", "s")),
}
_VERSION = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)")
_NEARLY = re.compile(r"[\s\"']*v\s*=\s*dmarc", re.IGNORECASE)
_MAILTO = re.compile(r"mailto:([^@\s,!]{1,200})@([A-Za-z0-9.-]{1,253})(![0-9]+[kmgt]?)?", re.IGNORECASE)
REPORTS = 20
"""Addresses for reports that are looked at."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A DMARC record. A value that is none of its tag's is left out of the fields, and named in `wrong`."""

    tags: tags.TagList
    wrong: tuple[str, ...]

    def value(self, name: str, default: str) -> str:
        """Return what a tag says, in small letters, or what holds without it."""
        given = self.tags.get(name)
        return default if given is None or name in self.wrong else given.lower()

    @property
    def holds(self) -> bool:
        """Return whether receivers go by it: without a valid `p` only when it asks for reports (section 4.7)."""
        return bool(self.reports) or not {"p", "sp", "np"} & set(self.wrong)

    def request(self, *, inherited: bool, exists: bool = True) -> str:
        """Return what is asked for mail that fails: of the domain itself, or of one below it, be it there or not."""
        own = "none" if {"p", "sp", "np"} & set(self.wrong) else self.value("p", "none")
        below = self.value("sp", own)
        return own if not inherited else below if exists else self.value("np", below)

    @property
    def reports(self) -> tuple[tuple[str, str, bool], ...]:
        """Return where aggregate reports go: (address, its domain, whether it has a size, which is gone)."""
        return _mailboxes(self.tags.get("rua") or "")


def _mailboxes(text: str) -> tuple[tuple[str, str, bool], ...]:
    found = (_MAILTO.fullmatch(one.strip()) for one in text.split(",")[:REPORTS])
    return tuple((f"{one[1]}@{one[2]}", one[2].lower(), one[3] is not None) for one in found if one is not None)


def is_policy(text: str) -> bool:
    """Say whether a TXT record is a DMARC record: its first tag is the version, letter for letter (section 4.7)."""
    return _VERSION.match(text) is not None


def is_nearly(text: str) -> bool:
    """Say whether a TXT record was meant as one, and is none."""
    return not is_policy(text) and _NEARLY.match(text) is not None


def read(text: str) -> Policy:
    """Return what a record says. Never raises; it takes time in proportion to the length."""
    found = tags.read(text, fold=True)
    wrong = [name for name, value in found.pairs if name in _ALLOWED and value.lower() not in _ALLOWED[name]]
    if (rua := found.get("rua")) is not None and not _mailboxes(rua):
        wrong.append("rua")
    return Policy(found, tuple(wrong))


@dataclass(frozen=True, slots=True)
class Place:
    """What stands at `_dmarc.` and one domain. `policy` is None when there is not exactly one record."""

    domain: str
    known: bool
    texts: tuple[str, ...] = ()
    nearly: tuple[str, ...] = ()
    policy: Policy | None = None


@dataclass(frozen=True, slots=True)
class Walk:
    """The way up from a domain, the longest name first; it ends where a record says so (section 4.10)."""

    domain: str
    places: tuple[Place, ...]

    @property
    def known(self) -> bool:
        """Return whether the DNS answered everywhere: otherwise the organisation may be another one."""
        return all(place.known for place in self.places)

    @property
    def organisation(self) -> str:
        """Return the organisation's domain."""
        found = [place for place in self.places if place.policy is not None]
        for place in found:
            says = place.policy.value("psd", "u") if place.policy else "u"
            if says == "n":
                return place.domain
            if says == "y" and place.domain != self.domain:
                return _below(self.domain, place.domain)
        return found[-1].domain if found else self.domain

    @property
    def applied(self) -> Place | None:
        """Return whose record holds: the domain's own, the organisation's, or that of the suffix (section 4.10)."""
        found = {place.domain: place for place in self.places if place.policy is not None}
        own = found.get(self.domain) or found.get(self.organisation)
        if own is not None or not found:
            return own
        last = found[min(found, key=len)]
        return last if last.policy and last.policy.value("psd", "u") == "y" else None


def names_up(domain: str) -> Iterator[str]:
    """Yield where a walk looks: the domain, then, of its last seven labels, one less each time."""
    labels = domain.lower().rstrip(".").split(".")
    yield ".".join(labels)
    for length in range(min(len(labels), LABELS) - 1, 0, -1):
        yield ".".join(labels[-length:])


def walk(domain: str, names: Names) -> Walk:
    """Walk up the tree from a domain."""
    places: list[Place] = []
    for name in names_up(domain):
        places.append(look_up(name, names))
        policy = places[-1].policy
        if policy is not None and policy.value("psd", "u") in (("n",) if len(places) == 1 else ("n", "y")):
            break
    return Walk(places[0].domain, tuple(places))


def look_up(domain: str, names: Names) -> Place:
    """Return what stands at one domain. Several records count as none."""
    answer = names.texts(f"_dmarc.{domain}")
    texts = tuple(text for text in answer.records if is_policy(text))
    nearly = tuple(text for text in answer.records if is_nearly(text))
    return Place(domain, answer.known, texts, nearly, read(texts[0]) if len(texts) == 1 else None)


def aligned(domain: str, author: str, *, strict: bool, names: Names) -> bool:
    """Say whether a domain that was authenticated stands for the author's domain (section 4.4)."""
    if domain.lower() == author.lower() or strict:
        return domain.lower() == author.lower()
    return walk(domain, names).organisation == walk(author, names).organisation


def report_name(domain: str, to: str) -> str:
    """Return where a stranger's domain says that it takes reports about ours (RFC 9990)."""
    return f"{domain}._report._dmarc.{to}"


def _below(domain: str, suffix: str) -> str:
    """Return the part of a domain that has one label more than a suffix of it."""
    return ".".join(domain.split(".")[-(suffix.count(".") + 2) :])
