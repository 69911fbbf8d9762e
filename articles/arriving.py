"""Make an article of an entry that nobody had before: its story, its address, its date, and whether it is news."""

import os
import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum

from sqlalchemy import insert

from articles import flood
from articles.entries import Entry
from articles.flood import FUTURE, Guard
from articles.models import GUARDED, Article, Feed, Story
from core import logs, tokens
from core.database import db

NEWS = timedelta(days=2)
"""What was published longer ago when its feed was fetched for the first time is archive, and is not mailed as new."""
LONG_AGO = timedelta(days=90)
"""What is archive, whatever its date says, was seen so long ago: before any digest begins."""
_PUBLIC_ID = 10
_MAX_SLUG = 60

log = logs.get("articles.ingest")


class Manner(Enum):
    """How entries came: fetched or handed over, pushed by their publisher, or from an import, as archive or as news."""

    FETCHED = "fetched"
    PUSHED = "pushed"
    ARCHIVE = "archive"
    NEWS = "news"

    def is_guarded(self, feed: Feed) -> bool:
        """Return whether an editor sees a flood first. Whoever hands us bytes at a terminal says what is news."""
        return self is Manner.PUSHED or (self is Manner.FETCHED and feed.is_fetched)


def made(
    feed: Feed, entry: Entry, now: datetime, *, guard: Guard, manner: Manner, story_id: int | None = None
) -> Article:
    """Return an article for an entry, of a story or of one of its own. The flood guard may hold it; so does an embargo
    that is not over. It is not written yet.
    """
    held = guard.holds(entry)
    embargo = entry.embargo_until if entry.embargo_until is not None and entry.embargo_until > now else None
    article = Article(
        story_id=story_id,
        language=feed.language,
        feed_id=feed.id,
        public_id=_public_id(),
        slug=slug_of(entry.slug) or slug_of(entry.headline),
        headline=entry.headline,
        standfirst=entry.standfirst,
        dateline_place=entry.dateline_place,
        dateline_agency=entry.dateline_agency,
        body=entry.body,
        author=entry.author,
        words=entry.words,
        published_at=dated(entry, now),
        first_seen_at=_first_seen(feed, entry, now, manner, guard),
        revision=1,
        state="held" if held or embargo else "published",
        reason=GUARDED if held else "",
        embargo_until=None if held else embargo,
        read_at=feed.read_at,
        teaser_only=feed.teaser_only,
    )
    _tell_doubts(feed, article, entry, now)
    return article


def write(articles: Sequence[Article], now: datetime) -> None:
    """Write articles that were made, all at once, with stories for those that have none."""
    alone = [article for article in articles if not article.story_id]
    stories = [{"public_id": _public_id(), "created_at": now} for _article in alone]
    if stories:
        ids = db.session.scalars(insert(Story).returning(Story.id, sort_by_parameter_order=True), stories)
        for article, story_id in zip(alone, ids, strict=True):
            article.story_id = story_id
    db.session.add_all(articles)
    db.session.flush()


def dated(entry: Entry, now: datetime) -> datetime:
    """Return when an entry was published: when we first saw it, if it does not say or says a time to come."""
    at = entry.published_at or now
    return now if at > now + FUTURE else at


def slug_of(headline: str) -> str:
    """Return a headline in ASCII for its path; empty for scripts that have none of it."""
    ascii_only = unicodedata.normalize("NFKD", headline).encode("ascii", "ignore").decode()
    words = re.findall("[a-z0-9]+", ascii_only.lower().replace("'", ""))
    slug = ""
    for word in words:
        if len(slug) + len(word) >= _MAX_SLUG:
            break
        slug = f"{slug}-{word}" if slug else word
    return slug


def _first_seen(feed: Feed, entry: Entry, now: datetime, manner: Manner, guard: Guard) -> datetime:
    """Return since when it is news: now, unless it is archive.

    What a feed had long before it was first read is no news, whenever we see it; nor is all that it had without dates,
    nor what it had with a date that cannot be: nobody knows how old that is.
    """
    if manner is Manner.ARCHIVE:
        return min(dated(entry, now), now - LONG_AGO)
    if feed.last_new_at is not None or not manner.is_guarded(feed):
        return now
    if flood.is_misdated(entry, now):
        return now - LONG_AGO
    if flood.is_undated(entry, now):
        return now - LONG_AGO if guard.undated_is_archive else now
    at = dated(entry, now)
    return at if at < now - NEWS else now


def _tell_doubts(feed: Feed, article: Article, entry: Entry, now: datetime) -> None:
    """Log what was wrong with an entry that was taken all the same, once, with its feed and the cure."""
    doubts = list(entry.doubts)
    if entry.published_at is None and not doubts:
        doubts.append("it has no date")
    elif entry.published_at is not None and entry.published_at > now + FUTURE:
        doubts.append(f"its date, in the year {entry.published_at.year}, is still to come")
    for why in doubts:
        name = {"feed": feed.id, "url": feed.url, "article": article.public_id}
        log.warning("entry mended", **name, why=why, cure="It was taken all the same; only its publisher can mend it.")


def _public_id() -> str:
    return tokens.encode(os.urandom(7))[:_PUBLIC_ID]
