"""Search: the stories of a language that have these words, the best first (BM25) or the newest."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, select, text, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from articles import bm25, searchtables, shelf, words
from articles.bm25 import Scale
from articles.models import Article, ArticleTopic
from articles.searchtables import COLUMNS, Document, SearchDocument, SearchTotal
from core.database import db

MOST_CHARACTERS = 200
"""Of a query. What is longer is no question, and is not looked for."""
MOST_TERMS = 32
"""Terms of a query that are looked for, the rarest of them."""
MOST = 2_000
"""Stories that are ranked, the newest of all that have the words."""
MOST_HAVING = 5_000
"""Stories that are looked at when any of the words is enough: the words are taken from the rarest on."""


@dataclass(frozen=True, slots=True)
class Only:
    """What stories are looked for: those on a shelf, published from `begin` on, and before `end`."""

    topic_id: int | None = None
    begin: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A page of what was found. `total` is `MOST` at most; `loosely` means that no story has all of the words."""

    articles: Sequence[Article]
    total: int
    loosely: bool


NOTHING = Found((), 0, loosely=False)
ANY = Only()


def find(query: str, language: str, *, only: Only = ANY, newest: bool = False, page: int = 1, size: int = 20) -> Found:
    """Return a page of the stories with all words of a query, or else with any: the best first, or the newest.

    Nothing that stands in a query is an operator.
    """
    terms = dict.fromkeys(words.terms(query[:MOST_CHARACTERS]))
    there = {term: found for term, found in searchtables.known(language, terms).items() if found[1]}
    wanted = dict(sorted(there.values(), key=lambda found: found[1])[:MOST_TERMS])
    if not wanted:
        return NOTHING
    loosely = len(there) < len(terms)
    ids = [] if loosely else _ranked(wanted, language, only, newest=newest, every=True)
    if not ids and len(terms) > 1:
        loosely, ids = True, _ranked(wanted, language, only, newest=newest, every=False)
    shown = ids[(page - 1) * size : page * size]
    return Found(shelf.by_ids(shown), len(ids), loosely and bool(ids))


def scale_of(language: str) -> Scale:
    """Return what scores in a language are measured by."""
    total = db.session.get(SearchTotal, language)
    if total is None or not total.stories:
        return Scale(0, 1.0)
    return Scale(total.stories, max(total.length / total.stories, 1.0))


def rarest(having: Mapping[int, int]) -> Sequence[int]:
    """Return terms by which to look for stories with any of them, of terms with their numbers of stories.

    Those are the rarest, as many as together have no more than `MOST_HAVING` stories; one at least.
    """
    chosen: list[int] = []
    total = 0
    for term, stories in sorted(having.items(), key=lambda one: one[1]):
        total += stories
        if chosen and total > MOST_HAVING:
            break
        chosen.append(term)
    return chosen


def candidates(
    terms: Sequence[int], only: Only, *, every: bool, most: int, older_than: tuple[datetime, int] | None = None
) -> list[Document]:
    """Return the newest stories that have every one of these terms, or any."""
    wanted = _newest(COLUMNS, searchtables.having(terms, every=every), only, most=most, older_than=older_than)
    with _by_the_index():
        return [Document(*row) for row in db.session.execute(wanted)]


def _ranked(having: Mapping[int, int], language: str, only: Only, *, newest: bool, every: bool) -> list[int]:
    """Return the ids of the stories found, in their order."""
    terms = list(having) if every else rarest(having)
    if newest:
        wanted = _newest((SearchDocument.article_id,), searchtables.having(terms, every=every), only, most=MOST)
        with _by_the_index():
            return list(db.session.scalars(wanted))
    found = candidates(terms, only, every=every, most=MOST)
    scale = scale_of(language)
    rarities = {term: scale.rarity(stories) for term, stories in having.items()}
    scores = [scale.score(bm25.Counts(one.counts), one.length, rarities) for one in found]
    # They come newest first, and stay so where they are as good.
    order = sorted(range(len(found)), key=lambda at: -scores[at])
    return [found[at].article_id for at in order]


def _newest(
    columns: Sequence[InstrumentedAttribute[Any]],
    having: ColumnElement[bool],
    only: Only,
    *,
    most: int,
    older_than: tuple[datetime, int] | None = None,
) -> Select[Any]:
    """Return the statement for the newest documents that fit.

    Shelves are looked at after the index: beginning at a shelf, PostgreSQL would unpack each of its documents.
    """
    at = (SearchDocument.published_at, SearchDocument.article_id)
    inner = select(*dict.fromkeys((*columns, *at))).where(having)
    if older_than is not None:
        inner = inner.where(tuple_(*at) < tuple_(*older_than))
    if only.begin is not None:
        inner = inner.where(SearchDocument.published_at >= only.begin)
    if only.end is not None:
        inner = inner.where(SearchDocument.published_at < only.end)
    found = inner.cte("found").prefix_with("MATERIALIZED", dialect="postgresql")
    wanted = select(*(found.c[column.key] for column in columns))
    if only.topic_id is not None:
        on_it = select(ArticleTopic.article_id).where(ArticleTopic.topic_id == only.topic_id)
        wanted = wanted.where(found.c.article_id.in_(on_it))
    return wanted.order_by(found.c.published_at.desc(), found.c.article_id.desc()).limit(most)


@contextmanager
def _by_the_index() -> Iterator[None]:
    """Have PostgreSQL use the index of terms however many stories have them.

    It takes reading all rows for as cheap, since it does not count what unpacking the terms of each costs.
    """
    if db.engine.dialect.name == "sqlite":
        yield
        return
    db.session.execute(_NO_SCAN)
    yield
    db.session.execute(_SCAN)


_NO_SCAN, _SCAN = text("SET LOCAL enable_seqscan = off"), text("SET LOCAL enable_seqscan = on")
