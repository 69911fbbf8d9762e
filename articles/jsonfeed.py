"""Read a JSON Feed (jsonfeed.org, versions 1 and 1.1) into items as feedparser gives those of XML.

Strict where a story could go wrong by it, and bounded before anything is built from the bytes: size, depth, how much
is in it, names that stand twice, numbers that are none.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from articles import xmlcheck
from articles.xmlcheck import Damaged

MAX_DEPTH = 20
MAX_VALUES = 200_000
"""Objects, lists and commas in one document; each costs far more memory than bytes."""
EXTENSION = "_postrider"
"""What a publisher's system may tell us beyond the format (section "Extensions" of the specification)."""
_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n"
_WIDE = (b"\xff\xfe{\0", b"{\0", b"\xfe\xff\0{", b"\0{")
"""How a document in UTF-16 begins."""
_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_VERSION = re.compile(r"https?://(?:www\.)?jsonfeed\.org/version/1(?:\.\d+)?/?")
_TEXTS = ("id", "url", "title", "content_html", "content_text", "summary")
"""What makes the story: where one of these is no text, nobody knows what the publisher meant."""
_MOST = 100
"""Of tags, authors, attachments and hubs."""


@dataclass(frozen=True, slots=True)
class NoItem:
    """What stands where an item should, and cannot be one: its id, as far as it has one, and why not."""

    guid: str
    why: str


@dataclass(frozen=True, slots=True)
class JsonFeed:
    """The items in their order; the hubs that tell of new ones, and the address under which they know the feed."""

    items: tuple[dict[str, Any] | NoItem, ...]
    hubs: tuple[str, ...] = ()
    topic: str = ""


@dataclass(frozen=True, slots=True)
class _Twice:
    """An object in which a name stands twice: readers differ in which of the two they take."""

    name: str


def is_json(feed: bytes) -> bool:
    """Say whether these bytes are meant to be JSON. The bytes decide: servers send feeds under any type."""
    start = feed.removeprefix(_BOM)[:1_000].lstrip(_BLANK)
    return start[:1] in (b"{", b"[") or _is_wide(feed)


def read(feed: bytes, *, item: bool = False) -> JsonFeed:
    """Return what is in the bytes; with `item`, one item alone is a feed of one. Raises xmlcheck.Damaged."""
    found = _parsed(feed)
    if not isinstance(found, dict):
        raise Damaged(f"its {found.name} stands twice" if isinstance(found, _Twice) else "it is JSON, but no object")
    if item and "items" not in found and "version" not in found:
        return JsonFeed((_item(found, []),))
    if not isinstance(version := found.get("version"), str) or not _VERSION.fullmatch(version):
        raise Damaged("it is JSON, but no JSON Feed: its version is none that begins https://jsonfeed.org/version/1")
    items = found.get("items")
    if not isinstance(items, list):
        raise Damaged("it is a JSON Feed without a list of items")
    if len(items) > xmlcheck.MAX_ENTRIES:
        raise Damaged(f"it has more than {xmlcheck.MAX_ENTRIES} entries")
    authors = _authors(found)
    hubs = [str(hub["url"]) for hub in _objects(found, "hubs") if str(hub.get("type", "")).lower() == "websub"]
    return JsonFeed(tuple(_item(one, authors) for one in items), tuple(hubs), _text(found, "feed_url"))


def _parsed(feed: bytes) -> object:
    if len(feed) > xmlcheck.MAX_BYTES:
        raise Damaged(f"it is larger than {xmlcheck.MAX_BYTES} bytes")
    if _is_wide(feed):
        raise Damaged("it is JSON, but not in UTF-8, which JSON must be in")
    feed = feed.removeprefix(_BOM)
    _measure(feed)
    try:
        return json.loads(
            feed.decode("utf-8"),
            object_pairs_hook=_object,
            # As they stand: an id may be a number, of any length.
            parse_int=str,
            parse_float=str,
            parse_constant=_no_number,
        )
    except UnicodeDecodeError as error:
        raise Damaged("it is not in UTF-8, which JSON must be in") from error
    except json.JSONDecodeError as error:
        raise Damaged(f"it is no well-formed JSON: {error.msg} in line {error.lineno}") from error
    except RecursionError as error:
        raise Damaged("it is nested too deep") from error


def _is_wide(feed: bytes) -> bool:
    return feed.startswith(_WIDE)


