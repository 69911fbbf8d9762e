"""What a digest would have brought this morning: a few headlines for somebody who has not asked for it yet."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from articles import shelf, topics
from core.database import db
from digests import selection, shelves
from subscribers import rhythm
from subscribers.models import Digest

MOST = 5
"""Headlines of one digest: enough to judge it by."""
KEPT = timedelta(minutes=1)
"""How long a choice is remembered: many people stand before the same form."""


@dataclass(frozen=True, slots=True)
class Headline:
    """One story of a preview; `ref` stands for it in a path."""

    headline: str
    language: str
    ref: str
    published_at: datetime


@dataclass(frozen=True, slots=True)
class Morning:
    """The headlines of one digest; `more` says that there would have been others, too."""

    digest: Digest
    headlines: Sequence[Headline]
    more: int


def of(digests: Sequence[Digest], *, topic_keys: Collection[str], now: datetime) -> list[Morning]:
    """Return what each digest would have brought in its last period to a reader of these topics; none: of all."""
    minute = int(now.timestamp() // KEPT.total_seconds())
    keys = frozenset(topic_keys)
    found = []
    for digest in digests:
        headlines = _remembered(id(db.engine), digest.id, digest.revision, keys, minute)
        found.append(Morning(digest, headlines[:MOST], max(0, len(headlines) - MOST)))
    return found


@lru_cache(maxsize=512)
def _remembered(
    _engine: int, digest_id: int, _revision: int, keys: frozenset[str], minute: int
) -> tuple[Headline, ...]:
    digest = db.session.get_one(Digest, digest_id)
    # A theme that the form does not know chooses nothing more than none would.
    topic_ids = frozenset(topic.id for topic in topics.all_topics() if topic.key in keys) or None
    until = datetime.fromtimestamp((minute + 1) * KEPT.total_seconds(), tz=UTC)
    since = until - rhythm.period(digest.default_rhythm)
    wish = selection.Wish(topic_ids, digest.most, fresh_from=since)
    choice = selection.choose(shelves.candidates(digest, since=since, topic_ids=topic_ids), wish, had={})
    chosen = shelf.by_ids([one.article_id for one in choice.full])
    return tuple(Headline(one.headline, one.language, one.ref, one.published_at) for one in chosen)
