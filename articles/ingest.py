"""Turn a feed's entries into articles, each once: new ones are added, known ones follow their text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from sqlalchemy import select

from articles import (
    alike,
    arriving,
    breaking,
    entries,
    feeds,
    flood,
    following,
    fulltext,
    identities,
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
from articles.models import Article, Feed
from articles.pictures_found import LEAD, FoundPicture
from articles.recognition import Arrival, Identity
from core import errors, fetch, logs
from core.database import db

AT_ONCE = 5
"""For so many new stories See also is worked out while they are stored; of more, a task does it for all."""

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
    present = identities.present(feed_id, arrivals)
    matched = [
        (arrival, None if following.is_recycled(arrival.entry, article, now) else article)
        for arrival, article in recognition.match(arrivals, present)
    ]
    storing = _Storing(feed, manner, now, present, [article for _arrival, article in matched if article is not None])
    storing.prepare([arrival for arrival, article in matched if article is None])
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
        self._taken = set(known)
        self._texts = fulltext.of([article.id for article in known])
        self._guard = flood.Guard()
        self._meanings = rules.meanings(feed.id, feed.language)
        self._pages = frozenset[bytes]()
        self._recent = alike.Recent((), feed.language, now)
        self._shingles: dict[Identity, frozenset[int]] = {}
        self._kept: list[tuple[Article, Arrival]] = []
        self._own: list[tuple[Article, Entry]] = []
        self._strange: list[tuple[Article, list[str]]] = []
        self._unwritten: list[tuple[Article, Arrival]] = []
        self._new: list[Article] = []
        self._changed: list[Article] = []
        self.stored: list[tuple[str, Article]] = []

    def prepare(self, fresh: Sequence[Arrival]) -> None:
        """Look at what is new: whether it is so much that an editor sees it first, and which of its pages are known."""
        if self._manner.is_guarded(self._feed):
            self._guard = flood.guard(self._feed, [arrival.entry for arrival in fresh], self._now)
        self._pages = identities.pages_known(fresh)
        if self._manner is not Manner.ARCHIVE:
            self._shingles = {arrival.identities[0]: alike.shingles_of(arrival.entry.body) for arrival in fresh}
        if not self._is_import:
            self._recent = alike.Recent(self._shingles.values(), self._feed.language, self._now)

    @property
    def _is_import(self) -> bool:
        """Say whether these are files, each a story of its own, however alike two are."""
        return self._manner in (Manner.ARCHIVE, Manner.NEWS)

    def take(self, arrival: Arrival, known: Article | None) -> None:
        """Store an entry: as the article that it is known to be, as one that it repeats, or as a new one."""
        entry, own = arrival.entry, self._shingles.get(arrival.identities[0], frozenset[int]())
        article = known or (None if self._is_import else self._recent.twin(own))
        is_double = known is None and article is not None and article in self._taken
        if article is None:
            article = self._made(arrival)
            self._recent.add(article, own)
        elif article.feed_id == self._feed.id and not is_double:
            self._follow(article, entry)
        self._taken.add(article)
        self._kept.append((article, arrival))
        if article.feed_id == self._feed.id and not is_double:
            page = publisherpage.of(entry, feed_url=self._feed.url, language=self._feed.language)
            article.url, article.terms = page or article.url or "", list(entry.terms)
            self._own.append((article, entry))
        if known is None and not is_double:
            self._strange.append((article, self._meanings.unmapped(entry.terms)))
        self.stored.append((entry.guid, article))

    def _made(self, arrival: Arrival) -> Article:
        if self._pages:  # Of these articles one may be of the story, in this language, already.
            self._write()
        story_id = identities.story_of(arrival, self._feed.language, self._pages)
        article = arriving.made(
            self._feed, arrival.entry, self._now, guard=self._guard, manner=self._manner, story_id=story_id
        )
        self._unwritten.append((article, arrival))
        return article

    def _write(self) -> None:
        """Write the articles that were made since the last time."""
        arriving.write([article for article, _arrival in self._unwritten], self._now)
        for article, arrival in self._unwritten:
            identities.claim(self._feed, arrival, self._present, article)
            self._new.append(article)
        self._unwritten.clear()

    def _follow(self, article: Article, entry: Entry) -> None:
        if article not in self._taken:
            self._texts |= fulltext.of([article.id])
        keeps_body = fulltext.stands(self._texts.get(article.id), entry)
        if following.follow(article, entry, self._now, keeps_body=keeps_body):
            self._changed.append(article)

    def _note(self, article: Article, entry: Entry) -> tuple[Sequence[FoundPicture] | None, list[int] | None]:
        """Note what an article of this feed has besides its text; return its pictures and shelves, if they follow.

        Pictures go with the text that has their places; what leads a story has none in it.
        """
        text = self._texts.get(article.id)
        _flag(self._feed, article, entry, self._now, self._manner)
        pictures_found: Sequence[FoundPicture] | None = None
        if article.body == entry.body:
            pictures_found = entry.pictures
        elif fulltext.stands(text, entry):
            pictures_found = [one for one in entry.pictures if one.position == LEAD]
        if not self._is_import:
            fulltext.want(self._feed, article, entry, text, now=self._now)
        if article.topics_by_hand:
            return pictures_found, None
        texts = {"headline": article.headline, "dateline": article.dateline_place}
        return pictures_found, self._meanings.shelves(entry.terms, **texts)

    def finish(self) -> tuple[int, int]:
        """Write what was put off; return how many articles are new, and how many have changed."""
        self._write()
        self._recent.write()
        noted = [(article.id, *self._note(article, entry)) for article, entry in self._own]
        identities.remember(self._feed, self._kept, self._present)
        topics.place({article_id: shelves for article_id, _found, shelves in noted if shelves is not None})
        pictures.place({article_id: found for article_id, found, _shelves in noted if found is not None}, self._now)
        unmapped.note(self._feed, [(article.id, terms) for article, terms in self._strange], self._now)
        searchindex.refresh(list(dict.fromkeys((*self._new, *self._changed))))
        if self._new:
            _note_new(self._feed, len(self._new), self._now, self._manner)
        return len(self._new), len(self._changed)


def _note_new(feed: Feed, count: int, now: datetime, manner: Manner) -> None:
    """Do what follows when so much new was stored. An archive says nothing of the habits of its feed."""
    if count <= AT_ONCE:
        related.compute_due(now, count)
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
