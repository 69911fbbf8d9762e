"""Let a known article follow its feed: its text, while its address and its date stay."""

from datetime import datetime

from articles import cleaning, life, pictures_placed
from articles.entries import Entry
from articles.models import Article


def follow(article: Article, entry: Entry, now: datetime) -> bool:
    """Let an article follow its entry. Say whether its text changed; another picture in it is no new text."""
    texts = {name: getattr(entry, name) for name in ("headline", "standfirst")}
    # A feed that lost its bodies, as some do for a day, takes none from us.
    if _has_text(entry.body) or not _has_text(article.body):
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
