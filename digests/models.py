"""Editions, the waves in which they go out, what each reader had, and the cohorts of readers with the same stories."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, BigId, RowId


class Edition(Base):
    """One digest for one slot (a local date): its regular mail, or the first mail of those who joined that day."""

    __tablename__ = "editions"
    id: Mapped[RowId]
    digest_id: Mapped[int] = mapped_column(ForeignKey("digests.id"))
    kind: Mapped[str]
    slot: Mapped[date]
    mailing_id: Mapped[int] = mapped_column(ForeignKey("mailings.id"))
    opened_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("digest_id", "kind", "slot"),
        CheckConstraint("kind IN ('regular', 'first')", name="kind"),
    )


class Wave(Base):
    """The readers of an edition who are due at one instant. `cursor` is the last subscription that was dealt with."""

    __tablename__ = "waves"
    id: Mapped[RowId]
    edition_id: Mapped[int] = mapped_column(ForeignKey("editions.id"))
    due_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(default="open")
    cursor: Mapped[int] = mapped_column(BigId, default=0)
    lease_until: Mapped[datetime | None]
    __table_args__ = (
        UniqueConstraint("edition_id", "due_at"),
        CheckConstraint("state IN ('open', 'composing', 'composed', 'missed')", name="state"),
        Index(
            "ix_waves_unfinished",
            "due_at",
            postgresql_where=text("state IN ('open', 'composing')"),
            sqlite_where=text("state IN ('open', 'composing')"),
        ),
    )


class History(Base):
    """What a reader had, interned: readers with the same past share a row. For `entries` see digests.histories."""

    __tablename__ = "histories"
    id: Mapped[RowId]
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    entries: Mapped[bytes]
    last_used_on: Mapped[date]


class Had(Base):
    """Which history a subscriber has. No row: nothing was had yet."""

    __tablename__ = "had"
    subscriber_id: Mapped[int] = mapped_column(BigId, ForeignKey("subscribers.id"), primary_key=True)
    history_id: Mapped[int] = mapped_column(ForeignKey("histories.id"))


class Cohort(Base):
    """The readers of an edition with identical stories in one format. `article_ids` is packed, 8 bytes each."""

    __tablename__ = "cohorts"
    id: Mapped[RowId]
    edition_id: Mapped[int] = mapped_column(ForeignKey("editions.id"))
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary(32))
    article_ids: Mapped[bytes]
    content_id: Mapped[int] = mapped_column(ForeignKey("contents.id"))
    __table_args__ = (UniqueConstraint("edition_id", "fingerprint"),)


class BlockSource(Base):
    """Of which story a block of a mail was made, in which revision, and as what: in full, as a headline, …"""

    __tablename__ = "block_sources"
    block_id: Mapped[int] = mapped_column(ForeignKey("blocks.id"), primary_key=True)
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id"), primary_key=True)
    revision: Mapped[int]
    role: Mapped[str]
    __table_args__ = (Index(None, "article_id"),)


class BlockView(Base):
    """What a block shows that is of no story: what it was made of, to make it anew when stories are taken out."""

    __tablename__ = "block_views"
    block_id: Mapped[int] = mapped_column(ForeignKey("blocks.id"), primary_key=True)
    role: Mapped[str]
    shown: Mapped[dict[str, Any]] = mapped_column(JSON)
