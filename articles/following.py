"""Let an article that is known follow its feed: its texts change with their entry, its address and date never."""

from datetime import datetime, timedelta
from difflib import SequenceMatcher

from articles import arriving, cleaning, life, pictures_placed
from articles.entries import Entry
from articles.models import Article

RECYCLED_AFTER = timedelta(days=30)


def is_recycled(entry: Entry, article: Article | None, now: datetime) -> bool:
    """Say whether a known guid or page has been given to another story: much later, and with quite another headline.

    A date that is still to come is a slip, and makes no other story of it.
    """
    if article is None or entry.published_at is None:
        return False
    if arriving.dated(entry, now) - article.published_at < RECYCLED_AFTER:
        return False
    return SequenceMatcher(None, article.headline.casefold(), entry.headline.casefold()).ratio() < 0.5


def follow(article: Article, entry: Entry, now: datetime, *, keeps_body: bool) -> bool:
    """Let an article follow its entry. Say whether its text changed; another picture in it is no new text.

    With `keeps_body` its text is not the feed's, and stays.
    """
    texts = {name: getattr(entry, name) for name in ("headline", "standfirst")}
    # A feed that lost its bodies, as some do for a day, takes none from us.
    if not keeps_body and (_has_text(entry.body) or not _has_text(article.body)):
        texts |= {name: getattr(entry, name) for name in ("dateline_place", "dateline_agency", "body")}
        article.words = entry.words
    article.author = entry.author
    bare = pictures_placed.without_places
    changed = any(bare(getattr(article, name)) != bare(text) for name, text in texts.items())
    if changed:
        life.keep_text(article, now=now)
        article.revision += 1
        article.text_changed_at = now
    for name, text in texts.items():
        setattr(article, name, text)
    return changed


def _has_text(body: str) -> bool:
    return bool(cleaning.text_of(body).strip())
