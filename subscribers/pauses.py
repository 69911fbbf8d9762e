"""When readers paused: kept after a pause is over, so that it can be said later why a day brought no mail."""

from datetime import date, datetime

from sqlalchemy import ForeignKey, select, update
from sqlalchemy.orm import Mapped, mapped_column

from core import database
from core.database import db
from subscribers.models import Subscriber


class Pause(database.Base):
    """A pause from `began_at` to the date `until`, on which mail comes again; `ended_at`, where it ended before."""

    __tablename__ = "pauses"

    id: Mapped[database.RowId]
    subscriber_id: Mapped[int] = mapped_column(ForeignKey("subscribers.id"), index=True)
    began_at: Mapped[datetime]
    until: Mapped[date]
    ended_at: Mapped[datetime | None]


MOST_READ = 100
"""Pauses of one reader, the newest first: more than that nobody asks for."""


def note(subscriber: Subscriber, until: date | None, now: datetime) -> None:
    """Write down that a reader pauses from now to the date `until`; None: that they get mail again."""
    db.session.execute(
        update(Pause)
        .where(Pause.subscriber_id == subscriber.id, Pause.ended_at.is_(None))
        .values(ended_at=now)
        .execution_options(synchronize_session=False)
    )
    if until is not None:
        db.session.add(Pause(subscriber_id=subscriber.id, began_at=now, until=until))


def of(subscriber: Subscriber) -> list[Pause]:
    """Return a reader's pauses, the newest first."""
    wanted = select(Pause).where(Pause.subscriber_id == subscriber.id).order_by(Pause.id.desc()).limit(MOST_READ)
    return list(db.session.scalars(wanted))
