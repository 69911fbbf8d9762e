"""Why a reader got a mail, or none: their last slots, told from the ledger, the waves, and what they had chosen."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from sqlalchemy import Row, func, select
from sqlalchemy.orm import joinedload

from core.database import db
from delivery import providers
from delivery.classes import BOUNCES, Class
from delivery.models import Delivery, Mailing
from delivery.states import State
from digests import parts
from digests.models import Edition, Wave
from subscribers import past, rhythm
from subscribers.models import Digest, Subscriber, Subscription
from subscribers.past import Past, Planned

MOST = 30
"""Slots that are told of."""
_LEAST_DAYS = 31
"""So far back editions are looked for, also where no slot is known any more."""
_OPENING = timedelta(minutes=10)
"""So long after its time an edition may still be about to open."""


class Reason(StrEnum):
    """What became of a slot."""

    HANDED_OVER = "handed over"
    RETURNED = "bounced later"
    COMPLAINED = "called spam"
    REFUSED = "refused"
    EXPIRED = "expired"
    IN_DOUBT = "in doubt"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"
    RECALLED = "taken back"
    HELD = "held"
    PUT_OFF = "put off"
    WAITING = "waiting"
    COMING = "being made"
    NOTHING = "nothing new"
    NIGHT = "quiet hours"
    ENOUGH = "number of the day reached"
    TOO_FEW = "waiting for more stories"
    PAUSED = "paused"
    MISSED = "missed"
    SKIPPED = "skipped"
    NOT_OUT = "did not come out"
    LEFT = "left"
    NOT_YET = "not subscribed yet"


@dataclass(frozen=True, slots=True)
class Slot:
    """One slot of a reader, or the moment at which they joined or left. `at` is an instant to be shown in `zone`.

    `provider` is the domain that the mail went to, where it is known, `full` that the mailbox was; `until` the end of a
    pause; `topics` are what there was nothing new on, empty for everything, None when that is not known; `breaking` is
    the headline of a breaking mail, `correction` that of a story of whose correction a mail told.
    """

    digest: Digest
    reason: Reason
    at: datetime
    zone: str
    first: bool = False
    provider: str | None = None
    full: bool = False
    until: date | None = None
    topics: tuple[str, ...] | None = None
    breaking: str = ""
    correction: str = ""


def recent(subscriber: Subscriber, *, now: datetime) -> list[Slot]:
    """Return what became of a reader's last 30 slots, over all their digests, newest first. Writes nothing."""
    known = past.of(subscriber)
    wanted = (
        select(Subscription)
        .where(Subscription.subscriber_id == subscriber.id)
        .options(*map(joinedload, (Subscription.digest, Subscription.taste, Subscription.rhythm)))
        .order_by(Subscription.id)
    )
    readings = [_Reading(one, known, now) for one in db.session.scalars(wanted)]
    _look_up(readings, subscriber, known)
    found = [slot for reading in readings for slot in reading.slots(subscriber)]
    return sorted(found, key=lambda slot: slot.at, reverse=True)[:MOST]


@dataclass(frozen=True, slots=True)
class _Waves:
    """What became of waves: by edition and instant; and of an edition that had none at the reader's, of all of them."""

    own: Mapping[tuple[int, datetime], Mapping[int, Row[int, datetime, int, int, str]]]
    others: Mapping[int, Collection[str]]

    def states(self, edition_id: int, due_at: datetime, subscription: Subscription) -> frozenset[str]:
        """Return the state of the wave of an instant, of the part that a subscription is in; or those of the others."""
        wave = self.own.get((edition_id, due_at))
        if wave is None:
            return frozenset(self.others.get(edition_id, ()))
        return frozenset({wave[parts.of_reader(subscription, wave[0].parts)].state})


