"""An archive of made-up stories, with words as often as a language has them, and feeds of new ones."""

import hashlib
import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from html import escape

from sqlalchemy import delete, insert, select, text

from articles import alike, searchindex
from articles.models import Article, ArticleIdentity, ArticleTopic, Feed, Story
from articles.searchtables import POSTGRESQL, RelatedDue
from bench.progress import Progress
from core import tokens
from core.database import db

LANGUAGE = "en"
YEARS = 5
"""How far the archive reaches back."""
VOCABULARY = 60_000
HEADLINE, STANDFIRST, PARAGRAPH, PARAGRAPHS = 8, 25, 55, 6
"""Words of a story's parts."""
COMMON = 0.4
"""The share of words that every text has, and that say nothing."""
_SMALL = ("the", "of", "to", "in", "and", "for", "on", "that", "with", "was", "said", "by", "has", "its")
_SYLLABLES = [first + vowel for first in "bdfgklmnprstvz" for vowel in ("a", "e", "i", "o", "u", "an", "er")]
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Made:
    """A story that somebody made up."""

    headline: str
    standfirst: str
    paragraphs: Sequence[str]

    @property
    def body(self) -> str:
        """Return its text as clean HTML."""
        return "".join(f"<p>{one}</p>" for one in self.paragraphs)


class Writer:
    """Makes stories up, always the same ones. Words come as often as Zipf's law, with Mandelbrot's shift, has it."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._words = _vocabulary()
        self._sums = list(itertools.accumulate(1 / (rank + 2.7) for rank in range(VOCABULARY)))

    def words(self, count: int) -> list[str]:
        """Return words of a text."""
        telling = self._chance.choices(self._words, cum_weights=self._sums, k=count)
        return [self._chance.choice(_SMALL) if self._chance.random() < COMMON else word for word in telling]

    def story(self) -> Made:
        """Return the next story."""
        paragraphs = [self._sentence(PARAGRAPH) for _number in range(PARAGRAPHS)]
        return Made(self._sentence(HEADLINE)[:-1], self._sentence(STANDFIRST), paragraphs)

    def question(self) -> str:
        """Return what somebody types who searches: one to four words that tell something."""
        return " ".join(self._chance.choices(self._words, cum_weights=self._sums, k=self._chance.randint(1, 4)))

    def _sentence(self, count: int) -> str:
        return " ".join(self.words(count)).capitalize() + "."


def _vocabulary() -> list[str]:
    chance, words = random.Random(0), dict[str, None]()
    while len(words) < VOCABULARY:
        words["".join(chance.choices(_SYLLABLES, k=chance.randint(2, 5)))] = None
    return list(words)


def fill(feed: Feed, count: int, topic_ids: Sequence[int], *, now: datetime) -> list[str]:
    """Write the archive as it is once all that was due is done; return the refs of its newest stories."""
    progress, writer, refs = Progress(f"{count:,} stories", count), Writer(1), list[str]()
    gap = timedelta(days=365 * YEARS) / count
    db.session.execute(text("DROP INDEX search_words"))
    for begin in range(0, count, _AT_ONCE):
        numbers = range(begin + 1, min(begin + _AT_ONCE, count) + 1)
        times = {number: now - timedelta(hours=2) - gap * (count - number) for number in numbers}
        db.session.execute(
            insert(Story), [{"id": one, "public_id": _name("story", one), "created_at": times[one]} for one in numbers]
        )
        db.session.execute(
            insert(Article), [_article(one, writer.story(), times[one], feed_id=feed.id) for one in numbers]
        )
        db.session.execute(insert(ArticleTopic), list(_shelved(numbers, topic_ids)))
        db.session.execute(insert(ArticleIdentity), list(_known(numbers, feed_id=feed.id)))
        written = db.session.scalars(select(Article).where(Article.id.in_(numbers)).order_by(Article.id)).all()
        searchindex.refresh(written)
        for article in written:
            if article.first_seen_at > now - alike.WITHIN:
                alike.remember(article, alike.shingles_of(article.body), article.first_seen_at)
        refs = [article.ref for article in written]
        db.session.execute(delete(RelatedDue))
        db.session.commit()
        progress.at(numbers[-1])
    progress.done("written")
    # The index of words is made once, at the end, as it is after a reindex.
    db.session.execute(text(POSTGRESQL[-1]))
    for table in ("stories", "articles"):
        db.session.execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {count})"))
    db.session.commit()
    return refs


def feed_of(stories: Sequence[Made], *, first: int, at: datetime, terms: Sequence[str]) -> bytes:
    """Return RSS with stories, as a publisher's system writes it; the newest first, a minute apart."""
    items = [
        f"<item><title>{made.headline}</title><link>https://wire.example.org/{first + number}</link>"
        f"<guid>https://wire.example.org/{first + number}</guid><category>{terms[number % len(terms)]}</category>"
        f"<pubDate>{format_datetime(at + timedelta(seconds=number))}</pubDate>"
        f"<description>{made.standfirst}</description>"
        f"<content:encoded>{escape(made.body)}</content:encoded></item>"
        for number, made in enumerate(stories)
    ]
    head = '<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>Wire</title>'
    return f"{head}{''.join(reversed(items))}</channel></rss>".encode()


def _name(kind: str, number: int) -> str:
    return tokens.encode(_hash(kind, number)[:7])[:10]


def _hash(kind: str, number: int) -> bytes:
    return hashlib.sha256(f"{kind} {number}".encode()).digest()


def _article(number: int, made: Made, at: datetime, *, feed_id: int) -> dict[str, object]:
    texts = {"headline": made.headline, "standfirst": made.standfirst, "body": made.body, "author": ""}
    where = {"dateline_place": "Seoul", "dateline_agency": "", "slug": f"story-{number}"}
    known = {"id": number, "story_id": number, "public_id": _name("article", number), "feed_id": feed_id}
    times = {"published_at": at, "first_seen_at": at, "words": PARAGRAPH * PARAGRAPHS}
    return {**known, **texts, **where, **times, "language": LANGUAGE}


def _shelved(numbers: Iterable[int], topic_ids: Sequence[int]) -> Iterator[dict[str, int]]:
    for number in numbers:
        for topic_id in {topic_ids[number % len(topic_ids)], topic_ids[number * 7 % len(topic_ids)]}:
            yield {"article_id": number, "topic_id": topic_id}


def _known(numbers: Iterable[int], *, feed_id: int) -> Iterator[dict[str, object]]:
    for number in numbers:
        for kind in ("guid", "url", "text"):
            yield {"feed_id": feed_id, "kind": kind, "value_hash": _hash(kind, number), "article_id": number}
