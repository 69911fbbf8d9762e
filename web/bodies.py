"""The bytes of a form, looked at before anything reads them."""

from urllib.parse import unquote_to_bytes

from flask import Flask, request
from werkzeug.exceptions import BadRequest

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"


def register(app: Flask) -> None:
    """Let every request pass `refuse_broken_text`."""
    app.before_request(refuse_broken_text)


def refuse_broken_text() -> None:
    """Refuse a form that is not UTF-8. The framework would take its broken bytes for characters that nobody typed."""
    if request.mimetype not in (URLENCODED, MULTIPART):
        return
    # Kept, so that the form can still be read from it. Our forms take no files, so all of a multipart body is text.
    body = request.get_data(cache=True)
    try:
        (unquote_to_bytes(body) if request.mimetype == URLENCODED else body).decode()
    except UnicodeDecodeError as error:
        raise BadRequest from error
