"""How many letters are passed on and answered: of one writer in a day and a week, over all writers in an hour.

Whoever can make us write must not make us flood anybody, and one stranger must not take the place of the others.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, case, delete, func, or_, select, update

from core.database import Mark, db, insert_for
from returns.models import Arrival, AutoAnswer

HOUR = timedelta(hours=1)
FORWARDS_AN_HOUR = 120
"""So many at once, and then so many an hour."""
ANSWERS_AN_HOUR = 60
LETTERS_A_DAY = 10
"""Of one writer: a desk whose program answers each of our mails from another address would be written to for ever."""
ONCE_IN = timedelta(days=7)
MOST_WAITING = 500
"""So many letters wait in their rows until there is room again."""
_MARK = "letters passed on"


@dataclass(slots=True)
class Room:
    """How much room is left at an instant, over all writers. It is read once and counted down by whoever takes some."""

    at: datetime
    letters: float
    answers: int
    waiting: int

    def pass_on(self) -> bool:
        """Take the room of one letter, if there is some."""
        self.letters -= (free := self.letters >= 1)
        return free

    def wait(self) -> bool:
        """Take one of the places to wait at, if there is one."""
        self.waiting -= (free := self.waiting > 0)
        return free


def room(now: datetime) -> Room:
    """Return the room that there is now."""
    said = db.session.scalar(select(Mark.value).where(Mark.name == _MARK))
    letters = float(FORWARDS_AN_HOUR)
    if said is not None:
        left, _space, at = said.partition(" ")
        grown = max(now - datetime.fromisoformat(at), timedelta()) / HOUR * FORWARDS_AN_HOUR
        letters = min(letters, float(left) + grown)
    answered = select(func.count()).where(AutoAnswer.answered_at > now - HOUR)
    waits = select(func.count()).where(Arrival.state == "new", Arrival.source == "mailbox")
    answers = ANSWERS_AN_HOUR - (db.session.scalar(answered) or 0)
    return Room(now, letters, answers, MOST_WAITING - (db.session.scalar(waits) or 0))


def remember(left: Room) -> None:
    """Keep what is left of the room for letters; the rest is told by the rows."""
    mark = insert_for(db.engine)(Mark).values(name=_MARK, value=f"{left.letters:.3f} {left.at.isoformat()}")
    db.session.execute(mark.on_conflict_do_update(index_elements=["name"], set_={"value": mark.excluded.value}))


def may_pass_on(addr_hash: bytes, now: datetime) -> bool:
    """Count a letter of a writer; say whether it is one of the first of this day."""
    row = insert_for(db.engine)(AutoAnswer).values(addr_hash=addr_hash, day=now.date(), letters=1)
    today = AutoAnswer.day == row.excluded.day
    counted = row.on_conflict_do_update(
        index_elements=["addr_hash"],
        set_={"day": row.excluded.day, "letters": case((today, AutoAnswer.letters + 1), else_=1)},
        where=or_(~today, AutoAnswer.letters < LETTERS_A_DAY),
    )
    return db.session.scalar(counted.returning(AutoAnswer.addr_hash)) is not None


def may_answer(addr_hash: bytes, left: Room) -> bool:
    """Take the place of this week of a writer whose letter was counted; say whether there was one, and room."""
    if left.answers <= 0:
        return False
    free = or_(AutoAnswer.answered_at.is_(None), AutoAnswer.answered_at <= left.at - ONCE_IN)
    taken = update(AutoAnswer).where(AutoAnswer.addr_hash == addr_hash, free).values(answered_at=left.at)
    mine = db.session.scalar(taken.returning(AutoAnswer.addr_hash)) is not None
    left.answers -= mine
    return mine


def forget(now: datetime) -> None:
    """Remove who wrote before today, and got our sentence more than a week ago or never."""
    over = or_(AutoAnswer.answered_at.is_(None), AutoAnswer.answered_at <= now - ONCE_IN)
    db.session.execute(delete(AutoAnswer).where(and_(AutoAnswer.day < now.date(), over)))
