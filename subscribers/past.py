"""What a reader had chosen at a time, as far as it is known: read from their own proof of consent, and their pauses."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, select

from core.database import db
from subscribers import pauses, rhythm, wallclock
from subscribers.models import ConsentEntry, ConsentParticulars, Subscriber, Subscription
from subscribers.pauses import Pause
from subscribers.rhythm import RhythmChoice

MOST_READ = 500
"""Entries of one reader, the newest: more than that nobody asks for."""
_CHOSEN = re.compile(r"(\w+)=(\S*)")


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which a subscription was on and nothing of it changed. `left` says that the reader left at its end.

    `choice` is None where it is not known any more; `topics` (with countries) are None then, too, and empty for
    everything. `began` says that the subscription began with it; `breaking` is how many breaking mails a day, None
    where that is not known.
    """

    begins: datetime
    ends: datetime | None
    choice: RhythmChoice | None
    topics: tuple[str, ...] | None
    began: bool
    left: bool
    breaking: int | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """A slot of a reader: its local date, when its wave starts, the promised instant, and what was chosen then."""

    day: date
    due_at: datetime
    promised_at: datetime
    span: Span


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of a reader: entries by digest id, oldest first; pauses; the hashes of all their addresses."""

    entries: dict[int, list[Row[*tuple[Any, ...]]]]
    pauses: Sequence[Pause]
    hashes: frozenset[bytes]


def by_hash(addr_hash: bytes) -> Subscriber | None:
    """Return the reader with this address, whatever their state; None when there is none."""
    return db.session.scalar(select(Subscriber).filter_by(addr_hash=addr_hash))


def of(subscriber: Subscriber) -> Past:
    """Read a reader's past."""
    wanted = (
        select(
            ConsentEntry.kind,
            ConsentEntry.at,
            ConsentEntry.digest_id,
            ConsentEntry.wording,
            ConsentParticulars.addr_hash,
        )
        .join(ConsentParticulars, ConsentParticulars.entry_id == ConsentEntry.id)
        .where(ConsentParticulars.subscriber_id == subscriber.id)
        .order_by(ConsentEntry.id.desc())
        .limit(MOST_READ)
    )
    rows = db.session.execute(wanted).all()
    entries: dict[int, list[Row[*tuple[Any, ...]]]] = {}
    for row in reversed(rows):
        entries.setdefault(row.digest_id, []).append(row)
    hashes = frozenset({subscriber.addr_hash, *(row.addr_hash for row in rows)})
    return Past(entries, pauses.of(subscriber), hashes)


def spans(subscription: Subscription, past: Past) -> list[Span]:
    """Return the times in which a subscription was on, oldest first."""
    entries = past.entries.get(subscription.digest_id, [])
    marks = [(row.at, row.kind, row.wording) for row in entries if row.kind in ("opt_in", "opt_out", "change")]
    if not marks or marks[0][1] != "opt_in":
        # The proof of when it began was erased, or is of another time than what is kept.
        marks.insert(0, (subscription.created_at, "opt_in", ""))
    last_choice = max(place for place, (_at, kind, _words) in enumerate(marks) if kind != "opt_out")
    found: list[Span] = []
    for place, (begins, kind, wording) in enumerate(marks):
        ends, then = (marks[place + 1][0], marks[place + 1][1]) if place + 1 < len(marks) else (None, "")
        if kind == "opt_out" or (ends is None and subscription.state == "off"):
            continue
        choice, topics = _now(subscription) if place == last_choice else _chosen(wording)
        breaking = subscription.breaking if place == last_choice else _breaking(wording)
        found.append(Span(begins, ends, choice, topics, kind == "opt_in", then == "opt_out", breaking))
    return found


def _now(subscription: Subscription) -> tuple[RhythmChoice, tuple[str, ...]]:
    taste = subscription.taste
    return rhythm.choice_of(subscription.rhythm), (*taste.countries, *taste.topics)


def _chosen(wording: str) -> tuple[RhythmChoice | None, tuple[str, ...] | None]:
    """Read what an entry says was chosen; what cannot be read is not known."""
    told = dict(_CHOSEN.findall(wording))
    topics = [key for name in ("countries", "topics") for key in told.get(name, "").split(",") if key]
    try:
        choice = RhythmChoice(told["rhythm"], int(told["weekdays"]), int(told["minute"]), told["zone"])
    except (KeyError, ValueError):
        return None, None
    return (choice, tuple(topics)) if choice.zone in rhythm.zones() else (None, None)


def _breaking(wording: str) -> int | None:
    told = dict(_CHOSEN.findall(wording)).get("breaking", "")
    return int(told) if told.isascii() and told.isdecimal() else None


def slots(subscription: Subscription, known: Sequence[Span], *, now: datetime, most: int) -> list[Planned]:
    """Return the last slots of a subscription whose wave has started, newest first; those that are not known are left
    out.
    """
    found: list[Planned] = []
    for span in reversed(known):
        for one in _slots_of(span, lead=timedelta(seconds=subscription.digest.lead_s), now=now):
            found.append(one)
            if len(found) == most:
                return found
    return found


_HORIZON_DAYS = 400


def _slots_of(span: Span, *, lead: timedelta, now: datetime) -> Iterator[Planned]:
    choice = span.choice
    if choice is None:
        return
    end = min(span.ends or now, now)
    last = rhythm.local_date(end + lead, choice.zone)
    for back in range(_HORIZON_DAYS):
        day = last - timedelta(days=back)
        promised = wallclock.promised_at(choice.minute, choice.zone, day)
        if promised - lead < span.begins:
            return
        if promised - lead <= end and choice.weekdays >> day.weekday() & 1:
            yield Planned(day, promised - lead, promised, span)


def paused(past: Past, slot: Planned) -> Pause | None:
    """Return the pause that kept a slot's mail away, if one did."""
    for one in past.pauses:
        begun = one.began_at <= slot.due_at
        if begun and slot.day < one.until and (one.ended_at is None or one.ended_at > slot.due_at):
            return one
    return None