class _Reading:
    """One subscription: the slots that it had, and what was found of their editions."""

    def __init__(self, subscription: Subscription, known: Past, now: datetime) -> None:
        self.subscription, self.digest, self._past, self._now = subscription, subscription.digest, known, now
        self._spans = past.spans(subscription, known)
        self.planned = past.slots(subscription, self._spans, now=now, most=MOST)
        self.editions: dict[tuple[str, date, int], Row[*tuple[Any, ...]]] = {}
        self.deliveries: dict[int, Delivery] = {}
        self.waves = _Waves({}, {})

    @property
    def first_day(self) -> date:
        """Return the date from which on editions count."""
        days = [(self._now - timedelta(days=_LEAST_DAYS)).date(), *(one.day for one in self.planned)]
        return min(days)

    def slots(self, subscriber: Subscriber) -> Iterable[Slot]:
        """Yield what became of each slot, in no order."""
        zone = self.subscription.rhythm.zone
        told: set[date] = set()
        promised = {one.day: one.promised_at for one in self.planned}
        for (kind, day, _number), edition in self.editions.items():
            delivery = self.deliveries.get(edition.mailing_id)
            if delivery is None:
                continue
            at = delivery.done_at or promised.get(day) or delivery.dated_at or delivery.next_attempt_at
            if kind == "regular":
                told.add(day)
            elif kind == "first":
                # It stands for the regular one of its date, as it is where the reader is.
                told |= {day, rhythm.local_date(at, zone)}
            yield self._mailed(delivery, edition, at, zone, subscriber)
        yield from self._not_mailed([one for one in reversed(self.planned) if one.day not in told])
        yield from self._marks(zone)

    def _mailed(
        self, delivery: Delivery, edition: Row[*tuple[Any, ...]], at: datetime, zone: str, subscriber: Subscriber
    ) -> Slot:
        return Slot(
            self.digest,
            reason_of(delivery, edition.state),
            at,
            zone,
            first=edition.kind == "first",
            provider=provider_of(delivery.provider, subscriber.mailbox.folded.rpartition("@")[2]),
            full=delivery.returned_as == Class.FULL,
        )

    def _not_mailed(self, slots: Sequence[Planned]) -> Iterable[Slot]:
        """Yield what became of the slots without a mail, the oldest first."""
        first_due_at = self.subscription.first_due_at
        before = Reason.NOTHING
        for one in slots:
            if first_due_at is not None and first_due_at <= one.due_at:
                return  # As long as the first edition has not come, no regular one does.
            reason = self._none(one, self.editions.get(("regular", one.day, 0)))
            if reason == Reason.NOT_OUT and before == Reason.MISSED:
                reason = Reason.MISSED  # Of an outage only the first slot leaves a wave.
            before = reason
            zone = one.span.choice.zone if one.span.choice else self.subscription.rhythm.zone
            told = Slot(self.digest, reason, one.promised_at, zone, topics=one.span.topics)
            pause = past.paused(self._past, one)
            yield told if pause is None else replace(told, reason=Reason.PAUSED, until=pause.until)

    def _none(self, slot: Planned, edition: Row[*tuple[Any, ...]] | None) -> Reason:
        """Return why a slot brought no mail, by its own wave; where that is not found, by the others of the edition."""
        states = self.waves.states(edition.id, slot.due_at, self.subscription) if edition else frozenset()
        if not states:
            return Reason.COMING if self._now - slot.due_at < _OPENING else Reason.NOT_OUT
        if states in ({"missed"}, {"skipped"}):
            return Reason.MISSED if "missed" in states else Reason.SKIPPED
        if states <= {"open", "composing"}:
            return Reason.COMING
        return Reason.TOO_FEW if self.digest.least > 1 else Reason.NOTHING

    def _marks(self, zone: str) -> Iterable[Slot]:
        if self.subscription.first_due_at is not None:
            yield Slot(self.digest, Reason.COMING, self.subscription.first_due_at, zone, first=True)
        for span in self._spans:
            if span.began:
                yield Slot(self.digest, Reason.NOT_YET, span.begins, zone)
            if span.left and span.ends is not None:
                yield Slot(self.digest, Reason.LEFT, span.ends, zone)


