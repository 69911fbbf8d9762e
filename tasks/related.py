"""What stories lead to is worked out here: of those that came in many at once, and of each once more after a week."""

import time

from celery import shared_task

from articles import related
from core import clock, database
from core.database import db

CHUNK = 20
"""Stories in one transaction."""
LONGEST_S = 10.0


@shared_task
def work_out() -> None:
    """Work out See also for the stories that are due."""
    started = time.monotonic()
    while related.anything_due(clock.utc_now()) and time.monotonic() - started < LONGEST_S:
        with database.write_turn():
            related.compute_due(clock.utc_now(), CHUNK)
            db.session.commit()
    db.session.rollback()
