"""Which pictures are to be fetched, and what came of it: each address once, again after a failure, and not for ever."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, select, update

from articles import pictures
from articles.models import Article
from articles.pictures import Picture, PictureSource, Rendition
from articles.renditions import Made
from core import database, fetch, logs, tokens
from core.database import db

AGAIN = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6), timedelta(days=1))
"""How long to wait after each failure; after one more it is given up."""
TAKEN = timedelta(minutes=5)
"""How long one that is being fetched is left to whoever fetches it."""
LIMITS = fetch.FetchLimits(max_bytes=15_000_000)
_ACCEPT = "image/avif,image/webp,image/jpeg,image/png,image/gif;q=0.9,*/*;q=0.1"
_ID_BYTES = 16

log = logs.get(__name__)


def anything(now: datetime) -> bool:
    """Return whether `take` would find something; a look costs no writer's turn."""
    return bool(db.session.scalar(select(exists().where(_due(now)))))


def take(now: datetime, limit: int) -> list[int]:
    """Return the ids of sources that want to be fetched, longest due first; nobody else takes them for a while.

    Each counts as failed until it is not: what takes its worker along is not taken for ever.
    """
    lost = update(PictureSource).where(_due(now), PictureSource.fails > len(AGAIN))
    db.session.execute(lost.values(state="refused", next_try_at=None, why="whoever fetched it ended, each time"))
    wanted = select(PictureSource.id).where(_due(now)).order_by(PictureSource.next_try_at, PictureSource.id)
    ids = db.session.scalars(wanted.limit(limit).with_for_update(skip_locked=True)).all()
    taken = update(PictureSource).where(PictureSource.id.in_(ids))
    db.session.execute(taken.values(next_try_at=now + TAKEN, fails=PictureSource.fails + 1))
    return list(ids)


def take_again(article: Article, now: datetime) -> list[int]:
    """Take those sources of a story's pictures of which there is no rendition yet, those given up too.

    They begin anew: what fails now is tried as often as a new one.
    """
    of_story = select(Picture.source_id).where(Picture.article_id == article.id)
    lacking = PictureSource.id.in_(of_story), PictureSource.rendition_id.is_(None)
    ids = db.session.scalars(select(PictureSource.id).where(*lacking).order_by(PictureSource.id)).all()
    anew = update(PictureSource).where(PictureSource.id.in_(ids))
    db.session.execute(anew.values(state="waiting", next_try_at=now + TAKEN, fails=1))
    return list(ids)


def request_for(source_id: int) -> fetch.FetchRequest:
    """Return what to ask for."""
    return fetch.FetchRequest(db.session.get_one(PictureSource, source_id).url, accept=_ACCEPT)


def note_made(source_id: int, made: Made, now: datetime) -> None:
    """Keep a rendition, and show it in every story that has the picture."""
    source = db.session.get_one(PictureSource, source_id)
    source.rendition_id = _kept(made, now)
    source.state, source.next_try_at, source.fails, source.why = "ready", None, 0, ""
    db.session.flush()
    pictures.touch_users(source_id, now)


def note_brought(made: Mapping[str, Made], now: datetime) -> None:
    """Keep renditions, by their addresses, that need not be fetched: of those that stories have and we have not."""
    lacking = select(PictureSource).where(PictureSource.url.in_(made), PictureSource.rendition_id.is_(None))
    for source in db.session.scalars(lacking).all():
        note_made(source.id, made[source.url], now)


def note_failure(source_id: int, why: str, now: datetime, *, for_good: bool, wait_s: int = 0) -> None:
    """Write down why there is no rendition: it is tried again, unless it is so `for_good`, or was tried enough."""
    source = db.session.get_one(PictureSource, source_id)
    given_up = for_good or source.fails > len(AGAIN)
    if given_up:
        source.next_try_at, source.state = None, "refused"
    else:
        source.next_try_at = now + max(AGAIN[max(source.fails, 1) - 1], timedelta(seconds=wait_s))
    source.why = why
    log.warning(
        "picture not shown",
        picture=source.url[:300],
        stories=_stories(source_id),
        why=why,
        cure="The stories are shown without. If it is mended there: flask articles fetch-pictures STORY"
        if given_up
        else f"It is tried again at {source.next_try_at:%Y-%m-%d %H:%M} UTC; until then the stories are shown without.",
    )


def _due(now: datetime) -> ColumnElement[bool]:
    return and_(PictureSource.state == "waiting", PictureSource.next_try_at <= now)


def _kept(made: Made, now: datetime) -> int:
    """Return the id of a rendition; the same picture from another address is the same one."""
    public_id = tokens.encode(hashlib.sha256(made.content).digest()[:_ID_BYTES])
    row = {
        "public_id": public_id,
        "width": made.width,
        "height": made.height,
        "content": made.content,
        "made_at": now,
    }
    insert = database.insert_for(db.engine)
    db.session.execute(insert(Rendition).on_conflict_do_nothing(), [row])
    return db.session.scalars(select(Rendition.id).where(Rendition.public_id == public_id)).one()


def _stories(source_id: int) -> str:
    """Return which stories have a picture, a few of them."""
    having = select(Article.public_id).join(Picture, Picture.article_id == Article.id)
    return ", ".join(db.session.scalars(having.where(Picture.source_id == source_id).limit(5)))
