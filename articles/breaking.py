"""Breaking news: which stories an editor has flagged as such, and until when that is said of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select

from articles.models import Article
from articles.shelf import PUBLISHED
from core import errors, logs
from core.database import db
from core.errors import _

FRESH = timedelta(days=1)
"""What is older is no breaking news, and what was flagged longer ago is none any more."""

log = logs.get(__name__)


def flag(article: Article, *, now: datetime, however_old: bool = False, urgent: bool = False) -> None:
    """Flag a published story as breaking news; one that is flagged already stays as it is, unless it is `urgent` now.

    Raises Invalid for what is not published, and for what is older than a day unless `however_old`.
    """
    if article.state != "published":
        raise errors.Invalid("state", _("Only a published story can be breaking news."))
    if article.published_at < now - FRESH and not however_old:
        raise errors.Invalid("story", _("This story is older than a day: that is no breaking news any more."))
    if not is_shown(article, now) or (urgent and not article.urgent):
        article.breaking_at, article.urgent = now, urgent
        db.session.flush()
        log.info("story flagged as breaking", article=article.public_id, urgent=urgent)


def unflag(article: Article) -> None:
    """Take the flag back. What was mailed meanwhile stays mailed."""
    article.breaking_at, article.urgent = None, False
    db.session.flush()
    log.info("story breaking no more", article=article.public_id)


def is_shown(article: Article, now: datetime) -> bool:
    """Say whether a story is called breaking news still."""
    return article.breaking_at is not None and now - article.breaking_at < FRESH


def since(at: datetime, *, language: str | None = None) -> Sequence[Article]:
    """Return the published stories that were flagged after `at`, in the order in which they were; in one language."""
    wanted = select(Article).where(Article.breaking_at > at, PUBLISHED)
    if language is not None:
        wanted = wanted.where(Article.language == language)
    return db.session.scalars(wanted.order_by(Article.breaking_at, Article.id)).all()
