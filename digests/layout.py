"""In what order the pieces of a digest stand, from its top to its end; and how many of them fit into a mail."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from core import logs
from digests import outlook, rendering
from digests.copies import Copy
from digests.rendering import NumberView, View

log = logs.get(__name__)

WARNED = 80_000
"""Octets of HTML from which on the log says that a digest is long."""
MOST_OCTETS = 90_000
"""Octets of HTML in a mail. Gmail cuts one off at about 102 kB, and with it the link to unsubscribe."""
PERSONAL = 1_000
"""Octets that a reader's own links take, roughly."""


def pieces(copy: Copy) -> list[View]:
    """Return all that a copy shows. The stories and the headlines are numbered in one row, in the text."""
    below = copy.shown
    shown: list[View] = [copy.opening, *copy.corrections, *([below.note] if below.note else [])]
    shown += _numbered(below.stories, first=1)
    shown += [below.notice] if below.notice else []
    if below.headlines:
        heading = rendering.HeadingView(below.headlines[0].language)
        shown += [heading, *_numbered(below.headlines, first=len(below.stories) + 1)]
    return shown if below.more is None else [*shown, below.more]


def _numbered(views: Iterable[View], *, first: int) -> Iterator[View]:
    for number, view in enumerate(views, first):
        yield NumberView(number)
        yield view


def shortened(copy: Copy, language: str, *, long: int) -> Copy:
    """Return a copy that fits, of one with so many octets: less is shown of what stands last.

    First standfirsts go, from the last story on; then headlines, then stories, which nobody had then: they come again.
    """
    log.warning("digest is long", stories=len(copy.shown.stories), octets=long, most=MOST_OCTETS)
    stories, headlines = list(copy.shown.stories), list(copy.shown.headlines)
    for place in reversed(range(1, len(stories))):
        if long <= MOST_OCTETS:
            break
        bare = replace(stories[place], standfirst="")
        long -= rendering.compiled(stories[place], language).octets - rendering.compiled(bare, language).octets
        stories[place] = bare
    while long > MOST_OCTETS and headlines:
        long -= rendering.compiled(headlines.pop(), language).octets
    while long > MOST_OCTETS and len(stories) > 1:
        long -= rendering.compiled(stories.pop(), language).octets
    left_out = len(copy.shown.stories) + len(copy.shown.headlines) - len(stories) - len(headlines)
    more = copy.shown.more and replace(copy.shown.more, count=copy.shown.more.count + left_out)
    shown = replace(copy.shown, stories=tuple(stories), headlines=tuple(headlines), more=more)
    opening = copy.opening if len(stories) == len(copy.shown.stories) else _told_anew(copy, stories)
    return replace(copy, shown=shown, opening=opening)


def _told_anew(copy: Copy, stories: list[rendering.StoryView]) -> rendering.Opening:
    return replace(copy.opening, **outlook.told_of(stories))
