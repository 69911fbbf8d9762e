"""The same text twice: a story that comes again, lightly edited, with another guid and page, or from another feed.

Texts are compared by their shingles (Broder 1997): every five words in a row; in scripts without spaces, five signs. Of
each new article the smallest hashes of its shingles are kept for three days; whoever shares most of them is compared in
full.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Index, delete, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from articles import cleaning, words
from articles.models import Article
from core import changes
from core.database import Base, BigId, db

LENGTH = 5
LEAST = 40
"""Shingles. A shorter text (a market report of two lines) may come again on purpose, with other figures."""
ALIKE = 0.8
"""From this share of common shingles on (Jaccard), two texts are one."""
WITHIN = timedelta(hours=72)
KEPT = 16
"""Hashes kept of a text. Of two that are alike, some thirteen are the same."""
SHARED = 6


class Shingle(Base):
    """One of the smallest hashes of an article's shingles."""

    __tablename__ = "shingles"
    __table_args__ = (Index(None, "language", "hash"), Index(None, "seen_at"), changes.NOT_SHOWN)
    article_id: Mapped[int] = mapped_column(BigId, primary_key=True)
    hash: Mapped[int] = mapped_column(BigId, primary_key=True)
    language: Mapped[str]
    seen_at: Mapped[datetime]


def shingles(text: str) -> frozenset[int]:
    """Return the hashes of a text's shingles, each of 63 bits."""
    parts = words.in_order(text)
    return frozenset(_hash(parts[at : at + LENGTH]) for at in range(len(parts) - LENGTH + 1))


def shingles_of(body: str) -> frozenset[int]:
    """Return the hashes of the shingles of a story's HTML."""
    return shingles(cleaning.text_of(body))


def _hash(parts: Sequence[str]) -> int:
    digest = hashlib.blake2b("\n".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def likeness(one: frozenset[int], other: frozenset[int]) -> float:
    """Return the share of common shingles among all of two texts (Jaccard)."""
    return len(one & other) / len(one | other) if one or other else 0.0


def twin(own: frozenset[int], language: str, now: datetime) -> Article | None:
    """Return the article of the last three days that has nearly these shingles in this language, if there is one."""
    if len(own) < LEAST:
        return None
    for article in _candidates(own, language, now):
        if likeness(own, shingles_of(article.body)) >= ALIKE:
            return article
    return None


def _candidates(own: frozenset[int], language: str, now: datetime) -> list[Article]:
    """Return the articles that share most of the smallest hashes, those that share more first."""
    wanted = select(Shingle.article_id).where(
        Shingle.language == language, Shingle.hash.in_(sorted(own)[:KEPT]), Shingle.seen_at > now - WITHIN
    )
    shared = Counter(db.session.scalars(wanted))
    best = [article_id for article_id, count in shared.most_common() if count >= SHARED]
    return [db.session.get_one(Article, article_id) for article_id in best]


def remember(article: Article, own: frozenset[int], now: datetime) -> None:
    """Keep the smallest hashes of an article that has just come in, and has these shingles."""
    if len(own) < LEAST:
        return
    known = {"article_id": article.id, "language": article.language, "seen_at": now}
    db.session.execute(insert(Shingle), [{**known, "hash": one} for one in sorted(own)[:KEPT]])


def remember_anew(article: Article, now: datetime) -> None:
    """Keep the smallest hashes of an article whose text is another one now."""
    gone = delete(Shingle).where(Shingle.article_id == article.id)
    db.session.execute(gone, execution_options={"synchronize_session": "fetch"})
    remember(article, shingles_of(article.body), now)


def forget(now: datetime) -> None:
    """Let go of what is too old to be compared with."""
    old = delete(Shingle).where(Shingle.seen_at <= now - WITHIN)
    db.session.execute(old, execution_options={"synchronize_session": False})
