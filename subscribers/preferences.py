"""What a reader has chosen of each digest, and changing it: topics, time, length, form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import select

from articles import topics as shelf
from articles.models import Topic
from core import clock, errors, tokens
from core.database import db
from core.errors import _
from subscribers import changes, consent, joining, recaps, tastes
from subscribers import rhythm as rhythms
from subscribers.changes import Change
from subscribers.models import Digest, Rhythm, Subscriber, Subscription, Taste
from subscribers.trail import FormerKey

LINK_DAYS = 90
"""How long a link to the choices works: it may have been forwarded with the mail it came in."""
MAX_TOPICS = 50
ALL_BREAKING = 255
BREAKING = (0, 1, 3, ALL_BREAKING)
"""How many breaking mails a day a reader can have at the most."""
FEWER, TAKEN_BACK = "fewer", "taken back"
"""The sources of changes that one button makes, besides the forms."""
LENGTHS = (5, 10, 20, 30)
"""How many stories a reader can have in a mail at the most, besides all that the digest allows."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What can be chosen of one digest, as values: what a form brings and what rows hold look the same.

    No topics and no countries is everything. `weekday` (Monday is 0) is of a weekly digest only; `minute` counts from
    local midnight in `zone`; `breaking` is mails a day, `most` stories in a mail.
    """

    topics: tuple[str, ...]
    countries: tuple[str, ...]
    rhythm: str
    weekday: int | None
    minute: int
    zone: str
    breaking: int
    most: int
    format: str

    def fields(self) -> dict[str, str]:
        """Return each field as one text, to be compared, logged and brought back."""
        weekly = f"weekly:{rhythms.SATURDAY if self.weekday is None else self.weekday}"
        return {
            "topics": ",".join(sorted(self.topics)),
            "countries": ",".join(sorted(self.countries)),
            "rhythm": weekly if self.rhythm == "weekly" else self.rhythm,
            "minute": str(self.minute),
            "zone": self.zone,
            "breaking": str(self.breaking),
            "most": str(self.most),
            "format": self.format,
        }


def with_fields(chosen: Chosen, fields: Mapping[str, str]) -> Chosen:
    """Return choices in which some fields are what `Chosen.fields` said of them once."""
    texts = chosen.fields() | dict(fields)
    rhythm, _colon, weekday = texts["rhythm"].partition(":")
    return Chosen(
        topics=_keys(texts["topics"]),
        countries=_keys(texts["countries"]),
        rhythm=rhythm,
        weekday=int(weekday) if weekday else None,
        minute=int(texts["minute"]),
        zone=texts["zone"],
        breaking=int(texts["breaking"]),
        most=int(texts["most"]),
        format=texts["format"],
    )


def _keys(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


@dataclass(frozen=True, slots=True)
class Choice:
    """One digest as a reader has it: what the sentence on the page says, and what its form is filled with.

    `paused_until` is the first date on which mail comes again, in the future by this digest's zone.
    """

    subscription: Subscription
    digest: Digest
    on: bool
    chosen: Chosen
    topics: Sequence[Topic]
    countries: Sequence[Topic]
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
    return [_choice(named, now, *row) for row in db.session.execute(wanted)]


def _choice(
    named: Mapping[str, Topic], now: datetime, subscription: Subscription, digest: Digest, taste: Taste, row: Rhythm
) -> Choice:
    topics = [named[key] for key in taste.topics if key in named]
    countries = [named[key] for key in taste.countries if key in named]
    chosen = Chosen(
        topics=tuple(topic.key for topic in topics),
        countries=tuple(topic.key for topic in countries),
        rhythm=row.rhythm,
        weekday=row.weekdays.bit_length() - 1 if row.rhythm == "weekly" else None,
        minute=row.minute,
        zone=row.zone,
        breaking=subscription.breaking,
        most=min(taste.most, digest.most),
        format=taste.format,
    )
    on = subscription.state == "on"
    paused = _paused_until(subscription.subscriber, row.zone, now)
    return Choice(subscription, digest, on, chosen, topics, countries, paused, version=subscription.version)


def paused_until(subscriber: Subscriber, now: datetime) -> date | None:
    """Return the date on which all of a reader's mail comes again, if it is paused now where the reader is."""
    return _paused_until(subscriber, subscriber.zone, now)


def _paused_until(subscriber: Subscriber, zone: str, now: datetime) -> date | None:
    until = subscriber.paused_until
    return until if until is not None and until > rhythms.local_date(now, zone) else None


def lengths(digest: Digest, current: int) -> list[int]:
    """Return how many stories at the most a reader of a digest can choose; the last is all that it allows."""
    return sorted({*(length for length in LENGTHS if length < digest.most), min(current, digest.most), digest.most})


