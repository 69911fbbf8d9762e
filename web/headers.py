"""What every answer says to browsers: no foreign resources, no framing, no leaking of tokens; and who may post here.

There are no sessions anywhere: a token in the path is the whole authority, and a foreign site that had it could act
without the reader's browser as well. So there is nothing that a CSRF token would protect. That a foreign page cannot
even press our buttons blindly is held by `refuse_foreign_posts`. The one cookie there is (docs/adr/0012) opens nothing.
"""

from datetime import datetime

from flask import Flask, Response, g, request
from werkzeug.exceptions import Forbidden

from core import services
from web import door, pagecache

NOT_FRAMED = "frame-ancestors 'none'"
FRAMED = ("subscribing.frame", "subscribing.note_in_frame")
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        NOT_FRAMED,
        "base-uri 'none'",
    )
)
PERSONAL = "/t/"
"""Stands before the token in every path that has one (core.links.PATHS); logs mask what follows it."""
PUBLIC = "public, max-age=60"
FOR_EVER = "public, max-age=31536000, immutable"
ONE_CLICK = ("List-Unsubscribe", "One-Click")
"""The body of a mail program's unsubscribe request (RFC 8058, section 3.2)."""
STOPS_BY_ONE_CLICK = ("unsubscribe", "never")


def register(app: Flask) -> None:
    """Let every request pass `refuse_foreign_posts`, and every answer `secure`."""
    app.before_request(refuse_foreign_posts)
    app.after_request(secure)


def publicly(
    response: Response, *, whatever_query: bool = False, span: tuple[datetime, datetime] | None = None
) -> Response:
    """Let caches keep a page for a minute and then ask whether it is still the same; we keep it, too (web.pagecache).

    It may depend on its path, on tables that are marked as shown on pages (core.changes), and on today's date; on its
    query unless it says `whatever_query`; on other times only within the `span` that it names.
    """
    response.headers["Cache-Control"] = PUBLIC
    response.add_etag()
    pagecache.note(request.environ, whatever_query=whatever_query, span=span, ends=g.get("holds_until"))
    return response


def for_ever(response: Response, *, tag: str) -> Response:
    """Let everybody keep what its address names for ever; `tag` is its entity tag (RFC 8246; RFC 9110, 8.8.3)."""
    response.headers["Cache-Control"] = FOR_EVER
    response.set_etag(tag)
    return response.make_conditional(request)  # type: ignore[return-value]


def is_one_click() -> bool:
    """Say whether a mail program asks to unsubscribe, in either body encoding."""
    name, value = ONE_CLICK
    return request.blueprint in STOPS_BY_ONE_CLICK and request.form.get(name) == value


def refuse_foreign_posts() -> None:
    """Refuse what a page of another site posts to a page that is opened by a token, or that sends a story.

    One-click unsubscribing comes from anywhere: from webmail too, whose pages are another site (RFC 8058).
    """
    foreign = request.headers.get("Sec-Fetch-Site") == "cross-site"
    ours_only = PERSONAL in request.path or request.blueprint in ("sharing", "sharing_links")
    if request.method == "POST" and foreign and ours_only and not is_one_click():
        raise Forbidden


def _policy() -> str:
    """Return the policy of this page: the form for frames may be shown by the sites that the settings name."""
    ancestors = door.limits().frame_ancestors
    if request.endpoint in FRAMED and ancestors:
        return CONTENT_SECURITY_POLICY.replace(NOT_FRAMED, " ".join(("frame-ancestors", *ancestors)))
    return CONTENT_SECURITY_POLICY


def secure(response: Response) -> Response:
    """Set the headers that every answer carries."""
    headers = response.headers
    headers["Content-Security-Policy"] = _policy()
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
    if PERSONAL in request.path:
        headers["Referrer-Policy"] = "no-referrer"
        headers["X-Robots-Tag"] = "noindex"
    if request.endpoint == "static":
        # The address of a file changes with its content (pages.asset), so a copy never becomes wrong.
        headers["Cache-Control"] = FOR_EVER if "v" in request.args else "no-cache"
    elif headers.get("Cache-Control") not in (PUBLIC, FOR_EVER):
        headers["Cache-Control"] = "no-store"
    if services.current().links.base_url.startswith("https://"):
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return response
