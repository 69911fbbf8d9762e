"""Turn a feed's entries into articles, each once: new ones are added, known ones follow their text."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from difflib import SequenceMatcher

from sqlalchemy import and_, exists, or_, select, update
from sqlalchemy.orm import aliased

from articles import (
    alike,
    cleaning,
    entries,
    feeds,
    flood,
    life,
    publisherpage,
    recognition,
    related,
    rules,
    searchindex,
    topics,
    unmapped,
    xmlcheck,
)
from articles.entries import Entry, Refused
from articles.models import GUARDED, Article, ArticleIdentity, Feed, Story
from articles.recognition import Arrival, Identity
from core import database, errors, fetch, logs, tokens
from core.database import db

FUTURE = timedelta(minutes=10)
"""How far ahead of our clock a publisher's may be. What is dated later is dated now."""
NEWS = timedelta(days=2)
"""What was published longer ago when its feed was fetched for the first time is archive, and is not mailed as new."""
RECYCLED_AFTER = timedelta(days=30)
AT_ONCE = 5
"""Stories for which See also is worked out while they are stored; a task does it for more."""
_PUBLIC_ID = 10
_MAX_SLUG = 60

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Ingested:
    """How many entries were new, changed, known as they are (or there twice), and refused."""

    new: int
    changed: int
    known: int
    refused: int


@dataclass(frozen=True, slots=True)
class ReadFeed:
    """What was read of a feed, ready to be stored."""

    entries: Sequence[Entry]
    refused: int


def read_entries(
    feed_id: int | None, fetched: fetch.Fetched | bytes, *, name: str = "", zone: tzinfo = UTC
) -> ReadFeed:
    """Read and clean what was fetched. It takes long and needs no database: call it before the transaction.

    `feed_id` and `name`, its address, are for the log lines. A date without a zone is one of `zone`, the publisher's.
    Raises Invalid for what cannot be read, with one log line; each entry refused is a log line, too.
    """
    fetched = fetch.Fetched(200, "", fetched) if isinstance(fetched, bytes) else fetched
    if fetched.body is None:
        return ReadFeed((), 0)
    told = {"feed": feed_id, "url": name or fetched.url}
    cure = feeds.cure(name or fetched.url)
    try:
        read = entries.document(fetched.body, url=fetched.url, zone=zone, charset=fetched.charset)
    except xmlcheck.Damaged as error:
        log.warning("feed refused", **told, why=str(error), cure=cure)
        raise errors.Invalid("feed", "This feed cannot be read: %(why)s.", why=str(error)) from error
    if read.damage:
        log.warning("feed damaged", **told, why=read.damage, kept=len(read.entries), cure=cure)
    refused = [entry for entry in read.entries if isinstance(entry, Refused)]
    for entry in refused:
        log.warning("entry refused", **told, why=entry.why, guid=entry.guid[:200])
    return ReadFeed([entry for entry in read.entries if isinstance(entry, Entry)], len(refused))


