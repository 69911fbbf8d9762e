"""Whether stories are sent to friends by us: the one fact of that switch for those who know nothing of sharing."""

from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session, scoped_session

from core import database
from core.database import Mark

MARK = "stories are sent by us"


def note(session: "Session | scoped_session[Any]", by_us: bool) -> None:
    """Keep how it stands, in the caller's transaction."""
    if by_us:
        insert = database.insert_for(session.get_bind().engine)(Mark)
        session.execute(insert.values(name=MARK, value="yes").on_conflict_do_nothing())
    else:
        session.execute(delete(Mark).where(Mark.name == MARK).execution_options(synchronize_session=False))


def are_sent(session: "Session | scoped_session[Any]") -> bool:
    """Return how it stands."""
    return session.scalar(select(Mark.value).where(Mark.name == MARK)) is not None
