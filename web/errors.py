"""What goes wrong, as a page: one table from kinds of errors to status and title."""

from contextlib import suppress

from flask import Flask, Response
from sqlalchemy import exc
from werkzeug.exceptions import HTTPException, ServiceUnavailable

from core import errors, logs
from core.database import db
from core.errors import _
from subscribers import address
from web import door, forms, pages, subscribing

log = logs.get(__name__)

KINDS: dict[type[errors.DomainError], tuple[int, str]] = {
    errors.LinkDamaged: (404, _("You need a fresh link")),
    errors.LinkExpired: (410, _("You need a fresh link")),
    errors.NotFound: (404, _("Not found")),
    errors.Withdrawn: (410, _("This story was withdrawn")),
    errors.Conflict: (409, _("Changed meanwhile")),
    address.Taken: (409, _("Changed meanwhile")),
    errors.Invalid: (422, _("This cannot be taken")),
    forms.Refused: (422, _("This cannot be taken")),
    door.OfferedAgain: (422, _("This cannot be taken")),
    errors.DomainError: (500, _("Something went wrong")),
}
STATUSES: dict[int, tuple[str, str]] = {
    400: (_("This request cannot be read"), _("Something in it is not as it should be. Please go back and try again.")),
    403: (
        _("Not from another site"),
        _("This button was pressed on a page that is not ours. Please open the link in our mail and press it there."),
    ),
    404: (_("Not found"), errors.NotFound.message),
    405: (_("Not in this way"), _("This address cannot be used in this way. Please go back and try again.")),
    413: (_("Too much at once"), _("This is more than we can take at once. Please send less.")),
    503: (
        _("Not available just now"),
        _("This cannot be answered just now. Nothing of it was saved. Please try again in half a minute."),
    ),
}
UNAVAILABLE = (exc.OperationalError, exc.InterfaceError, exc.TimeoutError)
"""What SQLAlchemy raises when the database cannot be reached, or has no time for us."""
RETRY_AFTER_S = 30
OTHER = (_("Something went wrong"), _("Something went wrong. Please try again."))
LINKS = (errors.LinkDamaged, errors.LinkExpired)


def register(app: Flask) -> None:
    """Answer every error with a page in the reader's language."""
    app.register_error_handler(errors.DomainError, _domain_error)
    app.register_error_handler(HTTPException, _http_error)
    for kind in UNAVAILABLE:
        app.register_error_handler(kind, _database_error)


def _domain_error(error: errors.DomainError) -> Response:
    kind = next(kind for kind in type(error).__mro__ if kind in KINDS)
    status, title = KINDS[kind]
    if isinstance(error, LINKS):
        return _page("errors/link.html", status, title, pages.translate(error), form_id=subscribing.new_form_id())
    message = pages.translate(error)
    if isinstance(error, errors.Withdrawn):
        said = {"reason": error.reason, "reason_language": error.language}
        return _page("errors/withdrawn.html", status, title, message, **said)
    return _page("errors/page.html", status, title, message)


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    title, message = STATUSES.get(status, OTHER)
    response = _page("errors/page.html", status, title, pages.gettext(message))
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def note_unavailable(error: Exception) -> None:
    """Give up what was begun, and log that the database could not be reached."""
    with suppress(exc.SQLAlchemyError):
        db.session.rollback()
    log.error("database not reachable", error=type(error).__name__, why=str(getattr(error, "orig", None)))


def _database_error(error: exc.SQLAlchemyError) -> Response:
    note_unavailable(error)
    return _http_error(ServiceUnavailable(retry_after=RETRY_AFTER_S))


def _page(template: str, status: int, title: str, message: str, **values: object) -> Response:
    return pages.page(template, {"title": pages.gettext(title), "message": message, **values}, status=status)
