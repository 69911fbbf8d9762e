"""The inbox page: what arrived, each mail as its reader sees it, and the same for scripts as JSON."""

from datetime import UTC, datetime
from typing import Any, cast

from flask import Flask, Response, abort, jsonify, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from core import errors, language, settings
from inbox import headers, listing, page_guard, reading
from inbox.mailbox import Mail, Mailbox, MailNotFound

PAGE_LENGTH = 50
MAX_ANSWER = 1000
"""The most mails one answer of the JSON list holds."""
SHOWN_CHARACTERS = 300_000
"""How much of a text or a source stands in the page; the rest is a link away."""

_LANGUAGE = "en"
_SENTENCES = {
    400: errors._("The inbox answers only under the names localhost and 127.0.0.1. Open it under one of these."),
    403: errors._("This was sent from another web site, so it was not done."),
    404: errors._("There is nothing at this address."),
    405: errors._("This address cannot be used in this way."),
    500: errors._("Something went wrong here. The log says what."),
}


def create_inbox_app(mailbox: Mailbox, *, site_url: str) -> Flask:
    """Return the web application of the inbox; `site_url` is the site whose mails these are, "" for none."""
    app = Flask(
        "inbox",
        template_folder=str(settings.ROOT / "templates"),
        static_folder=str(settings.ROOT / "static" / "inbox"),
        static_url_path="/static",
    )
    _speak(app, site_url)
    page_guard.protect(app)
    mails = listing.Listing(mailbox)
    _show_pages(app, mailbox, mails)
    _serve_mails(app, mailbox, site_url)
    _serve_scripts(app, mailbox, mails)
    app.register_error_handler(MailNotFound, _say_not_found)
    app.register_error_handler(HTTPException, _say_what_went_wrong)
    return app


def _speak(app: Flask, site_url: str) -> None:
    """Give the templates their language, and the words that all of them use."""
    environment = cast(Any, app.jinja_env)  # The extension adds the method at run time.
    environment.add_extension("jinja2.ext.i18n")
    environment.install_gettext_translations(language.translations(_LANGUAGE), newstyle=True)
    environment.globals["site_url"] = site_url
    environment.filters["moment"] = _moment
    environment.filters["machine_time"] = _machine_time


def _show_pages(app: Flask, mailbox: Mailbox, mails: listing.Listing) -> None:
    """Register the pages that people look at."""

    @app.get("/")
    def inbox() -> str:
        query, number = request.args.get("q", ""), max(request.args.get("page", 1, type=int), 1)
        page = mails.page(limit=PAGE_LENGTH, offset=(number - 1) * PAGE_LENGTH, query=query)
        return render_template(
            "inbox/list.html", page=page, query=query, number=number, pages=-(-page.total // PAGE_LENGTH)
        )

    @app.get("/m/<key>")
    def mail(key: str) -> str:
        found = mailbox.get(key)
        read = reading.read(found.source)
        view = _view(read, request.args.get("view", ""))
        return render_template(
            "inbox/mail.html",
            mail=found,
            read=read,
            view=view,
            source=_source_text(found) if view == "source" else "",
            shown=SHOWN_CHARACTERS,
        )

    @app.post("/clear")
    def clear() -> AnyResponse:
        # What arrived after the page was drawn has not been seen by the one who pressed the button: it stays.
        mailbox.clear(through=request.form.get("through") or None)
        return redirect(url_for("inbox"), 303)


def _serve_mails(app: Flask, mailbox: Mailbox, site_url: str) -> None:
    """Register what a mail brought, each fenced off by a policy of its own."""

    @app.get("/m/<key>/html")
    def html(key: str) -> Response:
        body = reading.read(mailbox.get(key).source).html
        if body is None:
            abort(404)
        response = Response(reading.for_new_tabs(body), content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = page_guard.mail_policy(framed=True, site_url=site_url)
        return response

    @app.get("/m/<key>/source")
    def source(key: str) -> Response:
        response = Response(mailbox.get(key).source, content_type="text/plain; charset=utf-8")
        response.headers["Content-Security-Policy"] = page_guard.mail_policy(framed=False)
        return response


def _serve_scripts(app: Flask, mailbox: Mailbox, mails: listing.Listing) -> None:
    """Register the same for scripts and tests."""

    @app.get("/api/messages")
    def messages() -> Response:
        page = mails.page(
            limit=min(max(request.args.get("limit", PAGE_LENGTH, type=int), 0), MAX_ANSWER),
            offset=max(request.args.get("offset", 0, type=int), 0),
            query=request.args.get("q", ""),
        )
        response = jsonify([_entry(mail) for mail in page.mails])
        response.headers["X-Total-Count"] = str(page.total)
        return response

    @app.get("/api/messages/<key>")
    def message(key: str) -> Response:
        response = Response(mailbox.get(key).source, content_type="message/rfc822")
        response.headers["Content-Security-Policy"] = page_guard.mail_policy(framed=False)
        return response


def _entry(mail: listing.Summary) -> dict[str, object]:
    return {
        "key": mail.key,
        "from": mail.sender,
        "to": list(mail.recipients),
        "subject": mail.subject,
        "received_at": _machine_time(mail.received_at),
        "message_id": mail.message_id,
        "envelope_from": mail.envelope_from,
    }


def _view(read: reading.Reading, wanted: str) -> str:
    """Return the view to show: the one asked for, else the one nearest to what the reader sees."""
    there = {"html": read.html is not None, "text": read.text is not None, "headers": True, "source": True}
    if there.get(wanted):
        return wanted
    return next(view for view in ("html", "text", "source") if there[view])


def _source_text(mail: Mail) -> str:
    # One more than is shown, so that the page can tell that it was cut.
    return headers.decoded(mail.source, "utf-8").replace("\r\n", "\n")[: SHOWN_CHARACTERS + 1]


def _moment(at: datetime) -> str:
    """Return a time in a form every viewer reads alike: `2026-11-23 14:40:07 UTC`."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _machine_time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _say_not_found(error: MailNotFound) -> tuple[str | Response, int]:
    return _sorry(error.message, 404)


def _say_what_went_wrong(error: HTTPException) -> tuple[str | Response, int]:
    status = error.code or 500
    return _sorry(_SENTENCES.get(status, _SENTENCES[500]), status)


def _sorry(sentence: str, status: int) -> tuple[str | Response, int]:
    text = language.translations(_LANGUAGE).gettext(sentence)
    if request.path.startswith("/api/"):
        return jsonify(error=text), status
    return render_template("inbox/sorry.html", text=text), status
