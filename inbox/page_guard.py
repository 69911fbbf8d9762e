"""Keep other web sites, and the mails themselves, from acting in the inbox page."""

import re
from urllib.parse import urlsplit

from flask import Flask, Request, Response, abort, request

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; frame-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
"""The Content-Security-Policy of our own pages: no script at all, ours included."""

_OWN_HOST = re.compile(r"(localhost|127\.0\.0\.1)(:\d{1,5})?", re.IGNORECASE)
_OWN_SITES = ("same-origin", "none")


def protect(app: Flask) -> None:
    """Refuse requests under a foreign name or from a foreign page, and send the headers that fence ours."""
    app.before_request(_refuse_foreign_names)
    app.before_request(_refuse_foreign_forms)
    app.after_request(_fence)


def mail_policy(*, framed: bool, site_url: str = "") -> str:
    """Return the Content-Security-Policy of what a mail brought: no script, no form; its links open new tabs.

    `framed` lets our own page show it in a frame. Pictures may come from `site_url` too, not https here.
    """
    site = urlsplit(site_url)
    pictures = f"https: data: {site.scheme}://{site.netloc}" if site.netloc else "https: data:"
    frames = "'self'" if framed else "'none'"
    return (
        "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
        f"img-src {pictures}; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; "
        f"frame-ancestors {frames}"
    )


def _refuse_foreign_names() -> None:
    # A page on the internet can point its own name at 127.0.0.1 (DNS rebinding), and would read every mail.
    if not _OWN_HOST.fullmatch(request.headers.get("Host", "")):
        abort(400)


def _refuse_foreign_forms() -> None:
    # Any page on the internet can post a form to this machine; a browser tells where the form stood.
    if request.method not in ("GET", "HEAD", "OPTIONS") and not _is_ours(request):
        abort(403)


def _is_ours(asked: Request) -> bool:
    """Tell whether our page, or a program that is no browser, sent this."""
    site = asked.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in _OWN_SITES
    # Older browsers send only this; a program sends neither.
    return asked.headers.get("Origin") in (None, f"http://{asked.host}")


def _fence(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-store"
    return response
