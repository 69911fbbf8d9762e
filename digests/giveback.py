"""What readers do not have after all is given back: it leaves their history, so that it comes when it is there again.

Composing counts a story as had when its mail is written. A mail that ends unsent brought none of its stories, and one
that was made anew without a story did not bring that one. Both are read from the ledger, some at a time.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Select, select, text, update
from sqlalchemy.orm import Mapped, mapped_column

from articles.models import Article
from core import database, logs
from core.database import Base, BigId, Mark, db
from delivery import incoming, outcomes, recall
from delivery.models import Content, Delivery
from delivery.outcomes import Kind, Unsent
from delivery.states import State
from digests import histories, sources, turn
from digests.histories import Entry, Move
from digests.models import BlockSource
from subscribers.models import Subscriber

log = logs.get(__name__)

CURSOR = "outcomes read by digests"
AT_ONCE = 500
"""Mails that are looked at in one transaction."""
_LEFT = (State.SENDING, State.SENT, State.IN_DOUBT)
_TO_DO = text("done_at IS NULL")


class TakenOut(Base):
    """A story that a content went without, which was made anew since the story was taken back `at` that time.

    Its readers count as having had it, in this `revision`, until it is published again and given back to them: then
    `cursor` moves over their mails until it is `done_at`.
    """

    __tablename__ = "taken_out"
    content_id: Mapped[int] = mapped_column(ForeignKey("contents.id"), primary_key=True)
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id"), primary_key=True)
    mailing_id: Mapped[int] = mapped_column(ForeignKey("mailings.id"))
    revision: Mapped[int]
    in_full: Mapped[bool]
    at: Mapped[datetime]
    cursor: Mapped[int] = mapped_column(BigId, default=0)
    done_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("cursor >= 0", name="cursor"),
        Index("ix_taken_out_to_do", "article_id", "mailing_id", postgresql_where=_TO_DO, sqlite_where=_TO_DO),
    )


@dataclass(frozen=True, slots=True, order=True)
class Lost:
    """A story as a mail was to bring it."""

    article_id: int
    revision: int
    in_full: bool


def note_taken_out(content_id: int, mailing_id: int, gone: Iterable[BlockSource], *, now: datetime) -> None:
    """Remember what the mails of a content go without."""
    rows = [
        {
            "content_id": content_id,
            "article_id": one.article_id,
            "mailing_id": mailing_id,
            "revision": one.revision,
            "in_full": one.role != "headline",
            "at": now,
            "cursor": 0,
            "done_at": None,
        }
        for one in gone
        if one.role != sources.ALERT
    ]
    if rows:
        insert = database.insert_for(db.engine)(TakenOut).values(rows)
        anew = {name: insert.excluded[name] for name in ("revision", "in_full", "at", "cursor", "done_at")}
        db.session.execute(insert.on_conflict_do_update(index_elements=["content_id", "article_id"], set_=anew))


def cursor() -> int:
    """Return up to which outcome all that ended unsent was given back."""
    return int(db.session.scalar(select(Mark.value).where(Mark.name == CURSOR)) or 0)


def anything_unsent() -> bool:
    """Return whether mails have ended unsent since the last look; a look costs no writer's turn."""
    return outcomes.waiting(cursor(), [Kind.ENDED_UNSENT])


def of_unsent(until: int, *, today: date) -> int:
    """Give back what the next mails were to bring that ended unsent, up to that outcome; return how many they are.

    Two that run at once do so one after the other: each mail counts once.
    """
    turn.share()
    held = database.insert_for(db.engine)(Mark).values(name=CURSOR, value="0").on_conflict_do_nothing()
    db.session.execute(held)
    after = db.session.execute(select(Mark.value).where(Mark.name == CURSOR).with_for_update()).scalar_one()
    found = outcomes.unsent(int(after), until, limit=AT_ONCE)
    if found:
        _from_readers(_unsent(found), today=today)
        db.session.execute(update(Mark).where(Mark.name == CURSOR).values(value=str(found[-1].id)))
        log.info("given back what ended unsent", mails=len(found))
    return len(found)


def _unsent(found: Sequence[Unsent]) -> list[tuple[bytes, Lost]]:
    ids = {one.content_id for one in found}
    rows = db.session.execute(select(Content.id, Content.block_ids).where(Content.id.in_(ids)))
    blocks = {row.id: recall.unpacked(row.block_ids) for row in rows}
    told = sources.of_blocks({block for block_ids in blocks.values() for block in block_ids})
    stories = {
        content_id: [_lost(told[block]) for block in block_ids if block in told and told[block].role != sources.ALERT]
        for content_id, block_ids in blocks.items()
    }
    return [(one.reader_key, lost) for one in found for lost in stories.get(one.content_id, ())]


