"""The search page: what is asked for, checked, and what was found, page by page. It works without JavaScript."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from flask import Blueprint, Response, request

from articles import cleaning, shelf, words
from articles import search as stories
from articles import topics as topic_shelf
from articles.models import Topic
from articles.ranking import Only
from core import errors
from core.errors import _
from core.links import PATHS
from web import archive, pages

search = Blueprint("search", __name__)

PAGE_STORIES = 20
LAST_PAGE = stories.MOST // PAGE_STORIES
NEWEST = "newest"
_SHOWN = 2 * stories.MOST_CHARACTERS
"""Characters of what was typed that are shown again, so that it can be made shorter."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody looks for, as it was typed; `begin` and `end` are days, `page` counts from 1."""

    query: str
    topic: str
    begin: str
    end: str
    newest: bool
    page: int

    def values(self, page: int) -> Mapping[str, Any]:
        """Return the values of the address of another page of what was found."""
        named = {"q": self.query, "topic": self.topic, "from": self.begin, "to": self.end}
        order = {"order": NEWEST} if self.newest else {}
        return {name: value for name, value in named.items() if value} | order | {"page": str(page)}


@search.get(PATHS["search"])
def find() -> Response:
    """Show the form, and under it what was found."""
    asked = _asked()
    faults: Sequence[errors.Invalid] = ()
    found = None
    try:
        only = _only(asked)
        if asked.query:
            found = _find(asked, only)
    except errors.Invalid as error:
        faults = [error]
    shelves = shelf.topics_of([article.id for article in found.articles]) if found else {}
    values = {"asked": asked, "faults": faults, "found": found, "topics": shelves, "kinds": _kinds()}
    return pages.page("articles/search.html", {**values, **_bounds(), "last_page": _last_page(found)})


def _asked() -> Asked:
    """Return what was typed, without what cannot be seen."""
    query = cleaning.plain(request.args.get("q", "")[: 10 * _SHOWN], most=_SHOWN)
    topic, begin, end = (cleaning.plain(request.args.get(name, "")[:80], most=40) for name in ("topic", "from", "to"))
    number = request.args.get("page", "")[:9]
    page = min(max(int(number), 1), LAST_PAGE) if number.isdecimal() else 1
    return Asked(query, topic, begin, end, request.args.get("order") == NEWEST, page)


def _find(asked: Asked, only: Only) -> stories.Found:
    """Return a page of what was found. Raises Invalid for what is no question."""
    if len(asked.query) > stories.MOST_CHARACTERS:
        raise errors.Invalid("q", _("This is too long: at most %(most)s characters."), most=stories.MOST_CHARACTERS)
    if not words.terms(asked.query):
        raise errors.Invalid("q", _("There is no word in it that could be looked for."))
    language = pages.language()
    return stories.find(asked.query, language, only=only, newest=asked.newest, page=asked.page, size=PAGE_STORIES)


def _only(asked: Asked) -> Only:
    topic_id = topic_shelf.by_keys([asked.topic])[0].id if asked.topic else None
    begin, end = _day("from", asked.begin), _day("to", asked.end)
    if begin and end and end < begin:
        raise errors.Invalid("to", _("The last day is before the first."))
    return Only(
        topic_id,
        archive.midnight(begin) if begin else None,
        archive.midnight(end + timedelta(days=1)) if end else None,
    )


def _day(field: str, typed: str) -> date | None:
    if not typed:
        return None
    try:
        found = date.fromisoformat(typed)
    except ValueError:
        found = None
    if found is None or not archive.FIRST_YEAR <= found.year <= archive.LAST_YEAR:
        raise errors.Invalid(field, _("%(day)s is no day. Please write it like 2026-03-31."), day=typed)
    return found


def _kinds() -> Mapping[str, Sequence[Topic]]:
    """Return the topics to choose from, of each kind, by their names."""
    ordered = sorted(topic_shelf.all_topics(), key=pages.topic_name)
    return {kind: [topic for topic in ordered if topic.kind == kind] for kind in ("theme", "country")}


def _bounds() -> Mapping[str, object]:
    return {"most": stories.MOST, "most_characters": stories.MOST_CHARACTERS, "newest": NEWEST}


def _last_page(found: stories.Found | None) -> int:
    return -(-found.total // PAGE_STORIES) if found else 0
