"""What readers have followed is counted here."""

from celery import shared_task
from flask import current_app

from core import database, logs
from core.database import db
from core.pile import Pile
from digests import clicks

log = logs.get(__name__)


@shared_task
def count() -> None:
    """Judge what was noted since the last look, and count what readers followed; who it was is forgotten."""
    pile: Pile = current_app.extensions["postrider clicks"]
    noted = clicks.read(pile.take())
    counted = clicks.judged(noted)
    if counted:
        with database.write_turn():
            clicks.count(counted)
            db.session.commit()
        log.info("clicks counted", noted=len(noted), counted=len(counted))
