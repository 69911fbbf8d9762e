"""The grammar of an SPF record (RFC 7208, section 4.6.1 and chapter 12): read into terms, and written anew."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

VERSION = "v=spf1"
LONGEST = 8192
"""Characters of a record that are read."""
TERMS = 300
"""Terms of a record that are read: one that has more is far beyond every limit."""
ASKING = ("include", "a", "mx", "ptr", "exists")
"""The mechanisms that cost a lookup; so does the modifier `redirect` (section 4.6.4)."""
QUALIFIERS = "+-~?"
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]{0,62})=([!-~]*)")
_MECHANISM = re.compile(r"([+~?-]?)([A-Za-z][A-Za-z0-9]{0,62})(?::([!-~]+?))?((?:/[0-9]{1,3})?(?://[0-9]{1,3})?)")
_MACRO = re.compile(r"%(?:\{[A-Za-z][0-9]{0,3}r?[.+,/_=-]*\}|[%_-])")
_NAME = re.compile(r"(?=.{1,253}\.?$)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Term:
    """A mechanism: `+a:mail.example.org/24` has the qualifier `+`, a domain, and how long the prefix is of each kind.

    `domain` is None where the record's own is meant. One with a macro in it can be expanded for one mail only.
    """

    text: str
    qualifier: str
    name: str
    domain: str | None = None
    prefixes: tuple[int, int] = (32, 128)
    network: Network | None = None

    @property
    def has_macro(self) -> bool:
        """Return whether the domain depends on the mail."""
        return self.domain is not None and "%" in self.domain


@dataclass(frozen=True, slots=True)
class Policy:
    """An SPF record as it was read. `wrong` are the terms that no receiver understands: then none of it holds."""

    terms: tuple[Term, ...]
    redirect: str | None = None
    modifiers: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()

    @property
    def all(self) -> str | None:
        """Return the qualifier of `all`, None where the record has none."""
        return next((term.qualifier for term in self.terms if term.name == "all"), None)

    @property
    def asked(self) -> tuple[Term, ...]:
        """Return the terms before `all`: what comes after it is never looked at."""
        end = next((place for place, term in enumerate(self.terms) if term.name == "all"), len(self.terms))
        return self.terms[:end]

    def ending(self, end: str, *, adding: Sequence[str] = ()) -> str:
        """Return the record with more terms, without what nobody understands, and with `end` in the place of `all`."""
        kept = [term.text for term in self.asked]
        return " ".join(dict.fromkeys([VERSION, *adding, *kept, *self.modifiers, end]))


def is_policy(text: str) -> bool:
    """Say whether a TXT record is meant as an SPF record (section 4.5)."""
    return text[: len(VERSION)].lower() == VERSION and text[len(VERSION) : len(VERSION) + 1] in ("", " ")


def read(text: str) -> Policy:
    """Return the terms of a record that `is_policy`. Never raises; it takes time in proportion to the length."""
    terms: list[Term] = []
    modifiers: list[str] = []
    redirects: list[str] = []
    wrong: list[str] = []
    for word in text[len(VERSION) : LONGEST].split(" ")[: TERMS + 1]:
        if not word:
            continue
        modifier = _MODIFIER.fullmatch(word)
        if modifier is not None and modifier[1].lower() == "redirect" and _is_domain(modifier[2]):
            redirects.append(modifier[2])
        elif modifier is not None and modifier[1].lower() != "redirect":
            modifiers.append(word)
        elif modifier is None and (term := _term(word)) is not None:
            terms.append(term)
        else:
            wrong.append(word)
    if len(redirects) > 1:
        wrong.append(f"redirect={redirects[1]}")
    return Policy(tuple(terms), redirects[0] if redirects else None, tuple(modifiers), tuple(wrong))


def _term(word: str) -> Term | None:
    """Return a mechanism, None for what is none."""
    if word.partition(":")[0].lstrip(QUALIFIERS).lower() in ("ip4", "ip6"):
        return _network(word)
    match = _MECHANISM.fullmatch(word)
    if match is None:
        return None
    qualifier, name, domain, prefix = match[1] or "+", match[2].lower(), match[3], match[4]
    prefixes = _prefixes(prefix)
    if name not in (*ASKING, "all") or prefixes is None or (prefix and name not in ("a", "mx")):
        return None
    if name in ("include", "exists") if domain is None else name == "all" or not _is_domain(domain):
        return None
    return Term(word, qualifier, name, domain, prefixes)


def _prefixes(text: str) -> tuple[int, int] | None:
    """Return the lengths of `/24//64`, None where an address has not so many bits."""
    four, _slashes, six = text.partition("//")
    lengths = int(four[1:] or 32), int(six or 128)
    return lengths if lengths[0] <= 32 and lengths[1] <= 128 else None


def _network(word: str) -> Term | None:
    head, _colon, value = word.partition(":")
    qualifier, name = (head[0], head[1:]) if head[0] in QUALIFIERS else ("+", head)
    kind = ipaddress.IPv4Network if name.lower() == "ip4" else ipaddress.IPv6Network
    try:
        network = kind(value, strict=False)
    except ValueError:
        return None
    # A netmask, as in 192.0.2.0/255.255.255.0, is none of this grammar.
    if not value or "." in value.partition("/")[2] or name.lower() not in ("ip4", "ip6"):
        return None
    return Term(word, qualifier, name.lower(), network=network)


def _is_domain(text: str) -> bool:
    """Say whether this can be a domain, with or without macros."""
    return _NAME.fullmatch(_MACRO.sub("x", text)) is not None
