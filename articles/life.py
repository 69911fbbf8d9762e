"""A story's life after it came in: held, released, withdrawn, corrected, marked; each step by an editor, each undone.

A feed cannot undo any of it: it goes on to bring texts, and nothing else.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import exists, select, update

from articles import cleaning, searchindex, topics
from articles.models import GUARDED, Article, ArticleRevision, Feed, Story
from core import errors, logs
from core.database import db
from core.errors import _

log = logs.get(__name__)

MOST_RANK = 9
MOST_WORDS = 600
"""Characters of a reason or a correction: readers see it."""


def withdraw(article: Article, *, reason: str) -> None:
    """Take an article back: its page says so with the reason, and nothing offers it any more. Raises Invalid."""
    _must(article, "published", "held", "flash")
    if article.became_id is not None:
        raise errors.Invalid("state", _("This flash has become a story. Withdraw that."))
    article.reason, article.state, article.embargo_until = _words("reason", reason), "withdrawn", None
    searchindex.refresh([article])
    _note(article, "story withdrawn")


def restore(article: Article, *, now: datetime) -> None:
    """Bring back what was withdrawn: as new as what is released, and as little for who had it. Raises Invalid."""
    _must(article, "withdrawn")
    _publish([article], now)
    _note(article, "story brought back")


def hold(article: Article, *, until: datetime | None = None, now: datetime) -> None:
    """Keep an article from being seen and mailed, until it is released, by hand or at a time. Raises Invalid."""
    _must(article, "published", "held")
    if until is not None and until <= now:
        raise errors.Invalid("until", _("This moment is over. Please name one that is still to come."))
    article.state, article.embargo_until, article.reason = "held", until, ""
    searchindex.refresh([article])
    _note(article, "story held")


def release(article: Article, *, now: datetime) -> None:
    """Publish what was held: it is new from now on for all who did not have it. Raises Invalid."""
    _must(article, "held")
    _release([article], now)


def release_guarded(feed_id: int, *, now: datetime) -> int:
    """Release all of a feed that the flood guard holds; return how much."""
    guarded = select(Article).where(Article.feed_id == feed_id, Article.state == "held", Article.reason == GUARDED)
    found = db.session.scalars(guarded.order_by(Article.published_at, Article.id)).all()
    _release(found, now)
    return len(found)


def release_due(now: datetime) -> Sequence[Article]:
    """Release what was held until now; return it."""
    due = select(Article).where(Article.state == "held", Article.embargo_until <= now).order_by(Article.embargo_until)
    found = db.session.scalars(due).all()
    _release(found, now)
    return found


def anything_due(now: datetime) -> bool:
    """Return whether `release_due` would find something; a look costs no writer's turn."""
    return bool(db.session.scalar(select(exists().where(Article.state == "held", Article.embargo_until <= now))))


def correct(article: Article, *, text: str, now: datetime) -> None:
    """Say on the story's page what was wrong in it, or in a flash; the text itself follows the feed. Raises Invalid."""
    _must(article, "published", "held", "flash")
    article.correction, article.corrected_at = _words("text", text), now
    _note(article, "story corrected")


def uncorrect(article: Article) -> None:
    """Take a correction back that was none."""
    article.correction, article.corrected_at = "", None
    _note(article, "correction taken back")


def mark_updated(article: Article, *, now: datetime) -> None:
    """Mark a developing story as updated, as its page shows. Raises Invalid."""
    _must(article, "published", "held")
    article.marked_updated_at = now
    # Another revision, though of the same text: it is new to those who had it (digests of the rule "updated").
    article.revision += 1
    _note(article, "story marked as updated")


def set_rank(article: Article, rank: int) -> None:
    """Say how much the editors want a story in digests, from 0 to 9: those of a higher rank stand first.

    Raises Invalid for a rank that cannot be.
    """
    if not 0 <= rank <= MOST_RANK:
        raise errors.Invalid("rank", _("The rank of a story is a number from 0 to %(most)s."), most=MOST_RANK)
    article.rank = rank
    _note(article, "story ranked", rank=rank)


