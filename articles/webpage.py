"""Tell a web page from a feed, and say where its feed may be: the commonest wrong address there is."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin

_LOOKED_AT = 200_000
"""Characters; the links to feeds stand in the head."""
_PAGE = re.compile(
    r"\ufeff?\s*+(?:<\?xml[^>]{0,200}\?>\s*+)?(?:<!--(?:(?!-->).)*+-->\s*+)*+<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_FEEDS = ("application/rss+xml", "application/atom+xml", "application/feed+json", "application/json", "text/xml")
_SHOWN = re.compile(r"https?://[!-~]{1,300}")


def told(fetched: bytes, *, url: str) -> str:
    """Return what to say of bytes that are a web page, with the first feed that it names; else an empty text."""
    text = fetched[: 4 * _LOOKED_AT].decode("utf-8", "replace")[:_LOOKED_AT]
    if not _PAGE.match(text):
        return ""
    found = feeds_of(text, url=url)
    if found:
        return f"it is a web page; its feed may be at {found[0]}"
    return "it is a web page, and names no feed; the publisher can say where its feed is"


def feeds_of(page: str, *, url: str) -> list[str]:
    """Return the addresses of the feeds that a page links to, in its order."""
    links = _Links()
    links.feed(page)
    found = []
    for href in links.hrefs:
        try:
            target = urljoin(url, href)
        except ValueError:
            continue
        if _SHOWN.fullmatch(target):
            found.append(target)
    return found


class _Links(HTMLParser):
    """Collects `<link rel="alternate">` whose type is a feed's."""

    def __init__(self) -> None:
        super().__init__()
        self.hrefs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one element."""
        values = {name: value or "" for name, value in attrs}
        is_feed = values.get("type", "").strip().lower() in _FEEDS
        if tag == "link" and is_feed and "alternate" in values.get("rel", "").lower().split() and values.get("href"):
            self.hrefs.append(values["href"].strip())
