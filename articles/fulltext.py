"""Which stories want the text of their page, because their feed has only a teaser; and what came of it.

A story that is news waits for its text, unseen, for ten minutes at most (HOLD); then it goes out with its teaser.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, exists, func, select, update

from articles import alike, life, pagetext, rules, searchindex, topics
from articles.entries import Entry
from articles.models import WAITING, Article, Feed, FullText
from articles.pagetext import PageText, Teaser
from core import fetch, logs
from core.database import db

TEASER_WORDS = 300
"""A feed that has so many words of a story has its text; fewer are a teaser."""
HOLD = timedelta(minutes=10)
"""How long a story that is news is kept back for its text, at most."""
AGAIN = (timedelta(minutes=1), timedelta(minutes=4), timedelta(minutes=20), timedelta(hours=1))
"""How long to wait after each failure; after one more it is given up."""
LONGEST = timedelta(hours=6)
"""A text that could not be had for so long is given up, however often it was tried."""
TAKEN = timedelta(minutes=5)
"""How long one that is being fetched is left to whoever fetches it."""
_SILENT = {"synchronize_session": False}

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a page brought no text: whether that stays so, or it was its server that failed, which wants a wait."""

    why: str
    for_good: bool = False
    wait_s: int = 0
    of_server: bool = False


def of(article_ids: Collection[int]) -> dict[int, FullText]:
    """Return what is known of the texts of these articles, of those that ever wanted one from their page."""
    if not article_ids:
        return {}
    wanted = select(FullText).where(FullText.article_id.in_(article_ids))
    return {one.article_id: one for one in db.session.scalars(wanted)}


def stands(known: FullText | None, entry: Entry) -> bool:
    """Return whether the text of the page goes on to be shown, because the feed still has only a teaser."""
    return known is not None and known.taken_at is not None and entry.words < TEASER_WORDS


def want(feed: Feed, article: Article, entry: Entry, known: FullText | None, *, now: datetime) -> None:
    """Have a story's page asked for its text, if its feed says so and has only a teaser: once for each teaser."""
    if not feed.full_text or article.teaser_only or article.state == "withdrawn" or entry.words >= TEASER_WORDS:
        return
    own = _hash(entry)
    if known is not None:
        if known.own_hash != own:
            known.own_hash, known.wanted_at, known.next_try_at, known.tries = own, now, now, 0
    elif article.url:
        wanted = FullText(article_id=article.id, own_hash=own, wanted_at=now, next_try_at=now, tries=0)
        db.session.add(wanted)
        _keep_back(article, wanted, now)
    elif article.first_seen_at == now:
        _tell(feed, article, "the feed names no page for it on its publisher's own site")


def _keep_back(article: Article, wanted: FullText, now: datetime) -> None:
    """Keep news back until its text is here, for a while; what is urgent, archive, or with an editor stays as it is.

    The page of what has an embargo is not there before that ends, so it is asked for then.
    """
    if article.state == "published" and article.breaking_at is None and article.first_seen_at == now:
        article.state, article.reason, article.embargo_until = "held", WAITING, now + HOLD
    elif article.state == "held" and not article.reason and article.embargo_until is not None:
        wanted.wanted_at = wanted.next_try_at = article.embargo_until
        article.reason, article.embargo_until = WAITING, article.embargo_until + HOLD


def set_wanted(feed: Feed, *, wanted: bool, now: datetime) -> None:
    """Say whether the texts of a feed's stories come from their pages.

    Said again, what could not be had is tried again. With it off no page is asked for any more, and what waited goes
    out; texts that are here stay.
    """
    feed.full_text = wanted
    theirs = update(FullText).where(FullText.article_id.in_(_ids_of(feed.id)), FullText.taken_at.is_(None))
    if wanted:
        given_up = theirs.where(FullText.next_try_at.is_(None))
        db.session.execute(given_up.values(next_try_at=now, wanted_at=now, tries=0), execution_options=_SILENT)
        return
    db.session.execute(theirs.values(next_try_at=None), execution_options=_SILENT)
    waiting = select(Article).where(Article.feed_id == feed.id, Article.state == "held", Article.reason == WAITING)
    for article in db.session.scalars(waiting.where(Article.embargo_until <= now + HOLD)).all():
        life.release(article, now=now)


def missing_by_feed() -> Mapping[int, int]:
    """Return how many stories of each feed have the feed's teaser, because their text could not be had."""
    given_up = (FullText.taken_at.is_(None), FullText.next_try_at.is_(None), Article.feed_id.is_not(None))
    counted = select(Article.feed_id, func.count()).join(FullText, FullText.article_id == Article.id).where(*given_up)
    return {feed_id: count for feed_id, count in db.session.execute(counted.group_by(Article.feed_id)) if feed_id}


def anything_due(now: datetime) -> bool:
    """Return whether `take` would find something; a look costs no writer's turn."""
    return bool(db.session.scalar(select(exists().where(FullText.next_try_at <= now))))