def store_entries(feed_id: int, fetched: fetch.Fetched | bytes | ReadFeed, now: datetime) -> Ingested:
    """Store a feed's entries, oldest first. The same bytes again change nothing.

    Raises Invalid, before anything is written, for a feed that cannot be read.
    """
    read = fetched if isinstance(fetched, ReadFeed) else read_entries(feed_id, fetched)
    take_turn()
    feed = feeds.by_id(feed_id)
    arrivals = recognition.once_each(read.entries, language=feed.language)
    # Feeds have the newest first: of two with the same time, the last one is the oldest.
    arrivals.reverse()
    arrivals.sort(key=lambda arrival: _dated(arrival.entry, now))
    present = _present(feed_id, arrivals)
    matched = [
        (arrival, None if _is_recycled(arrival, article) else article)
        for arrival, article in recognition.match(arrivals, present)
    ]
    guard = flood.guard(feed, [arrival.entry for arrival, article in matched if article is None], now)
    meanings = rules.meanings(feed.id, feed.language)
    shelves: dict[int, list[int]] = {}
    unmapped_terms: list[tuple[int, list[str]]] = []
    counts = Counter(new=0, changed=0)
    taken = {article.id for _arrival, article in matched if article is not None}
    touched: dict[int, Article] = {}
    for arrival, known in matched:
        article = known or alike.twin(arrival.entry.body, feed.language, now)
        is_double = known is None and article is not None and article.id in taken
        if article is None:
            article = _add(feed, arrival, now, held=guard.holds(arrival.entry))
            _claim(feed, arrival, present, article)
            counts["new"] += 1
            touched[article.id] = article
        elif article.feed_id == feed.id and not is_double and _follow(article, arrival.entry, now):
            counts["changed"] += 1
            touched[article.id] = article
        taken.add(article.id)
        _remember(feed, article, arrival, present)
        is_ours = article.feed_id == feed.id and not is_double
        if is_ours:
            page = publisherpage.of(arrival.entry, feed_url=feed.url, language=feed.language)
            article.url, article.terms = page or article.url, list(arrival.entry.terms)
        if is_ours and not article.topics_by_hand:
            texts = {"headline": article.headline, "dateline": article.dateline_place}
            shelves[article.id] = meanings.shelves(arrival.entry.terms, **texts)
        if known is None and not is_double:
            unmapped_terms.append((article.id, meanings.unmapped(arrival.entry.terms)))
    topics.place(shelves)
    unmapped.note(feed, unmapped_terms, now)
    searchindex.refresh(list(touched.values()))
    if counts["new"]:
        related.compute_due(now, AT_ONCE)
        feeds.note_new(feed, now)
        alike.forget(now)
    as_before = len(read.entries) - counts["new"] - counts["changed"]
    log.info("feed stored", feed=feed_id, known=as_before, refused=read.refused, **counts)
    return Ingested(counts["new"], counts["changed"], as_before, read.refused)


def _is_recycled(arrival: Arrival, article: Article | None) -> bool:
    """Say whether a known guid or page has been given to another story: much later, and with quite another headline."""
    at = arrival.entry.published_at
    if article is None or at is None or at - article.published_at < RECYCLED_AFTER:
        return False
    return SequenceMatcher(None, article.headline.casefold(), arrival.entry.headline.casefold()).ratio() < 0.5


def take_turn() -> None:
    """Wait until no other feed is being stored; a door asks the time after that, so that times follow the order.

    One at a time, also on PostgreSQL: else the same bytes twice could become two articles, and two languages of
    a story that come in together would not find each other. The first feed's row is everybody's turn; a door may
    have written to its own feed's row before, so waiting for more rows than that one could end in a deadlock.
    """
    db.session.execute(select(Feed.id).order_by(Feed.id).limit(1).with_for_update())


def _present(feed_id: int, arrivals: Iterable[Arrival]) -> dict[Identity, Article]:
    """Return the articles that this feed brought before, under what they are known by."""
    hashes = {key.value_hash for arrival in arrivals for key in (*arrival.identities, *arrival.versions)}
    known = (
        select(ArticleIdentity.kind, ArticleIdentity.value_hash, Article)
        .join(Article, Article.id == ArticleIdentity.article_id)
        .where(ArticleIdentity.feed_id == feed_id, ArticleIdentity.value_hash.in_(hashes))
    )
    return {Identity(kind, value): article for kind, value, article in db.session.execute(known)}


def _claim(feed: Feed, arrival: Arrival, present: Mapping[Identity, Article], article: Article) -> None:
    """Let a new article have what an older one was known by, whose guid or page it was given."""
    for key in arrival.identities:
        if key in present:
            ours = (ArticleIdentity.feed_id == feed.id, ArticleIdentity.value_hash == key.value_hash)
            moved = update(ArticleIdentity).where(*ours, ArticleIdentity.kind == key.kind).values(article_id=article.id)
            db.session.execute(moved, execution_options={"synchronize_session": False})


