"""A chunk of a wave becomes deliveries: what was read and made of it is written. The door commits after each.

The new history is written with the ledger rows in one transaction, guarded by the history that was read; that is what
makes several digests at one instant safe together.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import select, update

from core import database
from core.database import db, insert_for
from core.services import Services
from delivery import content, outbox
from delivery.models import Lane
from digests import corrections, editions, histories, parts, recall, sources, viewing
from digests.cohorts import Chunk
from digests.copies import Copy, Group
from digests.making import Made
from digests.models import Cohort, Wave, WaveCount
from digests.why import Reason
from subscribers import leaving, rhythm, served
from subscribers.duereaders import DueReader


@dataclass(frozen=True, slots=True)
class _Won:
    """A group, and those of its readers whose mail is ours to write."""

    group: Group
    readers: tuple[DueReader, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """How far a wave is: the last subscription of which all is settled, and whether there is nothing left to do."""

    reached: int
    finished: bool


def write_chunk(made: Made, now: datetime, services: Services) -> Written:
    """Write a chunk's ledger rows and histories, and move the wave's cursor.

    Waves of one instant share readers, histories and blocks. So that no two of them wait for each other in a circle,
    every chunk takes its rows in one order: its wave, then shells and blocks, histories, readers, contents, deliveries,
    and each of these sorted. Raises WaveTaken, and recall.StoryGone: then the chunk is read anew.
    """
    _hold_wave(made.chunk)
    recall.stand_still(_article_ids(made))
    chunk = _not_queued(made.chunk)
    groups = chunk.groups
    new = [one for one in dict.fromkeys(group.copy for group in groups) if made.printed(one).content_id is None]
    shells, blocks = _shells(made, new), _blocks(made, new)
    moved = _advance(made, groups, today=now.date())
    won = [_Won(group, tuple(one for one in group.readers if one.subscriber_id in moved)) for group in groups]
    won = [one for one in won if one.readers]
    wanted = {one.group.copy for one in won}
    _contents(made, [copy for copy in new if copy in wanted], shells, blocks)
    _queue(made, won, services)
    leaving.were_told([reader.subscriber_id for one in won if one.group.copy.opening.left for reader in one.readers])
    if chunk.kind == "first":
        _note_first(made.chunk, groups, won, now)
    losers = [one for group in groups for one in group.readers if one.subscriber_id not in moved]
    if not chunk.is_rest:
        # Who is in the rest of a wave was looked at in another part, or has changed their taste in between.
        if chunk.kind == "regular":
            _note_waits(chunk, won, losers)
        _count_unmailed(chunk, losers)
    return _move_wave(chunk, losers, now)


def _hold_wave(chunk: Chunk) -> None:
    """Take the wave for this transaction. Raises WaveTaken when another task went on with it meanwhile."""
    ours = select(Wave.id).where(Wave.id == chunk.wave_id, Wave.cursor == chunk.cursor, Wave.state == "composing")
    if db.session.scalar(ours.with_for_update()) is None:
        raise WaveTaken


def _move_wave(chunk: Chunk, losers: Sequence[DueReader], now: datetime) -> Written:
    """Move the wave's cursor on, but not beyond who must be looked at again."""
    finished = chunk.finished and not losers
    cursor = _reached(chunk, losers)
    db.session.execute(
        update(Wave)
        .where(Wave.id == chunk.wave_id)
        .values(
            cursor=cursor,
            state="composed" if finished else "composing",
            lease_until=None if finished else now + editions.LEASE,
        )
        .execution_options(synchronize_session=False)
    )
    if finished and chunk.kind == "regular":
        parts.move_on(chunk.edition_id, chunk.digest_id, chunk.slot, chunk.due_at, now=now)
    return Written(cursor, finished)


def _reached(chunk: Chunk, losers: Sequence[DueReader]) -> int:
    """Return the last subscription of which all is settled: those after it are looked at again."""
    return min((loser.subscription_id for loser in losers), default=chunk.last + 1) - 1


def _note_waits(chunk: Chunk, won: Sequence[_Won], losers: Sequence[DueReader]) -> None:
    """Count the slot for those who wait for more stories; who gets a mail now waits no more."""
    settled = _reached(chunk, losers)
    waits = {one.subscription_id: one.waited + 1 for one in chunk.waiting if one.subscription_id <= settled}
    over = {one.subscription_id: 0 for group in won for one in group.readers if one.waited}
    served.note_waits(waits | over)


def _count_unmailed(chunk: Chunk, losers: Sequence[DueReader]) -> None:
    """Count those of whom it is settled that this wave brings them nothing."""
    settled = _reached(chunk, losers)
    for reason, readers in ((Reason.NOTHING, chunk.empty), (Reason.TOO_FEW, chunk.waiting)):
        count = sum(one.subscription_id <= settled for one in readers)
        if count:
            insert = insert_for(db.engine)(WaveCount).values(wave_id=chunk.wave_id, reason=reason, readers=count)
            more = {"readers": WaveCount.readers + count}
            db.session.execute(insert.on_conflict_do_update(index_elements=["wave_id", "reason"], set_=more))


class WaveTaken(Exception):
    """The wave moved on in other hands: roll back and leave it."""


def _not_queued(chunk: Chunk) -> Chunk:
    """Return a chunk without those who have this edition's mail in the ledger already."""
    mailed = [reader.addr_hash for group in chunk.groups for reader in group.readers]
    readers = [*mailed, *(reader.addr_hash for reader in (*chunk.empty, *chunk.waiting))]
    queued = outbox.already_queued(chunk.mailing_id, readers) if readers else set()
    if not queued:
        return chunk

    def left(some: Iterable[DueReader]) -> tuple[DueReader, ...]:
        return tuple(reader for reader in some if reader.addr_hash not in queued)

    groups = [replace(group, readers=left(group.readers)) for group in chunk.groups]
    return replace(
        chunk,
        groups=tuple(group for group in groups if group.readers),
        empty=left(chunk.empty),
        waiting=left(chunk.waiting),
    )