def fewer(choice: Choice) -> Chosen | None:
    """Return the next step to less mail: more seldom if the digest can be, else shorter; None when it is the last."""
    chosen, offered = choice.chosen, choice.digest.rhythms
    if chosen.rhythm != "weekly":
        seldom = ["weekly", "weekdays"] if chosen.rhythm == "daily" else ["weekly"]
        for rhythm in seldom:
            if rhythm in offered:
                return replace(chosen, rhythm=rhythm, weekday=rhythms.SATURDAY if rhythm == "weekly" else None)
    shorter = [length for length in lengths(choice.digest, chosen.most) if length < chosen.most]
    return replace(chosen, most=shorter[-1]) if shorter else None


def save(
    subscription: Subscription, chosen: Chosen, *, version: int, now: datetime, source: str = "preferences"
) -> list[Change]:
    """Change one digest's choices; return what changed. Raises Conflict when they are not those of `version` any more,
    Invalid for a value that is not on offer; then nothing is changed.
    """
    joining.hold(subscription.subscriber)
    db.session.refresh(subscription)
    if subscription.version != version or subscription.state != "on":
        raise errors.Conflict
    before = of(subscription, now)
    choice = check(chosen, before)
    taste = tastes.taste_row(topics=chosen.topics, countries=chosen.countries, most=chosen.most, format=chosen.format)
    row = rhythms.rhythm_row(subscription.digest, choice, now=now)
    subscription.subscriber.zone = chosen.zone  # where the reader is, as far as we know: pauses count from there
    changed = changes.between(before.chosen.fields(), chosen.fields())
    if row.id != subscription.rhythm_id:
        subscription.fresh_from = recaps.fresh_from(subscription, at=subscription.fresh_from)
    subscription.taste, subscription.rhythm, subscription.breaking = taste, row, chosen.breaking
    if changed:
        subscription.version += 1
        record(changed, subscriber=subscription.subscriber, digest=subscription.digest, source=source, now=now)
        _prove(subscription, chosen, source, now)
    db.session.flush()
    return changed


def check(chosen: Chosen, before: Choice) -> rhythms.RhythmChoice:
    """Return the rhythm of choices that could be saved. Raises Invalid for a value that is not on offer."""
    _check_topics("topics", "theme", chosen.topics)
    _check_topics("countries", "country", chosen.countries)
    if chosen.format not in tastes.FORMATS:
        raise errors.Invalid("format", _("Please choose HTML and text, or text only."))
    choice = rhythms.choose(chosen.rhythm, minute=chosen.minute, zone=chosen.zone, weekday=chosen.weekday)
    if chosen.rhythm not in (*before.digest.rhythms, before.chosen.rhythm):
        raise errors.Invalid("rhythm", _("Please choose how often you want this digest."))
    if chosen.breaking not in (BREAKING if before.digest.offers_breaking else (0, before.chosen.breaking)):
        raise errors.Invalid("breaking", _("Please choose how many breaking mails you want a day."))
    if chosen.most not in lengths(before.digest, before.chosen.most):
        raise errors.Invalid("most", _("Please choose from the list how long a mail may be."))
    return choice


def of(subscription: Subscription, now: datetime) -> Choice:
    """Return one digest as its reader has it."""
    named = {topic.key: topic for topic in shelf.all_topics()}
    return _choice(named, now, subscription, subscription.digest, subscription.taste, subscription.rhythm)


def _check_topics(field: str, kind: str, keys: Sequence[str]) -> None:
    if len(keys) > MAX_TOPICS:
        raise errors.Invalid(field, _("Please choose at most %(limit)s."), limit=MAX_TOPICS)
    known = set(tastes.keys_of(shelf.all_topics(), kind))
    if not known.issuperset(keys):
        raise errors.Invalid(field, _("One of the topics you chose is not on offer. Please choose again."))


def take_back(subscription: Subscription, *, version: int, now: datetime) -> list[Change]:
    """Bring back what a digest was before the last change, which left it at `version`; return what changed.

    Raises Conflict when something was changed since.
    """
    last = changes.newest_of(subscription)
    if last is None:
        raise errors.Conflict
    chosen = with_fields(of(subscription, now).chosen, {one.field: one.old for one in last.changes})
    return save(subscription, chosen, version=version, now=now, source=TAKEN_BACK)


def record(
    changed: Sequence[Change], *, subscriber: Subscriber, digest: Digest | None, source: str, now: datetime
) -> None:
    """Write down what was changed, of one digest or (None) of all. Every change that a reader makes passes here, once,
    in the transaction that makes it: whoever must learn of changes is told from here.
    """
    changes.write(changed, subscriber=subscriber, digest=digest, source=source, at=now)


def _prove(subscription: Subscription, chosen: Chosen, source: str, now: datetime) -> None:
    # subscribers.past reads it back: what somebody had chosen says why a slot brought a mail, or none.
    told = {**chosen.fields(), "rhythm": chosen.rhythm, "weekdays": str(subscription.rhythm.weekdays)}
    consent.record(
        "change",
        subscriber=subscription.subscriber,
        digest=subscription.digest,
        wording=" ".join(f"{name}={value}" for name, value in told.items()),
        form=source,
        origin=None,
        now=now,
    )
