"""How far the feed of what became of mails may be read, for the tasks that follow it by a cursor of their own."""

from sqlalchemy.exc import OperationalError

from core import database, logs
from core.database import db
from delivery import outcomes

log = logs.get(__name__)


def complete_until() -> int | None:
    """Return up to where the feed is complete; None while somebody writes to it for long: then it is read later."""
    try:
        with database.write_turn():
            until = outcomes.newest()
            db.session.commit()
    except OperationalError as error:
        log.info("outcomes read later", why=type(error.orig).__name__)
        return None
    return until
