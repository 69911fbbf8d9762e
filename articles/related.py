"""See also: older stories of the same language, by the topics and the telling words that they share."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select

from articles import shelf, words
from articles.models import Article, Topic
from core.database import db

_LOOKED_AT = 300
"""How many older articles are compared: a few weeks of a daily paper."""
_KINDS = {"country": 2.0, "theme": 1.5}
_HEADLINE, _STANDFIRST = 2.0, 1.0
_HALF_LIFE_S = 365 * 86_400
_LEAST = 1.0
"""A theme shared within half a year is enough, a single rare word deep in the text is not."""


@dataclass(frozen=True, slots=True)
class _Glance:
    """What is compared of an article; `weights` are its telling words, a headline's heavier."""

    id: int
    published_at: datetime
    weights: Mapping[str, float]


def see_also(article: Article, *, limit: int = 5) -> list[Article]:
    """Return the older articles most like this one, best first; fewer, or none, when nothing is like it.

    Shared topics count; so do shared words, the more the rarer they are among the articles compared; a year
    halves it all.
    """
    subject = _glance(article.id, article.headline, article.standfirst, article.published_at)
    older = _older(article)
    rarity = _rarity([subject, *older])
    shelves = shelf.topics_of([subject.id, *(glance.id for glance in older)])
    scores = {}
    for glance in older:
        alike = _shared_words(subject, glance, rarity) + _shared_topics(shelves[subject.id], shelves[glance.id])
        age = (subject.published_at - glance.published_at).total_seconds()
        scores[glance.id] = alike * 0.5 ** (age / _HALF_LIFE_S)
    best = sorted((found for found in scores if scores[found] >= _LEAST), key=lambda found: -scores[found])
    return shelf.by_ids(best[:limit])


def _older(article: Article) -> list[_Glance]:
    """Return the articles next before this one, newest first. A story has one article a language: never its own."""
    at = Article.published_at
    before = or_(at < article.published_at, and_(at == article.published_at, Article.id < article.id))
    rows = (
        select(Article.id, Article.headline, Article.standfirst, at)
        .where(Article.language == article.language, before, shelf.PUBLISHED)
        .order_by(at.desc(), Article.id.desc())
        .limit(_LOOKED_AT)
    )
    return [_glance(*row) for row in db.session.execute(rows)]


def _glance(article_id: int, headline: str, standfirst: str, published_at: datetime) -> _Glance:
    weights = dict.fromkeys(words.telling(standfirst), _STANDFIRST)
    return _Glance(article_id, published_at, weights | dict.fromkeys(words.telling(headline), _HEADLINE))


def _rarity(glances: Sequence[_Glance]) -> Mapping[str, float]:
    """Return how telling each word is, from 1 (in one article only) down to almost 0 (in all of many)."""
    found = Counter(word for glance in glances for word in glance.weights)
    most = math.log1p(len(glances))
    return {word: math.log1p(len(glances) / count) / most for word, count in found.items()}


def _shared_words(one: _Glance, other: _Glance, rarity: Mapping[str, float]) -> float:
    shared = one.weights.keys() & other.weights.keys()
    return sum(rarity[word] * min(one.weights[word], other.weights[word]) for word in shared)


def _shared_topics(ours: Sequence[Topic], theirs: Sequence[Topic]) -> float:
    also = {topic.id for topic in theirs}
    return sum(_KINDS[topic.kind] for topic in ours if topic.id in also)
