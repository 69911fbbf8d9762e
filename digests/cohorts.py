"""Whom a wave reaches, chunk by chunk, and what they get."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from core.database import db
from core.services import Services
from digests import parts, rendering
from digests.copies import Group
from digests.kept import Kept
from digests.models import Edition, Wave
from digests.selection import Repeat
from digests.sorting import Reading
from subscribers import schedule
from subscribers.duereaders import DueReader
from subscribers.models import Digest

CHUNK = 5000
"""Readers in one transaction."""
FIRST_CHUNK = 1000
"""Those of a wave's first one, so that its first mails leave soon."""
CHUNK_IN_TURN = 500
"""The same on SQLite, where visitors wait for the turn of whoever writes."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What was read of a wave: whom it reaches from `cursor` on, and with what.

    For the readers in `empty` there is nothing, for those who are `waiting` too little yet. Stories first seen after
    `seen_until` are new to those who get a first edition, whatever came in meanwhile. `kept` is what is known of the
    groups of its wave. What a `recap` brings in full, no recap brings to the same reader again. `is_rest` says that
    it is of the rest of a wave in parts.
    """

    wave_id: int
    edition_id: int
    mailing_id: int
    digest_id: int
    language: str
    kind: str
    slot: date
    due_at: datetime
    cursor: int
    last: int
    finished: bool
    groups: tuple[Group, ...]
    empty: tuple[DueReader, ...]
    waiting: tuple[DueReader, ...]
    seen_until: datetime
    shell: rendering.ShellView
    not_after: datetime
    kept: Kept
    recap: bool = False
    is_rest: bool = False


def read_chunk(
    wave_id: int, now: datetime, services: Services, kept: Kept | None = None, *, after: int | None = None
) -> Chunk:
    """Read the next readers of a wave and choose their stories, but for what is `kept`. Writes nothing.

    They are those after the wave's cursor, or `after` where it will stand when the chunk before is written.
    """
    wave = db.session.get_one(Wave, wave_id, populate_existing=True)
    edition = db.session.get_one(Edition, wave.edition_id)
    digest = db.session.get_one(Digest, edition.digest_id)
    cursor = wave.cursor if after is None else after
    most = most_at_once(first=not cursor)
    kept = kept or Kept()
    readers = _readers(edition, wave, cursor, most, kept)
    slot, due_at = edition.slot, wave.due_at
    reading = Reading(
        digest, edition.kind, slot=slot, due_at=due_at, now=now, services=services, unfit=wave.unfit, kept=kept
    )
    sorted_out = reading.sort_out(readers)
    return Chunk(
        wave_id=wave.id,
        edition_id=edition.id,
        mailing_id=edition.mailing_id,
        digest_id=digest.id,
        language=digest.language,
        kind=edition.kind,
        slot=edition.slot,
        due_at=wave.due_at,
        cursor=cursor,
        last=readers[-1].subscription_id if readers else cursor,
        finished=len(readers) < most,
        groups=sorted_out.groups,
        empty=sorted_out.empty,
        waiting=sorted_out.waiting,
        seen_until=reading.seen_until,
        shell=rendering.shell_view(digest, services),
        not_after=(now if edition.kind == "first" else wave.due_at) + timedelta(seconds=digest.not_after_s),
        kept=kept,
        recap=digest.repeat == Repeat.RECAP,
        is_rest=parts.is_rest(wave),
    )


def most_at_once(*, first: bool = False) -> int:
    """Return how many readers are read, and written, at once; in the `first` chunk of a wave."""
    most = min(FIRST_CHUNK, CHUNK) if first else CHUNK
    return min(most, CHUNK_IN_TURN) if db.engine.dialect.name == "sqlite" else most


def _readers(edition: Edition, wave: Wave, cursor: int, most: int, kept: Kept) -> list[DueReader]:
    if edition.kind == "first":
        return schedule.readers_first(digest_id=edition.digest_id, due_at=wave.due_at, after_id=cursor, limit=most)
    return schedule.readers_due(
        digest_id=edition.digest_id,
        slot=edition.slot,
        due_at=wave.due_at,
        after_id=cursor,
        among=parts.readers(wave),
        limit=most,
        tastes=kept.tastes,
    )
