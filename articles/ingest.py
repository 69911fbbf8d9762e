"""Turn a feed's entries into articles, each once: new ones are added, known ones follow their text."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from sqlalchemy import select, update

from articles import (
    alike,
    arriving,
    breaking,
    entries,
    feeds,
    flood,
    following,
    fulltext,
    pictures,
    publisherpage,
    recognition,
    related,
    rules,
    searchindex,
    topics,
    unmapped,
    xmlcheck,
)
from articles.arriving import Manner
from articles.entries import Entry, Refused
from articles.models import Article, ArticleIdentity, Feed
from articles.pictures_found import LEAD, FoundPicture
from articles.recognition import Arrival, Identity
from core import database, errors, fetch, logs
from core.database import db

AT_ONCE = 5
"""Stories for which See also is worked out while they are stored; a task does it for more."""

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Ingested:
    """How many entries were new, changed, known as they are (or there twice), and refused; and the articles by guid."""

    new: int
    changed: int
    known: int
    refused: int
    articles: Sequence[tuple[str, Article]] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ReadFeed:
    """What was read of a feed, ready to be stored; and which hubs tell of it, under which address."""

    entries: Sequence[Entry]
    refusals: Sequence[Refused] = ()
    hubs: Sequence[str] = ()
    topic: str = ""

    @property
    def refused(self) -> int:
        """Return how many entries could not be read."""
        return len(self.refusals)


def read_entries(
    feed_id: int | None, fetched: fetch.Fetched | bytes, *, name: str = "", zone: tzinfo = UTC, item: bool = False
) -> ReadFeed:
    """Read and clean what was fetched. It takes long and needs no database: call it before the transaction.

    `feed_id` and `name`, its address, are for the log lines. A date without a zone is one of `zone`, the publisher's.
    With `item` one JSON item alone is a feed of one.
    Raises Invalid for what cannot be read, with one log line; each entry refused is a log line, too.
    """
    fetched = fetch.Fetched(200, "", fetched) if isinstance(fetched, bytes) else fetched
    if fetched.body is None:
        return ReadFeed(())
    told = {"feed": feed_id, "url": name or fetched.url}
    cure = feeds.cure(name or fetched.url)
    try:
        read = entries.document(fetched.body, url=fetched.url, item=item, zone=zone, charset=fetched.charset)
    except xmlcheck.Damaged as error:
        log.warning("feed refused", **told, why=str(error), cure=cure)
        raise errors.Invalid("feed", "This feed cannot be read: %(why)s.", why=str(error)) from error
    if read.damage:
        log.warning("feed damaged", **told, why=read.damage, kept=len(read.entries), cure=cure)
    refused = [entry for entry in read.entries if isinstance(entry, Refused)]
    for entry in refused:
        log.warning("entry refused", **told, why=entry.why, guid=entry.guid[:200], cure=cure)
    good = [entry for entry in read.entries if isinstance(entry, Entry)]
    return ReadFeed(good, refused, read.hubs, read.topic)


def store_entries(
    feed_id: int, fetched: fetch.Fetched | bytes | ReadFeed, now: datetime, *, manner: Manner = Manner.FETCHED
) -> Ingested:
    """Store a feed's entries, oldest first. The same bytes again change nothing. `manner` is how they came.

    Raises Invalid, before anything is written, for a feed that cannot be read.
    """
    read = fetched if isinstance(fetched, ReadFeed) else read_entries(feed_id, fetched)
    take_turn()
    feed = feeds.by_id(feed_id)
    spoken, foreign = _in_its_language(feed, read.entries)
    arrivals = recognition.once_each(spoken, language=feed.language)
    # Feeds have the newest first: of two with the same time, the last one is the oldest.
    arrivals.reverse()
    arrivals.sort(key=lambda arrival: arriving.dated(arrival.entry, now))
    present = _present(feed_id, arrivals)
    matched = [
        (arrival, None if following.is_recycled(arrival.entry, article, now) else article)
        for arrival, article in recognition.match(arrivals, present)
    ]
    storing = _Storing(feed, manner, now, present, [article for _arrival, article in matched if article is not None])
    storing.watch_for_floods([arrival.entry for arrival, article in matched if article is None])
    for arrival, article in matched:
        storing.take(arrival, article)
    new, changed = storing.finish()
    as_before, refused = len(spoken) - new - changed, read.refused + foreign
    log.info("feed stored", feed=feed_id, url=feed.url, known=as_before, refused=refused, new=new, changed=changed)
    return Ingested(new, changed, as_before, refused, storing.stored)


class _Storing:
    """The storing of one feed's entries, one after the other, and what is to be written of all of them at the end."""

    def __init__(
        self, feed: Feed, manner: Manner, now: datetime, present: Mapping[Identity, Article], known: Sequence[Article]
    ) -> None:
        self._feed = feed
        self._manner = manner
        self._now = now
        self._present = present
        self._taken = {article.id for article in known}
        self._texts = fulltext.of(self._taken)
        self._guard = flood.Guard()
        self._meanings = rules.meanings(feed.id, feed.language)
        self._shelves: dict[int, list[int]] = {}
        self._pictured: dict[int, Sequence[FoundPicture]] = {}
        self._unmapped: list[tuple[int, list[str]]] = []
        self._new: list[Article] = []
        self._changed: list[Article] = []
        self.stored: list[tuple[str, Article]] = []

    def watch_for_floods(self, fresh: Sequence[Entry]) -> None:
        """Have an editor see what is new first, when it is too much at once."""
        if self._manner.is_guarded(self._feed):
            self._guard = flood.guard(self._feed, fresh, self._now)

    def take(self, arrival: Arrival, known: Article | None) -> None:
        """Store an entry: as the article that it is known to be, as one that it repeats, or as a new one."""
        entry = arrival.entry
        article = known or _twin(self._feed, entry, self._now, self._manner)
        is_double = known is None and article is not None and article.id in self._taken
        if article is None:
            article = arriving.add(self._feed, arrival, self._now, guard=self._guard, manner=self._manner)
            _claim(self._feed, arrival, self._present, article)
            self._new.append(article)
        elif article.feed_id == self._feed.id and not is_double:
            self._follow(article, entry)
        self._taken.add(article.id)
        _remember(self._feed, article, arrival, self._present)
        if article.feed_id == self._feed.id and not is_double:
            self._note(article, entry)
        if known is None and not is_double:
            self._unmapped.append((article.id, self._meanings.unmapped(entry.terms)))
        self.stored.append((entry.guid, article))

    def _follow(self, article: Article, entry: Entry) -> None:
        if article.id not in self._taken:
            self._texts |= fulltext.of([article.id])
        keeps_body = fulltext.stands(self._texts.get(article.id), entry)
        if following.follow(article, entry, self._now, keeps_body=keeps_body):
            self._changed.append(article)

    def _note(self, article: Article, entry: Entry) -> None:
        """Note what an article of this feed's own has besides its text: page, terms, flag, pictures and shelves."""
        page = publisherpage.of(entry, feed_url=self._feed.url, language=self._feed.language)
        article.url, article.terms = page or article.url, list(entry.terms)
        _flag(self._feed, article, entry, self._now, self._manner)
        if article.body == entry.body:  # Pictures go with the text that has their places.
            self._pictured[article.id] = entry.pictures
        elif fulltext.stands(self._texts.get(article.id), entry):  # What leads a story has none in it.
            self._pictured[article.id] = [one for one in entry.pictures if one.position == LEAD]
        if self._manner in (Manner.FETCHED, Manner.PUSHED):
            fulltext.want(self._feed, article, entry, self._texts.get(article.id), now=self._now)
        if not article.topics_by_hand:
            texts = {"headline": article.headline, "dateline": article.dateline_place}
            self._shelves[article.id] = self._meanings.shelves(entry.terms, **texts)

    def finish(self) -> tuple[int, int]:
        """Write what was put off; return how many articles are new, and how many have changed."""
        topics.place(self._shelves)
        pictures.place(self._pictured, self._now)
        unmapped.note(self._feed, self._unmapped, self._now)
        searchindex.refresh(list({article.id: article for article in (*self._new, *self._changed)}.values()))
        if self._new:
            _note_new(self._feed, self._now, self._manner)
        return len(self._new), len(self._changed)


