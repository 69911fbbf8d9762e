"""A wave becomes deliveries, chunk by chunk: read, make, write. The door commits after each chunk.

The new history is written with the ledger rows in one transaction, guarded by the history that was read; that is what
makes several digests at one instant safe together.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update

from core.database import db, insert_for
from core.services import Services
from delivery import content, outbox
from delivery.models import Lane
from digests import editions, histories, rendering
from digests.cohorts import Chunk, Group
from digests.models import Cohort, Wave
from subscribers import rhythm

View = rendering.Opening | rendering.StoryView
"""What is shown, and by that what is compiled once."""
_TURN = int.from_bytes(b"chunk")
"""The key of PostgreSQL's advisory lock for writing chunks."""


@dataclass(frozen=True, slots=True)
class Made:
    """A chunk with its shell and blocks compiled; nothing of it is in the database yet."""

    chunk: Chunk
    head: content.Part
    foot: content.Part
    parts: dict[View, content.Part]


def make(chunk: Chunk, services: Services) -> Made:
    """Render and compile what the chunk needs. Slow, so outside of any transaction."""
    head, foot = rendering.shell_parts(chunk.shell, services.publication)
    parts: dict[View, content.Part] = {}
    for group in chunk.groups:
        parts[group.opening] = rendering.opening_part(group.opening, chunk.language)
        parts |= {story: rendering.story_part(story) for story in group.stories}
    return Made(chunk, head, foot, parts)


def write_chunk(made: Made, now: datetime, services: Services) -> bool:
    """Write a chunk's ledger rows and histories, and move the wave's cursor. Return whether the wave is done."""
    _take_turn()
    chunk = made.chunk
    losers = [loser for group in chunk.groups for loser in _write_group(made, group, now, services)]
    if chunk.kind == "first":
        for reader in chunk.empty:
            rhythm.first_empty(reader.subscription_id)
    finished = chunk.finished and not losers
    cursor = min((loser.subscription_id for loser in losers), default=chunk.last + 1) - 1
    moved = db.session.execute(
        update(Wave)
        .where(Wave.id == chunk.wave_id, Wave.cursor == chunk.cursor, Wave.state == "composing")
        .values(
            cursor=cursor,
            state="composed" if finished else "composing",
            lease_until=None if finished else now + editions.LEASE,
        )
        .execution_options(synchronize_session=False)
        .returning(Wave.id)
    )
    if moved.first() is None:
        # Another task took the wave over while this one was slow; what it wrote stands, ours is undone by the door.
        raise WaveTaken
    if finished and chunk.kind == "regular":
        rhythm.move_on(chunk.digest_id, chunk.slot, chunk.due_at, now=now)
    return finished


def _take_turn() -> None:
    """Let one chunk be written at a time on PostgreSQL too, until its transaction ends.

    Digests of one instant share readers, histories and blocks, each in its own order: writing side by side, two of
    them soon wait for each other in a circle, and PostgreSQL ends one.
    """
    if db.engine.dialect.name == "postgresql":
        db.session.execute(select(func.pg_advisory_xact_lock(_TURN)))


class WaveTaken(Exception):
    """The wave moved on in other hands: roll back and leave it."""


def _write_group(made: Made, group: Group, now: datetime, services: Services) -> list[rhythm.DueReader]:
    """Write one group; return the readers whose history changed meanwhile, who must be looked at again."""
    chunk = made.chunk
    queued = outbox.already_queued(chunk.mailing_id, [reader.addr_hash for reader in group.readers])
    readers = [reader for reader in group.readers if reader.addr_hash not in queued]
    if chunk.kind == "first":
        for reader in group.readers:
            if reader.addr_hash in queued:
                # Left and came back on one day: the first edition was theirs already.
                rhythm.first_empty(reader.subscription_id)
    if not readers:
        return []
    today = now.date()
    new = [histories.Entry(story.article_id, story.revision, today) for story in group.stories]
    grown = histories.grown(histories.unpack(group.entries), new, today=today)
    history_id = histories.intern(grown, today=today)
    moved = histories.advance([one.subscriber_id for one in readers], read=group.history_id, new=history_id)
    winners = [reader for reader in readers if reader.subscriber_id in moved]
    if winners:
        content_id = _content(made, group)
        _cohort(chunk, group, content_id)
        outbox.queue_bulk(
            [_planned(reader, content_id) for reader in winners],
            mailing_id=chunk.mailing_id,
            lane=Lane.DIGEST,
            link_set=outbox.LinkSet.READER,
            not_after=chunk.not_after,
            services=services,
        )
    if chunk.kind == "first":
        for reader in winners:
            slot = rhythm.local_date(now, reader.zone)
            rhythm.first_sent(reader.subscription_id, slot=slot, fresh_from=chunk.seen_until)
    return [reader for reader in readers if reader.subscriber_id not in moved]


def _planned(reader: rhythm.DueReader, content_id: int) -> outbox.Planned:
    recipient = outbox.Recipient(reader.address, reader.reader_key, reader.link_version)
    return outbox.Planned(recipient, once_key=reader.addr_hash, content_id=content_id)


def _content(made: Made, group: Group) -> int:
    """Return the recipe of a group's mail, its parts written if they are new."""
    chunk = made.chunk
    shell_id = outbox.add_shell(
        chunk.mailing_id, language=chunk.language, format=group.format, head=made.head, foot=made.foot
    )
    shown: tuple[View, ...] = (group.opening, *group.stories)
    blocks = [outbox.add_block(made.parts[view]) for view in shown]
    return outbox.add_content(chunk.mailing_id, shell_id=shell_id, subject=group.subject, block_ids=blocks)


def _cohort(chunk: Chunk, group: Group, content_id: int) -> None:
    packed = b"".join(story.article_id.to_bytes(8, "big") for story in group.stories)
    row = {
        "edition_id": chunk.edition_id,
        "fingerprint": hashlib.sha256(packed + content_id.to_bytes(8, "big")).digest(),
        "article_ids": packed,
        "content_id": content_id,
    }
    db.session.execute(insert_for(db.engine)(Cohort).values(row).on_conflict_do_nothing())
