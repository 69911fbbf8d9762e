"""The tables of what comes in without being asked for: what was pushed already, and the hubs that tell us."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from core import changes
from core.database import Base, RowId


class FeedPush(Base):
    """A push that was taken: known again by a hash until `forget_at`, so that a copy of it does nothing."""

    __tablename__ = "feed_pushes"
    __table_args__ = (changes.NOT_SHOWN,)
    feed_id: Mapped[int] = mapped_column(ForeignKey("feeds.id"), primary_key=True)
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    forget_at: Mapped[datetime] = mapped_column(index=True)


class HubSubscription(Base):
    """A hub (WebSub, W3C 2018) that is to tell us of one feed. `callback` names it in the address that the hub calls.

    `state`: we want it (`wanted`), have asked the hub (`asked`), which confirms (`active`) or does not (`denied`), or
    want it no more (`leaving`, and then there may be no feed). `asked_at` is when we asked last; a hub's question is
    answered only after that. `missed` counts the looks that found something new of which it had not told.
    """

    __tablename__ = "hub_subscriptions"
    __table_args__ = (
        CheckConstraint("state IN ('wanted', 'asked', 'active', 'denied', 'leaving')", name="state"),
        CheckConstraint("feed_id IS NOT NULL OR state = 'leaving'", name="feed"),
        changes.NOT_SHOWN,
    )
    id: Mapped[RowId]
    feed_id: Mapped[int | None] = mapped_column(ForeignKey("feeds.id"), unique=True)
    callback: Mapped[str] = mapped_column(unique=True)
    hub: Mapped[str]
    topic: Mapped[str]
    state: Mapped[str] = mapped_column(default="wanted")
    asked_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    next_try_at: Mapped[datetime | None] = mapped_column(index=True)
    fails: Mapped[int] = mapped_column(default=0)
    missed: Mapped[int] = mapped_column(default=0)
    told_at: Mapped[datetime | None]
