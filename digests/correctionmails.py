"""Corrections that are told at once: a mail of its own to each reader who had the story, through the same digest.

Who had it by several digests is told by the first of them: the digests of one correction take their turns.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exists, or_, select, update
from sqlalchemy.orm import aliased

from core import language as languages
from core import logs
from core.database import db, insert_for
from core.errors import _
from core.services import Services
from delivery import content, outbox
from delivery.models import Lane, Mailing
from digests import corrections, editions, rendering
from digests.models import Correction, CorrectionContent, CorrectionWave, Edition
from subscribers import rhythm, schedule
from subscribers.duereaders import DueReader
from subscribers.models import Digest

log = logs.get(__name__)

AT_ONCE = 2000
"""Readers in one transaction."""
AT_ONCE_IN_TURN = 500
"""The same on SQLite, where visitors wait for the turn of whoever writes."""
NOT_AFTER = timedelta(days=2)
"""A correction is worth telling for longer than news."""
_SUBJECT = _("Correction: %(headline)s")


def open_waves(correction: Correction, *, now: datetime, services: Services) -> int:
    """Open what tells readers at once, one wave for each digest that brought the story; return how many."""
    had = (CorrectionContent.correction_id == correction.id, CorrectionContent.role == "had")
    wanted = (
        select(Digest)
        .where(Digest.active)
        .where(exists().where(*had, Edition.mailing_id == CorrectionContent.mailing_id, Edition.digest_id == Digest.id))
    )
    digests = db.session.scalars(wanted.order_by(Digest.id)).all()
    for digest in digests:
        key = f"correction:{correction.id}:{digest.key}"
        mailing_id = outbox.open_mailing(key, frame=editions.frame(digest, services), now=now)
        row = {"correction_id": correction.id, "digest_id": digest.id, "mailing_id": mailing_id, "cursor": 0}
        db.session.execute(insert_for(db.engine)(CorrectionWave).values(row).on_conflict_do_nothing())
    if not digests:
        correction.composed_at = now
    return len(digests)


def stop(article_id: int, *, now: datetime) -> None:
    """Compose and send no more of an article's corrections of before: it was taken back, or another one follows."""
    of_article = select(Correction.id).where(Correction.article_id == article_id)
    waves = select(CorrectionWave.mailing_id).where(CorrectionWave.correction_id.in_(of_article))
    db.session.execute(
        update(Mailing)
        .where(Mailing.id.in_(waves), Mailing.state.in_(["running", "paused"]))
        .values(state="cancelled", why_paused=None)
        .execution_options(synchronize_session=False)
    )
    db.session.execute(
        update(CorrectionWave)
        .where(CorrectionWave.correction_id.in_(of_article), CorrectionWave.composed_at.is_(None))
        .values(composed_at=now)
        .execution_options(synchronize_session=False)
    )


def begin(now: datetime) -> int | None:
    """Take the next wave that nobody composes, for the length of a lease; return its id, None when there is none."""
    free = or_(CorrectionWave.lease_until.is_(None), CorrectionWave.lease_until < now)
    earlier = aliased(CorrectionWave)
    waits = exists().where(
        earlier.correction_id == CorrectionWave.correction_id,
        earlier.id < CorrectionWave.id,
        earlier.composed_at.is_(None),
    )
    first = select(CorrectionWave.id).where(CorrectionWave.composed_at.is_(None), free, ~waits)
    wave_id = db.session.scalar(first.order_by(CorrectionWave.id).limit(1).with_for_update(skip_locked=True))
    if wave_id is not None:
        _change(wave_id, lease_until=now + editions.LEASE)
    return wave_id


def anything_to_compose() -> bool:
    """Return whether a wave is open; a look costs no writer's turn."""
    return bool(db.session.scalar(select(exists().where(CorrectionWave.composed_at.is_(None)))))


