"""Take a story's text out of its page at the publisher: found in a process apart, cleaned, and surely that story's."""

import json
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from articles import cleaning, dateline, entries, publisherpage, recognition, walls, words
from core import apart, fetch

MOST_OCTETS = 3_000_000
LIMITS = fetch.FetchLimits(total_s=15, max_bytes=MOST_OCTETS)
ACCEPT = "text/html, application/xhtml+xml;q=0.9"
_NOT_FREE = re.compile(rb'"isAccessibleForFree"\s*:\s*"?false\b', re.IGNORECASE)
"""By this a publisher tells machines that a text is for subscribers (schema.org)."""
_BLOCK = re.compile(r"\s*(</?(?:p|h2|h3|ul|ol|li|blockquote)(?: [^>]*)?>)\s*")
_FIRST = re.compile(r"<(p|h2|h3)>(.*?)</\1>", re.DOTALL)


class NotTheStory(Exception):
    """The page has no text that can be taken for the story's. The text says why, for operators."""


@dataclass(frozen=True, slots=True)
class Teaser:
    """What a feed itself has of a story. `body` is clean HTML, the other texts are plain."""

    headline: str
    standfirst: str
    body: str

    @property
    def text(self) -> str:
        """Return all that it says of the story, but the headline."""
        return f"{self.standfirst} {cleaning.text_of(self.body)}"


@dataclass(frozen=True, slots=True)
class PageText:
    """A story's text as its page has it: clean HTML, the dateline taken off it, and how many words it has."""

    body: str
    dateline_place: str
    dateline_agency: str
    words: int


def read(page: fetch.Fetched, teaser: Teaser, *, asked: str) -> PageText:
    """Return the text of a story on its page, which was asked for at `asked`. It takes a second, and no database.

    Raises NotTheStory, or apart.FailedApart for a page that could not be read within the bounds.
    """
    content = page.body or b""
    _check_place(page.url, asked)
    if _NOT_FREE.search(content):
        raise NotTheStory("the page says of itself that its text is for subscribers")
    found = _cleaned(_taken_out(content, page), base=page.url)
    place, agency, body = dateline.split(_without_opening(found, teaser))
    text = cleaning.text_of(body)
    if not text.strip():
        raise NotTheStory("no text of a story was found on the page")
    if why := entries.unfit(body) or walls.why_not(body, own=teaser.text, headline=teaser.headline):
        raise NotTheStory(why)
    return PageText(body, place, agency, words.count(text))


def _check_place(url: str, asked: str) -> None:
    """Raise NotTheStory for where redirects have led to: walls stand at other places than stories."""
    if publisherpage.site(url) != publisherpage.site(asked):
        raise NotTheStory(f"its page leads to another site, {urlsplit(url).hostname}")
    if recognition.of_page(url) is None and recognition.of_page(asked) is not None:
        raise NotTheStory("its page leads to the front page of the site")


def _taken_out(content: bytes, page: fetch.Fetched) -> str:
    """Return what a process apart finds on a page: HTML that is not clean yet."""
    told = json.dumps({"url": page.url, "charset": page.charset}).encode("ascii")
    answer: str = json.loads(apart.run("articles.extraction", told + b"\n" + content))
    return answer


def _cleaned(found: str, *, base: str) -> str:
    """Return clean HTML of what was found. The spaces that set its blocks apart go: they are no part of a text."""
    if why := entries.unfit(found):
        raise NotTheStory(why)
    return _BLOCK.sub(r"\1", cleaning.body(found, base=base))


def _without_opening(body: str, teaser: Teaser) -> str:
    """Return a text without the headline and standfirst that pages begin with: ours shows them above it.

    A dateline ends the search: some feeds have a story's first paragraph for its standfirst.
    """
    shown = {_folded(teaser.headline), _folded(teaser.standfirst)} - {""}
    while (first := _FIRST.match(body)) and _folded(cleaning.text_of(first[2])) in shown:
        if dateline.split(body)[0]:
            break
        body = body[first.end() :]
    return body


def _folded(text: str) -> str:
    return " ".join(words.in_order(text))
