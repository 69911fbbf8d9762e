"""Find articles: by their path, newest first, by topic, and what a digest may choose from."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, exists, func, or_, select, true, tuple_

from articles.models import GUARDED, Article, ArticleTopic, Topic, ref_of
from core import errors
from core.database import db

_PUBLIC_ID = 10
_MOST_CANDIDATES = 2_000
"""More than any digest's readers get through between two slots; it bounds the memory of composing."""
DEVELOPING = timedelta(days=60)
"""How long after it was first seen a story that is updated may come again: as long as it is known who had it."""

PUBLISHED = Article.state == "published"
"""What readers see. Held stories and those that were withdrawn are found by their path only."""
FLASH = (Article.state == "flash", Article.became_id.is_(None), Article.breaking_at.is_not(None))
"""Headlines whose story is not there yet."""
_READ_HERE = or_(Article.read_at == "postrider", Article.url == "")
_CANDIDATE = (
    *(Article.id, Article.story_id, Article.language, Article.published_at, Article.first_seen_at),
    *(Article.revision, Article.rank, Article.text_changed_at, Article.marked_updated_at),
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a selection needs of an article, without its texts. The higher its `rank`, the more the editors want it."""

    article_id: int
    story_id: int
    topic_ids: frozenset[int]
    published_at: datetime
    first_seen_at: datetime
    revision: int = 1
    updated_at: datetime | None = None
    rank: int = 0
    is_flash: bool = False
    """It is a headline, and there is no story yet."""


@dataclass(frozen=True, slots=True)
class Address:
    """What stands for an article in a path, and when it was published or changed last."""

    ref: str
    changed_at: datetime


def by_ref(ref: str) -> Article:
    """Return the article that a path names: its id decides, whatever slug follows. Raises NotFound."""
    public_id, after = ref[:_PUBLIC_ID].lower(), ref[_PUBLIC_ID:]
    if after and not after.startswith("-"):
        raise errors.NotFound
    article = db.session.scalar(select(Article).where(Article.public_id == public_id))
    if article is None:
        raise errors.NotFound
    return article


def held_by_feed() -> dict[int, int]:
    """Return how many stories of each feed the flood guard holds; those that an editor holds are no trouble."""
    guarded = (Article.state == "held", Article.reason == GUARDED, Article.feed_id.is_not(None))
    rows = db.session.execute(select(Article.feed_id, func.count()).where(*guarded).group_by(Article.feed_id))
    return {feed_id: count for feed_id, count in rows if feed_id is not None}


def by_ids(ids: Sequence[int]) -> list[Article]:
    """Return articles in the order of their ids; one that is not there is left out."""
    found = {article.id: article for article in db.session.scalars(select(Article).where(Article.id.in_(ids)))}
    return [found[article_id] for article_id in ids if article_id in found]


def not_published(ids: Collection[int]) -> set[int]:
    """Return those of articles that readers do not see (any more), not even as a flash."""
    shown = or_(PUBLISHED, Article.state == "flash")
    return set(db.session.scalars(select(Article.id).where(Article.id.in_(ids), ~shown)))


def latest(language: str, *, limit: int, topic: Topic | None = None, before: Article | None = None) -> list[Article]:
    """Return the newest articles in a language, on one shelf or all, those that stand after `before` if it is given."""
    wanted = select(Article).where(Article.language == language, PUBLISHED, on(topic))
    if before is not None:
        # Feeds with dates alone give many stories one time: the id tells which of them stands first.
        wanted = wanted.where(tuple_(Article.published_at, Article.id) < tuple_(before.published_at, before.id))
    return list(db.session.scalars(wanted.order_by(Article.published_at.desc(), Article.id.desc()).limit(limit)))


def between(language: str, begin: datetime, end: datetime, *, topic: Topic | None = None) -> list[Article]:
    """Return the articles in a language that were published from `begin` on and before `end`, newest first."""
    wanted = select(Article).where(Article.language == language, PUBLISHED, on(topic))
    wanted = wanted.where(Article.published_at >= begin, Article.published_at < end)
    return list(db.session.scalars(wanted.order_by(Article.published_at.desc(), Article.id.desc())))


def nearest(language: str, at: datetime, *, later: bool, topic: Topic | None = None) -> datetime | None:
    """Return when the next article was published, from `at` on or before it; None when there is none."""
    column = func.min(Article.published_at) if later else func.max(Article.published_at)
    side = Article.published_at >= at if later else Article.published_at < at
    return db.session.scalar(select(column).where(Article.language == language, PUBLISHED, side, on(topic)))


def addresses(language: str, *, limit: int) -> list[Address]:
    """Return where the newest articles in a language are, of those that are read here, and when each changed last."""
    columns = (
        Article.public_id,
        Article.slug,
        Article.published_at,
        Article.text_changed_at,
        Article.marked_updated_at,
    )
    wanted = select(*columns).where(Article.language == language, PUBLISHED, _READ_HERE)
    rows = db.session.execute(wanted.order_by(Article.published_at.desc(), Article.id.desc()).limit(limit))
    return [Address(ref_of(row[0], row[1]), max(filter(None, row[2:]))) for row in rows]


def versions(article: Article) -> list[Article]:
    """Return the story's articles in its other languages, by language code."""
    others = select(Article).where(Article.story_id == article.story_id, Article.id != article.id, PUBLISHED)
    return list(db.session.scalars(others.order_by(Article.language)))


def topics_of(article_ids: Sequence[int]) -> dict[int, list[Topic]]:
    """Return each article's topics, in the order in which topics were defined; an empty list for none."""
    found: dict[int, list[Topic]] = {article_id: [] for article_id in article_ids}
    rows = (
        select(ArticleTopic.article_id, Topic)
        .join(Topic, Topic.id == ArticleTopic.topic_id)
        .where(ArticleTopic.article_id.in_(found))
        .order_by(Topic.id)
    )
    for article_id, topic in db.session.execute(rows):
        found[article_id].append(topic)
    return found


def counts_by_topic(language: str) -> dict[int, int]:
    """Return how many articles in a language stand on each shelf that has any, by topic id."""
    counted = (
        select(ArticleTopic.topic_id, func.count())
        .join(Article, Article.id == ArticleTopic.article_id)
        .where(Article.language == language, PUBLISHED)
        .group_by(ArticleTopic.topic_id)
    )
    return {row[0]: row[1] for row in db.session.execute(counted)}


def candidates(
    language: str, *, since: datetime | None, updated: bool = False, topic_ids: frozenset[int] | None = None
) -> list[Candidate]:
    """Return what a digest may choose from: the articles in its language first seen after `since`, newest first.

    With `updated` also those first seen a little earlier that were updated since. With `topic_ids` only those on one
    of these shelves, so that the limit cannot cut a rare topic off.
    """
    wanted = select(*_CANDIDATE).where(Article.language == language, PUBLISHED)
    if since is not None:
        seen = Article.first_seen_at > since
        if updated:
            changed = or_(Article.text_changed_at > since, Article.marked_updated_at > since)
            wanted = wanted.where(Article.first_seen_at > since - DEVELOPING, or_(seen, changed))
        else:
            wanted = wanted.where(seen)
    if topic_ids is not None:
        on_them = select(ArticleTopic.article_id).where(ArticleTopic.topic_id.in_(topic_ids))
        wanted = wanted.where(Article.id.in_(on_them))
    wanted = wanted.order_by(Article.published_at.desc(), Article.id.desc()).limit(_MOST_CANDIDATES)
    return _as_candidates(db.session.execute(wanted).all())


def flashes(language: str, *, since: datetime) -> list[Candidate]:
    """Return the headlines in a language whose story is not there yet, first seen after `since`."""
    wanted = select(*_CANDIDATE).where(*FLASH, Article.language == language, Article.first_seen_at > since)
    found = _as_candidates(db.session.execute(wanted.order_by(Article.id)).all())
    return [replace(one, is_flash=True) for one in found]


def candidates_by_ids(article_ids: Collection[int]) -> list[Candidate]:
    """Return those of these articles that are published, whatever their age, as what a digest may choose."""
    wanted = select(*_CANDIDATE).where(Article.id.in_(article_ids), PUBLISHED).order_by(Article.id)
    return _as_candidates(db.session.execute(wanted).all()) if article_ids else []


def other_versions(story_ids: Collection[int], *, language: str) -> dict[str, list[Candidate]]:
    """Return the articles of stories in all languages but one, by language."""
    wanted = select(*_CANDIDATE).where(Article.story_id.in_(story_ids), Article.language != language, PUBLISHED)
    rows = db.session.execute(wanted).all()
    found: dict[str, list[Candidate]] = {}
    for row, candidate in zip(rows, _as_candidates(rows), strict=True):
        found.setdefault(row.language, []).append(candidate)
    return found


def story_ids(article_ids: Collection[int]) -> list[int]:
    """Return the ids of the stories that articles are versions of."""
    return list(db.session.scalars(select(Article.story_id).where(Article.id.in_(article_ids))))


def on(topic: Topic | None) -> ColumnElement[bool]:
    """Return the condition that an article stands on a shelf; on any, for none."""
    if topic is None:
        return true()
    on_it = (ArticleTopic.article_id == Article.id, ArticleTopic.topic_id == topic.id)
    return exists().where(*on_it)


def _as_candidates(rows: Sequence[Row[*tuple[Any, ...]]]) -> list[Candidate]:
    shelves = _topic_ids([row.id for row in rows]) if rows else {}
    return [
        Candidate(
            row.id,
            row.story_id,
            frozenset(shelves.get(row.id, ())),
            row.published_at,
            row.first_seen_at,
            row.revision,
            max(filter(None, (row.text_changed_at, row.marked_updated_at)), default=None),
            row.rank,
        )
        for row in rows
    ]


def _topic_ids(article_ids: Sequence[int]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    rows = select(ArticleTopic.article_id, ArticleTopic.topic_id).where(ArticleTopic.article_id.in_(article_ids))
    for article_id, topic_id in db.session.execute(rows):
        found.setdefault(article_id, set()).add(topic_id)
    return found
