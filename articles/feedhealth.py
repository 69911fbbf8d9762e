"""What is wrong with the feeds, for operators: gone, failing, or silent for longer than they usually are."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from articles import feeds
from articles.models import Feed
from core import alerts
from core.alerts import Trouble

KIND = "feed"
FAILS = 6
"""Failures in a row before anybody is told: with the waits between them, that is most of a working day."""
SILENT_AT_LEAST = timedelta(hours=6)
"""A feed of an agency has a gap of minutes; nobody is woken for twice that."""


def troubles(now: datetime) -> list[Trouble]:
    """Return what operators must be told of the feeds."""
    return [trouble for feed in feeds.every() for trouble in _of(feed, now)]


def silent_after(feed: Feed) -> timedelta | None:
    """Return how long a feed may bring nothing new before that is odd; None while its habits are not known."""
    return max(2 * timedelta(seconds=feed.usual_gap_s), SILENT_AT_LEAST) if feed.usual_gap_s else None


def _of(feed: Feed, now: datetime) -> Iterator[Trouble]:
    since = f"It was read last {_at(feed.last_success_at)}, and brought something new last {_at(feed.last_new_at)}."
    silent = silent_after(feed)
    if feed.state == "gone":
        cure = f"Ask the publisher. To stop asking: flask feeds remove {feed.url}. To try again: flask feeds resume."
        yield _trouble(feed, f"The feed {feed.url} is gone: its server answers 410.", since, cure)
    elif feed.state == "on" and feed.fails >= FAILS:
        cure = f"See why: flask feeds fetch {feed.url}"
        yield _trouble(feed, f"The feed {feed.url} could not be read {feed.fails} times in a row.", since, cure)
    elif feed.state == "on" and silent and feed.next_fetch_at and feed.last_new_at and now - feed.last_new_at > silent:
        hours = round(feed.usual_gap_s / 3600)
        what = f"The feed {feed.url} is silent: nothing new, where {hours} hours are usual at the most."
        yield _trouble(
            feed, what, since, "Look at the publisher's site. If that is right: flask feeds pause, and the feed."
        )


def _trouble(feed: Feed, what: str, how_much: str, cure: str) -> Trouble:
    return alerts.trouble(f"{KIND}:{feed.id}", what=what, how_much=how_much, cure=cure)


def _at(moment: datetime | None) -> str:
    return alerts.at(moment) if moment else "never"
