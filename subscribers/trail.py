"""The tables of what was changed by a link, of addresses that change, and of why readers leave."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from core import addresses, database
from subscribers.models import Digest, Subscriber

UNTOLD, WAITING = text("told_at IS NULL"), text("state = 'new'")
KINDS = ("saved", "paused", "resumed", "left", "left_all", "fewer", "address", "address_back", "undone")


def _one_of(column: str, *values: str) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


class LinkChange(database.Base):
    """One change that was made by a link: how the reader's rows were before and after it. They are told at `tell_at`.

    `public_id` stands in the link that takes it back. `streams` are those that were kept away by it, and not before.
    """

    __tablename__ = "link_changes"
    __table_args__ = (
        Index(None, "subscriber_id", "at"),
        Index("ix_link_changes_untold", "tell_at", sqlite_where=UNTOLD, postgresql_where=UNTOLD),
        _one_of("kind", *KINDS),
    )

    id: Mapped[database.RowId]
    public_id: Mapped[bytes] = mapped_column(LargeBinary(16), unique=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscribers.id"))
    kind: Mapped[str] = mapped_column(String(12))
    digest_id: Mapped[int | None] = mapped_column(ForeignKey("digests.id"))
    at: Mapped[datetime]
    before: Mapped[dict[str, Any]] = mapped_column(JSON)
    after: Mapped[dict[str, Any]] = mapped_column(JSON)
    streams: Mapped[list[str]] = mapped_column(JSON)
    tell_at: Mapped[datetime]
    told_at: Mapped[datetime | None]
    undone_at: Mapped[datetime | None]
    reason_given: Mapped[bool] = mapped_column(default=False)

    subscriber: Mapped[Subscriber] = relationship()
    digest: Mapped[Digest | None] = relationship()


class AddressChange(database.Base):
    """A wish to be mailed at another address. new → answered → confirmed → undone; or dropped.

    `address` is the new one, and goes when it is of no more use; `old_address` stays for as long as the change can be
    taken back.
    """

    __tablename__ = "address_changes"
    __table_args__ = (
        Index("ix_address_changes_waiting", "next_try_at", sqlite_where=WAITING, postgresql_where=WAITING),
        Index(None, "subscriber_id", "at"),
        Index(None, "addr_hash", "at"),
        _one_of("state", "new", "answered", "confirmed", "undone", "dropped"),
        CheckConstraint("address IS NULL OR state IN ('new', 'answered')", name="address_while_open"),
        CheckConstraint("old_address IS NULL OR state = 'confirmed'", name="old_address_while_confirmed"),
    )

    id: Mapped[database.RowId]
    public_id: Mapped[bytes] = mapped_column(LargeBinary(16), unique=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscribers.id"))
    address: Mapped[str | None]
    addr_hash: Mapped[bytes] = mapped_column(LargeBinary(16))
    state: Mapped[str] = mapped_column(String(10))
    at: Mapped[datetime]
    next_try_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    old_address: Mapped[str | None]
    old_key: Mapped[bytes | None] = mapped_column(LargeBinary(16))

    subscriber: Mapped[Subscriber] = relationship()

    @property
    def mailbox(self) -> addresses.Address:
        """Return the new address as the post office takes it. Raises ValueError when it has been forgotten."""
        return _mailbox(self.address)

    @property
    def old_mailbox(self) -> addresses.Address:
        """Return the old address in the same way."""
        return _mailbox(self.old_address)


def _mailbox(address: str | None) -> addresses.Address:
    if address is None:
        raise ValueError("This address has been forgotten.")
    return addresses.stored(address)


class FormerKey(database.Base):
    """A key that a reader's links named before their address changed, and which address those links were sent to.

    They go on stopping mail to that address; they open nothing else. Only the latest can take the change back.
    """

    __tablename__ = "former_keys"

    public_id: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscribers.id"), index=True)
    addr_hash: Mapped[bytes] = mapped_column(LargeBinary(16))
    link_version: Mapped[int] = mapped_column(SmallInteger)
    language: Mapped[str]
    at: Mapped[datetime]


class LeavingReason(database.Base):
    """How often a reason to leave a digest was given on a day. Who gave it is not kept.

    `after` is the key of the digest's mailing that had reached them last: the edition that made them leave; or empty.
    """

    __tablename__ = "leaving_reasons"

    day: Mapped[date] = mapped_column(primary_key=True)
    digest_id: Mapped[int] = mapped_column(database.BigId, ForeignKey("digests.id"), primary_key=True)
    reason: Mapped[str] = mapped_column(String(20), primary_key=True)
    after: Mapped[str] = mapped_column(primary_key=True, default="", server_default="")
    count: Mapped[int]
