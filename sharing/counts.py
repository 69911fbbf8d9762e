"""What is counted of shares: by story and day, and what was refused by reason. Never who, and never whose."""

from collections.abc import Mapping
from datetime import date, datetime

from sqlalchemy import select

from core.database import db, insert_for
from sharing.models import ShareCount, ShareRefusal


def add(article_id: int, *, day: date, shares: int = 0, mails: int = 0, reads: int = 0) -> None:
    """Count what happened with an article on a day."""
    more = {"shares": shares, "mails": mails, "reads": reads}
    insert = insert_for(db.engine)(ShareCount).values(article_id=article_id, day=day, **more)
    added = {name: ShareCount.__table__.c[name] + insert.excluded[name] for name in more}
    db.session.execute(insert.on_conflict_do_update(index_elements=["article_id", "day"], set_=added))


def refuse(reason: str, *, friends: int, now: datetime) -> None:
    """Count recipients who got nothing, and why."""
    insert = insert_for(db.engine)(ShareRefusal).values(day=now.date(), reason=reason, friends=friends)
    added = {"friends": ShareRefusal.friends + insert.excluded.friends}
    db.session.execute(insert.on_conflict_do_update(index_elements=["day", "reason"], set_=added))


def refusals(*, since: date) -> Mapping[tuple[date, str], int]:
    """Return how many recipients got nothing since a day, by day and reason."""
    wanted = select(ShareRefusal.day, ShareRefusal.reason, ShareRefusal.friends).where(ShareRefusal.day >= since)
    rows = db.session.execute(wanted.order_by(ShareRefusal.day, ShareRefusal.reason))
    return {(row.day, row.reason): row.friends for row in rows}


def by_story(*, since: date) -> list[ShareCount]:
    """Return what was counted since a day, by day and article."""
    wanted = select(ShareCount).where(ShareCount.day >= since)
    return list(db.session.scalars(wanted.order_by(ShareCount.day, ShareCount.article_id)))
