"""What a feed's articles are known by, as rows: read for the entries that came, written for those that were taken."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import and_, exists, or_, select, update
from sqlalchemy.orm import aliased

from articles.models import Article, ArticleIdentity, Feed, Story
from articles.recognition import Arrival, Identity
from core import database
from core.database import db


def present(feed_id: int, arrivals: Iterable[Arrival]) -> dict[Identity, Article]:
    """Return the articles that this feed brought before, under what they are known by."""
    hashes = {key.value_hash for arrival in arrivals for key in (*arrival.identities, *arrival.versions)}
    known = (
        select(ArticleIdentity.kind, ArticleIdentity.value_hash, Article)
        .join(Article, Article.id == ArticleIdentity.article_id)
        .where(ArticleIdentity.feed_id == feed_id, ArticleIdentity.value_hash.in_(hashes))
    )
    return {Identity(kind, value): article for kind, value, article in db.session.execute(known)}


def pages_known(arrivals: Iterable[Arrival]) -> frozenset[bytes]:
    """Return which of the pages that entries have or name some article has or names, too, in whatever language.

    Asked once for all of them: hardly any entry has one, and `story_of` need not be asked for the others.
    """
    pages = {page for arrival in arrivals for page in (*_ours(arrival), *_theirs(arrival))}
    known = select(ArticleIdentity.value_hash).where(
        ArticleIdentity.kind.in_(("url", "version")), ArticleIdentity.value_hash.in_(pages)
    )
    return frozenset(db.session.scalars(known))


def story_of(arrival: Arrival, language: str, pages: frozenset[bytes]) -> int | None:
    """Return the id of the story that an article in another language told first; `pages` are those known.

    Either names the other's page (hreflang), or both name a third; a story has one article a language.
    """
    ours, theirs = _ours(arrival), _theirs(arrival)
    if pages.isdisjoint((*ours, *theirs)):
        return None
    named = or_(
        and_(ArticleIdentity.kind == "url", ArticleIdentity.value_hash.in_(theirs)),
        and_(ArticleIdentity.kind == "version", ArticleIdentity.value_hash.in_([*ours, *theirs])),
    )
    told = aliased(Article)
    taken = exists().where(told.story_id == Story.id, told.language == language)
    return db.session.scalar(
        select(Story.id)
        .join(Article, Article.story_id == Story.id)
        .join(ArticleIdentity, ArticleIdentity.article_id == Article.id)
        .where(named, ~taken)
        .order_by(Story.id)
        .limit(1)
    )


def claim(feed: Feed, arrival: Arrival, present: Mapping[Identity, Article], article: Article) -> None:
    """Let a new article have what an older one was known by, whose guid or page it was given."""
    for key in arrival.identities:
        if key in present:
            ours = (ArticleIdentity.feed_id == feed.id, ArticleIdentity.value_hash == key.value_hash)
            moved = update(ArticleIdentity).where(*ours, ArticleIdentity.kind == key.kind).values(article_id=article.id)
            db.session.execute(moved, execution_options={"synchronize_session": False})


def remember(feed: Feed, taken: Sequence[tuple[Article, Arrival]], present: Mapping[Identity, Article]) -> None:
    """Write down what else articles are known by from now on. What another one has already stays with that one."""
    rows = [
        {"feed_id": feed.id, **key._asdict(), "article_id": article.id}
        for article, arrival in taken
        for key in dict.fromkeys((*arrival.identities, *arrival.versions))
        if key not in present
    ]
    if rows:
        insert = database.insert_for(db.engine)
        db.session.execute(insert(ArticleIdentity).on_conflict_do_nothing(), rows)


def _ours(arrival: Arrival) -> list[bytes]:
    return [key.value_hash for key in arrival.identities if key.kind == "url"]


def _theirs(arrival: Arrival) -> list[bytes]:
    return [version.value_hash for version in arrival.versions]
