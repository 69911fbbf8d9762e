"""Breaking mails are opened here, stopped when their story is taken back, and composed before any digest."""

from celery import shared_task

from core import clock, database
from core.database import db
from core.services import current
from digests import breaking
from tasks import nudge


@shared_task
def look() -> None:
    """Open what was flagged, end what is over, and have composed what nobody composes."""
    now = clock.utc_now()
    if breaking.anything_to_do(now):
        with database.write_turn():
            breaking.keep(now, current())
            db.session.commit()
    for wave_id in breaking.waiting(now):
        nudge.wave(wave_id)
    db.session.rollback()
