"""Breaking mails: which are due, opened as soon as their story is flagged; ended when they are no news, or stopped."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Update, func, select, update

from articles import flash, shelf
from articles.models import Article
from core import logs
from core.database import db
from core.services import Services
from delivery import control, outbox
from delivery.models import Lane, Mailing
from digests import editions
from digests.models import Edition, Wave
from subscribers import offer, rhythm
from subscribers.models import Digest

log = logs.get(__name__)

KIND = "breaking"
LONGEST = timedelta(hours=12)
"""How long at most a breaking mail can be news: see subscribers.offer."""
_UNFINISHED = Wave.state.in_(["open", "composing"])


@dataclass(frozen=True, slots=True)
class Due:
    """A story that was flagged, and a digest that is to mail it."""

    digest: Digest
    article: Article
    flagged_at: datetime


def take_turn() -> None:
    """Wait until nobody else opens, writes or stops breaking mails: one chunk after the other counts what went before.

    So readers get no more of them than they want, and one story once, through whichever of their digests.
    """
    wanted = select(Digest.id).where(Digest.offers_breaking).order_by(Digest.id)
    # It keeps nobody waiting who only refers to a digest, such as a reader who joins.
    db.session.execute(wanted.with_for_update(key_share=True))


def anything_to_do(now: datetime) -> bool:
    """Return whether `keep` would find something; a look costs no writer's turn."""
    return next(_due(now), None) is not None or bool(_late(now)) or bool(_gone(now))


def anything_waiting(now: datetime) -> bool:
    """Return whether a breaking mail waits for somebody to open it or to compose it: digests let it go first."""
    return bool(waiting(now)) or next(_due(now), None) is not None


def keep(now: datetime, services: Services) -> None:
    """Open what is due, and end what is over. Running twice, or beside another, changes nothing."""
    take_turn()
    _end(update(Wave).where(Wave.id.in_(_late(now)), _UNFINISHED))
    for article in _gone(now):
        stop(article)
    for one in list(_due(now)):
        _open(one, now, services)


def _due(now: datetime) -> Iterator[Due]:
    """Yield what was flagged and has no edition yet, as long as it is news."""
    digests = [one for one in offer.active() if one.offers_breaking]
    longest = max((one.breaking_not_after_s for one in digests), default=0)
    flagged = flash.to_mail(now - timedelta(seconds=longest)) if digests else []
    if not flagged:
        return
    opened = _opened(flagged)
    shelves = shelf.topics_of([one.id for one in flagged])
    for article in flagged:
        keys = {topic.key for topic in shelves[article.id]}
        for digest in digests:
            at = article.breaking_at
            if at is None or article.language != digest.language or (digest.id, article.id, at) in opened:
                continue
            if now < ends_at(digest, at) and (not digest.selection or not keys.isdisjoint(digest.selection)):
                yield Due(digest, article, at)


def _opened(flagged: Sequence[Article]) -> set[tuple[int, int | None, datetime | None]]:
    wanted = select(Edition.digest_id, Edition.article_id, Edition.flagged_at).where(
        Edition.article_id.in_([one.id for one in flagged])
    )
    return {(row.digest_id, row.article_id, row.flagged_at) for row in db.session.execute(wanted)}


def ends_at(digest: Digest, flagged_at: datetime) -> datetime:
    """Return from when on a breaking mail of a digest is no news any more."""
    return flagged_at + timedelta(seconds=digest.breaking_not_after_s)


