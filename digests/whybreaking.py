"""Why a reader got a breaking mail, or none: told from the ledger, the flags, and what they had chosen at that time."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from articles import shelf
from articles.models import Article
from core.database import db
from core.publication import QuietHours
from delivery import fates
from delivery.models import Delivery, Mailing
from delivery.states import State
from digests import quiet, why, whycorrections
from digests.models import Edition, Wave
from digests.why import Reason, Slot
from subscribers import past
from subscribers.models import Digest, Subscriber, Subscription
from subscribers.past import Past, Span

_DAYS = 31


@dataclass(frozen=True, slots=True)
class _Told:
    """A breaking mail of a digest, as far as it concerns a reader: the states of its mailing and of its wave."""

    edition: Edition
    flagged_at: datetime
    article: Article
    mailing: str
    wave: str


def recent(subscriber: Subscriber, *, now: datetime, hours: QuietHours) -> list[Slot]:
    """Return what became of a reader's last slots, breaking mails and corrections, newest first, up to why.MOST."""
    corrected = whycorrections.recent(subscriber, now=now)
    slots = [*why.recent(subscriber, now=now), *_breaking(subscriber, now, hours), *corrected]
    return sorted(slots, key=lambda slot: slot.at, reverse=True)[: why.MOST]


def _breaking(subscriber: Subscriber, now: datetime, hours: QuietHours) -> Iterator[Slot]:
    wanted = (
        select(Subscription)
        .join(Subscription.digest)
        .where(Subscription.subscriber_id == subscriber.id, Digest.offers_breaking)
        .options(*map(joinedload, (Subscription.digest, Subscription.taste, Subscription.rhythm)))
    )
    subscriptions = db.session.scalars(wanted).all()
    known = past.of(subscriber) if subscriptions else None
    for one in subscriptions if known is not None else ():
        yield from _of_digest(one, subscriber, known, now, hours)


def _of_digest(
    subscription: Subscription, subscriber: Subscriber, known: Past | None, now: datetime, hours: QuietHours
) -> Iterator[Slot]:
    assert known is not None  # noqa: S101 - for the type checker
    told = _editions(subscription.digest_id, now)
    mails = why.mails_of([one.edition.mailing_id for one in told], subscriber, known)
    keys = shelf.topics_of([one.article.id for one in told])
    spans = past.spans(subscription, known)
    for one in told:
        span = next((span for span in spans if _holds(span, one.flagged_at)), None)
        mail = mails.get(one.edition.mailing_id)
        slot = _slot(subscription, one, span)
        if mail is not None:
            yield _mailed(slot, one, mail, subscription.digest, subscriber)
        elif span is not None and _is_wanted(span, {topic.key for topic in keys[one.article.id]}):
            reason = _none(one, span, slot.zone, told, mails, hours)
            if reason is not None:
                yield replace(slot, reason=reason)


def _editions(digest_id: int, now: datetime) -> list[_Told]:
    wanted = (
        select(Edition, Article, Mailing.state, Wave.state.label("wave"))
        .join(Article, Article.id == Edition.article_id)
        .join(Mailing, Mailing.id == Edition.mailing_id)
        .join(Wave, Wave.edition_id == Edition.id)
        .where(Edition.digest_id == digest_id, Edition.kind == "breaking")
        .where(Edition.flagged_at > now - timedelta(days=_DAYS))
        .order_by(Edition.flagged_at.desc(), Edition.id)
        .limit(why.MOST)
    )
    rows = db.session.execute(wanted)
    return [_Told(row[0], row[0].flagged_at, row[1], row[2], row[3]) for row in rows if row[0].flagged_at is not None]


def _holds(span: Span, at: datetime) -> bool:
    return span.begins <= at and (span.ends is None or at < span.ends)


def _is_wanted(span: Span, keys: Collection[str]) -> bool:
    return (
        bool(span.breaking) and span.topics is not None and (not span.topics or not set(span.topics).isdisjoint(keys))
    )


def _slot(subscription: Subscription, told: _Told, span: Span | None) -> Slot:
    zone = span.choice.zone if span is not None and span.choice is not None else subscription.rhythm.zone
    return Slot(subscription.digest, Reason.COMING, told.flagged_at, zone, breaking=told.article.headline)


def _mailed(slot: Slot, told: _Told, mail: Delivery, digest: Digest, subscriber: Subscriber) -> Slot:
    ends_at = told.flagged_at + timedelta(seconds=digest.breaking_not_after_s)
    reason = why.reason_of(mail, told.mailing)
    if reason is Reason.EXPIRED and mail.not_after < ends_at:
        # The night of the reader came before the mail could leave.
        reason = Reason.NIGHT
    provider = why.provider_of(mail.provider, subscriber.mailbox.folded.rpartition("@")[2])
    return replace(slot, reason=reason, at=mail.done_at or slot.at, provider=provider)


def _none(
    told: _Told,
    span: Span,
    zone: str,
    others: Sequence[_Told],
    mails: Mapping[int, Delivery],
    hours: QuietHours,
) -> Reason | None:
    """Return why a breaking mail did not come to a reader on whose topics it was; None where they had it otherwise."""
    if told.mailing == "cancelled":
        return Reason.CANCELLED
    if told.wave in ("open", "composing"):
        return Reason.COMING
    if not told.article.urgent and quiet.is_quiet(told.flagged_at, zone, hours):
        return Reason.NIGHT
    before = [
        mails[one.edition.mailing_id].state
        for one in others
        if one.edition.slot == told.edition.slot
        and one.flagged_at < told.flagged_at
        and one.edition.mailing_id in mails
    ]
    had = sum(State(state) in fates.COUNTED for state in before)
    return Reason.ENOUGH if span.breaking and not told.article.urgent and had >= span.breaking else None
