"""A story's own page at its publisher: cleaned of tracking, and taken only on the publisher's own site."""

import re
from urllib.parse import urlsplit

from articles import recognition
from articles.entries import Entry
from core import hosts

_LONGEST = 1_000
_SECOND = re.compile(r"(?:ac|co|com|edu|go|gob|gov|ne|net|or|org)\.[a-z]{2}")
"""Endings of two parts under which everybody's names stand, such as co.uk; others are one part long."""


def of(entry: Entry, *, feed_url: str, language: str) -> str:
    """Return an entry's page in a language as a URL in ASCII; '' for one on a site that is not its publisher's.

    That is the site of the feed, or the one that its guid names: else a feed could lead our readers anywhere.
    """
    page = cleaned(recognition.own_page(entry, language) or "")
    return page if page and site(page) in {site(feed_url), site(entry.guid)} else ""


def cleaned(url: str) -> str:
    """Return a web address without tracking and fragment, in ASCII; '' for what is none, or is too long."""
    try:
        target = hosts.parse(url)
    except ValueError:
        return ""
    path, _mark, query = target.path.partition("?")
    kept = [part for part in query.split("&") if part and not recognition.tracks(part.partition("=")[0])]
    host = f"[{target.host}]" if ":" in target.host else target.host
    port = "" if hosts.PORTS[target.scheme] == target.port else f":{target.port}"
    found = f"{target.scheme}://{host}{port}{path}" + (f"?{'&'.join(kept)}" if kept else "")
    return found if len(found) <= _LONGEST else ""


def site(url: str) -> str:
    """Return whose site an address is on: its host from the name on that was registered; '' for none.

    news.example.org and feeds.example.org are both example.org's.
    """
    try:
        host = (urlsplit(url).hostname or "").lower().rstrip(".")
    except ValueError:
        return ""
    if ":" in host or host.rpartition(".")[2].isdigit():
        return host
    parts = host.split(".")
    own = 3 if _SECOND.fullmatch(".".join(parts[-2:])) else 2
    return ".".join(parts[-own:]) if len(parts) >= own else ""
