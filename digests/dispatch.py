"""A wave becomes deliveries, chunk by chunk: read, make, write. The door commits after each chunk.

The new history is written with the ledger rows in one transaction, guarded by the history that was read; that is what
makes several digests at one instant safe together.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import select, update

from core.database import db, insert_for
from core.services import Services
from delivery import content, outbox
from delivery.models import Lane
from digests import corrections, editions, histories, layout, preflight, recall, rendering, sources, viewing
from digests.cohorts import Chunk, Group
from digests.models import Cohort, Wave, WaveCount
from digests.why import Reason
from subscribers import leaving, rhythm, schedule


@dataclass(frozen=True, slots=True)
class Made:
    """A chunk with its shell and blocks compiled; nothing of it is in the database yet."""

    chunk: Chunk
    head: content.Part
    foot: content.Part
    parts: dict[rendering.View, content.Part]

    def mail(self, group: Group) -> list[content.Part]:
        """Return the parts of a group's mail, in order."""
        return [self.head, *(self.parts[view] for view in layout.pieces(group)), self.foot]


@dataclass(frozen=True, slots=True)
class _Won:
    """A group, and those of its readers whose mail is ours to write."""

    group: Group
    readers: tuple[schedule.DueReader, ...]


def make(chunk: Chunk, services: Services) -> Made:
    """Render and compile what the chunk needs. Slow, so outside of any transaction. Raises preflight.Stopped."""
    head, foot = rendering.shell_parts(chunk.shell, services.publication)
    frame = head.html_octets + foot.html_octets
    groups = tuple(layout.fitted(group, chunk.language, frame=frame) for group in chunk.groups)
    chunk = replace(chunk, groups=groups)
    shown = {view for group in groups for view in layout.pieces(group)}
    parts = {view: rendering.part(view, chunk.language) for view in shown}
    readers = [reader for group in chunk.groups for reader in group.readers[:1]]
    preflight.refuse_unfit(head, foot, list(parts.values()), readers, services)
    return Made(chunk, head, foot, parts)


def write_chunk(made: Made, now: datetime, services: Services) -> bool:
    """Write a chunk's ledger rows and histories, and move the wave's cursor. Return whether the wave is done.

    Waves of one instant share readers, histories and blocks. So that no two of them wait for each other in a circle,
    every chunk takes its rows in one order: its wave, then shells and blocks, histories, readers, contents, deliveries,
    and each of these sorted. Raises WaveTaken, and recall.StoryGone: then the chunk is read anew.
    """
    chunk = made.chunk
    _hold_wave(chunk)
    recall.stand_still(_article_ids(chunk.groups))
    groups = _not_queued(chunk)
    shells, blocks = _shells(made, groups), _blocks(made, groups)
    moved = _advance(groups, today=now.date())
    won = [_Won(group, tuple(one for one in group.readers if one.subscriber_id in moved)) for group in groups]
    won = [one for one in won if one.readers]
    _queue(chunk, _contents(chunk, won, shells, blocks), services)
    leaving.were_told([reader.subscriber_id for one in won if one.group.opening.left for reader in one.readers])
    if chunk.kind == "first":
        _note_first(chunk, groups, won, now)
    losers = [one for group in groups for one in group.readers if one.subscriber_id not in moved]
    if chunk.kind == "regular":
        _note_waits(chunk, won, losers)
    _count_unmailed(chunk, losers)
    return _move_wave(chunk, losers, now)


def _hold_wave(chunk: Chunk) -> None:
    """Take the wave for this transaction. Raises WaveTaken when another task went on with it meanwhile."""
    ours = select(Wave.id).where(Wave.id == chunk.wave_id, Wave.cursor == chunk.cursor, Wave.state == "composing")
    if db.session.scalar(ours.with_for_update()) is None:
        raise WaveTaken


def _move_wave(chunk: Chunk, losers: Sequence[schedule.DueReader], now: datetime) -> bool:
    """Move the wave's cursor on, but not beyond who must be looked at again; return whether the wave is done."""
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
        schedule.move_on(chunk.digest_id, chunk.slot, chunk.due_at, now=now)
    return finished


def _reached(chunk: Chunk, losers: Sequence[schedule.DueReader]) -> int:
    """Return the last subscription of which all is settled: those after it are looked at again."""
    return min((loser.subscription_id for loser in losers), default=chunk.last + 1) - 1


def _note_waits(chunk: Chunk, won: Sequence[_Won], losers: Sequence[schedule.DueReader]) -> None:
    """Count the slot for those who wait for more stories; who gets a mail now waits no more."""
    settled = _reached(chunk, losers)
    waits = {one.subscription_id: one.waited + 1 for one in chunk.waiting if one.subscription_id <= settled}
    over = {one.subscription_id: 0 for group in won for one in group.readers if one.waited}
    schedule.note_waits(waits | over)


def _count_unmailed(chunk: Chunk, losers: Sequence[schedule.DueReader]) -> None:
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


