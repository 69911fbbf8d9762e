"""The same text twice: a story that comes again, lightly edited, with another guid and page, or from another feed.

Texts are compared by their shingles (Broder 1997): every five words in a row; in scripts without spaces, five signs. Of
each new article the smallest hashes of its shingles are kept for three days; whoever shares most of them is compared in
full.
"""

import hashlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Index, delete, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from articles import cleaning, words
from articles.models import Article
from core import changes, database
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
    parts = [part.encode("utf-8", "surrogatepass") for part in words.in_order(text)]
    joined, begins = b"\n".join(parts), [0, *itertools.accumulate(len(part) + 1 for part in parts)]
    # A shingle ends before the sign that parts it from the next.
    spans = zip(begins, begins[LENGTH:], strict=False)
    return frozenset(_hash(joined[begin : end - 1]) for begin, end in spans)


def shingles_of(body: str) -> frozenset[int]:
    """Return the hashes of the shingles of a story's HTML."""
    return shingles(cleaning.text_of(body))


def _hash(shingle: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(shingle, digest_size=8).digest(), "big") >> 1


def likeness(one: frozenset[int], other: frozenset[int]) -> float:
    """Return the share of common shingles among all of two texts (Jaccard)."""
    return len(one & other) / len(one | other) if one or other else 0.0


class Recent:
    """What came in during the last three days in a language, as far as some new texts may be it again.

    It is asked for once, for all of them; what is stored of them meanwhile counts, too, and is written in the end.
    """

    def __init__(self, texts: Iterable[frozenset[int]], language: str, now: datetime) -> None:
        """Look for what has hashes of these texts, given by their shingles."""
        self._now = now
        self._new: dict[Article, frozenset[int]] = {}
        self._having: dict[int, list[Article | int]] = defaultdict(list)
        hashes = {one for own in texts for one in _smallest(own)}
        wanted = select(Shingle.hash, Shingle.article_id).where(
            Shingle.language == language, database.one_of(Shingle.hash, hashes), Shingle.seen_at > now - WITHIN
        )
        for one, article_id in db.session.execute(wanted) if hashes else ():
            self._having[one].append(article_id)

    def twin(self, own: frozenset[int]) -> Article | None:
        """Return the article that has nearly these shingles, if there is one; first whoever shares more hashes."""
        shared = Counter(one for hashed in _smallest(own) for one in self._having.get(hashed, ()))
        for one, count in shared.most_common():
            if count < SHARED:
                break
            article = one if isinstance(one, Article) else db.session.get_one(Article, one)
            if likeness(own, self._new.get(article) or shingles_of(article.body)) >= ALIKE:
                return article
        return None

    def add(self, article: Article, own: frozenset[int]) -> None:
        """Take a new article for one that others may be again."""
        self._new[article] = own
        for hashed in _smallest(own):
            self._having[hashed].append(article)

    def write(self) -> None:
        """Keep the smallest hashes of the new articles, which are written by now."""
        _keep([(article, hashed) for article, own in self._new.items() for hashed in _smallest(own)], self._now)


def _smallest(own: frozenset[int]) -> list[int]:
    """Return the hashes by which a text is looked for; none for one that is too short."""
    return sorted(own)[:KEPT] if len(own) >= LEAST else []


def _keep(hashes: Sequence[tuple[Article, int]], now: datetime) -> None:
    rows = [
        {"article_id": article.id, "language": article.language, "seen_at": now, "hash": one} for article, one in hashes
    ]
    if rows:
        db.session.execute(insert(Shingle), rows)


def remember(article: Article, own: frozenset[int], now: datetime) -> None:
    """Keep the smallest hashes of an article that has these shingles."""
    _keep([(article, one) for one in _smallest(own)], now)


def remember_anew(article: Article, now: datetime) -> None:
    """Keep the smallest hashes of an article whose text is another one now."""
    gone = delete(Shingle).where(Shingle.article_id == article.id)
    db.session.execute(gone, execution_options={"synchronize_session": "fetch"})
    remember(article, shingles_of(article.body), now)


def forget(now: datetime) -> None:
    """Let go of what is too old to be compared with."""
    old = delete(Shingle).where(Shingle.seen_at <= now - WITHIN)
    db.session.execute(old, execution_options={"synchronize_session": False})
