"""Beat says that it lives."""

from celery import shared_task

from core import beat, database
from core.database import db


@shared_task
def note() -> None:
    """Write down that beat was heard. That this runs says that queue and worker live, too."""
    with database.write_turn():
        beat.note(database.ledger_now(db.session.connection()))
        db.session.commit()