def _open(due: Due, now: datetime, services: Services) -> None:
    digest, article, at = due.digest, due.article, due.flagged_at
    slot = rhythm.local_date(at, services.publication.zone)
    of_day = (Edition.digest_id == digest.id, Edition.kind == KIND, Edition.slot == slot)
    number = (db.session.scalar(select(func.max(Edition.number)).where(*of_day)) or 0) + 1
    key = f"breaking:{digest.key}:{article.public_id}:{at:%Y%m%dT%H%M%S}"
    mailing_id = outbox.open_mailing(key, frame=frame(digest, services), now=now)
    edition = Edition(
        digest_id=digest.id,
        kind=KIND,
        slot=slot,
        number=number,
        article_id=article.id,
        flagged_at=at,
        mailing_id=mailing_id,
        opened_at=now,
    )
    db.session.add(edition)
    db.session.flush()
    db.session.add(Wave(edition_id=edition.id, due_at=at, state="open", cursor=0))
    db.session.flush()
    log.info("breaking mail opened", digest=digest.key, article=article.public_id, number=number)


def frame(digest: Digest, services: Services) -> outbox.Frame:
    """Return what the headers of a digest's breaking mails say of their sender."""
    return replace(
        editions.frame(digest, services),
        lane=Lane.BREAKING,
        sender=services.identity.sender_of("breaking"),
        feedback=f"{digest.key}:breaking:postrider:{services.identity.feedback_sender}",
    )


def waiting(now: datetime) -> list[int]:
    """Return the ids of the waves of breaking mails that nobody is composing, the oldest first."""
    wanted = select(Wave.id).join(Edition, Edition.id == Wave.edition_id)
    return list(db.session.scalars(wanted.where(Edition.kind == KIND, editions.idle(now)).order_by(Wave.due_at)))


def is_breaking(wave_id: int) -> bool:
    """Say whether a wave is one of a breaking mail."""
    wanted = select(Edition.kind).join(Wave, Wave.edition_id == Edition.id).where(Wave.id == wave_id)
    return db.session.scalar(wanted) == KIND


def is_gone(article: Article) -> bool:
    """Say whether the story of a breaking mail was withdrawn or held, or its flag was taken back."""
    return article.state not in ("published", "flash") or article.breaking_at is None


def _late(now: datetime) -> list[int]:
    """Return the waves that are no news any more and were not composed to their end."""
    wanted = (
        select(Wave.id, Edition.flagged_at, Digest)
        .join(Edition, Edition.id == Wave.edition_id)
        .join(Digest, Digest.id == Edition.digest_id)
        .where(Edition.kind == KIND, _UNFINISHED)
    )
    rows = db.session.execute(wanted).all()
    return [wave_id for wave_id, at, digest in rows if at is not None and now >= ends_at(digest, at)]


def _gone(now: datetime) -> list[Article]:
    """Return the stories that are mailed just now, and are not to be any more."""
    mailed = (
        select(Edition.article_id)
        .join(Mailing, Mailing.id == Edition.mailing_id)
        .where(Edition.kind == KIND, Edition.flagged_at > now - LONGEST, Mailing.state.in_(("running", "paused")))
    )
    wanted = select(Article).where(Article.id.in_(mailed)).execution_options(populate_existing=True)
    return [one for one in db.session.scalars(wanted) if is_gone(one)]


def stop(article: Article) -> list[str]:
    """Hand over nothing more of the breaking mails of a story, composed or not; return the keys of their mailings.

    What is being composed at this moment comes before, and is stopped with the rest.
    """
    take_turn()
    ours = (Edition.article_id == article.id, Edition.kind == KIND)
    waves = update(Wave).where(Wave.edition_id.in_(select(Edition.id).where(*ours)), _UNFINISHED)
    _end(waves)
    mailings = select(Mailing.key, Mailing.state).join(Edition, Edition.mailing_id == Mailing.id).where(*ours)
    rows = db.session.execute(mailings.order_by(Mailing.id)).all()
    for key, state in rows:
        if state in ("running", "paused"):
            control.cancel(key)
            log.info("breaking mail stopped", mailing=key)
    return [key for key, _state in rows]


def _end(waves: Update) -> None:
    ended = waves.values(state="missed", lease_until=None)
    db.session.execute(ended.execution_options(synchronize_session=False))
