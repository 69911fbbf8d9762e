"""`flask digests preview-design`: digests on a page of this machine alone, made anew at each look at it."""

import io
import tomllib
from collections.abc import Callable, Sequence
from functools import cache

import click
import jinja2
from flask import Flask, Response, abort, render_template, request
from PIL import Image, ImageDraw
from werkzeug.serving import make_server

from articles.entries import Entry
from articles.models import WORDS_A_MINUTE
from articles.pictures import MailPicture
from core import mailtext
from core.services import Services, current
from core.settings import ROOT
from demo import publication as demo
from digests import designs
from digests.designs import Words
from inbox import page_guard

_HOST = "127.0.0.1"
_WIDE, _HIGH = 1200, 675


@click.command("preview-design")
@click.option("--port", default=8028, show_default=True, help="The port of this machine to show them at.")
def preview_design(port: int) -> None:
    """Show what templates/mail/digest/ brings forth, on a page of this machine alone.

    Change a template, reload the page, and look again; nothing is written, and nothing is mailed. The stories are the
    demo's. A mistake in a template is shown on the page, with its file and line. Ctrl-C ends it.
    Example: flask digests preview-design --port 8028
    """
    try:
        server = make_server(_HOST, port, design_app(current(), f"http://{_HOST}:{port}"))
    except (OSError, SystemExit) as error:
        raise click.ClickException(f"Port {port} is taken. Name another one with --port.") from error
    click.echo(f"Look at http://{_HOST}:{server.server_port}/ and reload it after each change. Ctrl-C ends it.")
    server.serve_forever()


def design_app(services: Services, base_url: str) -> Flask:
    """Return the page of designs; `base_url` is where it is, for the picture in them."""
    app = Flask("designs", template_folder=str(ROOT / "commands"), static_folder=str(ROOT / "static" / "inbox"))
    app.after_request(_let_mails_show_pictures)
    page_guard.protect(app)
    stories = {language: _words(language, read.entries) for language, read in demo.read().items()}
    names = _digest_names()
    picture = MailPicture(f"{base_url}/picture.jpg", _WIDE, _HIGH, "A ferry below the hills.", "Drawing: nobody")

    def made(kind: str, language: str) -> designs.Design:
        if kind not in designs.KINDS or language not in stories:
            abort(404)
        words = [*stories[language]]
        if language == "en" and kind in ("day", "thirty"):
            # A story without a version in the digest's language, as in a special edition.
            words.insert(2, stories["ar"][0])
        return designs.make(kind, names[language], words, language=language, picture=picture, services=services)

    _show_page(app, made, list(stories))
    _serve_mails(app, made, base_url)

    @app.errorhandler(jinja2.TemplateError)
    def say_what_is_wrong(error: jinja2.TemplateError) -> tuple[Response, int]:
        return Response(mailtext.mistake(error), content_type="text/plain; charset=utf-8"), 500

    return app


def _let_mails_show_pictures(response: Response) -> Response:
    # Set after the page's own guard has spoken: a mail is shown as if it came from nowhere, as another site's page is.
    if response.mimetype == "image/jpeg":
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _show_page(app: Flask, made: Callable[[str, str], designs.Design], languages: Sequence[str]) -> None:
    @app.get("/")
    def page() -> str:
        kind, language = request.args.get("kind", "day"), request.args.get("language", "en")
        return render_template(
            "digests_design.html",
            kinds=designs.KINDS,
            languages=languages,
            kind=kind,
            language=language,
            dark=bool(request.args.get("dark")),
            octets=len(made(kind, language).html.encode()),
        )


def _serve_mails(app: Flask, made: Callable[[str, str], designs.Design], base_url: str) -> None:
    """Register what a mail program would get, fenced off as the inbox fences mails off."""

    @app.get("/<kind>/<language>.html")
    def mail(kind: str, language: str) -> Response:
        html = made(kind, language).html
        if request.args.get("dark"):
            html = html.replace("(prefers-color-scheme: dark)", "all")
        response = Response(html, content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = page_guard.mail_policy(framed=True, site_url=base_url)
        return response

    @app.get("/<kind>/<language>.txt")
    def text(kind: str, language: str) -> Response:
        return Response(made(kind, language).text, content_type="text/plain; charset=utf-8")

    @app.get("/picture.jpg")
    def picture() -> Response:
        return Response(_drawn(), content_type="image/jpeg")


def _words(language: str, entries: Sequence[Entry]) -> list[Words]:
    return [
        Words(language, one.headline, one.standfirst, max(1, round(one.words / WORDS_A_MINUTE)), one.published_at)
        for one in entries
        if one.published_at is not None
    ]


def _digest_names() -> dict[str, str]:
    tables = tomllib.loads((demo.FOLDER / "digests.toml").read_text("utf-8"))["digest"]
    return {table["language"]: table["name"] for table in tables}


@cache
def _drawn() -> bytes:
    """Return a picture that was never taken: hills, the sea, and a ferry."""
    image = Image.new("RGB", (_WIDE, _HIGH), "#dfe7e6")
    draw = ImageDraw.Draw(image)
    draw.ellipse((820, 90, 960, 230), fill="#f2d8a7")
    draw.polygon([(0, 430), (260, 210), (520, 400), (760, 250), (1200, 440), (1200, 675), (0, 675)], fill="#8fb0aa")
    draw.polygon([(0, 480), (360, 330), (700, 470), (1200, 380), (1200, 675), (0, 675)], fill="#5f8d89")
    draw.rectangle((0, 480, _WIDE, _HIGH), fill="#2f6f74")
    draw.polygon([(420, 500), (800, 500), (760, 560), (460, 560)], fill="#f7f4ee")
    draw.rectangle((500, 450, 700, 500), fill="#b5473c")
    draw.rectangle((640, 400, 670, 450), fill="#1d1c1a")
    written = io.BytesIO()
    image.save(written, "JPEG", quality=80)
    return written.getvalue()
