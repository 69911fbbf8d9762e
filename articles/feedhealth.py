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
OVERDUE = timedelta(minutes=15)
"""Feeds are looked for once a minute, so one that is due waits for seconds."""
MOST_TOLD = 20
"""Feeds that are not well, of which all is told; the others are counted."""
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


def is_overdue(feed: Feed, now: datetime) -> bool:
    """Return whether a feed should have been read long ago: nobody reads feeds, or there are too many for who does."""
    return feed.state == "on" and feed.next_fetch_at is not None and now - feed.next_fetch_at > OVERDUE


def is_well(feed: Feed, now: datetime) -> bool:
    """Return whether nothing is wrong with a feed: it is read, and brings what it usually does; or it is paused."""
    return not (feed.fails or feed.state == "gone" or is_late(feed, now) or is_overdue(feed, now))


def summary(now: datetime) -> dict[str, object]:
    """Return how the feeds are, for those who watch: how many, and of those that are not well what is known.

    A feed is named by its host, as in the log: its address may have a key in it.
    """
    found = feeds.every()
    unwell = [feed for feed in found if not is_well(feed, now)]
    return {
        "all": len(found),
        "paused": sum(feed.state == "paused" for feed in found),
        "gone": sum(feed.state == "gone" for feed in found),
        "failing": sum(bool(feed.fails) for feed in found),
        "late": sum(is_late(feed, now) for feed in found),
        "overdue": sum(is_overdue(feed, now) for feed in found),
        "not_well": [_told(feed, now) for feed in unwell[:MOST_TOLD]],
    }


def _told(feed: Feed, now: datetime) -> dict[str, object]:
    return {
        "id": feed.id,
        "host": feeds.host_of(feed.url),
        "language": feed.language,
        "state": feed.state,
        "fails": feed.fails,
        "late": is_late(feed, now),
        "overdue": is_overdue(feed, now),
        "last_success_age_s": _age(feed.last_success_at, now),
        "last_new_age_s": _age(feed.last_new_at, now),
        "usual_gap_s": feed.usual_gap_s or None,
    }


def _age(moment: datetime | None, now: datetime) -> int | None:
    return None if moment is None else round((now - moment).total_seconds())


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