def _twin(feed: Feed, entry: Entry, now: datetime, manner: Manner) -> Article | None:
    """Return the story that an entry is again, lightly edited. Of an import each file is a story of its own."""
    return None if manner in (Manner.ARCHIVE, Manner.NEWS) else alike.twin(entry.body, feed.language, now)


def _note_new(feed: Feed, now: datetime, manner: Manner) -> None:
    """Do what follows when something new was stored. An archive says nothing of the habits of its feed."""
    related.compute_due(now, AT_ONCE)
    alike.forget(now)
    if manner is not Manner.ARCHIVE:
        feeds.note_new(feed, now)


def _in_its_language(feed: Feed, read: Sequence[Entry]) -> tuple[list[Entry], int]:
    """Return the entries without those that say they are in another language than the feed, and how many those are."""
    primary = feed.language.lower().partition("-")[0]
    spoken = []
    for entry in read:
        if entry.language and entry.language.lower().partition("-")[0] != primary:
            name = {"feed": feed.id, "url": feed.url}
            why = f"its language is {entry.language[:35]}, and that of the feed {feed.language}"
            log.warning(
                "entry refused", **name, why=why, guid=entry.guid[:200], cure="Give that language its own feed."
            )
            continue
        spoken.append(entry)
    return spoken, len(read) - len(spoken)


def _flag(feed: Feed, article: Article, entry: Entry, now: datetime, manner: Manner) -> None:
    """Flag what was pushed as breaking news, if its feed may do that. What is fetched flags nothing."""
    if not (entry.is_urgent and manner is Manner.PUSHED) or article.breaking_at is not None:
        return
    if not feed.may_break:
        cure = f"If it may: flask feeds set {feed.url} --may-break on"
        log.info("breaking news not believed", feed=feed.id, article=article.public_id, cure=cure)
    elif article.state == "published" and article.published_at >= now - breaking.FRESH:
        breaking.flag(article, now=now)


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
