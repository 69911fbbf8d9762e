"""What an edition will be: whom it reaches with what, and whom not, by the code that composes, up to its writes.

It goes chunk by chunk, in short reads; the door lets go of each. Nothing is written.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from sqlalchemy import case, func, select

from core import errors
from core.database import db
from core.services import Services
from delivery.models import Delivery, Suppression
from delivery.states import State
from delivery.suppression import holds
from digests import galleys, sorting, specials, specialwaves
from digests.copies import SortedOut
from digests.kept import Kept
from digests.models import Edition, Special
from digests.why import Reason
from subscribers import ahead, schedule
from subscribers.duereaders import DueReader
from subscribers.models import Digest, Subscriber, Subscription

AT_ONCE = 8_000
"""Readers of one read: more than composing takes, as nobody waits for a turn; still a moment only."""
LEADS = 10
MUCH = 5
"""So many times the usual number is more than anybody sends by mistake without being asked."""
USUAL_OF = 7
"""Editions that the usual is taken from: their mean."""
_ELSEWHERE = "has a copy through another digest"
_FIRST = "waits for a first edition, or had one that day"


@dataclass
class Tally:
    """What was counted so far: mails by when their wave begins, who gets none by reason, leads, and sizes in octets."""

    mails: Counter[datetime] = field(default_factory=Counter)
    nothing: Counter[str] = field(default_factory=Counter)
    leads: Counter[str] = field(default_factory=Counter)
    octets: int = 0
    largest: int = 0

    @property
    def readers(self) -> int:
        """Return how many readers were looked at."""
        return self.mails.total() + self.nothing.total()

    def add(self, found: SortedOut, due_at: datetime, suppressed: Iterable[bytes], made: galleys.Sizes) -> None:
        """Count the readers of a chunk."""
        out = set(suppressed)
        for group in found.groups:
            count = sum(reader.addr_hash not in out for reader in group.readers)
            self.nothing[Reason.SUPPRESSED.value] += len(group.readers) - count
            self.mails[due_at] += count
            self.leads[group.copy.shown.stories[0].headline] += count
            size = made.of(group.copy)
            self.octets += size * count
            self.largest = max(self.largest, size if count else 0)
        self.nothing[Reason.NOTHING.value] += len(found.empty)
        self.nothing[Reason.TOO_FEW.value] += len(found.waiting)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What an edition will be. `last_at` is when the last reader has it at `rate` mails in a second, where it is known;
    `usual` how many mails the digest's editions have in the mean, None when there was none.
    """

    mails: int
    nothing: Mapping[str, int]
    leads: Sequence[tuple[str, int]]
    mean_octets: int
    largest_octets: int
    rate: float | None
    last_at: datetime | None
    usual: int | None

    @property
    def is_much(self) -> bool:
        """Say whether it is so many more than usual that somebody should type the number."""
        return self.usual is not None and self.mails > MUCH * self.usual


def of_tally(tally: Tally, digest: Digest, *, rate: float | None, now: datetime) -> Forecast:
    """Return the forecast of what was counted; `rate` is the relay's, else it is that of the digest's last edition."""
    rate = rate or _rate(digest)
    mails = tally.mails.total()
    return Forecast(
        mails=mails,
        nothing={reason: count for reason, count in tally.nothing.most_common() if count},
        leads=[(lead, count) for lead, count in tally.leads.most_common(LEADS) if count],
        mean_octets=tally.octets // mails if mails else 0,
        largest_octets=tally.largest,
        rate=rate,
        last_at=_last_at(tally.mails, rate, now) if rate and mails else None,
        usual=_usual(digest),
    )


def _last_at(mails: Mapping[datetime, int], rate: float, now: datetime) -> datetime:
    """Return when the last mail leaves: each wave after it has begun, and behind those before."""
    free = now
    for due_at in sorted(mails):
        free = max(free, due_at) + timedelta(seconds=mails[due_at] / rate)
    return free


