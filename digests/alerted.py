"""Who was alerted to what: told from the ledger's rows of breaking mails, so that no reader has another one for it."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, select

from articles import flash
from articles.models import Article
from core.database import db
from delivery import fates
from delivery.fates import Fate
from delivery.models import Mailing
from delivery.states import State
from digests.models import Edition
from subscribers.schedule import DueReader

KIND = "breaking"
_STOPPED = frozenset({State.SENDING, State.SENT, State.IN_DOUBT})
"""What counts of a mailing that was cancelled: what waits in it does not leave any more."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A mailing with a breaking mail of a story, and whether it was cancelled."""

    mailing_id: int
    article_id: int
    cancelled: bool


def of_story(article: Article, *, any_language: bool) -> list[Sent]:
    """Return the breaking mails of an article, and of flashes that became it; with `any_language`, of its story's."""
    family = [article.id]
    if any_language:
        family = list(db.session.scalars(select(Article.id).where(Article.story_id == article.story_id)))
    return _sent(Edition.article_id.in_([*family, *flash.of(family)]))


def of_day(digest_id: int, slot: date, *, but: int) -> list[Sent]:
    """Return a digest's breaking mails of one day, but for one mailing."""
    ours = _sent(Edition.digest_id == digest_id, Edition.slot == slot)
    return [one for one in ours if one.mailing_id != but]


def _sent(*conditions: ColumnElement[bool]) -> list[Sent]:
    wanted = select(Edition.mailing_id, Edition.article_id, Mailing.state).join(Mailing).where(Edition.kind == KIND)
    rows = db.session.execute(wanted.where(*conditions).order_by(Edition.mailing_id))
    return [Sent(mailing_id, article_id, state == "cancelled") for mailing_id, article_id, state in rows if article_id]


def counted(sent: Iterable[Sent], readers: Sequence[DueReader]) -> Counter[bytes]:
    """Return how many of these mails each reader had, or is about to have, by the hash of the address."""
    cancelled = {one.mailing_id: one.cancelled for one in sent}
    found = fates.of(db.session.connection(), cancelled, [one.addr_hash for one in readers])
    return Counter(one.once_key for one in found if _counts(one, cancelled[one.mailing_id]))


def _counts(fate: Fate, cancelled: bool) -> bool:
    return fate.state in (_STOPPED if cancelled else fates.COUNTED)


def without(
    readers: Sequence[DueReader], *, article: Article, digest_id: int, slot: date, mailing_id: int
) -> tuple[DueReader, ...]:
    """Return the readers who get a breaking mail: who were not alerted to it yet, and have room for it that day."""
    had = counted((one for one in of_story(article, any_language=False) if one.mailing_id != mailing_id), readers)
    once = [one for one in readers if one.once]
    if once:
        had |= counted((one for one in of_story(article, any_language=True) if one.mailing_id != mailing_id), once)
    today = Counter[bytes]() if article.urgent else counted(of_day(digest_id, slot, but=mailing_id), _bounded(readers))
    return tuple(one for one in readers if not had[one.addr_hash] and today[one.addr_hash] < one.breaking)


def _bounded(readers: Collection[DueReader]) -> list[DueReader]:
    return [one for one in readers if one.breaking != ALL]


ALL = 255
"""All breaking mails: nobody counts them. As in subscribers.preferences."""