def _lost(source: BlockSource) -> Lost:
    return Lost(source.article_id, source.revision, in_full=source.role != "headline")


def anything_back() -> bool:
    """Return whether a story is there again that mails went without; a look costs no writer's turn."""
    return db.session.scalar(_back(TakenOut.content_id).limit(1)) is not None


def of_taken_out(*, now: datetime) -> bool:
    """Give a story that is there again back to the next readers whose mails went without it; return whether it did."""
    turn.share()
    first = db.session.scalar(_back(TakenOut).limit(1).with_for_update(of=TakenOut, skip_locked=True))
    if first is None:
        return False
    # A mailing is walked once for many contents, each of a few of its mails.
    alike = {"mailing_id": first.mailing_id, "article_id": first.article_id, "cursor": first.cursor, "done_at": None}
    rows = select(TakenOut).filter_by(**alike).order_by(TakenOut.content_id).limit(AT_ONCE).with_for_update()
    out = {one.content_id: one for one in db.session.scalars(rows)}
    wanted = select(Delivery.id, Delivery.reader_key, Delivery.content_id, Delivery.intent_at).where(
        Delivery.mailing_id == first.mailing_id,
        Delivery.content_id.in_(out),
        Delivery.id > first.cursor,
        incoming.is_in(*_LEFT),
    )
    mails = db.session.execute(wanted.order_by(Delivery.id).limit(AT_ONCE)).all()
    lost = [
        (mail.reader_key, Lost(first.article_id, out[mail.content_id].revision, in_full=out[mail.content_id].in_full))
        for mail in mails
        # Who had such a mail when the story was away once before has had it given back already.
        if mail.reader_key is not None and mail.intent_at >= out[mail.content_id].at
    ]
    _from_readers(lost, today=now.date())
    for one in out.values():
        one.cursor = mails[-1].id if mails else one.cursor
        one.done_at = now if len(mails) < AT_ONCE else None
    db.session.flush()
    log.info("given back what mails went without", article=first.article_id, mails=len(lost))
    return True


def _back(what: Any) -> Select[Any]:
    there = select(what).join(Article, Article.id == TakenOut.article_id)
    order = TakenOut.article_id, TakenOut.mailing_id, TakenOut.content_id
    return there.where(TakenOut.done_at.is_(None), Article.state == "published").order_by(*order)


def _from_readers(lost: Collection[tuple[bytes, Lost]], *, today: date) -> None:
    """Take what was lost out of readers' histories; who has mail composed meanwhile is looked at again."""
    keys = {key for key, _one in lost}
    rows = db.session.execute(select(Subscriber.id, Subscriber.public_id).where(Subscriber.public_id.in_(keys)))
    ids = {row.public_id: row.id for row in rows}
    left: dict[int, list[Lost]] = {}
    for key, one in lost:
        if key in ids:
            left.setdefault(ids[key], []).append(one)
    while left:
        moved = _advance(left, today=today)
        left = {one: what for one, what in left.items() if one not in moved}


def _advance(lost: Mapping[int, Sequence[Lost]], *, today: date) -> set[int]:
    """Give readers the histories without what they lost; return with whom it is settled."""
    had = histories.of_readers(sorted(lost))
    pasts = histories.entries(set(had.values()))
    shorter: dict[int, bytes] = {}
    known: dict[tuple[int, tuple[Lost, ...]], bytes] = {}
    for reader, history_id in had.items():
        key = history_id, tuple(sorted(lost[reader]))
        if key not in known:
            known[key] = without(pasts.get(history_id, b""), lost[reader])
        if known[key] != pasts.get(history_id, b""):
            shorter[reader] = known[key]
    ids = histories.intern(set(shorter.values()), today=today)
    moves = [Move(reader, had[reader], ids[packed]) for reader, packed in shorter.items()]
    return (lost.keys() - shorter.keys()) | histories.advance(moves)


def without(packed: bytes, lost: Iterable[Lost]) -> bytes:
    """Return a history without these stories: of each the last entry that says it was had so."""
    entries = sorted(histories.unpack(packed), key=lambda one: one.day)
    for one in lost:
        last = next((place for place in reversed(range(len(entries))) if _is(entries[place], one)), None)
        if last is not None:
            del entries[last]
    return histories.pack(entries)


def _is(entry: Entry, lost: Lost) -> bool:
    return (entry.article_id, entry.revision, entry.in_full) == (lost.article_id, lost.revision, lost.in_full)
