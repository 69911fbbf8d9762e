"""Editions in a browser: the stories of one mail by its signed link, and each edition as a whole, for everybody."""

from flask import Blueprint, Response
from markupsafe import Markup

from core import errors, services
from core import language as languages
from core.links import PATHS
from digests import back, corrections, viewing
from subscribers import offer
from subscribers.models import Digest
from web import headers, pages

editions = Blueprint("editions", __name__)


@editions.get(PATHS["editions"])
def listed(digest: str) -> Response:
    """List the editions of a digest."""
    found = _digest(digest)
    values = {"digest": found, "slots": [(one.isoformat(), _date(one)) for one in back.slots(found)]}
    return headers.publicly(pages.page("editions/list.html", values), whatever_query=True)


@editions.get(PATHS["edition"])
def whole(digest: str, edition: str) -> Response:
    """Show all that an edition brought to anybody."""
    found = _digest(digest)
    shown = back.whole(found, viewing.day(edition), zone=services.current().publication.zone)
    values = {
        "digest": found,
        "day": edition,
        "date": _date(shown.slot),
        # Made safe where it is made: see digests.notes.
        "note": Markup(shown.note),  # noqa: S704
        "stories": shown.stories,
        "headlines": [],
        "told": corrections.told_of([one.id for one in shown.stories]),
        "mine": False,
    }
    return pages.page("editions/edition.html", values)


@editions.get(PATHS["view"])
def view(digest: str, edition: str, token: str) -> Response:
    """Show the stories of one mail as they read now."""
    found = _digest(digest)
    seen = viewing.of(found, edition, token, services.current())
    values = {
        "digest": found,
        "day": edition,
        "date": _date(seen.slot),
        "note": "",
        "stories": seen.stories,
        "headlines": seen.headlines,
        "told": corrections.told_of([one.id for one in (*seen.stories, *seen.headlines)]),
        "mine": True,
    }
    return pages.page("editions/edition.html", values)


def _digest(key: str) -> Digest:
    found = next((one for one in offer.active() if one.key == key), None)
    if found is None or found.language != pages.language():
        raise errors.NotFound
    return found


def _date(day: object) -> str:
    return languages.date_text(day, pages.language())  # type: ignore[arg-type]
