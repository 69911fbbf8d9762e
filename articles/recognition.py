"""How an entry is known again: by its guid, else by its page, else by its text; each kept as a hash."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from articles.entries import Entry, Link
from articles.models import Article

_TRACKING = frozenset({"fbclid", "gclid"})
_USUAL_PORTS = (":80", ":443")
_ENOUGH_TEXT = 100
"""Shorter texts ("See today's front page") may come again on purpose; they identify only what has nothing else."""


class Identity(NamedTuple):
    """One value of one kind: guid, url, text, or version (a page of the same story in another language)."""

    kind: str
    value_hash: bytes


@dataclass(frozen=True, slots=True)
class Arrival:
    """An entry with what it is known by, strongest first, and the pages it names for its other languages."""

    entry: Entry
    identities: tuple[Identity, ...]
    versions: tuple[Identity, ...]


def once_each(entries: Sequence[Entry], *, language: str) -> list[Arrival]:
    """Return the entries of a feed in that language in their order, without those that are there twice."""
    shared = _shared_pages(entries, language) | _shared_guids(entries, language)
    met = set[Identity]()
    arrivals = []
    for entry in entries:
        arrival = _arrival(entry, language, shared)
        if met.isdisjoint(arrival.identities):
            arrivals.append(arrival)
        met.update(arrival.identities)
    return arrivals


def match(arrivals: Sequence[Arrival], present: Mapping[Identity, Article]) -> list[tuple[Arrival, Article | None]]:
    """Return each arrival with the article that it is, or None for a new one. An article is one arrival at most.

    All guids are looked at before any page, and all pages before any text: a page that moved on to another guid
    does not take the article from the entry that still has its guid. What is known best as an article that
    another arrival is already, is that item twice, and left out.
    """
    found: dict[int, Article] = {}
    taken = set[int]()
    for kind in ("guid", "url", "text"):
        for place, arrival in enumerate(arrivals):
            known = (present[key] for key in arrival.identities if key.kind == kind and key in present)
            article = next(known, None)
            if article is not None and place not in found and article.id not in taken:
                found[place] = article
                taken.add(article.id)
    return [
        (arrival, found.get(place))
        for place, arrival in enumerate(arrivals)
        if place in found or arrival.identities[0] not in present
    ]


def own_page(entry: Entry, language: str) -> str | None:
    """Return the address of an entry's page in a language, as its feed has it; None when it names none."""
    return _pages(entry.links, language)[0]


def tracks(name: str) -> bool:
    """Say whether a query's parameter only tells where a reader came from."""
    return name.lower() in _TRACKING or name.lower().startswith("utm_")


def of_guid(guid: str) -> Identity:
    """Return the identity of a guid. Where it is a URL, a move from http to https makes no new entry of it."""
    return Identity("guid", _hash(_folded(guid, fragment=True) or guid))


def of_page(url: str, *, kind: str = "url") -> Identity | None:
    """Return the identity of a page; None for what is no page of its own, such as a site's front page."""
    folded = _folded(url, fragment=False)
    if folded is None or "/" not in folded.rstrip("/"):
        return None
    return Identity(kind, _hash(folded))


def _arrival(entry: Entry, language: str, shared: set[Identity]) -> Arrival:
    own, others = _pages(entry.links, language)
    guid = of_guid(entry.guid) if entry.guid else None
    page = of_page(own) if own else None
    strong = tuple(identity for identity in (guid, page) if identity and identity not in shared)
    versions = [of_page(url, kind="version") for url in others]
    if entry.story:  # What all languages of it have in common, where its publisher says so.
        versions.append(Identity("version", _hash(f"story\0{entry.story}")))
    if len(entry.opening) >= _ENOUGH_TEXT or not strong:
        text = "\n".join((entry.headline, entry.opening)).casefold()
        strong = (*strong, Identity("text", _hash(text)))
    return Arrival(entry, strong, tuple(filter(None, versions)))


def _shared_pages(entries: Sequence[Entry], language: str) -> set[Identity]:
    """Return the pages that entries with different guids share, such as a live blog's: they identify none."""
    guids = defaultdict[Identity, set[str]](set)
    for entry in entries:
        own, _others = _pages(entry.links, language)
        page = of_page(own) if own else None
        if page and entry.guid:
            guids[page].add(entry.guid)
    return {page for page, theirs in guids.items() if len(theirs) > 1}


def _shared_guids(entries: Sequence[Entry], language: str) -> set[Identity]:
    """Return the guids of entries that differ in page and in headline: some systems give all the same ("1")."""
    theirs = defaultdict[Identity, set[tuple[str | None, str]]](set)
    for entry in entries:
        if entry.guid:
            theirs[of_guid(entry.guid)].add((_pages(entry.links, language)[0], entry.headline.casefold()))
    return {
        guid
        for guid, found in theirs.items()
        if len({page for page, _headline in found if page}) > 1 and len({headline for _page, headline in found}) > 1
    }


def _pages(links: Sequence[Link], language: str) -> tuple[str | None, list[str]]:
    """Return an entry's own page, and those of its other languages (hreflang).

    Its own is the one in the feed's language, else in no stated one, else in the same language elsewhere.
    """
    code = language.lower()
    wanted = (
        lambda link: link.language == code,
        lambda link: not link.language,
        lambda link: link.language.partition("-")[0] == code.partition("-")[0],
    )
    own = next((link for fits in wanted for link in links if fits(link)), None)
    others = [link.url for link in links if link.language and link is not own]
    return (own.url if own else None), others


def _folded(url: str, *, fragment: bool) -> str | None:
    """Return the form in which two spellings of one web address meet; None if it is no web address.

    No scheme, the host in lower case, no user and usual port, no tracking, the query in order.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return None
    host = parts.netloc.rpartition("@")[2].lower()
    for port in _USUAL_PORTS:
        host = host.removesuffix(port)
    query = urlencode(sorted(pair for pair in parse_qsl(parts.query, True) if not tracks(pair[0])))
    named = f"#{parts.fragment}" if fragment and parts.fragment else ""
    return host + (parts.path or "/") + (f"?{query}" if query else "") + named


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