def _measure(feed: bytes) -> None:
    """Count what the document would become before it becomes anything: a byte can cost a hundred. Raises Damaged."""
    bones = _STRINGS.sub(b"", feed)
    if sum(map(bones.count, (b"{", b"[", b","))) > MAX_VALUES:
        raise Damaged("it has too many values in it")
    depth = 0
    for bracket in re.findall(rb"[][{}]", bones):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise Damaged("it is nested too deep")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object] | _Twice:
    """Build an object. A name that stands twice spoils this object, and not the whole feed."""
    made: dict[str, object] = {}
    for name, value in pairs:
        if name in made:
            return _Twice(name[:40])
        made[name] = value
    return made


def _no_number(name: str) -> NoReturn:
    raise Damaged(f"it has {name} in it, which is no JSON")


def _item(one: object, authors: list[dict[str, str]]) -> dict[str, Any] | NoItem:
    """Return an item in the shape that feedparser would give it."""
    if isinstance(one, _Twice):
        return NoItem("", f"its {one.name} stands twice")
    if not isinstance(one, dict):
        return NoItem("", "it is no object")
    guid = one["id"] if isinstance(one.get("id"), str) else ""
    spoiled = [name for name in _TEXTS if one.get(name) is not None and not isinstance(one[name], str)]
    if spoiled:
        return NoItem(guid, f"its {spoiled[0]} is no text")
    return {
        "id": guid,
        # The page of the item itself: `external_url` is one that it is about, and may be that of others, too.
        "links": [*_page(_text(one, "url") or guid), *_enclosures(one)],
        "title": _text(one, "title"),
        "title_detail": {"type": "text/plain"},
        "is_untitled": True,
        "content": _content(one),
        "summary": _text(one, "summary"),
        **({"summary_detail": {"type": "text/plain"}} if one.get("summary") else {}),
        "authors": _authors(one) or authors,
        "tags": [{"term": tag} for tag in _strings(one, "tags")],
        "media_content": [
            {"url": one[name], "medium": "image"} for name in ("image", "banner_image") if _text(one, name)
        ],
        "published": _text(one, "date_published"),
        "published_parsed": _moment(one, "date_published"),
        "updated": _text(one, "date_modified"),
        "updated_parsed": _moment(one, "date_modified"),
        "language": _text(one, "language"),
        **_extension(one.get(EXTENSION)),
    }


def _extension(told: object) -> dict[str, object]:
    """Return what our own extension says. It is trusted no further than its feed is: ingest decides."""
    if not isinstance(told, dict):
        return {}
    return {
        "story": _text(told, "story"),
        "is_breaking": told.get("breaking") is True,
        "embargo_parsed": _moment(told, "embargo_until"),
        "slug": _text(told, "slug"),
    }


def _page(url: str) -> list[dict[str, str]]:
    return [{"rel": "alternate", "type": "text/html", "href": url}] if url else []


def _enclosures(one: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    for attachment in _objects(one, "attachments"):
        kind = _text(attachment, "mime_type")
        yield {"rel": "enclosure", "type": kind, "href": str(attachment["url"]), "title": _text(attachment, "title")}


def _content(one: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the text in both its forms, as far as they are there; who reads it prefers the HTML."""
    kinds = {"content_html": "text/html", "content_text": "text/plain"}
    return [{"type": kind, "value": one[name]} for name, kind in kinds.items() if _text(one, name)]


def _authors(one: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return who wrote it: `authors` of version 1.1, else the one `author` of version 1."""
    single = one.get("author")
    people = _objects(one, "authors", must="name") or ([single] if isinstance(single, dict) else [])
    return [{"name": _text(person, "name")} for person in people if _text(person, "name")]


def _objects(one: Mapping[str, Any], name: str, *, must: str = "url") -> list[dict[str, Any]]:
    """Return the objects of a list that have what they must have; the rest is left out."""
    found = one.get(name)
    found = found[:_MOST] if isinstance(found, list) else []
    return [thing for thing in found if isinstance(thing, dict) and _text(thing, must)]


def _strings(one: Mapping[str, Any], name: str) -> list[str]:
    found = one.get(name)
    return [text for text in found[:_MOST] if isinstance(text, str)] if isinstance(found, list) else []


def _text(one: Mapping[str, Any], name: str) -> str:
    value = one.get(name)
    return value.strip() if isinstance(value, str) else ""


def _moment(one: Mapping[str, Any], name: str) -> Any:
    """Return a date (RFC 3339) in UTC as feedparser gives it; one without a zone is taken as UTC, as there."""
    try:
        at = datetime.fromisoformat(_text(one, name))
        return (at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)).timetuple()
    except (ValueError, OverflowError):
        return None
