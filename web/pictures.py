"""Pictures as we serve them: small, from our own address, the same for ever; and how pages and feeds show them."""

import re
from collections.abc import Mapping
from typing import TypedDict

from flask import Blueprint, Flask, Response, make_response
from markupsafe import Markup

from articles import pictures as shelf
from articles import pictures_found, pictures_placed
from articles.models import Article
from articles.pictures import Shown
from core import errors, services
from core.errors import _
from core.links import PATHS
from web import headers, pages

pictures = Blueprint("pictures", __name__)

_ID = re.compile("[a-z2-7]{26}")
_FIGURE = Markup('<figure><img src="{}" width="{}" height="{}" alt="{}">{}</figure>')
_CAPTION = Markup("<figcaption>{}</figcaption>")


class Pictured(TypedDict):
    """What a story's templates need: its text in pieces, its pictures by position, the one that stands for it."""

    pieces: list[str | int]
    shown: Mapping[int, Shown]
    standing: Shown | None


def register(app: Flask) -> None:
    """Give the templates the words of a picture."""
    app.jinja_env.globals.update(alt_of=alt_of)


@pictures.get(PATHS["picture"])
def picture(picture: str) -> Response:
    """Return a rendition."""
    content = shelf.content(picture) if _ID.fullmatch(picture) else None
    if content is None:
        raise errors.NotFound
    response = make_response(content)
    response.mimetype = "image/jpeg"
    return headers.for_ever(response, tag=picture)


def values(article: Article) -> Pictured:
    """Return what the templates of a story need to show its pictures."""
    shown = shelf.of_article(article.id)
    return {
        "pieces": pictures_placed.parts(article.shown_body),
        "shown": shown,
        "standing": shelf.standing_for(shown),
    }


def alt_of(picture: Shown, article: Article) -> str:
    """Return what is read instead of a picture. Where nobody has said it yet: its caption alone, or whose it is."""
    if picture.is_decorative or (picture.caption and not picture.alt):
        return ""
    return picture.alt or pages.gettext(_("Picture: %(headline)s")) % {"headline": article.headline}


def address_of(picture: Shown | None) -> str | None:
    """Return the absolute address of a picture."""
    return services.current().links.to("picture", picture=picture.public_id) if picture else None


def with_pictures(article: Article, shown: Mapping[int, Shown]) -> str:
    """Return a story's HTML with its pictures, for readers of feeds; one that only decorates is left out."""
    told = {at: one for at, one in shown.items() if not one.is_decorative}
    pieces = [pictures_found.LEAD, *pictures_placed.parts(article.shown_body)]
    return "".join(
        piece if isinstance(piece, str) else _figure(told[piece], article) for piece in pieces if _has(piece, told)
    )


def _has(piece: str | int, told: Mapping[int, Shown]) -> bool:
    return isinstance(piece, str) or piece in told


def linked(picture: Shown) -> dict[str, object]:
    """Return a picture as linked data (schema.org, ImageObject)."""
    known = {
        "@type": "ImageObject",
        "url": address_of(picture),
        "width": picture.width,
        "height": picture.height,
        "caption": picture.caption or picture.alt,
        "creditText": picture.credit,
    }
    return {name: value for name, value in known.items() if value}


def _figure(picture: Shown, article: Article) -> str:
    words = " ".join(filter(None, (picture.caption, picture.credit)))
    caption = _CAPTION.format(words) if words else ""
    alt = alt_of(picture, article)
    return str(_FIGURE.format(address_of(picture), picture.width, picture.height, alt, caption))
