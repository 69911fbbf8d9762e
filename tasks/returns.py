"""What came back: worked off from rows, and forgotten after a while."""

from celery import shared_task

from core import clock, database
from core.database import db
from returns import arrivals


@shared_task
def forget_old() -> None:
    """Forget what came back long ago, some thousands at a time."""
    while True:
        with database.write_turn():
            gone = arrivals.forget(clock.utc_now())
            db.session.commit()
        if not gone:
            return
