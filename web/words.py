"""Words for hours, days and rhythms, in the language of the page."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache

from babel.dates import get_day_names
from flask import Flask

from articles.models import Topic
from core import alphabet
from core import language as languages
from core.errors import _
from subscribers import rhythm
from subscribers.models import Digest
from web import pages

RHYTHMS = {"daily": _("Every day"), "weekdays": _("Monday to Friday"), "weekly": _("Once a week")}
_OFFERED = {"daily": _("every day"), "weekdays": _("on weekdays"), "weekly": _("once a week")}
NAMED_TOPICS = 4
"""How many topics a sentence names before it says how many more there are."""


def instant(at: datetime, zone: str) -> str:
    """Return when something comes: `Tuesday 24 November, 07:00`."""
    return languages.weekday_instant_text(at, pages.language(), zone)


def city(zone: str) -> str:
    """Return the city that stands for a time zone."""
    return languages.zone_city(zone, pages.language())


def minute(of_day: int) -> str:
    """Return a minute of the day as a time: `07:15`."""
    return languages.minute_text(of_day, pages.language())


def weekdays() -> list[str]:
    """Return the days of the week from Monday on, as they are called when they stand alone."""
    names = get_day_names("wide", "stand-alone", languages.locale(pages.language()))
    return [names[number] for number in range(7)]


def offered_rhythms(digest: Digest) -> str:
    """Return the rhythms that a digest offers: `every day, on weekdays or once a week`."""
    return pages.listed([pages.gettext(_OFFERED[name]) for name in digest.rhythms], "or")


def rhythms_of(digests: Sequence[Digest]) -> dict[str, str]:
    """Return the rhythms that any of these digests offers, with what they are called; none when there is no choice."""
    offered = {name for digest in digests for name in digest.rhythms}
    return {name: pages.gettext(text) for name, text in RHYTHMS.items() if name in offered} if len(offered) > 1 else {}


def on_topics(topics: Sequence[Topic]) -> str:
    """Return topics as a list in words: `Korea and Cuba`, `Korea, Cuba, Japan, Nepal and 3 more`; '' for none."""
    names = [pages.topic_name(topic) for topic in topics]
    rest = len(names) - NAMED_TOPICS
    if rest > 1:
        more = pages.ngettext("%(number)s more", "%(number)s more", rest) % {"number": rest}
        names = [*names[:NAMED_TOPICS], more]
    return pages.listed(names)


def in_order(topics: Iterable[Topic]) -> list[Topic]:
    """Return topics as the alphabet of the page's language has them."""
    return alphabet.ordered(topics, pages.language(), name=pages.topic_name)


@lru_cache
def zones() -> list[str]:
    """Return the time zones to propose: those named after a place. Others, such as `US/Pacific`, can be typed."""
    return sorted(filter(languages.is_place, rhythm.zones()))


def register(app: Flask) -> None:
    """Give templates the words that they ask for themselves."""
    app.jinja_env.globals.update(offered_rhythms=offered_rhythms, zones=zones)
