"""Say whether this process lives and can do its work, for those who watch it."""

import hmac
from datetime import datetime

from flask import Blueprint, Response, current_app, jsonify, request
from sqlalchemy import Connection, exc, select

from articles import feedhealth
from checkup import results
from core import logs, schema
from core.database import Mark, db, ledger_now
from core.settings import Settings
from delivery import figures
from delivery.tick import HOLD

health = Blueprint("health", __name__)
log = logs.get(__name__)
_FIT = {"database": "reachable", "migrated": True}


@health.get("/health/live")
def live() -> Response:
    """Answer 200: whoever can answer lives. The database is not asked."""
    return jsonify(status="alive")


@health.get("/health/ready")
def ready() -> Response:
    """Answer 200 when this process can serve, else 503; why, and how senders and beat are, only with the token."""
    try:
        found = _look()
    except exc.SQLAlchemyError as error:
        log.error("database not reachable", error=type(error).__name__)
        found = {"database": "unreachable"}
    fit = found.items() >= _FIT.items()
    response = jsonify(status="ready" if fit else "not ready", **(found if may_know() else {}))
    response.status_code = 200 if fit else 503
    return response


def _look() -> dict[str, object]:
    """Return what decides whether we are ready, and what does not: senders and beat are other processes, and while the
    mail of a restored database is held, readers must still be able to leave.
    """
    connection = db.session.connection()
    if schema.is_behind(connection):
        return {"database": "reachable", "migrated": False}
    now = ledger_now(connection)
    return {
        "database": "reachable",
        "migrated": True,
        "restored": db.session.scalar(select(Mark.value).where(Mark.name == HOLD)) is not None,
        "sender_heartbeat_age_s": _tenths(figures.sender_age_s(now)),
        "beat_heartbeat_age_s": _tenths(figures.beat_age_s(now)),
        "records": _records(connection, now),
        **({"feeds": feedhealth.summary(now)} if may_know() else {}),
    }


def _records(connection: Connection, now: datetime) -> dict[str, object] | None:
    """Return what the last look at our records in the DNS found; None when nobody has looked. Nobody is asked here."""
    last = results.last(connection)
    return None if last is None else results.summary(last, now)


def _tenths(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def token_is_set() -> bool:
    """Return whether anybody may know more than the status."""
    return _settings().metrics_token is not None


def may_know() -> bool:
    """Return whether this request carries the token: `Authorization: Bearer …`."""
    token, given = _settings().metrics_token, request.authorization
    if token is None or given is None or given.type != "bearer" or not given.token:
        return False
    return hmac.compare_digest(given.token.encode(errors="replace"), token)


def _settings() -> Settings:
    settings: Settings = current_app.extensions["postrider settings"]
    return settings
