"""The pictures of stories: by reference, with words that an editor may set, shown as soon as a rendition is there."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, case, func, select, text, update
from sqlalchemy.orm import Mapped, mapped_column

from articles import cleaning
from articles.models import Article
from articles.pictures_found import MOST_ALT, FoundPicture
from core import database, errors
from core.changes import NOT_SHOWN, SHOWN
from core.database import Base, RowId, db
from core.errors import _
from core.links import Links

WAITING = text("state = 'waiting'")


class Picture(Base):
    """A picture of an article: 0 leads it, others have the place in its text with their position.

    Sizes are as the feed states them. `alt` is None where the feed gave none. What an editor set (`by_hand`) no feed
    changes.
    """

    __tablename__ = "pictures"
    __table_args__ = (Index(None, "source_id"), SHOWN)
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("picture_sources.id"))
    width: Mapped[int | None]
    height: Mapped[int | None]
    alt: Mapped[str | None]
    caption: Mapped[str]
    credit: Mapped[str]
    is_decorative: Mapped[bool]
    by_hand: Mapped[bool]


class PictureSource(Base):
    """Where a picture is, in however many stories: fetched once, into a rendition. `refused` says why there is none."""

    __tablename__ = "picture_sources"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'ready', 'refused')", name="state"),
        CheckConstraint("(state = 'ready') = (rendition_id IS NOT NULL)", name="rendition"),
        CheckConstraint("(state = 'waiting') = (next_try_at IS NOT NULL)", name="next_try"),
        Index("ix_picture_sources_waiting", "next_try_at", sqlite_where=WAITING, postgresql_where=WAITING),
        Index(None, "rendition_id"),
        NOT_SHOWN,
    )
    id: Mapped[RowId]
    url: Mapped[str] = mapped_column(unique=True)
    state: Mapped[str] = mapped_column(default="waiting")
    next_try_at: Mapped[datetime | None]
    fails: Mapped[int] = mapped_column(default=0)
    why: Mapped[str] = mapped_column(default="")
    rendition_id: Mapped[int | None] = mapped_column(ForeignKey("renditions.id"))


class Rendition(Base):
    """A picture as we serve it, a JPEG. `public_id` comes from its content, so what it names never changes."""

    __tablename__ = "renditions"
    __table_args__ = (NOT_SHOWN,)
    id: Mapped[RowId]
    public_id: Mapped[str] = mapped_column(unique=True)
    width: Mapped[int]
    height: Mapped[int]
    content: Mapped[bytes] = mapped_column(deferred=True)
    made_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture that can be shown. `alt` is empty for what is decorative or has a caption alone; None: unknown."""

    position: int
    public_id: str
    width: int
    height: int
    alt: str | None
    caption: str
    credit: str
    is_decorative: bool


@dataclass(frozen=True, slots=True)
class MailPicture:
    """A picture as a mail shows it beside a story's headline: where it is, how large in pixels, what it shows, whose.

    `alt` is its caption where nobody has described it, and empty where there is neither.
    """

    url: str
    width: int
    height: int
    alt: str
    credit: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """A picture with what became of it, for editors."""

    article: Article
    picture: Picture
    source: PictureSource


def place(found: Mapping[int, Sequence[FoundPicture]], now: datetime) -> None:
    """Give articles, by their ids, exactly these pictures. What an editor set stays with its picture's address."""
    there: dict[int, list[tuple[Picture, str]]] = {article_id: [] for article_id in found}
    rows = select(Picture, PictureSource.url).join(PictureSource).where(Picture.article_id.in_(found))
    for picture, url in db.session.execute(rows.order_by(Picture.position)):
        there[picture.article_id].append((picture, url))
    changed = {one: wanted for one, wanted in found.items() if not _as_before(there[one], wanted)}
    if not changed:
        return
    sources = _sources({picture.url for wanted in changed.values() for picture in wanted}, now)
    by_hand = {(row.article_id, url): row for one in changed for row, url in there[one] if row.by_hand}
    kept = {key: (row.alt, row.is_decorative) for key, row in by_hand.items()}
    for row in (row for one in changed for row, _url in there[one]):
        db.session.delete(row)
    db.session.flush()
    for article_id, wanted in changed.items():
        db.session.add_all(_row(article_id, one, sources[one.url], kept.get((article_id, one.url))) for one in wanted)
    _touch(changed, now)
    db.session.flush()


def of_article(article_id: int) -> dict[int, Shown]:
    """Return the pictures of an article that can be shown, by their positions."""
    return of_articles([article_id])[article_id]


def of_articles(article_ids: Collection[int]) -> dict[int, dict[int, Shown]]:
    """Return the pictures of articles that can be shown: by article, and by position."""
    found: dict[int, dict[int, Shown]] = {article_id: {} for article_id in article_ids}
    rows = (
        select(Picture, Rendition)
        .join(PictureSource, PictureSource.id == Picture.source_id)
        .join(Rendition, Rendition.id == PictureSource.rendition_id)
        .where(Picture.article_id.in_(found))
        .order_by(Picture.position)
    )
    for picture, rendition in db.session.execute(rows):
        found[picture.article_id][picture.position] = Shown(
            position=picture.position,
            public_id=rendition.public_id,
            width=rendition.width,
            height=rendition.height,
            alt=picture.alt,
            caption=picture.caption,
            credit=picture.credit,
            is_decorative=picture.is_decorative,
        )
    return found


def standing_for(shown: Mapping[int, Shown]) -> Shown | None:
    """Return the picture that stands for a story elsewhere: what leads it, else the first that says anything."""
    return next((shown[at] for at in sorted(shown) if not shown[at].is_decorative), None)