def _look_up(readings: Sequence[_Reading], subscriber: Subscriber, known: Past) -> None:
    """Find the editions of all readings, the reader's mails in them, and the waves of those that brought none."""
    if not readings:
        return
    by_digest = {one.digest.id: one for one in readings}
    through = func.coalesce(Edition.via_id, Edition.digest_id)
    editions = db.session.execute(
        select(
            *(Edition.id, through.label("digest_id"), Edition.kind, Edition.slot, Edition.number),
            *(Edition.mailing_id, Mailing.state),
        )
        .join(Mailing, Mailing.id == Edition.mailing_id)
        .where(through.in_(by_digest), Edition.slot >= min(one.first_day for one in readings))
        .where(Edition.kind.in_(("regular", "first", "special")))
    ).all()
    mails = mails_of([edition.mailing_id for edition in editions], subscriber, known)
    unmailed = [edition.id for edition in editions if edition.kind == "regular" and edition.mailing_id not in mails]
    waves = _waves(unmailed, {slot.due_at for one in readings for slot in one.planned})
    for edition in editions:
        reading = by_digest[edition.digest_id]
        reading.editions[edition.kind, edition.slot, edition.number] = edition
        reading.waves = waves
        if edition.mailing_id in mails:
            reading.deliveries[edition.mailing_id] = mails[edition.mailing_id]


def mails_of(mailing_ids: Sequence[int], subscriber: Subscriber, known: Past) -> Mapping[int, Delivery]:
    """Return a reader's mails by mailing: an edition's once key is the hash of the address, the one of that time."""
    wanted = select(Delivery).where(
        Delivery.mailing_id.in_(mailing_ids),
        Delivery.once_key.in_(known.hashes),
        Delivery.reader_key == subscriber.public_id,
    )
    rows = db.session.scalars(wanted, execution_options={"populate_existing": True})
    return {row.mailing_id: row for row in rows}


def _waves(edition_ids: Sequence[int], due_at: Collection[datetime]) -> _Waves:
    """Return the waves of the instants at which the reader was due; of an edition that had none then, what it had."""
    wanted = select(Wave.edition_id, Wave.due_at, Wave.part, Wave.parts, Wave.state).where(
        Wave.edition_id.in_(edition_ids), Wave.due_at.in_(due_at)
    )
    own: dict[tuple[int, datetime], dict[int, Row[int, datetime, int, int, str]]] = {}
    for wave in db.session.execute(wanted):
        own.setdefault((wave.edition_id, wave.due_at), {})[wave.part] = wave
    rest = set(edition_ids) - {edition_id for edition_id, _due_at in own}
    others: dict[int, set[str]] = {}
    if rest:
        for row in db.session.execute(select(Wave.edition_id, Wave.state).where(Wave.edition_id.in_(rest)).distinct()):
            others.setdefault(row.edition_id, set()).add(row.state)
    return _Waves(own, others)


_BY_STATE = {
    State.FAILED: Reason.REFUSED,
    State.EXPIRED: Reason.EXPIRED,
    State.IN_DOUBT: Reason.IN_DOUBT,
    State.SUPPRESSED: Reason.SUPPRESSED,
}


class Ledgered(Protocol):
    """What the ledger says of a mail: its row, or as much of it."""

    state: Any
    returned_as: Any
    attempts: Any


def reason_of(row: Ledgered, mailing: str) -> Reason:
    """Return what became of a mail. `mailing` is the state of its mailing."""
    if row.state == State.SENT:
        if row.returned_as == Class.COMPLAINT:
            return Reason.COMPLAINED
        return Reason.RETURNED if row.returned_as in BOUNCES else Reason.HANDED_OVER
    if row.state in _BY_STATE:
        return _BY_STATE[State(row.state)]
    if row.state == State.CANCELLED and mailing != "cancelled":
        return Reason.RECALLED  # Nothing but a recall ends a single mail.
    if mailing == "cancelled":
        return Reason.CANCELLED
    if mailing == "paused":
        return Reason.HELD
    return Reason.PUT_OFF if row.attempts else Reason.WAITING


def provider_of(number: int, domain: str) -> str | None:
    """Return the domain that a mail went to: the reader's own, if it is run by whom the mail went to."""
    if providers.number(domain) == number:
        return domain
    return providers.name(number) if number in providers.LARGE else None
