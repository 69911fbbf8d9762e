"""A large wave goes in parts, each a row of `waves` of its own, which workers compose side by side.

Each part has the readers of some tastes, so that what is worked out for a taste is worked out in one of them. The last
part, the rest, has those who changed their taste since: whoever went from one part to another may be in none. It begins
when the others have ended.
"""

from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, Subquery, case, exists, func, select
from sqlalchemy.orm import aliased

from core.database import db
from digests.models import Edition, Wave
from subscribers import schedule
from subscribers.models import Rhythm, Subscription

LEAST = 20_000
"""Readers from which on a wave is worth to be cut."""
UNFINISHED = ("open", "composing")
"""The states of a wave, or a part of one, that is still to be composed."""
_LEAST_DONE_FIRST = ("composing", "open", "missed", "skipped", "composed")
_CLOCKS_DIFFER = timedelta(minutes=10)
"""The hour of a change is that of another host: whoever changed a little before the wave counts as well. They have
their mail already, and get no other.
"""


def whole_of(wave_id: int) -> tuple[int, datetime] | None:
    """Return what the parts of a wave have in common, its edition and instant; None of one that is whole."""
    wave = db.session.get_one(Wave, wave_id, populate_existing=True)
    return (wave.edition_id, wave.due_at) if wave.parts > 1 else None


def others(wave_id: int) -> list[int]:
    """Return the ids of the parts that a wave has beside the first one, without the rest."""
    whole = whole_of(wave_id)
    if whole is None:
        return []
    beside = (Wave.edition_id == whole[0], Wave.due_at == whole[1], Wave.id != wave_id, Wave.part < Wave.parts)
    return list(db.session.scalars(select(Wave.id).where(*beside).order_by(Wave.part)))


def count(digest_id: int, slot: date, due_at: datetime, *, most: int) -> int:
    """Return in how many parts a wave goes that is due: in `most`, or in one where there are few readers.

    On SQLite writers take turns: there is nothing to gain.
    """
    if most == 1 or db.engine.dialect.name == "sqlite":
        return 1
    rhythms = select(Rhythm.id).where(Rhythm.digest_id == digest_id, Rhythm.slot == slot, Rhythm.next_due_at == due_at)
    many = select(Subscription.id).where(Subscription.rhythm_id.in_(rhythms)).offset(LEAST - 1).limit(1)
    return 1 if db.session.scalar(many) is None else most


def readers(wave: Wave) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of being in a part of a wave."""
    if wave.parts == 1:
        return ()
    if is_rest(wave):
        return (Subscription.taste_since >= wave.due_at - _CLOCKS_DIFFER,)
    # Said by what it is not: of an equation, PostgreSQL takes one row of two hundred to hold, and plans for too few.
    return tuple(Subscription.taste_id % wave.parts != other for other in range(wave.parts) if other != wave.part)


def of_reader(subscription: Subscription, parts: int) -> int:
    """Return the part that a reader is in, as `readers` says it to the database."""
    return subscription.taste_id % parts


def is_rest(wave: Wave) -> bool:
    """Say whether it is the rest of a wave in parts."""
    return wave.part == wave.parts


def waves() -> Subquery:
    """Return the waves with `edition_id`, `due_at` and `state`; one in parts once, as the part that is least done."""
    rank = func.min(case({state: place for place, state in enumerate(_LEAST_DONE_FIRST)}, value=Wave.state))
    each = select(Wave.edition_id, Wave.due_at, rank.label("rank")).group_by(Wave.edition_id, Wave.due_at).subquery()
    state = case(dict(enumerate(_LEAST_DONE_FIRST)), value=each.c.rank).label("state")
    return select(each.c.edition_id, each.c.due_at, state).subquery()


def hold(edition_id: int) -> None:
    """Have others wait who open or end waves of an edition; what they have committed is seen from here on."""
    db.session.execute(select(Edition.id).where(Edition.id == edition_id).with_for_update(key_share=True))


def move_on(edition_id: int, digest_id: int, slot: date, due_at: datetime, *, now: datetime) -> None:
    """Set the next slot of a wave's readers, unless another part of it is still to be composed."""
    hold(edition_id)
    left = exists().where(Wave.edition_id == edition_id, Wave.due_at == due_at, Wave.state.in_(UNFINISHED))
    if not db.session.scalar(select(left)):
        schedule.move_on(digest_id, slot, due_at, now=now)


def waits() -> ColumnElement[bool]:
    """A part that waits for another one: all for the first until preflight has looked, the rest for all to end."""
    other = aliased(Wave)
    unlooked = (other.part == 0) & other.found.is_(None)
    before_rest = (Wave.part == Wave.parts) & other.state.in_(UNFINISHED)
    return exists().where(
        Wave.part > 0,
        other.edition_id == Wave.edition_id,
        other.due_at == Wave.due_at,
        other.part < Wave.part,
        unlooked | before_rest,
    )
