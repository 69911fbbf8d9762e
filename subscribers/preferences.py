"""What a reader has chosen, and changing it: topics, time, pause."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select

from articles import topics as shelf
from articles.models import Topic
from core import clock, errors, tokens
from core.database import db
from core.errors import _
from subscribers import consent, joining, tastes
from subscribers import rhythm as rhythms
from subscribers.models import Digest, Rhythm, Subscriber, Subscription, Taste
from subscribers.trail import FormerKey

LINK_DAYS = 90
"""How long a link to the choices works: it may have been forwarded with the mail it came in."""
LONGEST_PAUSE_DAYS = 365
MAX_TOPICS = 50


@dataclass(frozen=True, slots=True)
class Choice:
    """One digest as a reader has it: what the sentence on the page says, and what its form is filled with.

    No topics and no countries is everything. `weekday` (Monday is 0) is of a weekly digest only. `paused_until` is the
    first date on which mail comes again, in the future by this digest's zone.
    """

    subscription: Subscription
    digest: Digest
    on: bool
    rhythm: str
    weekday: int | None
    minute: int
    zone: str
    topics: Sequence[Topic]
    countries: Sequence[Topic]
    format: str
    paused_until: date | None
    version: int


def by_token(token: tokens.Token, now: datetime) -> Subscriber:
    """Return whose choices a link opens. Raises LinkExpired after 90 days or when the reader's links were renewed,
    LinkDamaged when there is no such reader.
    """
    subscriber = by_key(token.key)
    if token.version != subscriber.link_version & 0xFF or clock.day_number(now) - token.day > LINK_DAYS:
        raise errors.LinkExpired
    return subscriber


def by_key(key: bytes) -> Subscriber:
    """Return the subscriber with this opaque key. Raises LinkDamaged when there is none, LinkExpired when the reader
    has got another one, with another address.
    """
    subscriber = db.session.scalar(select(Subscriber).filter_by(public_id=key))
    if subscriber is None:
        raise errors.LinkExpired if db.session.get(FormerKey, key) else errors.LinkDamaged
    return subscriber


def view(subscriber: Subscriber, now: datetime) -> list[Choice]:
    """Return a reader's choices, one for each digest they ever had, in the order in which they came."""
    named = {topic.key: topic for topic in shelf.all_topics()}
    wanted = (
        select(Subscription, Digest, Taste, Rhythm)
        .join(Subscription.digest)
        .join(Subscription.taste)
        .join(Subscription.rhythm)
        .where(Subscription.subscriber_id == subscriber.id)
        .order_by(Subscription.id)
    )
    return [
        Choice(
            subscription=subscription,
            digest=digest,
            on=subscription.state == "on",
            rhythm=row.rhythm,
            weekday=row.weekdays.bit_length() - 1 if row.rhythm == "weekly" else None,
            minute=row.minute,
            zone=row.zone,
            topics=[named[key] for key in taste.topics if key in named],
            countries=[named[key] for key in taste.countries if key in named],
            format=taste.format,
            paused_until=_paused_until(subscriber, row.zone, now),
            version=subscription.version,
        )
        for subscription, digest, taste, row in db.session.execute(wanted)
    ]


def paused_until(subscriber: Subscriber, now: datetime) -> date | None:
    """Return the date on which all of a reader's mail comes again, if it is paused now where the reader is."""
    return _paused_until(subscriber, subscriber.zone, now)


def _paused_until(subscriber: Subscriber, zone: str, now: datetime) -> date | None:
    until = subscriber.paused_until
    return until if until is not None and until > rhythms.local_date(now, zone) else None


def save(
    subscription: Subscription,
    *,
    topics: Collection[str],
    countries: Collection[str],
    rhythm: str,
    weekday: int | None,
    minute: int,
    zone: str,
    format: str,
    version: int,
    now: datetime,
) -> None:
    """Change one digest's choices. Raises Conflict when they are not those of `version` any more, Invalid for a value
    that is not on offer; then nothing is changed.
    """
    joining.hold(subscription.subscriber)
    db.session.refresh(subscription)
    if subscription.version != version or subscription.state != "on":
        raise errors.Conflict
    _check_topics("topics", "theme", topics)
    _check_topics("countries", "country", countries)
    if format not in tastes.FORMATS:
        raise errors.Invalid("format", _("Please choose HTML and text, or text only."))
    choice = rhythms.choose(rhythm, minute=minute, zone=zone, weekday=weekday)
    if rhythm not in (*subscription.digest.rhythms, subscription.rhythm.rhythm):
        raise errors.Invalid("rhythm", _("Please choose how often you want this digest."))
    most = subscription.digest.most
    taste = tastes.taste_row(topics=topics, countries=countries, most=most, format=format)
    row = rhythms.rhythm_row(subscription.digest, choice, now=now)
    subscription.subscriber.zone = zone  # where the reader is, as far as we know: pauses count from there
    if (subscription.taste_id, subscription.rhythm_id) == (taste.id, row.id):
        return
    subscription.taste, subscription.rhythm = taste, row
    subscription.version += 1
    _record_change(subscription, now)
    db.session.flush()


def _check_topics(field: str, kind: str, keys: Collection[str]) -> None:
    if len(keys) > MAX_TOPICS:
        raise errors.Invalid(field, _("Please choose at most %(limit)s."), limit=MAX_TOPICS)
    known = set(tastes.keys_of(shelf.all_topics(), kind))
    if not known.issuperset(keys):
        raise errors.Invalid(field, _("One of the topics you chose is not on offer. Please choose again."))


def _record_change(subscription: Subscription, now: datetime) -> None:
    taste, row = subscription.taste, subscription.rhythm
    agreed = {
        "rhythm": row.rhythm,
        "weekdays": row.weekdays,
        "minute": row.minute,
        "zone": row.zone,
        "topics": ",".join(taste.topics),
        "countries": ",".join(taste.countries),
        "format": taste.format,
    }
    consent.record(
        "change",
        subscriber=subscription.subscriber,
        digest=subscription.digest,
        wording=" ".join(f"{name}={value}" for name, value in agreed.items()),
        form="preferences",
        origin=None,
        now=now,
    )


def pause(subscriber: Subscriber, until: date | None, now: datetime) -> None:
    """Send nothing before the date `until`; None ends a pause. Raises Invalid for one that is past or too far."""
    if until is not None:
        today = rhythms.local_date(now, subscriber.zone)
        if not today < until <= today + timedelta(days=LONGEST_PAUSE_DAYS):
            raise errors.Invalid("until", _("Please choose a day within the next year."))
    subscriber.paused_until = until
    db.session.flush()