def _remember(feed: Feed, article: Article, arrival: Arrival, present: Mapping[Identity, Article]) -> None:
    """Write down what else the article is known by from now on. What another one has already stays with that one."""
    rows = [
        {"feed_id": feed.id, **key._asdict(), "article_id": article.id}
        for key in dict.fromkeys((*arrival.identities, *arrival.versions))
        if key not in present
    ]
    if rows:
        insert = database.insert_for(db.engine)
        db.session.execute(insert(ArticleIdentity).on_conflict_do_nothing(), rows)


def _add(feed: Feed, arrival: Arrival, now: datetime, *, held: bool) -> Article:
    entry = arrival.entry
    at = _dated(entry, now)
    is_archive = feed.is_fetched and feed.last_new_at is None and at < now - NEWS
    article = Article(
        story_id=_story(arrival, feed.language, now).id,
        language=feed.language,
        feed_id=feed.id,
        public_id=_public_id(),
        slug=_slug(entry.headline),
        headline=entry.headline,
        standfirst=entry.standfirst,
        dateline_place=entry.dateline_place,
        dateline_agency=entry.dateline_agency,
        body=entry.body,
        author=entry.author,
        words=entry.words,
        published_at=at,
        # What a feed had long before it was first read is no news, whenever we see it.
        first_seen_at=at if is_archive else now,
        revision=1,
        state="held" if held else "published",
        reason=GUARDED if held else "",
        read_at=feed.read_at,
        teaser_only=feed.teaser_only,
    )
    db.session.add(article)
    db.session.flush()
    alike.remember(article, now)
    if entry.published_at is None:
        log.info("entry without date", feed=feed.id, article=article.public_id)
    return article


def _follow(article: Article, entry: Entry, now: datetime) -> bool:
    """Let a known article follow its entry. Say whether its text changed; its address and its date never do."""
    texts = {name: getattr(entry, name) for name in ("headline", "standfirst")}
    if cleaning.text_of(entry.body).strip():  # A feed that lost its bodies, as some do for a day, takes none from us.
        texts |= {name: getattr(entry, name) for name in ("dateline_place", "dateline_agency", "body")}
        article.words = entry.words
    article.author = entry.author
    changed = any(getattr(article, name) != text for name, text in texts.items())
    if changed:
        life.keep_text(article, now=now)
        for name, text in texts.items():
            setattr(article, name, text)
        article.revision += 1
        article.text_changed_at = now
    return changed


def _story(arrival: Arrival, language: str, now: datetime) -> Story:
    """Return the story that an article in another language told first, else a new one.

    Either names the other's page (hreflang), or both name a third; a story has one article a language.
    """
    theirs = [version.value_hash for version in arrival.versions]
    ours = [key.value_hash for key in arrival.identities if key.kind == "url"]
    named = or_(
        and_(ArticleIdentity.kind == "url", ArticleIdentity.value_hash.in_(theirs)),
        and_(ArticleIdentity.kind == "version", ArticleIdentity.value_hash.in_([*ours, *theirs])),
    )
    told = aliased(Article)
    taken = exists().where(told.story_id == Story.id, told.language == language)
    found = db.session.scalar(
        select(Story)
        .join(Article, Article.story_id == Story.id)
        .join(ArticleIdentity, ArticleIdentity.article_id == Article.id)
        .where(named, ~taken)
        .order_by(Story.id)
        .limit(1)
    )
    if found is None:
        found = Story(public_id=_public_id(), created_at=now)
        db.session.add(found)
        db.session.flush()
    return found


def _dated(entry: Entry, now: datetime) -> datetime:
    """Return when an entry was published: when we first saw it, if it does not say or says a time to come."""
    at = entry.published_at or now
    return now if at > now + FUTURE else at


def _public_id() -> str:
    return tokens.encode(os.urandom(7))[:_PUBLIC_ID]


def _slug(headline: str) -> str:
    """Return a headline in ASCII for its path; empty for scripts that have none of it."""
    ascii_only = unicodedata.normalize("NFKD", headline).encode("ascii", "ignore").decode()
    words = re.findall("[a-z0-9]+", ascii_only.lower().replace("'", ""))
    slug = ""
    for word in words:
        if len(slug) + len(word) >= _MAX_SLUG:
            break
        slug = f"{slug}-{word}" if slug else word
    return slug
