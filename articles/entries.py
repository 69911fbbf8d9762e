"""Read a feed's bytes into entries: cleaned, bounded, and not yet compared with anything we know."""

import calendar
import io
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any
from xml.sax import SAXException

import feedparser

from articles import (
    cleaning,
    dateline,
    dates,
    jsonfeed,
    pictures_found,
    pictures_placed,
    untitled,
    webpage,
    words,
    xmlcheck,
)
from articles.pictures_found import FoundPicture
from core import characters

MAX_ENTRY = 200_000
_MAX_TAGS = 10_000
_MAX_DEPTH = 50
"""Deeper markup is no story, and costs the cleaner the square of its depth."""
_HEADLINE, _STANDFIRST, _AUTHOR, _TERM, _OPENING = 300, 600, 200, 100, 500
_MAX_TERMS, _MAX_LINKS = 50, 30
_HTML = ("text/html", "application/xhtml+xml")
_WEB = re.compile(r"https?://[^\s/?#@\\]+([/?#][^\s\\]{0,2000})?", re.IGNORECASE)
_LONG_AGO = datetime(1970, 1, 2, tzinfo=UTC)
_URGENT = ("breaking", "urgent")
"""Terms by which a publisher's system says that a story cannot wait."""
# What feedparser has been seen to raise on odd but well-formed XML.
_READER_TROUBLE = (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError, SAXException)


@dataclass(frozen=True, slots=True)
class Link:
    """A page of an entry; `language` is its hreflang, lower-case, or empty."""

    url: str
    language: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a feed. `body` is clean HTML, with marks where its pictures were; the other texts are plain.

    `opening` is how its text begins.
    `story` is an id that its versions in other languages have, too; `language` is the item's own, where it says one.
    `doubts` are what was wrong with it, though it could be taken. `is_misdated`: it says a date that nobody believes.
    """

    guid: str
    links: tuple[Link, ...]
    headline: str
    standfirst: str
    dateline_place: str
    dateline_agency: str
    body: str
    author: str
    words: int
    published_at: datetime | None
    terms: tuple[str, ...]
    opening: str
    slug: str = ""
    story: str = ""
    language: str = ""
    embargo_until: datetime | None = None
    is_urgent: bool = False
    doubts: tuple[str, ...] = ()
    pictures: tuple[FoundPicture, ...] = ()
    is_misdated: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry that cannot be taken: its guid, as far as it has one, and why not."""

    guid: str
    why: str


@dataclass(frozen=True, slots=True)
class Document:
    """A feed's entries in their order, the hubs that tell of new ones, and under which address those know the feed."""

    entries: tuple[Entry | Refused, ...]
    hubs: tuple[str, ...] = ()
    topic: str = ""
    damage: str = ""
    """What was wrong with a feed that could be read in part."""


def read(feed: bytes, *, url: str = "", zone: tzinfo = UTC) -> list[Entry | Refused]:
    """Return a feed's entries in their order. `url` is the base of relative links. Raises xmlcheck.Damaged."""
    return list(document(feed, url=url, zone=zone).entries)


def document(feed: bytes, *, url: str = "", item: bool = False, zone: tzinfo = UTC, charset: str = "") -> Document:
    """Read RSS, RDF, Atom or JSON Feed, whichever the bytes are. Raises xmlcheck.Damaged.

    A date that has no zone is one of `zone`, the publisher's. `charset` is what the feed's server said.
    With `item` one JSON item alone is a feed of one: a publisher's system pushes that.
    """
    try:
        return (
            _json(feed, zone, item=item)
            if jsonfeed.is_json(feed)
            else _xml(xmlcheck.checked(feed, charset=charset), url, zone)
        )
    except xmlcheck.Damaged as error:
        if page := webpage.told(feed, url=url):
            raise xmlcheck.Damaged(page) from error
        raise


