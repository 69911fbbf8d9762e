"""Feeds and answers as the corpus writes them: by hand, so that they can be as wrong as they must."""

import random
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from html import escape

from tests.proofs.corpus.model import Look
from tests.proofs.feeds_server import Page

STARTED = datetime.now(UTC).replace(microsecond=0)
SITE = "https://news.example.org"
DECLARED = '<?xml version="1.0" encoding="utf-8"?>\n'
_WORDS = re.findall(
    r"\w+",
    "harbour council minister ferry bridge market river school letter winter engine garden doctor island station "
    "budget lantern paper mountain village teacher captain border signal valley kitchen evening answer summer voice",
)


def ago(**units: float) -> datetime:
    """Return the moment so long before the corpus was written, in whole seconds."""
    return STARTED - timedelta(**units)


AT = ago(hours=1)


def rfc822(at: datetime) -> str:
    """Return a moment as RSS has it."""
    return format_datetime(at)


def prose(seed: object, words: int = 90) -> str:
    """Return a text like no other, of so many words."""
    chance = random.Random(str(seed))
    return " ".join(chance.choice(_WORDS) + chance.choice(("", "s", "ed", "ly")) for _word in range(words))


def item(
    title: str | None,
    *,
    guid: str | None = "",
    link: str | None = "",
    date: str | None = "",
    text: str | None = "A short text.",
    more: str = "",
) -> str:
    """Return an item of RSS. What is an empty text is made from the title; what is None is left out."""
    slug = "-".join("".join(char if char.isalnum() else " " for char in (title or "untitled")).split()).lower()
    parts = {
        "title": title,
        "guid": f"{SITE}/g/{slug}" if guid == "" else guid,
        "link": f"{SITE}/en/{slug}" if link == "" else link,
        "pubDate": rfc822(AT) if date == "" else date,
        "description": text,
    }
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in parts.items() if value is not None)
    return f"<item>{inner}{more}</item>"


def rss(*items: str, declared: str = DECLARED) -> str:
    """Return a feed in RSS 2.0."""
    spaces = 'xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    return f'{declared}<rss version="2.0" {spaces}><channel><title>News</title>{"".join(items)}</channel></rss>'


def full(html: str) -> str:
    """Return the element in which RSS has a whole story."""
    return f"<content:encoded>{escape(html)}</content:encoded>"


def entry(
    title: str, *, guid: str = "", link: str = "", date: datetime = AT, body: str = "A short text.", more: str = ""
) -> str:
    """Return an entry of Atom; its body is HTML."""
    slug = "-".join(title.lower().split())
    return (
        f"<entry><title>{escape(title)}</title><id>{escape(guid or f'tag:{slug}')}</id>"
        f'<link href="{escape(link or f"{SITE}/en/{slug}")}"/><published>{date.isoformat()}</published>'
        f'<content type="html">{escape(body)}</content>{more}</entry>'
    )


def atom(*entries: str, declared: str = DECLARED, attributes: str = "") -> str:
    """Return a feed in Atom 1.0."""
    start = f'<feed xmlns="http://www.w3.org/2005/Atom" {attributes}><title>News</title><id>tag:x</id>'
    return f"{declared}{start}{''.join(entries)}</feed>"


def response(
    body: bytes | str = b"",
    status: str = "200 OK",
    *,
    kind: str | None = "application/xml",
    length: int | None = -1,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Return a whole answer. A length of -1 is the right one, None says nothing of it."""
    octets = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", "Connection: close"]
    lines += [f"Content-Type: {kind}"] if kind is not None else []
    lines += [f"Content-Length: {len(octets) if length == -1 else length}"] if length is not None else []
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + octets


def redirect(to: str, status: str = "302 Found") -> bytes:
    """Return an answer that leads elsewhere."""
    return response(status=status, headers={"Location": to})


def took(new: int, changed: int = 0, known: int = 0, refused: int = 0) -> str:
    """Return what `flask feeds fetch` says of a feed that was read."""
    return f"{new} new, {changed} changed, {known} as before, {refused} refused"


def look(answer: bytes | str | Page, says: str, *, good: bool = True, **pages: bytes | Page) -> Look:
    """Return a look at the feed. A text is the feed itself."""
    own = response(answer) if isinstance(answer, str) else answer
    return Look(says, {"": own} | {f"/{name}": page for name, page in pages.items()}, good)


def turned_away(answer: bytes | str | Page, says: str, **pages: bytes | Page) -> Look:
    """Return a look at a feed that cannot be read."""
    return look(answer, says, good=False, **pages)