def _not_queued(chunk: Chunk) -> list[Group]:
    """Return the groups without those who have this edition's mail in the ledger already."""
    readers = [reader for group in chunk.groups for reader in group.readers]
    queued = outbox.already_queued(chunk.mailing_id, [reader.addr_hash for reader in readers]) if readers else set()
    if not queued:
        return list(chunk.groups)
    left = [
        replace(group, readers=tuple(reader for reader in group.readers if reader.addr_hash not in queued))
        for group in chunk.groups
    ]
    return [group for group in left if group.readers]


def _shells(made: Made, groups: Sequence[Group]) -> dict[str, int]:
    """Return the shells by format."""
    chunk = made.chunk
    return {
        format: outbox.add_shell(
            chunk.mailing_id, language=chunk.language, format=format, head=made.head, foot=made.foot
        )
        for format in sorted({group.format for group in groups})
    }


def _blocks(made: Made, groups: Sequence[Group]) -> dict[rendering.View, int]:
    """Return the block of everything that is shown."""
    views = {view for group in groups for view in layout.pieces(group)}
    ids = outbox.add_blocks([made.parts[view] for view in views])
    blocks = {view: ids[made.parts[view]] for view in views}
    sources.note(blocks)
    return blocks


def _article_ids(groups: Sequence[Group]) -> set[int]:
    in_full = {story.article_id for group in groups for story in group.shown.stories}
    return in_full | {headline.article_id for group in groups for headline in group.shown.headlines}


def _advance(groups: Sequence[Group], *, today: date) -> set[int]:
    """Give readers their new histories; return those whose history was still the one that was read."""
    grown = [_grown(group, today) for group in groups]
    ids = histories.intern(grown, today=today)
    return histories.advance(
        [
            histories.Move(reader.subscriber_id, group.history_id, ids[packed])
            for group, packed in zip(groups, grown, strict=True)
            for reader in group.readers
        ]
    )


def _grown(group: Group, today: date) -> bytes:
    """Return the history that a group's readers will have, packed."""
    new = [histories.Entry(story.article_id, story.revision, today) for story in group.shown.stories]
    new += [histories.Entry(one.article_id, one.revision, today, in_full=False) for one in group.shown.headlines]
    return histories.pack(histories.grown(histories.unpack(group.entries), new, today=today))


def _contents(
    chunk: Chunk, won: Sequence[_Won], shells: Mapping[str, int], blocks: Mapping[rendering.View, int]
) -> list[outbox.Planned]:
    """Write the recipes and cohorts of the groups that have readers left; return what is to be queued."""
    recipes = [
        (shells[one.group.format], [blocks[view] for view in layout.pieces(one.group)], one.group.shown.subject)
        for one in won
    ]
    planned: list[outbox.Planned] = []
    cohorts: list[tuple[Group, int]] = []
    for place in sorted(range(len(won)), key=recipes.__getitem__):
        shell_id, block_ids, subject = recipes[place]
        content_id = outbox.add_content(chunk.mailing_id, shell_id=shell_id, subject=subject, block_ids=block_ids)
        told = [one.correction_id for one in won[place].group.corrections]
        corrections.note_told(told, content_id, chunk.mailing_id)
        cohorts.append((won[place].group, content_id))
        planned += [_planned(reader, content_id) for reader in won[place].readers]
    _cohorts(chunk, cohorts)
    return planned


def _queue(chunk: Chunk, planned: Sequence[outbox.Planned], services: Services) -> None:
    outbox.queue_bulk(
        planned,
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
        schedule.first_sent(reader.subscription_id, slot=slot, fresh_from=chunk.seen_until)
    begun = {reader.subscription_id for reader in chunk.empty} | (all_readers - sent.keys() - again)
    for subscription_id in sorted(begun):
        schedule.first_empty(subscription_id)


def _planned(reader: schedule.DueReader, content_id: int) -> outbox.Planned:
    recipient = outbox.Recipient(reader.address, reader.reader_key, reader.link_version)
    return outbox.Planned(recipient, once_key=reader.addr_hash, content_id=content_id)


def _cohorts(chunk: Chunk, made: Sequence[tuple[Group, int]]) -> None:
    rows: dict[bytes, dict[str, object]] = {}
    for group, content_id in made:
        packed = viewing.packed(group.shown.stories)
        fingerprint = hashlib.sha256(packed + content_id.to_bytes(8, "big")).digest()
        rows[fingerprint] = {
            "edition_id": chunk.edition_id,
            "article_ids": packed,
            "headline_ids": viewing.packed(group.shown.headlines),
            "view_key": viewing.key(group.shown),
            "content_id": content_id,
        }
    if rows:
        values = [{"fingerprint": fingerprint, **row} for fingerprint, row in sorted(rows.items())]
        db.session.execute(insert_for(db.engine)(Cohort).values(values).on_conflict_do_nothing())
