"""The feeds: which are due, what to ask for, and when to ask again."""

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import delete, select, update

from articles import websub
from articles.models import Article, ArticleIdentity, Feed, FullText, TopicRule, UnmappedTerm
from articles.pushmodels import FeedPush
from core import errors, fetch, logs
from core.database import db
from core.errors import _

INTERVAL = timedelta(minutes=10)
LONGEST_WAIT = timedelta(hours=6)
FORGETTING = 0.998
"""What remains of a longest gap with each arrival: of a weekend's, more than half after some hundred stories."""
_GONE = 410

log = logs.get(__name__)


def add(url: str, *, language: str, now: datetime) -> Feed:
    """Add a publisher's feed, which is due at once. Raises Invalid for an address that we would not fetch."""
    try:
        fetch.check(url)
    except fetch.FetchRefused as error:
        raise errors.Invalid("url", _("This is not the address of a feed that can be read.")) from error
    if by_url(url) is not None:
        raise errors.Invalid("url", _("This feed is read already."))
    return _added(Feed(url=url, language=language, next_fetch_at=now))


def ensure(url: str, *, language: str, now: datetime, fetched: bool = True) -> Feed:
    """Return the feed of an address, added if need be. With `fetched` false its bytes are handed to us instead."""
    known = by_url(url)
    if known is not None:
        return known
    if fetched:
        return add(url, language=language, now=now)
    return _added(Feed(url=url, language=language, is_fetched=False))


def by_url(url: str) -> Feed | None:
    """Return the feed of an address, if we have it."""
    return db.session.scalar(select(Feed).where(Feed.url == url))


def by_public_id(public_id: str) -> Feed | None:
    """Return the feed that is pushed under this id, if there is one."""
    return db.session.scalar(select(Feed).where(Feed.public_id == public_id))


def host_of(url: str) -> str:
    """Return the host of a feed's address, which names the feed in logs: the whole of it may have a key in it."""
    try:
        return urlsplit(url).hostname or url[:40]
    except ValueError:
        return ""


def by_id(feed_id: int) -> Feed:
    """Return one feed. Raises NotFound."""
    feed = db.session.get(Feed, feed_id)
    if feed is None:
        raise errors.NotFound
    return feed


def every() -> list[Feed]:
    """Return all feeds, in the order in which they were added."""
    return list(db.session.scalars(select(Feed).order_by(Feed.id)))


def pause(feed: Feed) -> None:
    """Fetch a feed no more, until it is resumed."""
    feed.state, feed.next_fetch_at = "paused", None
    websub.leave(feed)


def resume(feed: Feed, *, now: datetime) -> None:
    """Fetch a feed again, at once: one that was paused, or that its publisher said was gone."""
    feed.state, feed.next_fetch_at, feed.fails = "on", now if feed.is_fetched else None, 0


def remove(feed: Feed) -> int:
    """Forget a feed; its stories stay. Return how many there are.

    What its stories are known by goes, too: read again under another address, they would be new. So do its rules.
    """
    websub.leave(feed, forget=True)
    for table in (ArticleIdentity, TopicRule, UnmappedTerm, FeedPush):
        db.session.execute(delete(table).where(table.feed_id == feed.id))
    theirs = select(Article.id).where(Article.feed_id == feed.id).scalar_subquery()
    db.session.execute(delete(FullText).where(FullText.article_id.in_(theirs)))
    freed = update(Article).where(Article.feed_id == feed.id).values(feed_id=None).returning(Article.id)
    count = len(db.session.scalars(freed, execution_options={"synchronize_session": False}).all())
    db.session.delete(feed)
    db.session.flush()
    return count


def due(now: datetime, limit: int) -> list[int]:
    """Return the ids of feeds that want to be fetched, longest due first."""
    wanted = select(Feed.id).where(Feed.state == "on", Feed.next_fetch_at <= now)
    return list(db.session.scalars(wanted.order_by(Feed.next_fetch_at, Feed.id).limit(limit)))


