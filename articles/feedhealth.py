"""What is wrong with the feeds, for operators: gone, failing, silent for too long, or held by the flood guard."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from articles import feeds, shelf
from articles.models import Feed
from core import alerts
from core.alerts import Trouble

KIND, FLOOD = "feed", "flood"
KINDS = (KIND, FLOOD)
FAILS = 6
"""Failures in a row before anybody is told: with the waits between them, that is most of a working day."""
SILENT_AT_LEAST = timedelta(hours=6)
"""A feed of an agency has a gap of minutes; nobody is woken for twice that."""


def troubles(now: datetime) -> list[Trouble]:
    """Return what operators must be told of the feeds."""
    held = shelf.held_by_feed()
    return [trouble for feed in feeds.every() for trouble in (*_of(feed, now), *_held(feed, held.get(feed.id, 0)))]


def silent_after(feed: Feed) -> timedelta | None:
    """Return how long a feed may bring nothing new before that is odd; None while its habits are not known."""
    return max(2 * timedelta(seconds=feed.usual_gap_s), SILENT_AT_LEAST) if feed.usual_gap_s else None


def is_late(feed: Feed, now: datetime) -> bool:
    """Return whether a feed that is read or pushed has brought nothing new for longer than it ever does."""
    after = silent_after(feed)
    if after is None or feed.last_new_at is None or feed.state != "on":
        return False
    return bool(feed.is_fetched or feed.push_version) and now - feed.last_new_at > after


def _of(feed: Feed, now: datetime) -> Iterator[Trouble]:
    since = f"It was read last {_at(feed.last_success_at)}, and brought something new last {_at(feed.last_new_at)}."
    if feed.state == "gone":
        cure = f"Ask the publisher. To stop asking: flask feeds remove {feed.url}. To try again: flask feeds resume."
        yield _trouble(feed, f"The feed {feed.url} is gone: its server answers 410.", since, cure)
    elif feed.state == "on" and feed.fails >= FAILS:
        cure = f"See why, and what helps: flask feeds fetch {feed.url}"
        yield _trouble(feed, f"The feed {feed.url} could not be read {feed.fails} times in a row.", since, cure)
    elif is_late(feed, now):
        hours = round(feed.usual_gap_s / 3600)
        what = f"The feed {feed.url} is silent: nothing new, where {hours} hours are usual at the most."
        yield _trouble(
            feed, what, since, "Look at the publisher's site. If that is right: flask feeds pause, and the feed."
        )


def _held(feed: Feed, count: int) -> Iterator[Trouble]:
    if count:
        what = f"{count} stories of the feed {feed.url} are held: too many came at once, or old ones as new."
        how = "Nobody sees them, and nobody is mailed, before an editor releases them."
        cure = f"Look: flask articles list --state held. All are right: flask feeds release {feed.url}"
        yield _trouble(feed, what, how, cure, kind=FLOOD)


def _trouble(feed: Feed, what: str, how_much: str, cure: str, *, kind: str = KIND) -> Trouble:
    return alerts.trouble(f"{kind}:{feed.id}", what=what, how_much=how_much, cure=cure)


def _at(moment: datetime | None) -> str:
    return alerts.at(moment) if moment else "never"
