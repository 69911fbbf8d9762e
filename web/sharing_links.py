"""What mails of sharing lead to: confirm that it is sent, *this was not me*, and that a friend has read the story."""

from flask import Blueprint, Response

from articles.models import Article
from core import clock, database, errors, services, tokens
from core.database import db
from core.links import PATHS
from sharing import confirming, counts, notme
from sharing.models import Share
from tasks import nudge
from web import articles, pages, sharing

sharing_links = Blueprint("sharing_links", __name__)


@sharing_links.get(PATHS["share_confirm"])
def ask(token: str) -> Response:
    """Show what would be sent to whom, and one button: opening the link sends nothing."""
    try:
        share = _asked(token)
    except errors.LinkExpired:
        return _late(token)
    if share.state in confirming.DONE:
        return _thanks(share, again=True)
    return pages.page("sharing/confirm.html", {"article": share.article, "friends": _masked(share)})


@sharing_links.post(PATHS["share_confirm"])
def confirm(token: str) -> Response:
    """Send it, once."""
    try:
        with database.write_turn():
            share = _asked(token)
            given, keyring = sharing.share_settings(), services.current().keyring
            is_news = confirming.confirm(share, given=given, keyring=keyring, now=clock.utc_now())
            db.session.commit()
    except (errors.LinkExpired, errors.Conflict):
        return _late(token)
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


@sharing_links.post(PATHS["share_read"])
def read(story: str) -> Response:
    """Count that a story was opened from a friend's mail, where the publisher wants that: once an hour an origin."""
    article, now = articles.opened(story), clock.utc_now()
    if not article.shareable:
        raise errors.NotFound
    if pages.counts_reads() and sharing.is_first_read(article):
        with database.write_turn():
            counts.add(article.id, day=now.date(), reads=1)
            db.session.commit()
    return Response(status=204)


def _asked(token: str) -> Share:
    """Return the share that a link asks about, in its sender's language. Its story may be withdrawn meanwhile."""
    read = services.current().links.tokens.read(tokens.Purpose.SHARE_CONFIRM, token)
    _open_story(notme.open_share(read))
    return confirming.open_share(read, clock.utc_now())


def _open_story(share: Share) -> Article:
    """Return the story of a share, if it may be sent still; its page is in the sender's language from here on."""
    pages.speak(share.language)
    article, _mode = sharing.opened(share.article.ref)
    return article


def _late(token: str) -> Response:
    """Return the page of a story whose sender comes too late, or after the switch was turned: there it can be sent."""
    read = services.current().links.tokens.read(tokens.Purpose.SHARE_CONFIRM, token)
    return sharing.late(_open_story(notme.open_share(read)))


def _told(token: str) -> Share:
    share = notme.open_share(services.current().links.tokens.read(tokens.Purpose.SHARE_NOT_ME, token))
    pages.speak(share.language)
    return share


def _masked(share: Share) -> list[str]:
    return [one.masked for one in share.friends if one.masked]


def _thanks(share: Share, *, again: bool) -> Response:
    return pages.page("sharing/thanks.html", {"article": share.article, "again": again})