def _json(feed: bytes, zone: tzinfo, *, item: bool) -> Document:
    read = jsonfeed.read(feed, item=item)
    found = (
        Refused(one.guid, one.why) if isinstance(one, jsonfeed.NoItem) else entry(_dated(one, zone))
        for one in read.items
    )
    return Document(tuple(found), read.hubs, read.topic)


def _xml(feed: xmlcheck.Checked, url: str, zone: tzinfo) -> Document:
    headers = {"content-type": "application/xml; charset=utf-8", "content-location": url}
    try:
        # As a stream: feedparser would take bytes for the name of a file first. We clean and resolve ourselves.
        parsed = feedparser.parse(
            io.BytesIO(feed.utf8), response_headers=headers, resolve_relative_uris=False, sanitize_html=False
        )
    except _READER_TROUBLE as error:
        raise xmlcheck.Damaged(f"the feed reader gave up ({type(error).__name__})") from error
    if parsed.bozo:
        raise xmlcheck.Damaged(f"it is not well-formed ({type(parsed.bozo_exception).__name__})")
    if not parsed.version:
        raise xmlcheck.Damaged("it is neither Atom nor RSS nor JSON Feed")
    # Plain dicts: feedparser's own answer some keys with the values of others.
    found = tuple(entry(_dated(dict(item), zone)) for item in parsed.entries)
    return Document(
        found, tuple(_related(parsed.feed, "hub")), next(iter(_related(parsed.feed, "self")), ""), feed.damage
    )


def _dated(item: dict[str, Any], zone: tzinfo) -> dict[str, Any]:
    """Return an item of feedparser's with its dates as they are written."""
    for name in ("published", "updated"):
        if written := item.get(name):
            guess = item.get(f"{name}_parsed")
            item[f"{name}_parsed"] = dates.read(str(written), zone=zone, guess=guess)
    return item


def _related(feed: Mapping[str, Any], rel: str) -> list[str]:
    links = feed.get("links", ())
    return [str(link.get("href", "")).strip() for link in links if link.get("rel") == rel and link.get("href")]


def entry(item: Mapping[str, Any]) -> Entry | Refused:
    """Return an entry of an item in the shape that feedparser gives one, whatever it was read from."""
    guid = str(item.get("id") or "").strip()
    content, summary = _content(item), _own_summary(item)
    if why := unfit(content, summary, str(item.get("title", ""))):
        return Refused(guid, why)
    links = _links(item)
    standfirst = cleaning.plain(_text(item, "summary"), most=_STANDFIRST) if summary else ""
    told, pictures = pictures_placed.of_entry(
        content, pictures_found.beside_text(item), base=links[0].url if links else None
    )
    place, agency, body = dateline.split(told)
    if len(body) > MAX_ENTRY:  # Cleaning repeats what a careless author never closed.
        return Refused(guid, "too large once it is clean")
    text = cleaning.text_of(body) or standfirst
    headline = cleaning.plain(_text(item, "title"), most=_HEADLINE)
    if all(map(characters.is_hidden, headline.rstrip("…"))):
        headline = untitled.headline(text) if item.get("is_untitled") else ""
        if all(map(characters.is_hidden, headline)):
            return Refused(guid, "no title")
        # A flash is a headline, and nobody reads it twice.
        body, text = ("", headline) if untitled.is_all(headline, text) else (body, text)
    return Entry(
        guid=guid,
        links=links,
        headline=headline,
        standfirst=standfirst,
        dateline_place=place,
        dateline_agency=agency,
        body=body,
        author=_author(item),
        words=words.count(text),
        published_at=_instant(item.get("published_parsed") or item.get("updated_parsed")),
        terms=_terms(item),
        opening=cleaning.plain(text, most=_OPENING),
        slug=str(item.get("slug") or ""),
        story=str(item.get("story") or "")[:_HEADLINE],
        language=str(item.get("language") or "")[:_AUTHOR],
        embargo_until=_instant(item.get("embargo_parsed")),
        is_urgent=bool(item.get("is_breaking")) or any(term.casefold() in _URGENT for term in _terms(item)),
        doubts=tuple(_doubts(item)),
        pictures=pictures,
        is_misdated=_misdated(item) is not None,
    )


