"""Hubs are asked here to tell us of feeds, to go on, or to stop."""

import time

from celery import shared_task

from articles import websub
from articles.websub import Wish
from core import clock, database, fetch, logs
from core.database import db
from core.services import current

log = logs.get(__name__)
BATCH = 20
LONGEST_S = 45.0


@shared_task
def keep() -> None:
    """Ask the hubs that are due, one after the other; what is not reached now is due a minute later."""
    started = time.monotonic()
    due = websub.due(clock.utc_now(), BATCH)
    db.session.rollback()
    for subscription_id in due:
        with database.write_turn():
            wish = websub.begin(subscription_id, clock.utc_now())
            db.session.commit()
        if wish is not None:
            _ask(wish)
        if time.monotonic() - started > LONGEST_S:
            break


def _ask(wish: Wish) -> None:
    """Ask a hub, outside of any transaction: it may ask back before it answers."""
    fields = {
        "hub.mode": "unsubscribe" if wish.leaves else "subscribe",
        "hub.topic": wish.topic,
        "hub.callback": current().links.to("hub_hook", callback=wish.callback),
    }
    if not wish.leaves:
        secret = websub.secret_of(wish.callback, current().keyring)
        fields |= {"hub.lease_seconds": str(round(websub.LEASE.total_seconds())), "hub.secret": secret}
    try:
        fetch.post_form(wish.hub, fields)
    except fetch.FetchError as error:
        log.warning("hub not asked", hub=wish.hub, why=str(error), cure="None is needed: it is asked again by itself.")