def let(
    article: Article,
    *,
    share: bool | None = None,
    to_print: bool | None = None,
    teaser_only: bool | None = None,
    read_at: str | None = None,
) -> None:
    """Say what may be done with a story: sent to friends, printed, shown in full, read at our site; None: as before.

    Raises Invalid for `read_at` publisher when we do not know the publisher's page.
    """
    if read_at == "publisher" and not article.url:
        raise errors.Invalid("read_at", _("We do not know this story's page at its publisher, so it is read here."))
    article.shareable = article.shareable if share is None else share
    article.printable = article.printable if to_print is None else to_print
    article.teaser_only = article.teaser_only if teaser_only is None else teaser_only
    article.read_at = read_at or article.read_at
    rights = {name: getattr(article, name) for name in ("shareable", "printable", "teaser_only", "read_at")}
    _note(article, "story let", **rights)


def let_feed(feed: Feed, *, teaser_only: bool | None = None, read_at: str | None = None) -> int:
    """Say what may be done with a feed's stories, those to come and those that are here; return how many these are.

    A story whose page at its publisher we do not know is read here all the same.
    """
    said = {"teaser_only": teaser_only, "read_at": read_at}
    rights = {name: value for name, value in said.items() if value is not None}
    for name, value in rights.items():
        setattr(feed, name, value)
    theirs = update(Article).where(Article.feed_id == feed.id).values(**rights).returning(Article.id)
    count = len(db.session.scalars(theirs).all()) if rights else 0
    db.session.flush()
    log.info("feed let", feed=feed.id, stories=count, **rights)
    return count


def set_topics(article: Article, keys: Sequence[str]) -> None:
    """Put an article on just these shelves, by hand: the feed does not change them any more. Raises Invalid."""
    # Rules that are being applied to old stories wait for this one, or this one for them.
    db.session.refresh(article, with_for_update=True)
    topics.place({article.id: [topic.id for topic in topics.by_keys(keys)]})
    article.topics_by_hand = True
    _note(article, "topics set", topics=",".join(keys))


def join(one: Article, other: Article) -> None:
    """Make two articles versions of one story in two languages; `other` joins the story of `one`. Raises Invalid."""
    if one.story_id == other.story_id:
        return
    theirs = select(Article.language).where(Article.story_id == one.story_id)
    if other.language in set(db.session.scalars(theirs)):
        raise errors.Invalid("story", _("This story has a version in that language already."))
    left, other.story_id = other.story_id, one.story_id
    db.session.flush()
    if not db.session.scalar(select(exists().where(Article.story_id == left))):
        db.session.delete(db.session.get_one(Story, left))
    _note(other, "story joined", story=one.story_id)


def keep_text(article: Article, *, now: datetime) -> None:
    """Keep the text of an article as it is, before another one takes its place."""
    db.session.add(
        ArticleRevision(
            article_id=article.id,
            revision=article.revision,
            headline=article.headline,
            standfirst=article.standfirst,
            dateline_place=article.dateline_place,
            dateline_agency=article.dateline_agency,
            body=article.body,
            replaced_at=now,
        )
    )


def revisions(article: Article) -> list[ArticleRevision]:
    """Return the texts that an article had before, newest first."""
    wanted = select(ArticleRevision).where(ArticleRevision.article_id == article.id)
    return list(db.session.scalars(wanted.order_by(ArticleRevision.revision.desc())))


_IS = {
    "published": _("This story is published."),
    "held": _("This story is held."),
    "withdrawn": _("This story was withdrawn."),
    "flash": _("This is a flash, which has no text yet."),
}


def _must(article: Article, *states: str) -> None:
    if article.state not in states:
        raise errors.Invalid("state", _IS[article.state])


def _release(articles: Sequence[Article], now: datetime) -> None:
    _publish(articles, now)
    for article in articles:
        _note(article, "story released")


def _publish(articles: Sequence[Article], now: datetime) -> None:
    for article in articles:
        # A flash that is brought back is one still: it has no more than its headline.
        alone = not (article.feed_id or article.standfirst or article.body)
        article.state = "flash" if alone and article.breaking_at is not None else "published"
        article.reason, article.embargo_until = "", None
        # What became public only now is fresh now, whenever it came in; who had it is known by the histories.
        article.first_seen_at = now
    searchindex.refresh(articles)


def _words(field: str, text: str) -> str:
    plain = cleaning.plain(text, most=MOST_WORDS + 1)
    if not plain:
        raise errors.Invalid(field, _("Please say it in a sentence: readers will see it."))
    if len(plain) > MOST_WORDS:
        raise errors.Invalid(field, _("This is too long: at most %(most)s characters."), most=MOST_WORDS)
    return plain


def _note(article: Article, event: str, **values: object) -> None:
    db.session.flush()
    log.info(event, article=article.public_id, state=article.state, **values)
