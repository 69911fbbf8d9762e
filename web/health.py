"""Say whether this process can do its work, for those who watch it."""

import sqlalchemy
from flask import Blueprint, Response, jsonify

from core import logs
from core.database import db

health = Blueprint("health", __name__)
log = logs.get(__name__)


@health.get("/healthz")
def healthz() -> Response:
    """Answer 200 when the database can be reached, else 503."""
    try:
        db.session.execute(sqlalchemy.select(1))
    except sqlalchemy.exc.SQLAlchemyError as error:
        log.error("database not reachable", error=type(error).__name__)
        response = jsonify(status="failing", database="unreachable")
        response.status_code = 503
        return response
    return jsonify(status="ok", database="reachable")
