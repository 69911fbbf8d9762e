"""A link of a digest that is counted: it leads to its story, and changes nothing in the database (docs/adr/0021)."""

from flask import Blueprint, Response, current_app, redirect, request

from core import clock, origins, services
from core.links import PATHS
from core.pile import Pile
from digests.clicks import Click, is_scanner, story_of
from web import pages

clicks = Blueprint("clicks", __name__)


@clicks.get(PATHS["click"])
def follow(digest: str, edition: str, story: str, token: str) -> Response:
    """Lead to a story, as it is now; note that somebody went there, where that is no machine."""
    article = story_of(digest, edition, story, token, services.current().links)
    if _is_reader():
        pile: Pile = current_app.extensions["postrider clicks"]
        pile.add(Click(clock.utc_now(), _origin(), digest, edition, story).line())
    if article.state == "published" and article.is_read_elsewhere:
        return redirect(article.url)  # type: ignore[return-value]
    return pages.to("story", language=article.language, story=article.ref)


def _is_reader() -> bool:
    """Say whether a person seems to follow the link: scanners ask ahead, ask for the head only, or say who they are."""
    asked = request.headers
    ahead = asked.get("Sec-Purpose") or asked.get("Purpose") or asked.get("X-Moz")
    is_page = asked.get("Sec-Fetch-Dest", "document") == "document"
    return request.method == "GET" and not ahead and is_page and not is_scanner(request.user_agent.string)


def _origin() -> str:
    """Return who asks, blurred: only that two clicks are of one machine can be seen, for a minute."""
    told = f"{origins.counted(request.remote_addr)} {request.user_agent.string}"
    return services.current().keyring.blur("clicks", told).hex()