def regular(digest: Digest, slot: date, *, now: datetime, services: Services) -> Iterator[Tally]:
    """Count the readers of a date's waves that have not been composed; yield after each chunk, with the same tally.

    A date may be the next one, or a later one: then it is as if nothing went out before. Raises Invalid for one on
    which nobody has a wave to come.
    """
    waves = ahead.waves_on(digest, slot)
    if not waves:
        message = "Nobody gets %(digest)s on %(date)s, or all of it is composed: a forecast is of what is to come."
        raise errors.Invalid("date", message, digest=digest.key, date=slot)
    tally, made, digest_id = Tally(), galleys.Sizes(digest.language), digest.id
    tally.nothing.update(_left_out([one for same in waves.values() for one in same], slot))
    yield tally
    for due_at, rhythm_ids in sorted(waves.items()):
        after, kept = 0, Kept()
        while True:
            readers = schedule.readers_on(rhythm_ids, slot=slot, after_id=after, limit=AT_ONCE, tastes=kept.tastes)
            if not readers:
                break
            after = readers[-1].subscription_id
            digest, at = db.session.get_one(Digest, digest_id), max(now, due_at)
            reading = sorting.Reading(digest, "regular", slot=slot, due_at=due_at, now=at, services=services, kept=kept)
            tally.add(reading.sort_out(readers), due_at, _suppressed(readers, digest.stream, now), made)
            yield tally


def special(key: str, slot: date, *, now: datetime, services: Services) -> Iterator[Tally]:
    """Count the readers of a special; yield after each chunk, with the same tally. Raises Invalid."""
    found = specials.by_key(key)
    special_id, lead_id, order = found.id, found.digest_id, [found.digest_id, *found.also]
    tally, made = Tally(), galleys.Sizes(db.session.get_one(Digest, lead_id).language)
    yield tally
    for via_id in order:
        after = 0
        while True:
            everybody = schedule.readers_of(digest_id=via_id, day=slot, after_id=after, limit=AT_ONCE)
            if not everybody:
                break
            after = everybody[-1].subscription_id
            found, lead, via = (
                db.session.get_one(Special, special_id),
                db.session.get_one(Digest, lead_id),
                db.session.get_one(Digest, via_id),
            )
            readers, double = specialwaves.Reach(found, via).of(everybody)
            tally.nothing[_ELSEWHERE] += double
            reading = specialwaves.Reading(found, lead, slot=slot, services=services)
            tally.add(reading.sort_out(readers), now, _suppressed(readers, via.stream, now), made)
            yield tally


def _left_out(rhythm_ids: Sequence[int], slot: date) -> dict[str, int]:
    """Return how many readers the waves of a date leave out, by reason."""
    reason = case(
        (Subscriber.paused_until > slot, Reason.PAUSED.value),
        ((Subscription.first_due_at.is_not(None)) | (Subscription.not_before_slot > slot), _FIRST),
        else_="",
    )
    wanted = (
        select(reason, func.count())
        .select_from(Subscription)
        .join(Subscriber, Subscriber.id == Subscription.subscriber_id)
        .where(
            Subscription.rhythm_id.in_(rhythm_ids),
            Subscription.state == "on",
            Subscriber.state == "active",
        )
        .group_by(reason)
    )
    return {why: count for why, count in db.session.execute(wanted) if why}


def _suppressed(readers: Sequence[DueReader], stream: str, now: datetime) -> set[bytes]:
    """Return the addresses of these readers that must not be mailed."""
    if not readers:
        return set()
    wanted = select(Suppression.addr_hash).where(
        Suppression.addr_hash.in_([reader.addr_hash for reader in readers]),
        Suppression.scope.in_(["all", "bulk", stream]),
        holds(now),
    )
    return set(db.session.scalars(wanted))


def _last_mailings(digest: Digest) -> list[int]:
    wanted = (
        select(Edition.mailing_id)
        .where(Edition.digest_id == digest.id, Edition.kind == "regular")
        .order_by(Edition.slot.desc())
        .limit(USUAL_OF)
    )
    return list(db.session.scalars(wanted))


def _usual(digest: Digest) -> int | None:
    """Return how many mails the digest's last regular editions had in the mean."""
    ids = _last_mailings(digest)
    counted = select(func.count()).where(Delivery.mailing_id.in_(ids))
    return (db.session.scalar(counted) or 0) // len(ids) if ids else None


def _rate(digest: Digest) -> float | None:
    """Return how many mails of the last edition were handed over in a second."""
    ids = _last_mailings(digest)[:1]
    handed = (Delivery.mailing_id.in_(ids), Delivery.state == State.SENT.value)
    row = db.session.execute(
        select(func.count(), func.min(Delivery.done_at), func.max(Delivery.done_at)).where(*handed)
    ).one()
    count, first, last = row
    if count < 2 or first is None or last is None:
        return None
    seconds = (last - first).total_seconds()
    return count / seconds if seconds >= 1 else None
