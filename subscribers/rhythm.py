"""When: the arithmetic of slots in a reader's zone, the rows that many readers share, and who is due."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import ColumnElement, exists, select

from core import addresses, database, errors
from core.database import db
from core.errors import _
from subscribers import wallclock
from subscribers.models import Digest, Rhythm, Subscriber, Subscription, Taste

RHYTHMS = ("daily", "weekdays", "weekly")
EVERY_DAY = 0b1111111
MONDAY_TO_FRIDAY = 0b0011111
SATURDAY = 5
"""The day of a weekly digest until the reader names another (Monday is 0)."""
QUARTER = 15
"""Minutes between the hours a reader can choose: few enough that many readers share one rhythm."""
_HORIZON_DAYS = 17
"""A weekly slot may fall on a date that a zone leaves out (Apia had no 30 December 2011): the next is 14 days on."""
_NOT_PLACES = frozenset({"Factory", "localtime", "posixrules"})


@dataclass(frozen=True, slots=True)
class RhythmChoice:
    """When a reader wants mail: `weekdays` is a mask, Monday = 1; `minute` counts from local midnight in `zone`."""

    rhythm: str
    weekdays: int
    minute: int
    zone: str


@dataclass(frozen=True, slots=True)
class Due:
    """When a wave starts, and the local date of the promised hour."""

    at: datetime
    slot: date


@dataclass(frozen=True, slots=True)
class DueWave:
    """The readers of a digest who are due at one instant for one local date."""

    digest_id: int
    slot: date
    due_at: datetime


@dataclass(frozen=True, slots=True)
class DueReader:
    """What composing needs to know of one reader: `rhythm` by name, the `zone` of its hour, and `once` if they want a
    story in one language only; `away_from` is when a pause began, in the first wave after it, if they want to catch up.
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
    left_by_click_id: int | None = None
    once: bool = False


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    """Return the names of all time zones that a reader can choose, such as `Asia/Kathmandu`."""
    return frozenset(available_timezones()) - _NOT_PLACES


def known_zone(name: str, *, field: str = "zone") -> str:
    """Return `name` if there is such a time zone. Raises Invalid."""
    if name not in zones():
        raise errors.Invalid(field, _("We do not know this time zone. Please choose one from the list."))
    return name


def choose(rhythm: str, *, minute: int, zone: str, weekday: int | None = None) -> RhythmChoice:
    """Return a choice. `weekday` (Monday is 0) is for `weekly` only. Raises Invalid for each value that cannot be."""
    if rhythm not in RHYTHMS:
        raise errors.Invalid("rhythm", _("Please choose how often you want this digest."))
    if not 0 <= minute < 24 * 60:
        raise errors.Invalid("minute", _("Please choose an hour from the list."))
    if minute % QUARTER:
        raise errors.Invalid("minute", _("Please choose the minutes from the list."))
    weekday = SATURDAY if weekday is None else weekday
    if rhythm == "weekly" and not 0 <= weekday <= 6:
        raise errors.Invalid("weekday", _("Please choose a day of the week."))
    mask = {"daily": EVERY_DAY, "weekdays": MONDAY_TO_FRIDAY}.get(rhythm) or 1 << weekday
    return RhythmChoice(rhythm, mask, minute, known_zone(zone))


def period(rhythm: str) -> timedelta:
    """Return the longest time between two slots; on weekdays that is the one over a weekend."""
    return timedelta(days={"weekly": 7, "weekdays": 3}.get(rhythm, 1))


def local_date(now: datetime, zone: str) -> date:
    """Return the date that it is in a zone."""
    return now.astimezone(ZoneInfo(zone)).date()


def _slots(choice: RhythmChoice, first: date) -> Iterator[date]:
    """Yield the dates of a choice from `first` on, without dates that the zone leaves out."""
    for offset in range(_HORIZON_DAYS):
        day = first + timedelta(days=offset)
        wanted = choice.weekdays >> day.weekday() & 1
        if wanted and wallclock.promised_at(0, choice.zone, day) < wallclock.promised_at(
            0, choice.zone, day + timedelta(days=1)
        ):
            yield day


def next_due(choice: RhythmChoice, *, lead_s: int, after: datetime) -> Due:
    """Return the first slot whose wave starts after `after`: the promised local time less `lead_s` seconds.

    There is exactly one slot for each local date of the choice, whatever the clocks do that night.
    """
    lead = timedelta(seconds=lead_s)
    today = (after + lead).astimezone(ZoneInfo(choice.zone)).date()
    for slot in _slots(choice, today):
        at = wallclock.promised_at(choice.minute, choice.zone, slot) - lead
        if at > after:
            return Due(at, slot)
    raise ValueError("A rhythm without a weekday was stored.")


def choice_of(row: Rhythm) -> RhythmChoice:
    """Return what a shared row stands for."""
    return RhythmChoice(row.rhythm, row.weekdays, row.minute, row.zone)