@dataclass(frozen=True, slots=True)
class Chunk:
    """What was read of a wave, and its mail, compiled by format."""

    wave: CorrectionWave
    cursor: int
    last: int
    finished: bool
    readers: tuple[DueReader, ...]
    language: str
    subject: str
    head: content.Part
    foot: content.Part
    body: content.Part


def read_chunk(wave_id: int, now: datetime, services: Services) -> Chunk:
    """Read the next readers of a wave who had the story, and make their mail. Writes nothing."""
    wave = db.session.get_one(CorrectionWave, wave_id, populate_existing=True)
    digest = db.session.get_one(Digest, wave.digest_id)
    most = AT_ONCE_IN_TURN if db.engine.dialect.name == "sqlite" else AT_ONCE
    day = rhythm.local_date(now, digest.default_zone)
    found = schedule.readers_of(digest_id=digest.id, day=day, after_id=wave.cursor, limit=most)
    to_tell = corrections.untold(wave.correction_id, [one.addr_hash for one in found])
    (view,) = corrections.views([wave.correction_id], services, whole=True).values()
    head, foot = rendering.shell_parts(rendering.shell_view(digest, services), services.publication)
    gettext = languages.translations(digest.language).gettext
    chunk = Chunk(
        wave=wave,
        cursor=wave.cursor,
        last=found[-1].subscription_id if found else wave.cursor,
        finished=len(found) < most,
        readers=tuple(one for one in found if one.addr_hash in to_tell),
        language=digest.language,
        subject=gettext(_SUBJECT) % {"headline": view.headline},
        head=head,
        foot=foot,
        body=rendering.part(view, digest.language),
    )
    db.session.expunge(wave)
    return chunk


def write_chunk(chunk: Chunk, now: datetime, services: Services) -> bool:
    """Write the mails of a chunk, and move the wave's cursor. Return whether there is no more to do here."""
    wave = chunk.wave
    ours = select(CorrectionWave.id).where(
        CorrectionWave.id == wave.id, CorrectionWave.cursor == chunk.cursor, CorrectionWave.composed_at.is_(None)
    )
    if db.session.scalar(ours.with_for_update()) is None:
        return True
    for format in sorted({reader.taste.format for reader in chunk.readers}):
        _queue(chunk, format, now, services)
    _change(
        wave.id,
        cursor=chunk.last,
        composed_at=now if chunk.finished else None,
        lease_until=None if chunk.finished else now + editions.LEASE,
    )
    if chunk.finished:
        _finish(wave.correction_id, now)
    log.info("correction composed", correction=wave.correction_id, readers=len(chunk.readers))
    return chunk.finished


def _queue(chunk: Chunk, format: str, now: datetime, services: Services) -> None:
    mailing_id = chunk.wave.mailing_id
    shell_id = outbox.add_shell(mailing_id, language=chunk.language, format=format, head=chunk.head, foot=chunk.foot)
    block_id = outbox.add_block(chunk.body)
    content_id = outbox.add_content(mailing_id, shell_id=shell_id, subject=chunk.subject, block_ids=[block_id])
    corrections.note_told([chunk.wave.correction_id], content_id, mailing_id)
    outbox.queue_bulk(
        [
            outbox.Planned(outbox.Recipient(one.address, one.reader_key, one.link_version), one.addr_hash, content_id)
            for one in chunk.readers
            if one.taste.format == format
        ],
        mailing_id=mailing_id,
        lane=Lane.DIGEST,
        link_set=outbox.LinkSet.READER,
        not_after=now + NOT_AFTER,
        services=services,
    )


def _finish(correction_id: int, now: datetime) -> None:
    left = select(CorrectionWave.id).where(
        CorrectionWave.correction_id == correction_id, CorrectionWave.composed_at.is_(None)
    )
    if db.session.scalar(left.limit(1)) is None:
        db.session.get_one(Correction, correction_id).composed_at = now


def _change(wave_id: int, **values: object) -> None:
    db.session.execute(
        update(CorrectionWave)
        .where(CorrectionWave.id == wave_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
