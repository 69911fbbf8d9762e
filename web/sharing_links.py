"""What a sender's mails lead to: confirm that it is to be sent, and *this was not me*. A page with a button each."""

from flask import Blueprint, Response

from core import clock, database, errors, services, tokens
from core.database import db
from core.links import PATHS
from sharing import confirming, notme
from sharing.models import Share
from tasks import nudge
from web import articles, pages, sharing

sharing_links = Blueprint("sharing_links", __name__)


@sharing_links.get(PATHS["share_confirm"])
def ask(token: str) -> Response:
    """Show what would be sent to whom, and one button: opening the link sends nothing."""
    share = _asked(token)
    if share.state in confirming.DONE:
        return _thanks(share, again=True)
    return pages.page("sharing/confirm.html", {"article": share.article, "friends": _masked(share)})


@sharing_links.post(PATHS["share_confirm"])
def confirm(token: str) -> Response:
    """Send it, once."""
    try:
        with database.write_turn():
            share = _asked(token)
            is_news = confirming.confirm(share, now=clock.utc_now())
            db.session.commit()
    except errors.Conflict as error:
        return sharing.closed(_asked(token).article, error, 409)
    nudge.sharing()
    return _thanks(share, again=not is_news)


@sharing_links.get(PATHS["share_not_me"])
def not_me(token: str) -> Response:
    """Show the button that ends the link by which it was sent, and all that waits."""
    share = _told(token)
    return pages.page("sharing/not_me.html", {"article": share.article})


@sharing_links.post(PATHS["share_not_me"])
def end(token: str) -> Response:
    """End the link, and all of this sender's that waits."""
    with database.write_turn():
        share = _told(token)
        ended = notme.end(share, now=clock.utc_now())
        db.session.commit()
    return pages.page("sharing/ended.html", {"by_link": share.token_hash is not None, "ended": ended})


def _asked(token: str) -> Share:
    """Return the share that a link asks about, in its sender's language. Its story may be withdrawn meanwhile."""
    read = services.current().links.tokens.read(tokens.Purpose.SHARE_CONFIRM, token)
    share = confirming.open_share(read, clock.utc_now())
    pages.speak(share.language)
    article = articles.opened(share.article.ref)
    if not article.shareable:
        raise errors.NotFound
    return share


def _told(token: str) -> Share:
    share = notme.open_share(services.current().links.tokens.read(tokens.Purpose.SHARE_NOT_ME, token))
    pages.speak(share.language)
    return share


def _masked(share: Share) -> list[str]:
    return [one.masked for one in share.friends if one.masked]


def _thanks(share: Share, *, again: bool) -> Response:
    return pages.page("sharing/thanks.html", {"article": share.article, "again": again})
