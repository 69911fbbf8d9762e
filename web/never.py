"""Never again: no more stories from friends, or no mail at all. A page with two buttons, and one click (RFC 8058)."""

from flask import Blueprint, Response, request

from core import clock, database, services, tokens
from core.database import db
from core.links import PATHS
from sharing import optout
from web import headers, pages

never = Blueprint("never", __name__)

SOURCES = {True: "one click", False: "page"}


@never.get(PATHS["share_opt_out"])
def ask(token: str) -> Response:
    """Show the two buttons: opening the link, as scanners do, ends nothing."""
    pages.speak(_owner(token).language)
    return pages.page("sharing/never.html", {})


@never.post(PATHS["share_opt_out"])
def stop(token: str) -> Response:
    """Send no more, as often as it is asked for. A mail program's one click ends stories from friends, nothing else."""
    one_click = headers.is_one_click()
    everything = request.form.get("what") == optout.ALL and not one_click
    with database.write_turn():
        owner = _owner(token)
        optout.opt_out(owner, everything=everything, source=SOURCES[one_click], now=clock.utc_now())
        db.session.commit()
    pages.speak(owner.language)
    return pages.page("sharing/never_done.html", {"everything": everything})


def _owner(token: str) -> optout.Owner:
    return optout.open_link(services.current().links.tokens.read(tokens.Purpose.SHARE_OPT_OUT, token))