def rhythm_row(digest: Digest, choice: RhythmChoice, *, now: datetime) -> Rhythm:
    """Return the row that all readers of `digest` with this choice share, with its next slot set."""
    due = next_due(choice, lead_s=digest.lead_s, after=now)
    keys = {
        "digest_id": digest.id,
        "rhythm": choice.rhythm,
        "weekdays": choice.weekdays,
        "minute": choice.minute,
        "zone": choice.zone,
    }
    insert = database.insert_for(db.engine)
    db.session.execute(insert(Rhythm).values(**keys, next_due_at=due.at, slot=due.slot).on_conflict_do_nothing())
    row = db.session.execute(select(Rhythm).filter_by(**keys)).scalar_one()
    # A row without readers makes no waves and so stands still; its next reader must not get yesterday's slot.
    if row.next_due_at <= now and not db.session.scalar(select(_has_readers(row.id))):
        row.next_due_at, row.slot = due.at, due.slot
    return row


def _has_readers(rhythm_id: Any) -> ColumnElement[bool]:
    return exists().where(Subscription.rhythm_id == rhythm_id, Subscription.state == "on")


def due_rhythms(now: datetime) -> list[DueWave]:
    """Return the waves that should have started by `now`, oldest first. Rows without readers make none."""
    wanted = (
        select(Rhythm.digest_id, Rhythm.slot, Rhythm.next_due_at)
        .join(Digest)
        .where(Rhythm.next_due_at <= now, Digest.active, _has_readers(Rhythm.id))
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
        choice = choice_of(row)
        due = next_due(choice, lead_s=lead_s, after=max(now, due_at))
        # A lead that was made shorter meanwhile would bring the same date a second time.
        while due.slot <= slot:
            due = next_due(choice, lead_s=lead_s, after=due.at)
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


def readers_due(*, digest_id: int, slot: date, due_at: datetime, after_id: int, limit: int) -> list[DueReader]:
    """Return the next `limit` readers of a wave after subscription `after_id`, by subscription id.

    Asked before `move_on`. Whoever waits for a first edition, has paused, or had this date already is left out.
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
    )


def readers_first(*, digest_id: int, due_at: datetime, after_id: int, limit: int) -> list[DueReader]:
    """Return the next `limit` readers who wait for their first edition since `due_at` or before.

    A pause does not hold it back: it answers a button that the reader has just pressed.
    """
    wanted = (Subscription.digest_id == digest_id, Subscription.first_due_at <= due_at)
    return _readers(wanted, after_id=after_id, limit=limit)


def _readers(
    conditions: Sequence[ColumnElement[bool]], *, after_id: int, limit: int, slot: date | None = None
) -> list[DueReader]:
    wanted = (
        select(Subscription, Subscriber, Taste, Rhythm)
        .join(Subscription.subscriber)
        .join(Subscription.taste)
        .join(Subscription.rhythm)
        .where(*conditions, Subscription.state == "on", Subscriber.state == "active", Subscription.id > after_id)
        .order_by(Subscription.id)
        .limit(limit)
    )
    return [_due_reader(*row, slot) for row in db.session.execute(wanted)]


def _due_reader(
    subscription: Subscription, subscriber: Subscriber, taste: Taste, row: Rhythm, slot: date | None
) -> DueReader:
    return DueReader(
        subscription_id=subscription.id,
        subscriber_id=subscriber.id,
        reader_key=subscriber.public_id,
        address=subscriber.mailbox,
        addr_hash=subscriber.addr_hash,
        link_version=subscriber.link_version,
        taste=taste,
        fresh_from=subscription.fresh_from,
        rhythm=row.rhythm,
        zone=row.zone,
        away_from=_away_from(subscriber, row, slot) if subscriber.catch_up and slot else None,
        left_by_click_id=subscriber.left_by_click_id,
        once=subscriber.once_over_digests,
    )


def _away_from(subscriber: Subscriber, row: Rhythm, slot: date) -> datetime | None:
    """Return when a reader's pause began, if `slot` is the first of this rhythm since it is over."""
    until = subscriber.paused_until
    if until is None or until > slot or next(_slots(choice_of(row), until)) != slot:
        return None
    return subscriber.paused_at


def first_sent(subscription_id: int, *, slot: date, fresh_from: datetime) -> None:
    """Record that a first edition was queued on the local date `slot`: the regular one of that date is left out.

    `fresh_from` is when the newest story it chose from was first seen; what was stored while it was being made, even
    with an earlier time on it than the clock has now, is new to this reader.
    """
    subscription = db.session.get_one(Subscription, subscription_id)
    subscription.first_due_at = None
    subscription.not_before_slot = slot + timedelta(days=1)
    subscription.fresh_from = fresh_from


def first_empty(subscription_id: int) -> None:
    """Record that there was nothing for a first edition: the regular ones begin."""
    db.session.get_one(Subscription, subscription_id).first_due_at = None
