"""Put the stories that are here on their shelves anew, by the rules of now."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import ColumnElement, func, select, true

from articles import rules, topics
from articles.models import Article, ArticleTopic
from core.database import db

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Step:
    """How many stories were looked at, and on how many of these the shelves changed."""

    looked_at: int
    changed: int


def count(since: datetime | None) -> int:
    """Return how many stories `steps` will look at."""
    return db.session.scalar(select(func.count()).select_from(Article).where(_wanted(since))) or 0


def steps(since: datetime | None = None) -> Iterator[Step]:
    """Go through the stories published since a time, or all; whoever calls commits each step and takes turns.

    What was put on its shelves by hand stays there. Of stories whose feed's terms were not kept yet, what they are on
    stays, too.
    """
    meanings = lru_cache(maxsize=256)(rules.meanings)
    after = 0
    while True:
        # Locked: an editor's own choice of shelves must not be written over by one that was read before it.
        wanted = select(Article).where(_wanted(since), Article.id > after).order_by(Article.id).limit(_AT_ONCE)
        found = db.session.scalars(wanted.with_for_update(), execution_options={"populate_existing": True}).all()
        if not found:
            return
        after = found[-1].id
        present = _present([article.id for article in found])
        shelves = {}
        for article in found:
            if not article.topics_by_hand:
                texts = {"headline": article.headline, "dateline": article.dateline_place}
                meant = meanings(article.feed_id, article.language).shelves(article.terms or (), **texts)
                shelves[article.id] = {*meant, *(present.get(article.id, ()) if article.terms is None else ())}
        yield Step(len(found), topics.place(shelves))


def _wanted(since: datetime | None) -> ColumnElement[bool]:
    return true() if since is None else Article.published_at >= since


def _present(article_ids: list[int]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    rows = select(ArticleTopic.article_id, ArticleTopic.topic_id).where(ArticleTopic.article_id.in_(article_ids))
    for article_id, topic_id in db.session.execute(rows):
        found.setdefault(article_id, set()).add(topic_id)
    return found
