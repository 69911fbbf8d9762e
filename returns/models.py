"""What has come back, each thing once, and who wrote to us and got an automatic answer."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, BigId, RowId


class Arrival(Base):
    """One message or one event that came in. `key` is the SHA-256 of what its source calls it, so it is kept once.

    `raw` are its octets as they came. They go when it is done; of one that could not be read they stay.
    """

    __tablename__ = "arrivals"
    id: Mapped[RowId]
    source: Mapped[str] = mapped_column(String(20))
    key: Mapped[bytes] = mapped_column(LargeBinary(32))
    arrived_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(10), default="new")
    kind: Mapped[str | None] = mapped_column(String(20))
    delivery_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("deliveries.id"))
    why: Mapped[str | None] = mapped_column(String(300))
    raw: Mapped[bytes | None]
    __table_args__ = (
        UniqueConstraint("source", "key"),
        CheckConstraint("state IN ('new', 'done', 'unread')", name="state"),
        Index("ix_arrivals_waiting", "id", postgresql_where=text("state = 'new'"), sqlite_where=text("state = 'new'")),
        Index("ix_arrivals_arrived_at", "arrived_at"),
    )


class AutoAnswer(Base):
    """Who wrote to the no-reply address: how many letters on the last day, and when there was our sentence (RFC 3834).

    That is once a week at most.
    """

    __tablename__ = "auto_answers"
    addr_hash: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    day: Mapped[date]
    letters: Mapped[int]
    answered_at: Mapped[datetime | None]