def _shells(made: Made, copies: Sequence[Copy]) -> dict[str, int]:
    """Return the shells by format."""
    chunk = made.chunk
    return {
        format: outbox.add_shell(
            chunk.mailing_id, language=chunk.language, format=format, head=made.head, foot=made.foot
        )
        for format in sorted({copy.format for copy in copies})
    }


def _blocks(made: Made, copies: Sequence[Copy]) -> dict[content.Part, int]:
    """Return the block of everything that is shown."""
    parts = {
        view: part
        for copy in copies
        for view, part in zip(made.printed(copy).views, made.printed(copy).parts, strict=True)
    }
    ids = outbox.add_blocks(set(parts.values()))
    sources.note({view: ids[part] for view, part in parts.items()})
    return ids


def _article_ids(made: Made) -> set[int]:
    return set().union(*(made.printed(group.copy).article_ids for group in made.chunk.groups))


def _advance(made: Made, groups: Sequence[Group], *, today: date) -> set[int]:
    """Give readers their new histories; return those whose history was still the one that was read."""
    steps = {(group.history_id, group.copy) for group in groups}
    new = steps - made.known_steps.keys()
    pasts = histories.entries({history_id for history_id, _copy in new if history_id is not None})
    entries = {copy: _entries(made, copy, today) for _history_id, copy in new}
    # A history that is gone is nobody's any more: whoever had it when it was read has another one by now.
    grown = {
        (history_id, copy): histories.grown(pasts.get(history_id or 0, b""), entries[copy], today=today)
        for history_id, copy in new
    }
    ids = histories.intern(grown.values(), today=today)
    made.steps.update({step: ids[packed] for step, packed in grown.items()})
    to = {step: made.steps.get(step) or made.known_steps[step] for step in steps}
    return histories.advance(
        [
            histories.Move(reader.subscriber_id, group.history_id, to[group.history_id, group.copy])
            for group in groups
            for reader in group.readers
        ]
    )


def _entries(made: Made, copy: Copy, today: date) -> list[histories.Entry]:
    """Return what readers had who had a copy."""
    shown, by_recap = made.printed(copy).copy.shown, made.chunk.recap
    new = [histories.Entry(one.article_id, one.revision, today, by_recap=by_recap) for one in shown.stories]
    return new + [histories.Entry(one.article_id, one.revision, today, in_full=False) for one in shown.headlines]


def _contents(
    made: Made, copies: Sequence[Copy], shells: Mapping[str, int], blocks: Mapping[content.Part, int]
) -> None:
    """Write the recipes and cohorts of copies."""
    chunk = made.chunk
    recipes = {
        copy: outbox.Made(
            shells[copy.format],
            made.printed(copy).copy.shown.subject,
            tuple(blocks[part] for part in made.printed(copy).parts),
        )
        for copy in copies
    }
    ids = outbox.add_contents(chunk.mailing_id, recipes.values())
    for copy, recipe in recipes.items():
        made.content_ids[copy] = ids[recipe]
        corrections.note_told([one.correction_id for one in copy.corrections], ids[recipe], chunk.mailing_id)
    _cohorts(made, copies)


def _queue(made: Made, won: Sequence[_Won], services: Services) -> None:
    chunk = made.chunk
    outbox.queue_bulk(
        [row for one in won for row in _planned(one.readers, made.content_id(one.group.copy), made.sealed)],
        mailing_id=chunk.mailing_id,
        lane=Lane.DIGEST,
        link_set=outbox.LinkSet.READER,
        not_after=chunk.not_after,
        services=services,
    )


def _note_first(chunk: Chunk, groups: Sequence[Group], won: Sequence[_Won], now: datetime) -> None:
    """Note who has begun: those who get a first edition now, those for whom there is nothing, and who had it already.

    Whoever left and came back on one day had it.
    """
    sent = {reader.subscription_id: reader for one in won for reader in one.readers}
    again = {reader.subscription_id for group in groups for reader in group.readers} - sent.keys()
    all_readers = {reader.subscription_id for group in chunk.groups for reader in group.readers}
    for reader in sorted(sent.values(), key=lambda one: one.subscription_id):
        slot = rhythm.local_date(now, reader.zone)
        served.first_sent(reader.subscription_id, slot=slot, fresh_from=chunk.seen_until)
    begun = {reader.subscription_id for reader in chunk.empty} | (all_readers - sent.keys() - again)
    for subscription_id in sorted(begun):
        served.first_empty(subscription_id)


def _planned(readers: Iterable[DueReader], content_id: int, sealed: Mapping[int, bytes]) -> Iterator[outbox.Planned]:
    for one in readers:
        recipient = outbox.Recipient(one.address, one.reader_key, one.link_version)
        yield outbox.Planned(recipient, one.addr_hash, content_id, sealed[one.subscription_id])


def _cohorts(made: Made, copies: Sequence[Copy]) -> None:
    rows: dict[bytes, dict[str, object]] = {}
    for copy in copies:
        shown, content_id = made.printed(copy).copy.shown, made.content_ids[copy]
        packed = viewing.packed(shown.stories)
        fingerprint = hashlib.sha256(packed + content_id.to_bytes(8, "big")).digest()
        rows[fingerprint] = {
            "article_ids": packed,
            "headline_ids": viewing.packed(shown.headlines),
            "view_key": viewing.key(shown),
            "content_id": content_id,
        }
    database.intern_rows(Cohort, rows, edition_id=made.chunk.edition_id)
