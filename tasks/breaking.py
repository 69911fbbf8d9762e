"""Breaking mails are opened here, stopped when their story is taken back, and composed before any digest."""

from celery import shared_task

from articles import flash
from core import alerts, clock, database
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


@shared_task
def remind() -> None:
    """Have the desk reminded of flashes that wait for their story."""
    now = clock.utc_now()
    found = flash.forgotten(now)
    stand = {key for key in alerts.open_keys(db.session.connection()) if key.startswith(f"{flash.ALERT}:")}
    db.session.rollback()
    if found or stand:
        with database.write_turn():
            alerts.keep(db.session.connection(), found, kinds=[flash.ALERT], now=now)
            db.session.commit()
