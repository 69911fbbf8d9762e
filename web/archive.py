"""The archive: the stories of a day, all or on a topic, in the publication's zone; and the days around it with any."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, Response

from articles import shelf
from articles import topics as topic_shelf
from articles.models import Topic
from core import clock, errors, services
from core import language as languages
from core.links import PATHS
from digests import corrections
from web import headers, pages

archive = Blueprint("archive", __name__)

FIRST_YEAR, LAST_YEAR = 1900, 9000
"""Of days that can be asked for."""


@archive.get(PATHS["archive"])
def newest() -> Response:
    """Lead to the last day on which something was published; to today, when nothing was yet."""
    return _to_newest(None)


@archive.get(PATHS["day"])
def day(day: str) -> Response:
    """Show the stories of one day."""
    return _day(day, None)


@archive.get(PATHS["topic_archive"])
def newest_on_topic(topic: str) -> Response:
    """Lead to the last day with a story on a topic."""
    return _to_newest(topic_shelf.by_key(topic))


@archive.get(PATHS["topic_day"])
def day_of_topic(topic: str, day: str) -> Response:
    """Show the stories of one day on a topic."""
    return _day(day, topic_shelf.by_key(topic))


def _to_newest(topic: Topic | None) -> Response:
    now = clock.utc_now()
    at = shelf.nearest(pages.language(), now + timedelta(days=1), later=False, topic=topic) or now
    newest, spoken = _day_of(at).isoformat(), pages.language()
    if topic is None:
        return pages.to("day", language=spoken, day=newest)
    return pages.to("topic_day", language=spoken, topic=topic.key, day=newest)


def _day(day: str, topic: Topic | None) -> Response:
    wanted = _read(day)
    begin, end = midnight(wanted), midnight(wanted + timedelta(days=1))
    stories = shelf.between(pages.language(), begin, end, topic=topic)
    values = {
        "day": wanted.isoformat(),
        "heading": languages.date_text(wanted, pages.language()),
        "topic": topic,
        "stories": stories,
        "topics": shelf.topics_of([article.id for article in stories]),
        "told": corrections.told_of([article.id for article in stories]),
        "before": _named(shelf.nearest(pages.language(), begin, later=False, topic=topic)),
        "after": _named(shelf.nearest(pages.language(), end, later=True, topic=topic)),
    }
    return headers.publicly(pages.page("articles/day.html", values), whatever_query=True)


def _read(text: str) -> date:
    """Return the day that a path names. Raises NotFound: of each day there is one spelling."""
    try:
        found = date.fromisoformat(text)
    except ValueError as error:
        raise errors.NotFound from error
    if found.isoformat() != text or not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise errors.NotFound
    return found


def _zone() -> ZoneInfo:
    return ZoneInfo(services.current().publication.zone)


def midnight(day: date) -> datetime:
    """Return when a day begins, in the publication's zone."""
    return datetime(day.year, day.month, day.day, tzinfo=_zone())


def _day_of(at: datetime) -> date:
    return at.astimezone(_zone()).date()


def _named(at: datetime | None) -> tuple[str, str] | None:
    """Return a day for a link: as it stands in a path, and in words."""
    if at is None:
        return None
    return _day_of(at).isoformat(), languages.date_text(_day_of(at), pages.language())
