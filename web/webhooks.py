"""What mail services tell us: who asks is verified, each event is kept as a row, and the answer comes at once.

A service has a webhook only while its secret is set. Nothing is decided here; tasks/webhooks.py works the rows off.
"""

from flask import Blueprint, Response, abort, current_app, request

from core import clock, database, fetch, logs
from core.database import db
from core.fetch import FetchLimits, FetchRequest
from core.links import PATHS
from core.settings import Settings
from returns import arrivals
from returns import webhooks as services
from returns.certificates import CertificateAway, Certificates
from returns.events import Asked, Refused
from tasks import nudge

webhooks = Blueprint("webhooks", __name__)
log = logs.get(__name__)

CERTIFICATES = "postrider certificates"
"""Under this name the application keeps what it fetched."""
_LIMITS = FetchLimits(connect_s=3, total_s=5, max_bytes=20_000, max_redirects=0)
_RETRY_AFTER_S = 60


@webhooks.post(PATHS["webhook"])
def take(service: str) -> Response:
    """Keep what a service tells. 200 says that it is kept, or was already; Mailgun takes no other 2xx for a yes."""
    settings: Settings = current_app.extensions["postrider settings"]
    if service not in settings.webhooks.set_up:
        abort(404)
    found, now = services.SERVICES[service], clock.utc_now()
    headers = {name.lower(): value for name, value in request.headers.items()}
    asked = Asked(_body(), headers, now)
    try:
        found.verify(asked, settings.webhooks, _certificates())
    except Refused as error:
        log.warning("webhook refused", service=service, why=str(error))
        return _answer(403, "Refused.")
    except CertificateAway:
        log.warning("webhook not verified", service=service)
        return _answer(503, "Not now.")
    events = [(event.name, event.raw) for event in found.events(asked.raw)]
    with database.write_turn():
        new = arrivals.keep_all(service, events, now=now)
        db.session.commit()
    if new:
        nudge.webhooks()
    return _answer(200, "Kept.")


def _body() -> bytes:
    """Return the octets as they came. One that does not say how long it is would else be cut off without a word."""
    request.max_content_length = services.MOST_OCTETS + 1
    raw = request.get_data(cache=False)
    if len(raw) > services.MOST_OCTETS:
        abort(413)
    return raw


def _answer(status: int, text: str) -> Response:
    response = Response(f"{text}\n", status, content_type="text/plain")
    if status == 503:
        response.headers["Retry-After"] = str(_RETRY_AFTER_S)
    return response


def _certificates() -> Certificates:
    kept: Certificates = current_app.extensions.setdefault(CERTIFICATES, Certificates(_fetch))
    return kept


def _fetch(url: str) -> bytes | None:
    """Return what is at the address of a certificate, which returns.sns has checked; None when it cannot be had."""
    try:
        return fetch.get(FetchRequest(url, accept="application/x-pem-file, */*;q=0.1"), _LIMITS).body
    except fetch.FetchError as error:
        log.warning("certificate not fetched", why=str(error))
        return None