def _doubts(item: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was wrong with an item that could be taken all the same."""
    title = " ".join(_text(item, "title").split())
    if len(title) > _HEADLINE:
        yield f"its headline of {len(title)} characters was cut to {_HEADLINE}"
    if year := _misdated(item):
        yield f"its date, in the year {year}, was not believed"


def _misdated(item: Mapping[str, Any]) -> int | None:
    """Return the year of a date that was read and cannot be; None for one that can, and where there is none."""
    dated = item.get("published_parsed") or item.get("updated_parsed")
    return dated[0] if dated is not None and _instant(dated) is None else None


def unfit(*texts: str) -> str:
    """Return why an entry with these texts cannot be taken, if it cannot."""
    if sum(map(len, texts)) > MAX_ENTRY:
        return "too large"
    if sum(text.count("<") for text in texts) > _MAX_TAGS or max(map(cleaning.depth, texts)) > _MAX_DEPTH:
        return "too many tags, or too deep ones"
    return ""


def _own_summary(item: Mapping[str, Any]) -> str:
    """Return the summary. Where there is none, feedparser puts the content in its place, without a detail."""
    return str(item.get("summary") or "") if "summary_detail" in item else ""


def _content(item: Mapping[str, Any]) -> str:
    """Return the story as HTML: the content, else a summary that is too long for a standfirst."""
    found = [part for part in item.get("content", ()) if part.get("type") in (*_HTML, "text/plain")]
    found.sort(key=lambda part: part["type"] == "text/plain")
    if found:
        return _as_html(found[0]["value"], found[0]["type"])
    summary = _own_summary(item)
    if len(" ".join(_text(item, "summary").split())) <= _STANDFIRST:
        return ""
    return _as_html(summary, item["summary_detail"].get("type"))


def _as_html(value: str, kind: str | None) -> str:
    return value if kind in _HTML else cleaning.paragraphs(value)


def _text(item: Mapping[str, Any], key: str) -> str:
    """Return a field's text. Only what says that it is HTML is read as HTML: "Use <br> in HTML" is a headline."""
    value = str(item.get(key) or "")
    return cleaning.text_of(value) if item.get(f"{key}_detail", {}).get("type") in _HTML else value


def _author(item: Mapping[str, Any]) -> str:
    """Return the authors' names, without their addresses."""
    names = [str(author["name"]) for author in item.get("authors", ()) if author.get("name")]
    return cleaning.plain(", ".join(name for name in names if "@" not in name), most=_AUTHOR)


def _links(item: Mapping[str, Any]) -> tuple[Link, ...]:
    """Return the pages of an entry, one a language; a guid that is a link counts where there is no other."""
    found = [
        Link(str(link.get("href", "")).strip(), str(link.get("hreflang", "")).strip().lower())
        for link in item.get("links", ())
        if link.get("rel") == "alternate" and link.get("type") in _HTML
    ]
    found = [link for link in found or [Link(str(item.get("link", "")), "")] if _WEB.fullmatch(link.url)]
    return tuple(found[:_MAX_LINKS])


def _terms(item: Mapping[str, Any]) -> tuple[str, ...]:
    tags = item.get("tags", ())[:_MAX_TERMS]
    terms = (cleaning.plain(str(tag.get(key) or ""), most=_TERM) for tag in tags for key in ("term", "label"))
    return tuple(dict.fromkeys(filter(None, terms)))


def _instant(parsed: time.struct_time | None) -> datetime | None:
    """Return a date of feedparser's, which is in UTC; none for what some systems write when they have none."""
    if parsed is None:
        return None
    try:
        at = datetime.fromtimestamp(calendar.timegm(parsed), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return at if at >= _LONG_AGO else None