def request_for(feed_id: int) -> fetch.FetchRequest:
    """Return what to ask for: the feed, if it has changed since the last time it could be read."""
    feed = by_id(feed_id)
    return fetch.FetchRequest(feed.url, feed.etag, feed.last_modified)


def note_result(feed_id: int, result: fetch.Fetched | Exception, now: datetime) -> None:
    """Write down how a fetch ended, and when to ask again: after 10 minutes, or twice as long for each failure.

    What ended in any error, such as what could not be read (Invalid, from `ingest`), failed: the validators stay as
    they are, so that it is asked for again in full.
    """
    feed = by_id(feed_id)
    if isinstance(result, fetch.Fetched) and (result.body is not None or result.status == fetch.NOT_MODIFIED):
        _note_success(feed, result, now)
    elif isinstance(result, fetch.Fetched) and result.status == _GONE:
        feed.state, feed.next_fetch_at = "gone", None
        websub.leave(feed)
        log.warning("feed gone", feed=feed_id, url=feed.url, cure="Ask the publisher where it is now.")
    else:
        _note_failure(feed, result, now)


def cure(url: str, result: fetch.Fetched | Exception | None = None) -> str:
    """Return what an operator can do about a feed that brought nothing, or nothing good, in English."""
    if isinstance(result, fetch.Fetched) and result.status in _CURES:
        return _CURES[result.status]
    if isinstance(result, fetch.UntrustedCertificate):
        return "Until its publisher renews the certificate nobody knows whose feed it is. It is asked again."
    if isinstance(result, fetch.FetchRefused):
        return "It is beyond our limits, which docs/feeds.md has: ask the publisher for a feed within them."
    return f"It is asked again. If that does not help, its publisher must mend it; then: flask feeds fetch {url}"


_CURES = {
    401: "Its server wants to know who asks, which we do not say: ask the publisher for a feed that is open.",
    403: "Its server turns us away: ask the publisher to let in who says that it is Postrider feed reader.",
    404: "Look for its new address on the publisher's site: flask feeds add that, then remove this one.",
}


def note_new(feed: Feed, now: datetime) -> None:
    """Write down that something new came from a feed; long gaps of long ago count ever less."""
    if feed.last_new_at is not None:
        gap = (now - feed.last_new_at).total_seconds()
        feed.usual_gap_s = round(max(gap, feed.usual_gap_s * FORGETTING))
    feed.last_new_at = now


def _added(feed: Feed) -> Feed:
    db.session.add(feed)
    db.session.flush()
    return feed


def _note_success(feed: Feed, result: fetch.Fetched, now: datetime) -> None:
    if result.body is not None:
        feed.etag, feed.last_modified = result.etag, result.last_modified
    wait = websub.LOOKS_APART if websub.is_told(feed, now) else INTERVAL
    feed.fails, feed.last_success_at, feed.next_fetch_at = 0, now, now + wait
    _follow(feed, result)


def _follow(feed: Feed, result: fetch.Fetched) -> None:
    """Go with a feed that has said twice in a row that it has moved for good; once may be a slip."""
    if not result.moved:
        feed.moved_to = None
    elif feed.moved_to != result.url:
        feed.moved_to = result.url
    elif by_url(result.url) is None:
        log.info("feed moved", feed=feed.id, url=feed.url, to=result.url)
        feed.url, feed.moved_to = result.url, None


def _note_failure(feed: Feed, result: fetch.Fetched | Exception, now: datetime) -> None:
    feed.fails += 1
    wait = min(INTERVAL * 2 ** min(feed.fails, 10), LONGEST_WAIT)
    why = str(result)
    if isinstance(result, fetch.Fetched):
        why = f"HTTP status {result.status}"
        wait = max(wait, timedelta(seconds=result.retry_after or 0))
    feed.next_fetch_at = now + wait
    if isinstance(result, fetch.Fetched | fetch.FetchError):  # Of the others, `ingest` or the door has told already.
        again = feed.next_fetch_at.isoformat(timespec="seconds")
        log.warning("feed not read", feed=feed.id, url=feed.url, why=why, again=again, cure=cure(feed.url, result))
