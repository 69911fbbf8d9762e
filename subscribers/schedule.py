"""Who is due: the waves that should have started, their readers, and when the next ones come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, or_, select, update

from core import addresses
from core.database import db, one_of
from subscribers import rhythm
from subscribers.models import Digest, Rhythm, Subscriber, Subscription, Taste


@dataclass(frozen=True, slots=True)
class DueWave:
    """The readers of a digest who are due at one instant for one local date."""

    digest_id: int
    slot: date
    due_at: datetime


@dataclass(frozen=True, slots=True)
class DueReader:
    """What composing needs to know of one reader: `rhythm` by name, the `zone` of its hour, and `once` if they want a
    story in one language only; `away_from` is when a pause began, in the first wave after it, and `catch_up` whether
    they want the best of it; `waited` is how many slots in a row brought too few stories for a mail; `breaking` how
    many breaking mails a day they want.
    """

    subscription_id: int
    subscriber_id: int
    reader_key: bytes
    address: addresses.Address
    addr_hash: bytes
    link_version: int
    taste: Taste
    fresh_from: datetime
    rhythm: str
    zone: str
    away_from: datetime | None = None
    catch_up: bool = False
    left_by_click_id: int | None = None
    once: bool = False
    waited: int = 0
    breaking: int = 0


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
    *, digest_id: int, slot: date, due_at: datetime, after_id: int, limit: int, tastes: dict[int, Taste] | None = None
) -> list[DueReader]:
    """Return the next `limit` readers of a wave after subscription `after_id`, by subscription id.

    Asked before `move_on`. Whoever waits for a first edition, has paused, or had this date already is left out.
    `tastes` are those that are known from before, to which new ones are added: they belong to no session then.
    """
    return _readers(
        (
            Subscription.digest_id == digest_id,
            Rhythm.slot == slot,
            Rhythm.next_due_at == due_at,
            Subscription.first_due_at.is_(None),
            Subscription.not_before_slot.is_(None) | (Subscription.not_before_slot <= slot),
            Subscriber.paused_until.is_(None) | (Subscriber.paused_until <= slot),
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
    return _readers(wanted, after_id=after_id, limit=limit)


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
    return _readers((*wanted, or_(*here)), after_id=after_id, limit=limit)


def readers_of(*, digest_id: int, day: date, after_id: int, limit: int) -> list[DueReader]:
    """Return the next `limit` readers of a digest who have not paused on a date, after subscription `after_id`."""
    wanted = (
        Subscription.digest_id == digest_id,
        Subscriber.paused_until.is_(None) | (Subscriber.paused_until <= day),
    )
    return _readers(wanted, after_id=after_id, limit=limit)


def reader(subscription_id: int, *, slot: date) -> DueReader | None:
    """Return what composing would know of one reader on a date, due or not; None of who gets no mail any more."""
    found = _readers((Subscription.id == subscription_id,), after_id=0, limit=1, slot=slot)
    return found[0] if found else None


_READER = (
    Subscription.id,
    Subscription.taste_id,
    Subscription.fresh_from,
    Subscription.waited,
    Subscription.breaking,
    Subscriber.id.label("subscriber_id"),
    Subscriber.public_id,
    Subscriber.address,
    Subscriber.addr_hash,
    Subscriber.link_version,
    Subscriber.paused_until,
    Subscriber.paused_at,
    Subscriber.resumed_at,
    Subscriber.catch_up,
    Subscriber.once_over_digests,
    Subscriber.left_by_click_id,
    Rhythm.rhythm,
    Rhythm.weekdays,
    Rhythm.minute,
    Rhythm.zone,
    Digest.lead_s,
)
"""Columns, not objects of their classes: making those for each reader takes longer than all the rest."""


def _readers(
    conditions: Sequence[ColumnElement[bool]],
    *,
    after_id: int,
    limit: int,
    slot: date | None = None,
    tastes: dict[int, Taste] | None = None,
) -> list[DueReader]:
    wanted = (
        select(*_READER)
        .select_from(Subscription)
        .join(Subscription.subscriber)
        .join(Subscription.rhythm)
        .join(Subscription.digest)
        .where(*conditions, Subscription.state == "on", Subscriber.state == "active", Subscription.id > after_id)
        .order_by(Subscription.id)
        .limit(limit)
    )
    rows = db.session.connection().execute(wanted).all()
    known = {} if tastes is None else tastes
    missing = {row.taste_id for row in rows}.difference(known)
    for taste in db.session.scalars(select(Taste).where(one_of(Taste.id, sorted(missing)))) if missing else ():
        known[taste.id] = taste
        if tastes is not None:
            db.session.expunge(taste)
    return [_due_reader(row, known[row.taste_id], slot) for row in rows]


def _due_reader(row: Row[*tuple[Any, ...]], taste: Taste, slot: date | None) -> DueReader:
    return DueReader(
        subscription_id=row.id,
        subscriber_id=row.subscriber_id,
        reader_key=row.public_id,
        address=addresses.stored(row.address),
        addr_hash=row.addr_hash,
        link_version=row.link_version,
        taste=taste,
        fresh_from=row.fresh_from,
        rhythm=row.rhythm,
        zone=row.zone,
        away_from=_away_from(row, slot) if slot else None,
        catch_up=row.catch_up,
        left_by_click_id=row.left_by_click_id,
        once=row.once_over_digests,
        waited=row.waited,
        breaking=row.breaking,
    )


_FIRST_WITHIN = 16
"""Days after a pause within which the first slot of any rhythm comes: two weeks, and the zones' days. Whose pause was
before that costs no arithmetic.
"""


def _away_from(row: Row[*tuple[Any, ...]], slot: date) -> datetime | None:
    """Return when a reader's pause began, if `slot` is the first of this rhythm since it is over."""
    ended_on = row.paused_until if row.resumed_at is None else row.resumed_at.date()
    if ended_on is None or (slot - ended_on).days > _FIRST_WITHIN:
        return None
    choice = rhythm.RhythmChoice(row.rhythm, row.weekdays, row.minute, row.zone)
    if row.resumed_at is not None:
        first = rhythm.next_due(choice, lead_s=row.lead_s, after=row.resumed_at).slot
    elif row.paused_until <= slot:
        first = next(rhythm.slots(choice, row.paused_until))
    else:
        return None
    began: datetime | None = row.paused_at
    return began if first == slot else None


def first_sent(subscription_id: int, *, slot: date, fresh_from: datetime) -> None:
    """Record that a first edition was queued on the local date `slot`: the regular one of that date is left out.

    `fresh_from` is when the newest story it chose from was first seen; what was stored while it was being made, even
    with an earlier time on it than the clock has now, is new to this reader.
    """
    subscription = db.session.get_one(Subscription, subscription_id)
    subscription.first_due_at = None
    subscription.not_before_slot = slot + timedelta(days=1)
    subscription.fresh_from = fresh_from


def note_waits(waited: Mapping[int, int]) -> None:
    """Record how many slots in a row brought too few stories, by subscription."""
    for count in sorted(set(waited.values())):
        ids = sorted(one for one in waited if waited[one] == count)
        db.session.execute(
            update(Subscription)
            .where(Subscription.id.in_(ids))
            .values(waited=count)
            .execution_options(synchronize_session=False)
        )


def first_empty(subscription_id: int) -> None:
    """Record that there was nothing for a first edition: the regular ones begin."""
    db.session.get_one(Subscription, subscription_id).first_due_at = None
