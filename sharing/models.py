"""The tables of stories sent to friends: what was asked, to whom, what went out, and the publisher's switch."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from articles.models import Article
from core import changes
from core.database import Base, BigId, RowId
from subscribers.models import Subscriber

STATES = ("new", "asked", "confirmed", "queued", "ended", "refused")
OPEN = ("new", "asked", "confirmed")
"""What may still lead to a mail."""
FRIEND_STATES = ("waiting", "queued", "dropped")
MODES = ("mailto", "verified", "off")


def _quoted(values: tuple[str, ...]) -> str:
    return ", ".join(f"'{value}'" for value in values)


def _partial(name: str, *columns: str, where: str) -> Index:
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


class Share(Base):
    """One story that somebody wants to send to friends.

    new → asked (its sender has a mail that asks) → confirmed → queued; whoever comes from their own digest begins at
    confirmed. It is refused with a reason that its sender is not told, and ends when nobody confirmed it in time, when
    the sender says it was not them, or when the switch is turned.

    The sender's address is sealed, and goes with name and note at `purge_at` at the latest; then only keyed hashes
    remain. `token_hash` is that of the link in a digest by which it came. `content_id` is what its friends get.
    `sender_inbox_hash` is that of the inbox the sender's address ends in; unknown of shares from before it was kept.
    """

    __tablename__ = "shares"
    __table_args__ = (
        CheckConstraint(f"state IN ({_quoted(STATES)})", name="state"),
        CheckConstraint("(state = 'refused') = (refusal IS NOT NULL)", name="refusal"),
        CheckConstraint(f"sender_sealed IS NOT NULL OR state NOT IN ({_quoted(OPEN)})", name="sender_while_open"),
        _partial("ix_shares_waiting", "next_try_at", where="state IN ('new', 'confirmed')"),
        _partial("ix_shares_purge", "purge_at", where="purged_at IS NULL"),
        Index(None, "sender_hash", "at"),
        Index(None, "at"),
        changes.NOT_SHOWN,
    )

    id: Mapped[RowId]
    public_id: Mapped[bytes] = mapped_column(LargeBinary(16), unique=True)
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id"), index=True)
    subscriber_id: Mapped[int | None] = mapped_column(ForeignKey("subscribers.id"), index=True)
    sender_hash: Mapped[bytes] = mapped_column(LargeBinary(16))
    sender_inbox_hash: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    sender_sealed: Mapped[bytes | None]
    token_hash: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    name: Mapped[str]
    note: Mapped[str]
    language: Mapped[str]
    origin_truncated: Mapped[str]
    state: Mapped[str]
    refusal: Mapped[str | None]
    content_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("contents.id"))
    at: Mapped[datetime]
    next_try_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    queued_at: Mapped[datetime | None]
    purge_at: Mapped[datetime]
    purged_at: Mapped[datetime | None]

    article: Mapped[Article] = relationship()
    subscriber: Mapped[Subscriber | None] = relationship()
    friends: Mapped[list["ShareFriend"]] = relationship(order_by="ShareFriend.position", back_populates="share")


class ShareFriend(Base):
    """One friend of a share. `sealed` goes when the ledger has the address, `masked` (j***@e***.org) with the share.

    waiting → queued, or dropped; nobody is ever told which. One whose domain has got enough waits for `next_try_at`.
    """

    __tablename__ = "share_friends"
    __table_args__ = (
        UniqueConstraint("share_id", "addr_hash"),
        CheckConstraint(f"state IN ({_quoted(FRIEND_STATES)})", name="state"),
        CheckConstraint("state = 'waiting' OR sealed IS NULL", name="sealed_while_waiting"),
        _partial("ix_share_friends_waiting", "next_try_at", where="state = 'waiting'"),
        Index(None, "addr_hash"),
        changes.NOT_SHOWN,
    )

    id: Mapped[RowId]
    share_id: Mapped[int] = mapped_column(ForeignKey("shares.id"))
    position: Mapped[int] = mapped_column(SmallInteger)
    addr_hash: Mapped[bytes] = mapped_column(LargeBinary(16))
    sealed: Mapped[bytes | None]
    masked: Mapped[str | None]
    state: Mapped[str]
    next_try_at: Mapped[datetime]

    share: Mapped[Share] = relationship(back_populates="friends")


class Friend(Base):
    """Somebody who was sent a story, by keyed hashes only. `public_id` is what the links in their mails name, for ever.

    `inbox_hash` is that of the inbox their address ends in, without a plus-tag: who opts out does so with all of those.
    """

    __tablename__ = "friends"
    __table_args__ = (changes.NOT_SHOWN,)

    addr_hash: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    inbox_hash: Mapped[bytes] = mapped_column(LargeBinary(16), index=True)
    public_id: Mapped[bytes] = mapped_column(LargeBinary(16), unique=True)
    language: Mapped[str]
    first_at: Mapped[datetime]


class ShareOnce(Base):
    """That an inbox was sent a story: never again, by anybody. Kept for ever."""

    __tablename__ = "share_once"
    __table_args__ = (changes.NOT_SHOWN,)

    inbox_hash: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    story_id: Mapped[int] = mapped_column(ForeignKey("stories.id"), primary_key=True)
    at: Mapped[datetime]


class ShareEndedToken(Base):
    """A link in a digest with which nobody sends anything any more: its reader said that it was not them."""

    __tablename__ = "share_ended_tokens"
    __table_args__ = (changes.NOT_SHOWN,)

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)


class ShareCount(Base):
    """How often an article was sent on a day: shares whose sender was proven, and mails to friends."""

    __tablename__ = "share_counts"
    __table_args__ = (changes.NOT_SHOWN,)

    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    shares: Mapped[int] = mapped_column(default=0)
    mails: Mapped[int] = mapped_column(default=0)
    reads: Mapped[int] = mapped_column(default=0)


class ShareRefusal(Base):
    """How many recipients were turned away on a day, by reason."""

    __tablename__ = "share_refusals"
    __table_args__ = (changes.NOT_SHOWN,)

    day: Mapped[date] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(primary_key=True)
    friends: Mapped[int]


class ShareSwitch(Base):
    """How the publisher's switch was turned: only added to, and the newest row is how it stands.

    `who` turned it, or '' when bad signs did; `accepted` is the version of the legal notice that they accepted.
    """

    __tablename__ = "share_switch"
    __table_args__ = (
        CheckConstraint(f"mode IN ({_quoted(MODES)})", name="mode"),
        CheckConstraint("mode <> 'verified' OR accepted IS NOT NULL", name="accepted"),
        changes.SHOWN,
    )

    id: Mapped[RowId]
    at: Mapped[datetime]
    mode: Mapped[str]
    who: Mapped[str]
    why: Mapped[str]
    accepted: Mapped[str | None]
