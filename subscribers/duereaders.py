"""What composing needs to know of readers, read many at once."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, select

from core import addresses
from core.database import db, one_of
from subscribers import rhythm
from subscribers.models import Digest, Rhythm, Subscriber, Subscription, Taste


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


def read(
    conditions: Sequence[ColumnElement[bool]],
    *,
    after_id: int,
    limit: int,
    slot: date | None = None,
    tastes: dict[int, Taste] | None = None,
) -> list[DueReader]:
    """Return the next `limit` readers after subscription `after_id` for whom the conditions hold, by subscription id;
    those only whose subscription is on, and who have not left.

    With a `slot` it is told who comes back from a pause with it. `tastes` are those that are known from before, to
    which new ones are added: they belong to no session then.
    """
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
