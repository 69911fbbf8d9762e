"""In what order the pieces of a digest stand, from its top to its end."""

from collections.abc import Iterable, Iterator

from digests import rendering
from digests.cohorts import Group
from digests.rendering import NumberView, View


def pieces(group: Group) -> list[View]:
    """Return all that a group's mail shows. The stories and the headlines are numbered in one row, in the text."""
    below = group.shown
    shown: list[View] = [group.opening, *group.corrections, *([below.note] if below.note else [])]
    shown += _numbered(below.stories, first=1)
    if below.headlines:
        heading = rendering.HeadingView(below.headlines[0].language)
        shown += [heading, *_numbered(below.headlines, first=len(below.stories) + 1)]
    return shown if below.more is None else [*shown, below.more]


def _numbered(views: Iterable[View], *, first: int) -> Iterator[View]:
    for number, view in enumerate(views, first):
        yield NumberView(number)
        yield view
