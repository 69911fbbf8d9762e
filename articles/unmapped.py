"""The terms of feeds that mean nothing to us yet: counted, until somebody says what they mean."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import delete, func, select

from articles import finding
from articles.models import Feed, UnmappedTerm
from core import database
from core.database import db

MOST = 300
"""Of a feed. One whose every story brings words of its own pushes out its rarest ones, and nothing else."""


def note(feed: Feed, found: Sequence[tuple[int, Iterable[str]]], now: datetime) -> None:
    """Count the unmapped terms of new articles, each by its id."""
    counts: Counter[str] = Counter()
    last: dict[str, tuple[str, int]] = {}
    for article_id, terms in found:
        by_key = {finding.key(term): term for term in terms}
        counts.update(by_key.keys())
        last.update((key, (term, article_id)) for key, term in by_key.items())
    rows = [
        {
            "feed_id": feed.id,
            "key": key,
            "term": last[key][0],
            "count": count,
            "last_seen_at": now,
            "article_id": last[key][1],
        }
        for key, count in counts.most_common(MOST)
    ]
    if rows:
        insert = database.insert_for(db.engine)(UnmappedTerm)
        fresh = {name: insert.excluded[name] for name in ("term", "last_seen_at", "article_id")}
        fresh["count"] = UnmappedTerm.count + insert.excluded["count"]
        db.session.execute(insert.on_conflict_do_update(index_elements=["feed_id", "key"], set_=fresh), rows)
        _bound(feed)


def most_told(feed: Feed | None = None, *, limit: int) -> list[UnmappedTerm]:
    """Return the terms that stood in the most stories, of one feed or of all."""
    wanted = select(UnmappedTerm).order_by(
        UnmappedTerm.count.desc(), UnmappedTerm.last_seen_at.desc(), UnmappedTerm.key
    )
    if feed is not None:
        wanted = wanted.where(UnmappedTerm.feed_id == feed.id)
    return list(db.session.scalars(wanted.limit(limit)))


def forget(key: str, *, feed_id: int | None) -> None:
    """Take a term off the list, of one feed or of all: it means something now, or is known to mean nothing."""
    theirs = delete(UnmappedTerm).where(UnmappedTerm.key == key)
    db.session.execute(theirs if feed_id is None else theirs.where(UnmappedTerm.feed_id == feed_id))


def _bound(feed: Feed) -> None:
    theirs = UnmappedTerm.feed_id == feed.id
    count = db.session.scalar(select(func.count()).select_from(UnmappedTerm).where(theirs)) or 0
    if count > MOST:
        rarest = select(UnmappedTerm.key).where(theirs).order_by(UnmappedTerm.count, UnmappedTerm.last_seen_at)
        db.session.execute(delete(UnmappedTerm).where(theirs, UnmappedTerm.key.in_(rarest.limit(count - MOST))))
