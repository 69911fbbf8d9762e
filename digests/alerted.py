"""Who was alerted to what: told from the ledger's rows of breaking mails, so that no reader has another row for it."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, select

from articles import flash, shelf
from articles.models import Article
from articles.shelf import Candidate
from core import language as languages
from core.database import db
from core.publication import QuietHours
from delivery import fates
from delivery.fates import Fate
from delivery.models import Mailing
from delivery.states import State
from digests import histories, quiet, shelves
from digests.models import Edition
from digests.selection import Alarm
from subscribers.duereaders import DueReader
from subscribers.models import Digest
from subscribers.preferences import ALL_BREAKING

KIND = "breaking"
_NO_PAST = 0
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
    return [one for one in readers if one.breaking != ALL_BREAKING]


@dataclass(frozen=True, slots=True)
class Alert:
    """A breaking mail of some days: of which story it was, when it was flagged, and until when it was news.

    `is_ours` says that the digest that is composed sent it, and that it was not stopped.
    """

    mailing_id: int
    article_id: int
    flagged_at: datetime
    ends_at: datetime
    urgent: bool
    is_ours: bool


def of_readers(
    digest: Digest,
    readers: Sequence[DueReader],
    had: Mapping[int, int],
    alerts: Sequence[Alert],
    *,
    fresh: Mapping[int, datetime | None],
    quiet_hours: QuietHours,
    holding: dict[int, dict[int, bool]],
) -> dict[int, Alarm]:
    """Return what of these alerts there is for the readers of a regular wave, by subscription; most have nothing.

    An alert of before what is `fresh` to a reader, by subscription, is over, whoever else is in the wave. Whoever had a
    story since is not asked about: `had` is their histories, by subscriber, and `holding` says, by article, which
    histories hold it, as far as that is known; what is looked up is added.
    """
    found: dict[int, list[tuple[int, str]]] = {}
    nights: dict[int, set[int]] = {}
    for alert in alerts:
        held = _look_up(alert.article_id, had.values(), holding)
        waiting = [
            one
            for one in readers
            if not held.get(had.get(one.subscriber_id, _NO_PAST), False)
            and ((since := fresh[one.subscription_id]) is None or alert.flagged_at > since)
        ]
        told = {
            one.once_key: one
            for one in fates.of(db.session.connection(), [alert.mailing_id], [one.addr_hash for one in waiting])
        }
        for reader in waiting:
            fate = told.get(reader.addr_hash)
            if fate is not None and fate.state == State.SENT:
                entry = alert.article_id, _time_text(alert.flagged_at, digest.language, reader.zone)
                found.setdefault(reader.subscription_id, []).append(entry)
            elif alert.is_ours and reader.breaking and was_kept(alert, fate, reader.zone, quiet_hours):
                nights.setdefault(reader.subscription_id, set()).add(alert.article_id)
    return {
        one: Alarm(tuple(sorted(dict(found.get(one, ())).items())), frozenset(nights.get(one, ())))
        for one in found.keys() | nights.keys()
    }


def _look_up(article_id: int, history_ids: Iterable[int], holding: dict[int, dict[int, bool]]) -> Mapping[int, bool]:
    held = holding.setdefault(article_id, {})
    missing = set(history_ids).difference(held)
    found = histories.holding(missing, article_id) if missing else {}
    held.update({one: one in found for one in missing})
    return held


def was_kept(alert: Alert, fate: Fate | None, zone: str, hours: QuietHours) -> bool:
    """Say whether quiet hours kept a breaking mail from a reader: it was night already, or night came before it."""
    if alert.urgent:
        return False
    if fate is None:
        return quiet.is_quiet(alert.flagged_at, zone, hours)
    return fate.state == State.EXPIRED and fate.not_after < alert.ends_at


def since(digest: Digest, at: datetime) -> list[Alert]:
    """Return what was breaking news in a digest's language from then on, by whichever digest."""
    wanted = (
        select(Edition, Mailing.state, Article, Digest.breaking_not_after_s)
        .join(Mailing, Mailing.id == Edition.mailing_id)
        .join(Article, Article.id == Edition.article_id)
        .join(Digest, Digest.id == Edition.digest_id)
        .where(Edition.kind == KIND, Edition.flagged_at > at, Digest.language == digest.language)
        .order_by(Edition.id)
    )
    found = []
    for edition, state, article, lasts_s in db.session.execute(wanted):
        flagged_at = edition.flagged_at
        assert flagged_at is not None  # noqa: S101 - for the type checker: a constraint of the table
        found.append(
            Alert(
                edition.mailing_id,
                article.became_id or article.id,
                flagged_at,
                flagged_at + timedelta(seconds=lasts_s),
                article.urgent,
                is_ours=edition.digest_id == digest.id and state != "cancelled",
            )
        )
    return found


def candidates(digest: Digest, found: Sequence[Candidate], alerts: Sequence[Alert]) -> list[Candidate]:
    """Return what was found with all of the digest's shelves that was breaking news, however old it is."""
    missing = {one.article_id for one in alerts}.difference(one.article_id for one in found)
    return [*found, *shelves.of_digest(digest, shelf.candidates_by_ids(missing))]


def _time_text(at: datetime, language: str, zone: str) -> str:
    local = at.astimezone(ZoneInfo(zone))
    return languages.minute_text(60 * local.hour + local.minute, language)
