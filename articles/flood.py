"""The flood guard: of a feed that brings far too much at once, or old stories as new, an editor sees it first.

A publisher's system that changes its guids and pages, or brings its archive back, must not fill a million inboxes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from articles.entries import Entry
from articles.models import Feed

FUTURE = timedelta(minutes=10)
"""How far ahead of our clock a publisher's may be. What is dated later is dated now."""
AHEAD = timedelta(days=2)
"""How far ahead a publisher's clock may be that is set to another zone. A later date is a mistake."""
MOST_NEW = 50
"""New entries of one look; more are held, all of them."""
MOST_OLD = 3
"""New entries of one look that should have been seen before; more are held, those alone."""
LATE = timedelta(days=1)
"""An entry dated so long before its feed was read last should have been seen then."""


@dataclass(frozen=True, slots=True)
class Guard:
    """What is held of one look at a feed: all that is new, or what is dated before `old_before`.

    `undated_is_archive` holds nothing: of a feed that is read for the first time, so much has no date that can be that
    it is what the feed had all along, and no news.
    """

    everything: bool = False
    old_before: datetime | None = None
    undated_is_archive: bool = False

    def holds(self, entry: Entry) -> bool:
        """Return whether a new entry is held."""
        return self.everything or self._is_old(entry)

    def _is_old(self, entry: Entry) -> bool:
        return self.old_before is not None and entry.published_at is not None and entry.published_at < self.old_before


def is_undated(entry: Entry, now: datetime) -> bool:
    """Return whether nobody knows when an entry was published: it does not say, or says a time to come."""
    return entry.published_at is None or entry.published_at > now + FUTURE


def is_misdated(entry: Entry, now: datetime) -> bool:
    """Return whether an entry has a date that cannot be (1970, 2099): no clock is so far ahead, in any zone."""
    return entry.is_misdated or (entry.published_at is not None and entry.published_at > now + AHEAD)


def guard(feed: Feed, new: Sequence[Entry], now: datetime) -> Guard:
    """Look at the new entries of a feed. The first time a feed is read, all of it is new, and nothing is held."""
    if feed.last_new_at is None:
        return Guard(undated_is_archive=sum(is_undated(entry, now) for entry in new) > MOST_OLD)
    if len(new) > MOST_NEW:
        return Guard(everything=True)
    old_before = min(feed.last_new_at, now) - LATE
    old = [entry for entry in new if entry.published_at is not None and entry.published_at < old_before]
    return Guard(old_before=old_before) if len(old) > MOST_OLD else Guard()
