"""Look at what the DNS says of us: by itself, where that is wanted, and once for whoever asks at a terminal."""

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

from celery import shared_task
from flask import current_app

from checkup import checking, results
from checkup.findings import Finding, counts
from core import alerts, clock, database, logs
from core.database import db, ledger_now
from core.names import Names
from core.services import Services, current
from core.settings import Settings
from digests import samples
from sharing import samples as friends_samples

log = logs.get(__name__)


@shared_task
def look() -> None:
    """Look at our records in the DNS when it is time to, and keep what was found; tell operators what is wrong twice.

    The DNS is asked outside of any transaction. Two looks at once do no harm: the later one stands.
    """
    settings: Settings = current_app.extensions["postrider settings"]
    if not settings.checkup.watch:
        return
    connection = db.session.connection()
    last, now = results.last(connection), ledger_now(connection)
    db.session.rollback()
    if not results.is_due(last, now):
        return
    try:
        names = Names(settings.checkup.resolver)
    except ValueError as error:
        log.warning("records not looked at", why=str(error))
        return
    found = look_now(settings, current(), names, addresses=settings.checkup.addresses, now=clock.utc_now())
    result = results.after(last, found, now)
    log.info("records looked at", answered=result.silent_since is None, **counts(result.found))
    with database.write_turn():
        connection = db.session.connection()
        results.keep(connection, result)
        alerts.keep(connection, results.troubles(result), kinds=[results.KIND], now=now)
        db.session.commit()


def look_now(
    settings: Settings,
    services: Services,
    names: Names,
    *,
    addresses: Sequence[str],
    now: datetime,
    domain: str | None = None,
) -> list[Finding]:
    """Return what is found now, of all domains or of one; samples of each kind of mail are made and verified, too."""
    host = urlsplit(settings.publication.base_url).hostname or ""
    plan = checking.plan(services.identity, settings.post, dkim=services.dkim, addresses=addresses, host=host)
    part = plan if domain is None else checking.only(plan, domain)
    lanes = {name for lane in part.lanes for name in lane.names} if not part.supposed else set()
    made = [*samples.make(services, now), *friends_samples.make(settings.sharing, services, now)]
    mails = [one for one in made if one.lane in lanes]
    return checking.look(part, names, mails=mails)
