"""Pictures that stories have and that cannot be shown: there is no rendition, or what we kept of it is damaged.

What mails show is ours (docs/adr/0018): so whether a picture is there is asked of our own rows, and of nobody else.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import LargeBinary, Select, delete, func, select, update

from articles import pictures
from articles.pictures import Picture, PictureSource, Rendition
from core.database import db

_JPEG = b"\xff\xd8\xff"
_DAMAGED = func.substr(Rendition.content, 1, len(_JPEG), type_=LargeBinary) != _JPEG


def lacking(article_ids: Collection[int]) -> dict[int, str]:
    """Return which of these articles go without a picture though they have one, and why."""
    found = {one: "the file of its picture is damaged" for one, _rendition in db.session.execute(_damaged(article_ids))}
    shown = pictures.of_articles(article_ids)
    bare = {one for one in article_ids if pictures.standing_for(shown[one]) is None}
    rows = db.session.execute(
        select(Picture.article_id, PictureSource.why)
        .join(PictureSource, PictureSource.id == Picture.source_id)
        .where(Picture.article_id.in_(bare), PictureSource.rendition_id.is_(None), Picture.is_decorative.is_(False))
        .order_by(Picture.article_id, Picture.position)
    )
    for article_id, why in rows:
        found.setdefault(article_id, f"its picture could not be had: {why}" if why else "its picture is not here yet")
    return found


def make_anew(article_ids: Collection[int], now: datetime) -> None:
    """Have what is damaged of these articles' pictures fetched again; until then nothing shows it."""
    rows = db.session.execute(_damaged(article_ids)).all()
    renditions = {row.rendition_id for row in rows}
    if not renditions:
        return
    sources = select(PictureSource.id).where(PictureSource.rendition_id.in_(renditions))
    ids = db.session.scalars(sources).all()
    again = update(PictureSource).where(PictureSource.id.in_(ids))
    db.session.execute(again.values(state="waiting", rendition_id=None, next_try_at=now, fails=0, why=""))
    # The same bytes would be the same rendition: the damaged one must not stand for them.
    db.session.execute(delete(Rendition).where(Rendition.id.in_(renditions)))
    for one in ids:
        pictures.touch_users(one, now)


def _damaged(article_ids: Collection[int]) -> Select[int, int | None]:
    return (
        select(Picture.article_id, PictureSource.rendition_id)
        .join(PictureSource, PictureSource.id == Picture.source_id)
        .join(Rendition, Rendition.id == PictureSource.rendition_id)
        .where(Picture.article_id.in_(article_ids), _DAMAGED)
        .order_by(Picture.article_id, Picture.position)
    )
