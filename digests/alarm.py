"""A breaking mail becomes deliveries, chunk by chunk: read, make, write. The door commits after each chunk."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from articles import shelf
from articles.models import Article
from core.database import db, insert_for
from core.services import Services
from delivery import outbox
from delivery.models import Lane
from digests import alerted, breaking, breakingmail, clicks, editions, histories, preflight, quiet, rendering, sources
from digests.dispatch import WaveTaken
from digests.models import Cohort, Edition, Wave
from subscribers import schedule
from subscribers.duereaders import DueReader
from subscribers.models import Digest, Taste

CHUNK = 2000
FIRST_CHUNK = 1000
"""Those are to be on the wire at once; fewer readers are read and written sooner."""
CHUNK_IN_TURN = 500
"""The same on SQLite, where visitors wait for the turn of whoever writes."""


@dataclass(frozen=True, slots=True)
class Group:
    """Readers of a chunk whose mail has the same form, and must have left by the same instant."""

    format: str
    not_after: datetime
    readers: tuple[DueReader, ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """What was read of the wave of a breaking mail: whom it may reach from `cursor` on. `over` says that it ends."""

    wave_id: int
    edition_id: int
    cursor: int
    last: int
    finished: bool
    over: bool
    groups: tuple[Group, ...]
    made: breakingmail.Made | None


def read_chunk(wave_id: int, now: datetime, services: Services) -> Chunk:
    """Read the next readers of a breaking mail, and make it. Writes nothing."""
    wave = db.session.get_one(Wave, wave_id, populate_existing=True)
    edition = db.session.get_one(Edition, wave.edition_id)
    digest = db.session.get_one(Digest, edition.digest_id)
    article = db.session.get_one(Article, edition.article_id, populate_existing=True)
    at = flagged_at(edition)
    ends_at = breaking.ends_at(digest, at)
    if breaking.is_gone(article) or now >= ends_at:
        return Chunk(wave.id, edition.id, wave.cursor, wave.cursor, True, True, (), None)
    # Where it is night, and when that begins, is asked of the moment of the flag: of all readers alike, however long
    # composing takes.
    hours = services.publication.quiet
    zones = quiet.awake(schedule.zones_of(digest.id), at, hours, urgent=article.urgent)
    most = _most(wave)
    readers = schedule.readers_breaking(digest_id=digest.id, zones=zones, after_id=wave.cursor, limit=most)
    until = {zone: _until(at, zone, article, ends_at, services) for zone in zones}
    grouped: dict[tuple[str, datetime], list[DueReader]] = {}
    for reader in _wanting(readers, article):
        grouped.setdefault((reader.taste.format, until[reader.zone]), []).append(reader)
    view, counting = rendering.story_view(article, services), clicks.of_edition(edition, digest)
    if counting is not None:
        view = counting.counted(view, article, services.links)
    return Chunk(
        wave_id=wave.id,
        edition_id=edition.id,
        cursor=wave.cursor,
        last=readers[-1].subscription_id if readers else wave.cursor,
        finished=len(readers) < most,
        over=False,
        groups=tuple(Group(*key, tuple(same)) for key, same in sorted(grouped.items(), key=lambda one: one[0])),
        made=breakingmail.make(view, digest, services, is_flash=article.state == "flash"),
    )


def flagged_at(edition: Edition) -> datetime:
    """Return when the story of a breaking edition was flagged."""
    assert edition.flagged_at is not None  # noqa: S101 - for the type checker: a constraint of the table
    return edition.flagged_at


def _most(wave: Wave) -> int:
    if db.engine.dialect.name == "sqlite":
        return CHUNK_IN_TURN
    return CHUNK if wave.cursor else FIRST_CHUNK


def _until(at: datetime, zone: str, article: Article, ends_at: datetime, services: Services) -> datetime:
    """Return by when a mail must have left: while it is news, and before the quiet hours of its reader begin."""
    night = None if article.urgent else quiet.next_quiet(at, zone, services.publication.quiet)
    return ends_at if night is None else min(ends_at, night)


def _wanting(readers: Sequence[DueReader], article: Article) -> list[DueReader]:
    """Return the readers on whose topics a story is, and who did not have it in full already, in this revision."""
    keys = {topic.key for topic in shelf.topics_of([article.id])[article.id]}
    wanted = {one.id: _wants(one, keys) for one in {reader.taste.id: reader.taste for reader in readers}.values()}
    matching = [reader for reader in readers if wanted[reader.taste.id]]
    had = histories.who_had(
        [reader.subscriber_id for reader in matching], article_id=article.id, revision=article.revision
    )
    return [reader for reader in matching if reader.subscriber_id not in had]


def _wants(taste: Taste, keys: Collection[str]) -> bool:
    chosen = {*taste.topics, *taste.countries}
    return not chosen or not chosen.isdisjoint(keys)


def refuse_unfit(chunk: Chunk, services: Services) -> None:
    """Raise preflight.Stopped for what would harm every reader."""
    if chunk.made is not None:
        readers = [reader for group in chunk.groups for reader in group.readers[:1]]
        preflight.refuse_unfit(chunk.made.head, chunk.made.foot, [chunk.made.news], readers, services)


def write_chunk(chunk: Chunk, now: datetime, services: Services) -> bool:
    """Write a chunk's ledger rows, and move the wave's cursor. Return whether the wave is done.

    Raises WaveTaken. Who has the number of their day already, or was alerted to this story through another digest, is
    looked up in this transaction, after the turn was taken.
    """
    breaking.take_turn()
    ours = select(Wave.id).where(Wave.id == chunk.wave_id, Wave.cursor == chunk.cursor, Wave.state == "composing")
    if db.session.scalar(ours.with_for_update()) is None:
        raise WaveTaken
    if chunk.made is not None:
        _queue(chunk, chunk.made, services)
    state = "missed" if chunk.over else "composed" if chunk.finished else "composing"
    moved = (
        update(Wave)
        .where(Wave.id == chunk.wave_id)
        .values(
            cursor=chunk.last,
            state=state,
            lease_until=now + editions.LEASE if state == "composing" else None,
        )
    )
    db.session.execute(moved.execution_options(synchronize_session=False))
    return state != "composing"


def _queue(chunk: Chunk, made: breakingmail.Made, services: Services) -> None:
    edition = db.session.get_one(Edition, chunk.edition_id)
    digest = db.session.get_one(Digest, edition.digest_id)
    article = db.session.get_one(Article, edition.article_id)
    reached = alerted.without(
        [reader for group in chunk.groups for reader in group.readers],
        article=article,
        digest_id=digest.id,
        slot=edition.slot,
        mailing_id=edition.mailing_id,
    )
    ids = {reader.subscription_id for reader in reached}
    groups = [(group, [one for one in group.readers if one.subscription_id in ids]) for group in chunk.groups]
    contents = _contents(edition, digest.language, made, sorted({group.format for group, ours in groups if ours}))
    for group, ours in groups:
        outbox.queue_bulk(
            [_planned(reader, contents[group.format]) for reader in ours],
            mailing_id=edition.mailing_id,
            lane=Lane.BREAKING,
            link_set=outbox.LinkSet.READER,
            not_after=group.not_after,
            services=services,
        )


def _contents(edition: Edition, language: str, made: breakingmail.Made, formats: Sequence[str]) -> dict[str, int]:
    """Return the recipes by form, and have it known who had the story by which of them."""
    mailing_id, found = edition.mailing_id, {}
    for format in formats:
        shell_id = outbox.add_shell(mailing_id, language=language, format=format, head=made.head, foot=made.foot)
        block_id = outbox.add_block(made.news)
        sources.note_alert(block_id, db.session.get_one(Article, edition.article_id))
        found[format] = outbox.add_content(mailing_id, shell_id=shell_id, subject=made.subject, block_ids=[block_id])
    packed = (edition.article_id or 0).to_bytes(8, "big")
    rows = [
        {
            "edition_id": edition.id,
            "fingerprint": hashlib.sha256(packed + content_id.to_bytes(8, "big")).digest(),
            "article_ids": packed,
            "content_id": content_id,
        }
        for content_id in found.values()
    ]
    if rows:
        db.session.execute(insert_for(db.engine)(Cohort).values(rows).on_conflict_do_nothing())
    return found


def _planned(reader: DueReader, content_id: int) -> outbox.Planned:
    recipient = outbox.Recipient(reader.address, reader.reader_key, reader.link_version)
    return outbox.Planned(recipient, once_key=reader.addr_hash, content_id=content_id)
