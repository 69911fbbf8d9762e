"""Who is due: the waves that should have started, their readers, and when the next ones come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, and_, or_, select

from core.database import db
from subscribers import duereaders, rhythm
from subscribers.duereaders import DueReader
from subscribers.models import Digest, Rhythm, Subscriber, Subscription, Taste


@dataclass(frozen=True, slots=True)
class DueWave:
    """The readers of a digest who are due at one instant for one local date."""

    digest_id: int
    slot: date
    due_at: datetime


def due_waves(now: datetime) -> list[DueWave]:
    """Return the waves that should have started by `now`, oldest first. Rows without readers make none."""
    wanted = (
        select(Rhythm.digest_id, Rhythm.slot, Rhythm.next_due_at)
        .join(Digest)
        .where(Rhythm.next_due_at <= now, Digest.active, rhythm.has_readers(Rhythm.id))
        .distinct()
        .order_by(Rhythm.next_due_at, Rhythm.digest_id, Rhythm.slot)
    )
    return [DueWave(*row) for row in db.session.execute(wanted)]


def move_on(digest_id: int, slot: date, due_at: datetime, *, now: datetime) -> None:
    """Set the next slot of all rows of a wave: after `now`, so that slots missed in an outage are left out."""
    wanted = (
        select(Rhythm, Digest.lead_s)
        .join(Digest)
        .where(Rhythm.digest_id == digest_id, Rhythm.slot == slot, Rhythm.next_due_at == due_at)
        .order_by(Rhythm.id)
        .with_for_update(of=Rhythm)
    )
    for row, lead_s in db.session.execute(wanted):
        choice = rhythm.choice_of(row)
        due = rhythm.next_due(choice, lead_s=lead_s, after=max(now, due_at))
        # A lead that was made shorter meanwhile would bring the same date a second time.
        while due.slot <= slot:
            due = rhythm.next_due(choice, lead_s=lead_s, after=due.at)
        row.next_due_at, row.slot = due.at, due.slot


def due_first(now: datetime) -> list[int]:
    """Return the ids of digests that owe somebody a first edition; a withdrawn one owes nothing until it is back."""
    wanted = (
        select(Subscription.digest_id)
        .join(Subscription.subscriber)
        .join(Subscription.digest)
        .where(
            Subscription.first_due_at <= now, Subscription.state == "on", Subscriber.state == "active", Digest.active
        )
        .distinct()
        .order_by(Subscription.digest_id)
    )
    return list(db.session.scalars(wanted))


def readers_due(
    *,
    digest_id: int,
    slot: date,
    due_at: datetime,
    after_id: int,
    limit: int,
    among: Sequence[ColumnElement[bool]] = (),
    tastes: dict[int, Taste] | None = None,
) -> list[DueReader]:
    """Return the next `limit` readers of a wave after subscription `after_id`, by subscription id; those
    `among` whom the conditions hold.

    Asked before `move_on`. Whoever waits for a first edition, has paused, or had this date already is left out.
    `tastes` are those that are known from before, to which new ones are added: they belong to no session then.
    """
    return duereaders.read(
        (
            *among,
            Subscription.digest_id == digest_id,
            Rhythm.slot == slot,
            Rhythm.next_due_at == due_at,
            *_is_for(slot),
        ),
        after_id=after_id,
        limit=limit,
        slot=slot,
        tastes=tastes,
    )


def _is_for(slot: date) -> tuple[ColumnElement[bool], ...]:
    """Return that a slot is for a reader: who has had a first edition, and has not paused."""
    return (
        Subscription.first_due_at.is_(None),
        Subscription.not_before_slot.is_(None) | (Subscription.not_before_slot <= slot),
        Subscriber.paused_until.is_(None) | (Subscriber.paused_until <= slot),
    )


def readers_on(
    rhythm_ids: Sequence[int], *, slot: date, after_id: int, limit: int, tastes: dict[int, Taste]
) -> list[DueReader]:
    """Return the next `limit` readers with one of these rhythms whom a date is for, as `readers_due` would then."""
    return duereaders.read(
        (
            Subscription.rhythm_id.in_(rhythm_ids),
            *_is_for(slot),
        ),
        after_id=after_id,
        limit=limit,
        slot=slot,
        tastes=tastes,
    )


def readers_first(*, digest_id: int, due_at: datetime, after_id: int, limit: int) -> list[DueReader]:
    """Return the next `limit` readers who wait for their first edition since `due_at` or before.

    A pause does not hold it back: it answers a button that the reader has just pressed.
    """
    wanted = (Subscription.digest_id == digest_id, Subscription.first_due_at <= due_at)
    return duereaders.read(wanted, after_id=after_id, limit=limit)


def zones_of(digest_id: int) -> list[str]:
    """Return the time zones of a digest's readers."""
    wanted = select(Rhythm.zone).where(Rhythm.digest_id == digest_id, rhythm.has_readers(Rhythm.id)).distinct()
    return sorted(db.session.scalars(wanted))


def readers_breaking(*, digest_id: int, zones: Mapping[str, date], after_id: int, limit: int) -> list[DueReader]:
    """Return the next `limit` readers of a digest who want breaking mail, after subscription `after_id`.

    `zones` are those whose readers may be mailed now, with the date that it is there. Whoever waits for a first edition
    or has paused is left out.
    """
    if not zones:
        return []
    # It is three dates on earth at the most: zones of one date make one condition.
    here = [
        and_(
            Rhythm.zone.in_(sorted(zone for zone in zones if zones[zone] == day)),
            Subscriber.paused_until.is_(None) | (Subscriber.paused_until <= day),
        )
        for day in sorted(set(zones.values()))
    ]
    wanted = (Subscription.digest_id == digest_id, Subscription.breaking > 0, Subscription.first_due_at.is_(None))
    return duereaders.read((*wanted, or_(*here)), after_id=after_id, limit=limit)


def readers_of(*, digest_id: int, day: date, after_id: int, limit: int) -> list[DueReader]:
    """Return the next `limit` readers of a digest who have not paused on a date, after subscription `after_id`."""
    wanted = (
        Subscription.digest_id == digest_id,
        Subscriber.paused_until.is_(None) | (Subscriber.paused_until <= day),
    )
    return duereaders.read(wanted, after_id=after_id, limit=limit)


def reader(subscription_id: int, *, slot: date) -> DueReader | None:
    """Return what composing would know of one reader on a date, due or not; None of who gets no mail any more."""
    found = duereaders.read((Subscription.id == subscription_id,), after_id=0, limit=1, slot=slot)
    return found[0] if found else None
