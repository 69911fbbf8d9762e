"""Stories for friends: away from the page, where everything that depends on a friend is decided."""

from celery import shared_task

from core import clock, database, logs
from core.database import db
from delivery import private
from sharing import purging

log = logs.get(__name__)


@shared_task
def forget() -> None:
    """End what nobody confirmed, wipe addresses, names, notes and texts whose time is over, and forget old shares."""
    for step in (purging.end_unconfirmed, purging.wipe_due, private.wipe_due, purging.forget_old):
        count = purging.CHUNK
        while count >= purging.CHUNK:
            with database.write_turn():
                count = step(clock.utc_now())
                db.session.commit()
            if count:
                log.info("shares forgotten", step=step.__name__, count=count)
