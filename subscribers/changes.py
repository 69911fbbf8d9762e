"""What a reader changed, field by field: compared, written down, and read back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, ForeignKey, Index, select
from sqlalchemy.orm import Mapped, mapped_column

from core import database
from core.database import db
from subscribers.models import Digest, Subscriber, Subscription


class PreferenceChange(database.Base):
    """One field that a reader changed. Without a digest it holds for all of them. Rows are only added."""

    __tablename__ = "preference_changes"
    __table_args__ = (Index(None, "subscriber_id", "id"),)

    id: Mapped[database.RowId]
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscribers.id"))
    digest_id: Mapped[int | None] = mapped_column(ForeignKey("digests.id"), index=True)
    at: Mapped[datetime]
    field: Mapped[str]
    old: Mapped[str]
    new: Mapped[str]
    source: Mapped[str]


@dataclass(frozen=True, slots=True)
class Change:
    """A field with what it was and what it is, as texts that `web.changes` puts into words."""

    field: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Latest:
    """What was changed together, when, and by what; without a digest it holds for all of them."""

    at: datetime
    digest_id: int | None
    source: str
    changes: Sequence[Change]


def between(old: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    """Return the fields in which two choices differ, in their order."""
    return [Change(field, old[field], value) for field, value in new.items() if old[field] != value]


def write(
    changes: Sequence[Change], *, subscriber: Subscriber, digest: Digest | None, source: str, at: datetime
) -> None:
    """Write down what was changed together: all of it has the same time."""
    db.session.add_all(
        PreferenceChange(
            subscriber_id=subscriber.id,
            digest_id=digest.id if digest else None,
            at=at,
            field=one.field,
            old=one.old,
            new=one.new,
            source=source,
        )
        for one in changes
    )


def newest(subscriber: Subscriber) -> Latest | None:
    """Return what a reader changed last, of one digest or of all; None when nothing was changed yet."""
    return _latest(PreferenceChange.subscriber_id == subscriber.id)


def newest_of(subscription: Subscription) -> Latest | None:
    """Return what was changed last of one digest."""
    return _latest(
        PreferenceChange.subscriber_id == subscription.subscriber_id,
        PreferenceChange.digest_id == subscription.digest_id,
    )


def _latest(*conditions: ColumnElement[bool]) -> Latest | None:
    ours = select(PreferenceChange).where(*conditions)
    last = db.session.scalar(ours.order_by(PreferenceChange.id.desc()).limit(1))
    if last is None:
        return None
    same = PreferenceChange.digest_id.is_not_distinct_from(last.digest_id)
    rows = db.session.scalars(ours.where(PreferenceChange.at == last.at, same).order_by(PreferenceChange.id))
    return Latest(last.at, last.digest_id, last.source, [Change(row.field, row.old, row.new) for row in rows])