def take(now: datetime, limit: int, *, feed_id: int | None = None) -> list[int]:
    """Return the ids of articles whose page is to be fetched, of one feed or all; nobody else takes them for a while.

    Stories that are kept back come first. Each counts as failed until it is not: what takes its worker along is not
    taken for ever.
    """
    due = select(FullText, Article).join(Article, Article.id == FullText.article_id).where(FullText.next_try_at <= now)
    if feed_id is not None:
        due = due.where(Article.feed_id == feed_id)
    order = (Article.state != "held", FullText.next_try_at, FullText.article_id)
    taken = []
    locked = due.order_by(*order).limit(limit).with_for_update(skip_locked=True, of=FullText)
    for known, article in db.session.execute(locked).all():
        if known.tries > len(AGAIN):
            _give_up(known, article, "whoever read it ended, each time", now)
            continue
        known.tries, known.next_try_at = known.tries + 1, now + TAKEN
        taken.append(article.id)
    db.session.flush()
    return taken


def request_for(article_id: int) -> tuple[fetch.FetchRequest, Teaser]:
    """Return what to ask for, if it has changed since its text was taken; and what the feed has of the story."""
    known, article = db.session.get_one(FullText, article_id), db.session.get_one(Article, article_id)
    validators = (known.etag, known.last_modified) if known.taken_at else (None, None)
    own = Teaser(article.headline, article.standfirst, "" if known.taken_at else article.body)
    return fetch.FetchRequest(article.url, *validators, accept=pagetext.ACCEPT), own


def note_text(article_id: int, page: fetch.Fetched, text: PageText | None, *, now: datetime) -> None:
    """Let a story have the text of its page; None: the page is as it was. What was kept back for it goes out.

    It is a revision. Only a text that replaces another one of the page makes the story an updated one.
    """
    known, article = db.session.get(FullText, article_id), db.session.get(Article, article_id)
    if known is None or article is None:
        return
    known.next_try_at, known.tries, known.why = None, 0, ""
    if text is not None and article.state != "withdrawn":
        _write(article, text, is_update=known.taken_at is not None, now=now)
        known.etag, known.last_modified, known.taken_at = page.etag, page.last_modified, now
    _let_out(article, now)


def note_failure(article_id: int, missing: Missing, *, now: datetime) -> None:
    """Write down why there is no text: it is tried again, unless it stays so, or was tried enough.

    A server that failed is left alone by all stories of the feed for as long.
    """
    known, article = db.session.get(FullText, article_id), db.session.get(Article, article_id)
    if known is None or article is None:
        return
    known.why = missing.why
    if missing.for_good or known.tries > len(AGAIN) or now - known.wanted_at > LONGEST:
        _give_up(known, article, missing.why, now)
        return
    known.next_try_at = now + max(AGAIN[max(known.tries, 1) - 1], timedelta(seconds=missing.wait_s))
    if missing.of_server and article.feed_id is not None:
        theirs = (FullText.article_id.in_(_ids_of(article.feed_id)), FullText.next_try_at < known.next_try_at)
        db.session.execute(
            update(FullText).where(*theirs).values(next_try_at=known.next_try_at), execution_options=_SILENT
        )
    db.session.flush()


def _give_up(known: FullText, article: Article, why: str, now: datetime) -> None:
    known.next_try_at, known.why = None, why
    feed = db.session.get(Feed, article.feed_id) if article.feed_id else None
    if feed is not None:
        _tell(feed, article, why, had=known.taken_at is not None)
    _let_out(article, now)


def _tell(feed: Feed, article: Article, why: str, *, had: bool = False) -> None:
    shown = "It keeps the text that its page had" if had else "It is shown with the feed's teaser"
    cure = (
        f"{shown}. When its publisher lets Postrider see its pages, say once more: flask feeds set {feed.url} "
        "--full-text on. If the teasers are enough: off."
    )
    log.warning("full text not read", feed=feed.id, url=feed.url, article=article.public_id, why=why, cure=cure)


def _let_out(article: Article, now: datetime) -> None:
    db.session.flush()
    if article.state == "held" and article.reason == WAITING:
        life.release(article, now=now)


def _write(article: Article, text: PageText, *, is_update: bool, now: datetime) -> None:
    if article.body == text.body:
        return
    life.keep_text(article, now=now)
    article.body, article.words, article.revision = text.body, text.words, article.revision + 1
    if text.dateline_place:
        article.dateline_place, article.dateline_agency = text.dateline_place, text.dateline_agency
    if is_update:
        article.text_changed_at = now
    alike.remember_anew(article, now)
    if not article.topics_by_hand and article.terms is not None:
        meant = rules.meanings(article.feed_id, article.language)
        told = {"headline": article.headline, "dateline": article.dateline_place}
        topics.place({article.id: meant.shelves(article.terms, **told)})
    searchindex.refresh([article])


def _ids_of(feed_id: int) -> ColumnElement[int]:
    return select(Article.id).where(Article.feed_id == feed_id).scalar_subquery()


def _hash(entry: Entry) -> bytes:
    return hashlib.sha256("\0".join((entry.headline, entry.standfirst, entry.body)).encode()).digest()
