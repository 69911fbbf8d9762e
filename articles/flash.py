"""A flash: a headline before there is a story, which takes its place later."""

import os
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import exists, select
from sqlalchemy.orm import aliased

from articles import arriving, cleaning, shelf, topics
from articles.models import Article, Story, Topic
from core import alerts, errors, logs, tokens
from core.database import db
from core.errors import _

FRESH = timedelta(days=1)
"""So long after it was issued a flash is listed as one, and may stand in a digest."""
WAITS = timedelta(minutes=30)
"""After so long without a story the desk is reminded."""
MOST = 300
"""Characters of a headline, as of one that a feed brings."""

ALERT = "flash"
"""The kind of alert about flashes that wait."""

log = logs.get(__name__)


def issue(headline: str, *, language: str, topic_keys: Sequence[str] = (), urgent: bool, now: datetime) -> Article:
    """Write a flash, which is breaking news at once. Its page shows the headline, until there is more.

    Raises Invalid for a headline that is empty or too long, and for a topic that is not on offer.
    """
    words = " ".join(cleaning.plain(headline, most=MOST + 1).split())
    if not words or len(words) > MOST:
        raise errors.Invalid("headline", _("A headline has 1 to %(most)s characters."), most=MOST)
    shelves = topics.by_keys(topic_keys)
    story = Story(public_id=tokens.encode(os.urandom(7))[:10], created_at=now)
    db.session.add(story)
    db.session.flush()
    flash = Article(
        story_id=story.id,
        language=language,
        public_id=story.public_id,
        slug=arriving.slug_of(words),
        headline=words,
        published_at=now,
        first_seen_at=now,
        state="flash",
        breaking_at=now,
        urgent=urgent,
        shareable=False,
        printable=False,
        topics_by_hand=True,
        words=len(words.split()),
        **dict.fromkeys(("standfirst", "dateline_place", "dateline_agency", "body", "author"), ""),
    )
    db.session.add(flash)
    db.session.flush()
    topics.place({flash.id: [topic.id for topic in shelves]})
    log.info("flash issued", article=flash.public_id, urgent=urgent)
    return flash


def attach(flash: Article, story: Article) -> None:
    """Have a story take the place of a flash: the flash's page leads to it, and who had the alert has had it.

    Nobody is alerted anew. Attached again to the same story, nothing changes. Raises Invalid.
    """
    if flash.state != "flash":
        raise errors.Invalid("flash", _("This is no flash, but a story of its own."))
    if story.state != "published":
        raise errors.Invalid("story", _("Only a published story can take the place of a flash."))
    if story.language != flash.language:
        raise errors.Invalid("story", _("A flash and its story are in one language."))
    if flash.became_id not in (None, story.id):
        raise errors.Invalid("flash", _("This flash has become a story already."))
    flash.became_id = story.id
    if story.breaking_at is None:
        story.breaking_at = flash.breaking_at
    db.session.flush()
    log.info("flash attached", article=flash.public_id, story=story.public_id)


def became(flash: Article) -> Article | None:
    """Return the story that a flash became; None as long as there is none."""
    return None if flash.became_id is None else db.session.get_one(Article, flash.became_id)


def waiting(now: datetime, *, language: str | None = None, topic: Topic | None = None) -> Sequence[Article]:
    """Return the flashes that are to become a story, as long as they are news, newest first."""
    wanted = select(Article).where(*shelf.FLASH, Article.breaking_at > now - FRESH, shelf.on(topic))
    if language is not None:
        wanted = wanted.where(Article.language == language)
    return db.session.scalars(wanted.order_by(Article.breaking_at.desc(), Article.id.desc())).all()


def forgotten(now: datetime) -> list[alerts.Trouble]:
    """Return what the desk is to be reminded of: the flashes that wait for their story for long."""
    return [
        alerts.trouble(
            f"{ALERT}:{one.public_id}",
            what=f"A flash has no story yet: {one.headline}",
            how_much=f"It was issued at {alerts.at(one.published_at)}. Its readers find a headline, and no more.",
            cure=f"When the story is there: flask articles attach {one.public_id} STORY, or: flask articles withdraw.",
        )
        for one in waiting(now)
        if one.published_at <= now - WAITS
    ]


def of(article_ids: Sequence[int]) -> dict[int, int]:
    """Return the flashes that became one of these stories: the story by flash."""
    rows = db.session.execute(select(Article.id, Article.became_id).where(Article.became_id.in_(article_ids)))
    return {flash_id: story_id for flash_id, story_id in rows if story_id is not None}


def to_mail(since: datetime) -> Sequence[Article]:
    """Return what was flagged after `since` and is to be mailed as breaking news, flashes among it, by when it was.

    A story that has its flag from its flash is not: the flash was mailed.
    """
    flash = aliased(Article)
    mailed = exists().where(flash.became_id == Article.id, flash.breaking_at == Article.breaking_at)
    wanted = select(Article).where(Article.breaking_at > since, Article.state.in_(("published", "flash")), ~mailed)
    return db.session.scalars(wanted.order_by(Article.breaking_at, Article.id)).all()
