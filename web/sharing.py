"""Send a story to a friend: a page with a mailto link. Nothing is sent, and no address is asked for."""

from flask import Blueprint, Response

from core import errors
from core.links import PATHS
from sharing import friend
from web import articles, headers, pages

sharing = Blueprint("sharing", __name__)


@sharing.get(PATHS["share"])
def send(story: str) -> Response:
    """Show the ways to pass on a story."""
    article = articles.opened(story)
    if not article.shareable:
        raise errors.NotFound
    if not articles.at_home(article, story):
        return pages.to("share", 301, language=article.language, story=article.ref)
    canonical = articles.canonical(article)
    mailto = friend.mailto(article.headline, article.standfirst, canonical)
    values = {"article": article, "mailto": mailto, "canonical": canonical}
    return headers.publicly(pages.page("sharing/send.html", values), whatever_query=True)
