"""One reader at a time over all hosts: whoever reads mailboxes holds a turn, which ends by itself should it die."""

from datetime import datetime, timedelta

from sqlalchemy import delete, or_

from core.database import Mark, db, insert_for

LEASE = timedelta(minutes=3)
"""Renewed with each chunk, which takes seconds; an IMAP server may be silent for a minute."""
_NAME = "mailboxes are read"


def take(reader: str, *, now: datetime) -> bool:
    """Take the turn, or keep it for longer; return False while somebody else has it.

    Its mark says until when and by whom; times of one form are in the order of their text.
    """
    value = f"{(now + LEASE).isoformat(timespec='microseconds')} {reader}"
    row = insert_for(db.engine)(Mark).values(name=_NAME, value=value)
    free = or_(Mark.value < now.isoformat(timespec="microseconds"), Mark.value.endswith(f" {reader}"))
    taken = row.on_conflict_do_update(index_elements=["name"], set_={"value": row.excluded.value}, where=free)
    return db.session.scalar(taken.returning(Mark.name)) is not None


def give_back(reader: str) -> None:
    """End the turn, if it is this reader's."""
    db.session.execute(delete(Mark).where(Mark.name == _NAME, Mark.value.endswith(f" {reader}")))
