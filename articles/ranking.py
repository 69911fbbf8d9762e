"""Rank stories where they are, in the database: the newest that have some terms, each with its BM25.

Nothing is read but what comes out: a database works scores out in less time than it takes to hand over the counts of
the terms. The arithmetic is that of `articles.bm25`, step by step, on both databases.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from math import prod
from typing import Any, TypeVar

from sqlalchemy import CTE, Double, Select, TextClause, column, literal_column, select, text, tuple_

from articles import bm25, periods, searchtables
from articles.bm25 import Scale
from articles.models import ArticleTopic
from articles.searchtables import SearchDocument
from core.database import BigId, UtcTime, db

Found = TypeVar("Found")
Weights = Mapping[int, float]
"""Terms by their ids, and what each is worth (Scale.weight)."""


@dataclass(frozen=True, slots=True)
class Only:
    """What stories are looked for: those on a shelf, published from `begin` on, and before `end`.

    `older_than` is the time and the id of a story: those that stand behind it when the newest is the first.
    """

    topic_id: int | None = None
    begin: datetime | None = None
    end: datetime | None = None
    older_than: tuple[datetime, int] | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """Terms of a language with the number of stories that have each; a story must have every one, or any."""

    language: str
    having: Mapping[int, int]
    every: bool

    def share(self, stories: int) -> float:
        """Return about which share of so many stories fits, if each term is where it is by chance."""
        shares = [having / stories for having in self.having.values()]
        return prod(shares) if self.every else min(sum(shares), 1.0)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A story that was found, when it was published, and its score."""

    article_id: int
    published_at: datetime
    score: float


def newest(question: Question, scale: Scale, only: Only, *, most: int) -> list[int]:
    """Return the ids of the newest stories that fit, the newest first."""

    def found(tags: Sequence[str]) -> list[int]:
        newest = _newest(question, only, most, tags)
        inorder = (newest.c.published_at.desc(), newest.c.article_id.desc())
        return list(db.session.scalars(select(newest.c.article_id).order_by(*inorder)))

    return _recent_first(found, question, scale, only, most)


def best(question: Question, weights: Weights, scale: Scale, only: Only, *, most: int) -> list[int]:
    """Return the ids of the newest stories that fit, first those that score best for these terms, then the newest."""

    def found(tags: Sequence[str]) -> list[int]:
        scored = _scored(_newest(question, only, most, tags), len(weights))
        inorder = (_SCORE.desc(), scored.c.published_at.desc(), scored.c.article_id.desc())
        wanted = select(scored.c.article_id).order_by(*inorder)
        return list(db.session.scalars(wanted, _values(weights, scale)))

    return _recent_first(found, question, scale, only, most)


def scores(question: Question, weights: Weights, scale: Scale, only: Only, *, most: int, least: float) -> list[Ranked]:
    """Return the newest stories that fit, without those whose scores for these terms are less than the least."""
    scored = _scored(_newest(question, only, most, ()), len(weights))
    with _by_the_index():
        wanted = select(scored.c.article_id, scored.c.published_at, _SCORE).where(least <= _SCORE)
        return [Ranked(*row) for row in db.session.execute(wanted, _values(weights, scale))]


def _recent_first(
    found: Callable[[Sequence[str]], list[Found]], question: Question, scale: Scale, only: Only, most: int
) -> list[Found]:
    """Return what is found; of terms that very many stories have, those of the last weeks if they are enough."""
    before = only.end or (only.older_than[0] if only.older_than else None)
    share = question.share(scale.stories) if scale.stories else 0.0
    with _by_the_index():
        recent = periods.enough(
            question.language, stories=scale.stories, share=share, most=most, begin=only.begin, before=before
        )
        if recent is not None:
            rows = found(recent.tags)
            if recent.is_all or len(rows) >= most:
                return rows
        return found(())


def _newest(question: Question, only: Only, most: int, tags: Sequence[str]) -> CTE:
    """Return the newest documents that fit.

    Shelves are looked at after the index: beginning at a shelf, PostgreSQL would unpack each of its documents.
    """
    at = (SearchDocument.published_at, SearchDocument.article_id)
    having = select(*at).where(searchtables.having(question.having, every=question.every, tags=tags))
    if only.older_than is not None:
        having = having.where(tuple_(*at) < tuple_(*only.older_than))
    if only.begin is not None:
        having = having.where(SearchDocument.published_at >= only.begin)
    if only.end is not None:
        having = having.where(SearchDocument.published_at < only.end)
    if only.topic_id is not None:
        known = _aside(having, "having")
        on_it = select(ArticleTopic.article_id).where(ArticleTopic.topic_id == only.topic_id)
        having = select(known.c.published_at, known.c.article_id).where(known.c.article_id.in_(on_it))
    inorder = having.order_by(*(one.desc() for one in having.selected_columns))
    return _aside(inorder.limit(most), "newest")


def _scored(newest: CTE, terms: int) -> CTE:
    """Return the scores of these documents for so many terms."""
    often, score = _arithmetic(db.engine.dialect.name, terms)
    theirs = SearchDocument.article_id == newest.c.article_id
    counted = select(newest.c.article_id, newest.c.published_at, often).join(SearchDocument, theirs)
    columns = (column("article_id", BigId), column("published_at", UtcTime), score)
    return _aside(select(*columns).select_from(_aside(counted, "counted")), "scored")


_SCORE = literal_column("scored.score", Double)
"""That column; SQLAlchemy does not see into what `_arithmetic` wrote."""


def _values(weights: Weights, scale: Scale) -> dict[str, object]:
    """Return the values that `_arithmetic` asks for."""
    values: dict[str, object] = {"flat": scale.flat, "steep": scale.steep}
    for at, (term, weight) in enumerate(weights.items()):
        values |= {f"key_{at}": bm25.key(term), f"weight_{at}": weight}
    return values


@lru_cache
def _arithmetic(dialect: str, terms: int) -> tuple[TextClause, TextClause]:
    """Return how often a document has each of so many terms, with what slows its counting; and its score.

    Of packed counts, the octet after a term's key says how often the term is there.
    """
    sqlite = "unicode(CAST(substr(counts, nullif(instr(counts, :key_{0}), 0) + 4, 1) AS text))"
    postgresql = "get_byte(counts, nullif(position(:key_{0} in counts), 0) + 3)"
    one = sqlite if dialect == "sqlite" else postgresql
    often = [f"coalesce({one.format(at)}, 0) AS often_{at}" for at in range(terms)]
    sums = [f":weight_{at} * often_{at} / (often_{at} + base)" for at in range(terms)]
    return text(", ".join([":flat + :steep * length AS base", *often])), text(f"{' + '.join(sums)} AS score")


def _aside(wanted: Select[*tuple[Any, ...]], name: str) -> CTE:
    """Return what is worked out once, by itself."""
    return wanted.cte(name).prefix_with("MATERIALIZED")


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
