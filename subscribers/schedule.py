"""Who is due: the waves that should have started, their readers, and when the next ones come."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, and_, or_, select

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


class DueReader(NamedTuple):
    """What composing needs to know of one reader, in a tuple, as there is one for each reader of a wave.

    `rhythm` by name, the `zone` of its hour, and `once` if they want a story in one language only; `away_from` is when
    a pause began, in the first wave after it, and `catch_up` whether they want the best of it; `waited` is how many
    slots in a row brought too few stories for a mail; `breaking` how many breaking mails a day they want.
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


def readers_on(
    rhythm_ids: Sequence[int], *, slot: date, after_id: int, limit: int, tastes: dict[int, Taste]
) -> list[DueReader]:
    """Return the next `limit` readers with one of these rhythms whom a date is for, as `readers_due` would then."""
    return _readers(
        (
            Subscription.rhythm_id.in_(rhythm_ids),
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
    Subscription.subscriber_id,
    Subscriber.public_id,
    Subscriber.address,
    Subscriber.addr_hash,
    Subscriber.link_version,
    Subscription.taste_id,
    Subscription.rhythm_id,
    Subscription.fresh_from,
    Subscriber.paused_until,
    Subscriber.paused_at,
    Subscriber.resumed_at,
    Subscriber.catch_up,
    Subscriber.left_by_click_id,
    Subscriber.once_over_digests,
    Subscription.waited,
    Subscription.breaking,
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
    return list(_due_readers(rows, known, _hours({row.rhythm_id for row in rows}), slot))


@dataclass(frozen=True, slots=True)
class _Hour:
    """When readers with one rhythm have their mail, and so many seconds before it is made."""

    choice: rhythm.RhythmChoice
    lead_s: int


def _hours(rhythm_ids: Collection[int]) -> dict[int, _Hour]:
    wanted = select(Rhythm, Digest.lead_s).join(Digest).where(one_of(Rhythm.id, sorted(rhythm_ids)))
    return {row.id: _Hour(rhythm.choice_of(row), lead_s) for row, lead_s in db.session.execute(wanted)}


def _due_readers(
    rows: Iterable[Row[*tuple[Any, ...]]], tastes: Mapping[int, Taste], hours: Mapping[int, _Hour], slot: date | None
) -> Iterator[DueReader]:
    # By place: by name it takes three times as long.
    for row in rows:
        own, someone, key, address, hashed, links, taste_id, rhythm_id, fresh, until, began, back, *rest = row
        away = _away_from(hours[rhythm_id], until, began, back, slot) if slot and (until or back) else None
        choice = hours[rhythm_id].choice
        yield DueReader(
            own,
            someone,
            key,
            addresses.stored(address),
            hashed,
            links,
            tastes[taste_id],
            fresh,
            choice.rhythm,
            choice.zone,
            away,
            *rest,
        )


_FIRST_WITHIN = 16
"""Days after a pause within which the first slot of any rhythm comes: two weeks, and the zones' days. Whose pause was
before that costs no arithmetic.
"""


def _away_from(
    hour: _Hour, paused_until: date | None, paused_at: datetime | None, resumed_at: datetime | None, slot: date
) -> datetime | None:
    """Return when a reader's pause began, if `slot` is the first of this rhythm since it is over."""
    ended_on = paused_until if resumed_at is None else resumed_at.date()
    if ended_on is None or (slot - ended_on).days > _FIRST_WITHIN:
        return None
    if resumed_at is not None:
        first = rhythm.next_due(hour.choice, lead_s=hour.lead_s, after=resumed_at).slot
    elif ended_on <= slot:
        first = next(rhythm.slots(hour.choice, ended_on))
    else:
        return None
    return paused_at if first == slot else None
