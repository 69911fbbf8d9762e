"""Write the feeds that tests let in: Atom and RSS, well-formed unless a test breaks them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from xml.sax.saxutils import escape, quoteattr

NOW = datetime(2024, 2, 16, 12, 0, tzinfo=UTC)
SITE = "https://news.example.org"
LONG = "South Korea and Cuba exchanged notes in New York, and the atlases of diplomacy have one white patch less. " * 2


def entry(
    name: str = "one",
    *,
    title: str | None = "A headline",
    guid: str | None = "",
    url: str | None = "",
    published: str | None = "2024-02-15T15:13:00+09:00",
    summary: str | None = "What it is about.",
    content: str | None = f"<p>{LONG}</p>",
    versions: Mapping[str, str] | None = None,
    terms: tuple[str, ...] = (),
    more: str = "",
) -> str:
    """Return an Atom entry. guid and url come from `name` unless given; None leaves an element out."""
    guid = f"tag:news.example.org,2024:{name}" if guid == "" else guid
    url = f"{SITE}/en/{name}" if url == "" else url
    parts = [
        _element("title", title),
        _element("id", guid),
        f"<link href={quoteattr(url)}/>" if url else "",
        _element("published", published),
        _element("summary", summary, 'type="text"'),
        _element("content", content, 'type="html"'),
        *(f"<category term={quoteattr(term)}/>" for term in terms),
        *(f'<link rel="alternate" hreflang="{code}" href={quoteattr(to)}/>' for code, to in (versions or {}).items()),
        more,
    ]
    return f"<entry>{''.join(parts)}</entry>"


def feed(*entries: str) -> bytes:
    """Return an Atom feed of these entries."""
    start = '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">'
    return f"{start}<title>News</title><id>tag:x</id>{''.join(entries)}</feed>".encode()


def rss(*items: str) -> bytes:
    """Return an RSS 2.0 feed of these items."""
    space = 'xmlns:content="http://purl.org/rss/1.0/modules/content/"'
    return f'<rss version="2.0" {space}><channel><title>News</title>{"".join(items)}</channel></rss>'.encode()


def _element(name: str, text: str | None, attributes: str = "") -> str:
    return "" if text is None else f"<{name} {attributes}>{escape(text)}</{name}>"
