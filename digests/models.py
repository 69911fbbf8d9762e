"""Editions, the waves in which they go out, what editors lay down for them, what each reader had, and the cohorts."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core import changes
from core.database import Base, BigId, RowId


class Edition(Base):
    """One digest for one slot (a local date): its regular mail, the first mail of those who joined that day, or a
    breaking mail, of which a day has several: `number` counts them, `article_id` is the story, `flagged_at` since when.

    A special edition has one of these for each digest through whose readers it goes, `via_id`; all are sent as one.
    """

    __tablename__ = "editions"
    id: Mapped[RowId]
    digest_id: Mapped[int] = mapped_column(ForeignKey("digests.id"))
    kind: Mapped[str]
    slot: Mapped[date]
    number: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    article_id: Mapped[int | None] = mapped_column(ForeignKey("articles.id"), index=True)
    flagged_at: Mapped[datetime | None]
    special_id: Mapped[int | None] = mapped_column(ForeignKey("specials.id"), index=True)
    via_id: Mapped[int | None] = mapped_column(ForeignKey("digests.id"))
    mailing_id: Mapped[int] = mapped_column(ForeignKey("mailings.id"))
    opened_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("digest_id", "kind", "slot", "number"),
        UniqueConstraint("digest_id", "article_id", "flagged_at"),
        UniqueConstraint("special_id", "via_id"),
        CheckConstraint("kind IN ('regular', 'first', 'breaking', 'special')", name="kind"),
        CheckConstraint("kind <> 'special' OR (special_id IS NOT NULL AND via_id IS NOT NULL)", name="special"),
        CheckConstraint("kind <> 'breaking' OR (article_id IS NOT NULL AND flagged_at IS NOT NULL)", name="breaking"),
    )


class Wave(Base):
    """The readers of an edition who are due at one instant; of a large one a part of them, see digests.parts.

    `cursor` is the last subscription that was dealt with. `found` is what preflight found, see digests.preflight; None:
    it has not looked yet.
    """

    __tablename__ = "waves"
    id: Mapped[RowId]
    edition_id: Mapped[int] = mapped_column(ForeignKey("editions.id"))
    due_at: Mapped[datetime]
    part: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    parts: Mapped[int] = mapped_column(SmallInteger, default=1, server_default="1")
    state: Mapped[str] = mapped_column(default="open")
    cursor: Mapped[int] = mapped_column(BigId, default=0)
    lease_until: Mapped[datetime | None]
    found: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    __table_args__ = (
        UniqueConstraint("edition_id", "due_at", "part"),
        CheckConstraint("state IN ('open', 'composing', 'composed', 'missed', 'skipped')", name="state"),
        Index(
            "ix_waves_unfinished",
            "due_at",
            postgresql_where=text("state IN ('open', 'composing')"),
            sqlite_where=text("state IN ('open', 'composing')"),
        ),
    )

    @property
    def unfit(self) -> frozenset[int]:
        """Return the articles that are left out of it."""
        return frozenset(one["article"] for one in (self.found or {}).get("unfit", ()))


class WaveCount(Base):
    """How many readers of a wave got no mail, for what reason; who they are is told from what they had chosen."""

    __tablename__ = "wave_counts"
    wave_id: Mapped[int] = mapped_column(ForeignKey("waves.id"), primary_key=True)
    reason: Mapped[str] = mapped_column(primary_key=True)
    readers: Mapped[int]


class History(Base):
    """What a reader had, interned: readers with the same past share a row. For `entries` see digests.histories."""

    __tablename__ = "histories"
    id: Mapped[RowId]
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    entries: Mapped[bytes]
    last_used_on: Mapped[date]


class Had(Base):
    """Which history a subscriber has. No row: nothing was had yet.

    No constraint of the database says that the history is there: it would look for each reader of each wave. Only
    digests.histories.prune takes histories away, and those only that nobody has.
    """

    __tablename__ = "had"
    subscriber_id: Mapped[int] = mapped_column(BigId, ForeignKey("subscribers.id"), primary_key=True)
    history_id: Mapped[int] = mapped_column(BigId)


class Cohort(Base):
    """The readers of an edition with identical stories in one format. `article_ids` is packed, 8 bytes each, and so are
    `headline_ids`; `view_key` stands for both in the link that shows them in a browser.
    """

    __tablename__ = "cohorts"
    id: Mapped[RowId]
    edition_id: Mapped[int] = mapped_column(ForeignKey("editions.id"))
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary(32))
    article_ids: Mapped[bytes]
    content_id: Mapped[int] = mapped_column(ForeignKey("contents.id"))
    headline_ids: Mapped[bytes | None]
    view_key: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    __table_args__ = (UniqueConstraint("edition_id", "fingerprint"), Index(None, "edition_id", "view_key"))


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


class DeskSheet(Base):
    """What the editors have laid down for a digest and a date, before or after its edition is opened.

    `note` is Markdown. From `held_from` on waves wait until `hold_until`, unless it was approved before.
    """

    __tablename__ = "desk_sheets"
    id: Mapped[RowId]
    digest_id: Mapped[int] = mapped_column(ForeignKey("digests.id"))
    slot: Mapped[date]
    note: Mapped[str] = mapped_column(default="", server_default="")
    subject: Mapped[str] = mapped_column(default="", server_default="")
    held_from: Mapped[datetime | None]
    hold_until: Mapped[datetime | None]
    approved_at: Mapped[datetime | None]
    approved_by: Mapped[str | None]
    __table_args__ = (
        UniqueConstraint("digest_id", "slot"),
        CheckConstraint("(held_from IS NULL) = (hold_until IS NULL)", name="hold"),
        CheckConstraint("(approved_at IS NULL) = (approved_by IS NULL)", name="approval"),
    )


class DeskPick(Base):
    """A story on a desk sheet: the `front` page, a `pin`, by their `place` in order, or a `drop`."""

    __tablename__ = "desk_picks"
    sheet_id: Mapped[int] = mapped_column(ForeignKey("desk_sheets.id"), primary_key=True)
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id"), primary_key=True)
    role: Mapped[str]
    place: Mapped[int] = mapped_column(SmallInteger, default=0)
    __table_args__ = (
        CheckConstraint("role IN ('front', 'pin', 'drop')", name="role"),
        Index(
            "ix_desk_picks_front",
            "sheet_id",
            unique=True,
            postgresql_where=text("role = 'front'"),
            sqlite_where=text("role = 'front'"),
        ),
    )


class Correction(Base):
    """What was wrong in a story, and whom we tell: those who had it, at once (`now`) or in their `next` edition.

    `told` is to how many it was handed over, as counted at `counted_at`. It has `ended_at` when it was taken back.
    Mails at once are composed until `composed_at`; whom they did not reach is told in the next edition.
    """

    __tablename__ = "corrections"
    id: Mapped[RowId]
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id"), index=True)
    at: Mapped[datetime] = mapped_column(index=True)
    text: Mapped[str]
    tell: Mapped[str]
    composed_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    told: Mapped[int] = mapped_column(default=0)
    counted_at: Mapped[datetime | None]
    __table_args__ = (CheckConstraint("tell IN ('now', 'next', 'nobody')", name="tell"), changes.SHOWN)


class CorrectionContent(Base):
    """By which contents readers `had` the story as it was, and by which they were `told` of its correction."""

    __tablename__ = "correction_contents"
    correction_id: Mapped[int] = mapped_column(ForeignKey("corrections.id"), primary_key=True)
    content_id: Mapped[int] = mapped_column(ForeignKey("contents.id"), primary_key=True)
    mailing_id: Mapped[int] = mapped_column(ForeignKey("mailings.id"))
    role: Mapped[str]
    __table_args__ = (CheckConstraint("role IN ('had', 'told')", name="role"), Index(None, "content_id"))


class CorrectionWave(Base):
    """The mails at once that tell of a correction, through one digest. `cursor` is the last subscription looked at."""

    __tablename__ = "correction_waves"
    id: Mapped[RowId]
    correction_id: Mapped[int] = mapped_column(ForeignKey("corrections.id"))
    digest_id: Mapped[int] = mapped_column(ForeignKey("digests.id"))
    mailing_id: Mapped[int] = mapped_column(ForeignKey("mailings.id"))
    cursor: Mapped[int] = mapped_column(BigId, default=0)
    lease_until: Mapped[datetime | None]
    composed_at: Mapped[datetime | None]
    __table_args__ = (UniqueConstraint("correction_id", "digest_id"),)


class EditionLook(Base):
    """That somebody looked at what one reader would get, `by` a name, at a command."""

    __tablename__ = "edition_looks"
    id: Mapped[RowId]
    at: Mapped[datetime]
    by: Mapped[str]
    subscription_id: Mapped[int] = mapped_column(BigId, ForeignKey("subscriptions.id"))
    slot: Mapped[date]


class Special(Base):
    """An edition without timetable, sent as one digest: stories by hand, in order; a note in Markdown.

    `also` are the further digests whose readers get it, `topics` what it is narrowed by (none: all readers), `repeat`
    what becomes of stories that a reader had. A draft until `opened_at`.
    """

    __tablename__ = "specials"
    id: Mapped[RowId]
    key: Mapped[str] = mapped_column(unique=True)
    digest_id: Mapped[int] = mapped_column(ForeignKey("digests.id"))
    also: Mapped[list[int]] = mapped_column(JSON)
    topics: Mapped[list[str]] = mapped_column(JSON)
    article_ids: Mapped[list[int]] = mapped_column(JSON)
    subject: Mapped[str]
    note: Mapped[str]
    repeat: Mapped[str]
    opened_at: Mapped[datetime | None]
    __table_args__ = (CheckConstraint("repeat IN ('never', 'headline', 'updated', 'recap')", name="repeat"),)


class Notice(Base):
    """A block of support or advertisement in a digest's editions, from one date to another. `text` is Markdown."""

    __tablename__ = "notices"
    id: Mapped[RowId]
    digest_id: Mapped[int] = mapped_column(ForeignKey("digests.id"))
    language: Mapped[str]
    kind: Mapped[str]
    text: Mapped[str]
    begins_on: Mapped[date]
    ends_on: Mapped[date]
    added_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("digest_id", "language", "begins_on"),
        CheckConstraint("kind IN ('support', 'advertisement')", name="kind"),
        CheckConstraint("ends_on >= begins_on", name="dates"),
    )