def for_mails(article_ids: Collection[int], links: Links) -> dict[int, MailPicture]:
    """Return the picture that a mail shows of each of these articles, by article; those that have none are left out.

    Its file is at most 1,200 pixels wide and high and 150 kB large, is served by us, and stays where it is.
    """
    standing = {article_id: standing_for(shown) for article_id, shown in of_articles(article_ids).items()}
    return {
        article_id: MailPicture(
            url=links.to("picture", picture=one.public_id),
            width=one.width,
            height=one.height,
            alt=one.alt or one.caption,
            credit=one.credit,
        )
        for article_id, one in standing.items()
        if one is not None
    }


def content(public_id: str) -> bytes | None:
    """Return a rendition; None when there is none, or every story that has it is held or was withdrawn.

    What no story has any more is served still: mails that were sent may show it.
    """
    uses = (
        select(func.count(), func.coalesce(func.sum(case((Article.state == "published", 1), else_=0)), 0))
        .select_from(Picture)
        .join(PictureSource, PictureSource.id == Picture.source_id)
        .join(Article, Article.id == Picture.article_id)
        .join(Rendition, Rendition.id == PictureSource.rendition_id)
        .where(Rendition.public_id == public_id)
    )
    used, published = db.session.execute(uses).one()
    if used and not published:
        return None
    return db.session.scalar(select(Rendition.content).where(Rendition.public_id == public_id))


def listed(article: Article | None = None, *, missing: bool = False, limit: int = 1_000) -> list[Listed]:
    """Return the pictures of an article, or of all stories newest first; `missing`: only those without an alt text."""
    rows = (
        select(Article, Picture, PictureSource)
        .join(Picture, Picture.article_id == Article.id)
        .join(PictureSource, PictureSource.id == Picture.source_id)
        .order_by(Article.published_at.desc(), Article.id.desc(), Picture.position)
    )
    if article is not None:
        rows = rows.where(Article.id == article.id)
    if missing:
        no_words = Picture.alt.is_(None), Picture.is_decorative.is_(False), PictureSource.state != "refused"
        rows = rows.where(*no_words, Article.state != "withdrawn")
    return [Listed(*row) for row in db.session.execute(rows.limit(limit))]


def describe(article: Article, position: int, *, alt: str | None, now: datetime) -> None:
    """Set by hand what a picture shows; with None it is decorative, and says nothing. Raises Invalid."""
    picture = db.session.get(Picture, (article.id, position))
    if picture is None:
        raise errors.Invalid("number", _("This story has no picture with this number."))
    words = None if alt is None else cleaning.plain(alt, most=MOST_ALT + 1)
    if words is not None and not words:
        raise errors.Invalid("alt", _("Please say in a few words what the picture shows."))
    if words is not None and len(words) > MOST_ALT:
        raise errors.Invalid("alt", _("This is too long: at most %(most)s characters."), most=MOST_ALT)
    picture.alt, picture.is_decorative, picture.by_hand = words or "", words is None, True
    article.pictures_changed_at = now
    db.session.flush()


def touch_users(source_id: int, now: datetime) -> None:
    """Write down that the pages of all stories with a picture look different from now on."""
    users = select(Picture.article_id).where(Picture.source_id == source_id)
    _touch(db.session.scalars(users).all(), now)


def _touch(article_ids: Collection[int], now: datetime) -> None:
    changed = update(Article).where(Article.id.in_(article_ids)).values(pictures_changed_at=now)
    db.session.execute(changed, execution_options={"synchronize_session": "fetch"})


def _as_before(there: Sequence[tuple[Picture, str]], wanted: Sequence[FoundPicture]) -> bool:
    return [_facts(picture, url) for picture, url in there] == [
        _facts_of(one, hand) for one, hand in zip(wanted, _hands(there, wanted), strict=True)
    ]


def _hands(there: Sequence[tuple[Picture, str]], wanted: Sequence[FoundPicture]) -> list[Picture | None]:
    by_hand = {url: picture for picture, url in there if picture.by_hand}
    return [by_hand.get(one.url) for one in wanted]


def _facts(picture: Picture, url: str) -> tuple[object, ...]:
    sizes = picture.width, picture.height
    return picture.position, url, *sizes, picture.alt, picture.caption, picture.credit, picture.is_decorative


def _facts_of(one: FoundPicture, hand: Picture | None) -> tuple[object, ...]:
    alt, is_decorative = (one.alt, one.is_decorative) if hand is None else (hand.alt, hand.is_decorative)
    return one.position, one.url, one.width, one.height, alt, one.caption, one.credit, is_decorative


def _row(article_id: int, one: FoundPicture, source_id: int, hand: tuple[str | None, bool] | None) -> Picture:
    alt, is_decorative = hand or (one.alt, one.is_decorative)
    return Picture(
        article_id=article_id,
        position=one.position,
        source_id=source_id,
        width=one.width,
        height=one.height,
        alt=alt,
        caption=one.caption,
        credit=one.credit,
        is_decorative=is_decorative,
        by_hand=hand is not None,
    )


def _sources(urls: Collection[str], now: datetime) -> dict[str, int]:
    """Return the ids of addresses, new ones written down to be fetched."""
    if not urls:
        return {}
    insert = database.insert_for(db.engine)
    rows = [{"url": url, "state": "waiting", "next_try_at": now, "fails": 0, "why": ""} for url in sorted(urls)]
    db.session.execute(insert(PictureSource).on_conflict_do_nothing(), rows)
    known = select(PictureSource.url, PictureSource.id).where(PictureSource.url.in_(urls))
    return {row.url: row.id for row in db.session.execute(known)}
