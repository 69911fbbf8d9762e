"""Load the demo publication. Its Atom files go through `articles.ingest`, like any publisher's feed."""

import tomllib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from articles import feeds, ingest, pictures_due, rules, topics
from articles.renditions import Made
from core.database import db
from subscribers import offer
from subscribers.models import Rhythm, Subscription

FOLDER = Path(__file__).resolve().parent
FEEDS = {
    "english": "en",
    "arabic": "ar",
    "italian": "it",
    "chinese": "zh-Hans",
    "korean": "ko",
}
"""The files in feeds/, and their languages. A language may have a second file, `<name>-late`, for the day after."""
URL = "https://news.example.org/feeds/{name}.atom"
"""Where the demo's feeds would be. They are never fetched: `feeds.ensure` is told so."""
PICTURE = "https://news.example.org/pictures/{name}.jpg"
"""Where the demo's pictures would be. They are files here, drawn by tools/drawings.py, and never fetched either."""
PICTURE_SIZE = (1_200, 675)
"""Width and height of each, in pixels."""

Stories = Mapping[str, ingest.ReadFeed]
"""What was read of the demo's files, by language."""


def read(*, late: bool = False) -> Stories:
    """Read the first days' stories, or those of the day after. Slow: for before the transaction."""
    files = {language: FOLDER / "feeds" / f"{name}{'-late' * late}.atom" for name, language in FEEDS.items()}
    return {language: ingest.read_entries(None, file.read_bytes()) for language, file in files.items() if file.exists()}


def load(stories: Stories, now: datetime) -> ingest.Ingested:
    """Load topics, their rules, digests and the first days' stories."""
    topics.apply(_tables("topics.toml", "topic"))
    rules.write([rule for rule, _before in rules.changed(rules.read(_tables("topics.toml", "rule")))])
    offer.apply(_tables("digests.toml", "digest"))
    return store(stories, now)


def is_here() -> bool:
    """Return whether the demo was loaded: a real publication's readers must not be mailed by a demo's command."""
    return feeds.by_url(URL.format(name="english")) is not None


def make_due(now: datetime) -> None:
    """Make the next mail of every reader due at once: visitors of the demo do not wait a night.

    Whoever had their first edition today gets no regular one of this date, so their slot is the day after.
    """
    earliest = (
        select(Subscription.rhythm_id, func.max(Subscription.not_before_slot))
        .where(Subscription.state == "on")
        .group_by(Subscription.rhythm_id)
    )
    for rhythm_id, slot in db.session.execute(earliest):
        rhythm = db.session.get_one(Rhythm, rhythm_id)
        rhythm.next_due_at = now
        rhythm.slot = max(rhythm.slot, slot or rhythm.slot)


def store(stories: Stories, now: datetime) -> ingest.Ingested:
    """Store what was read."""
    total = ingest.Ingested(0, 0, 0, 0)
    for name, language in FEEDS.items():
        if language not in stories:
            continue
        feed = feeds.ensure(URL.format(name=name), language=language, now=now, fetched=False)
        stored = ingest.store_entries(feed.id, stories[language], now)
        total = ingest.Ingested(
            total.new + stored.new,
            total.changed + stored.changed,
            total.known + stored.known,
            total.refused + stored.refused,
        )
    pictures_due.note_brought(_pictures(), now)
    return total


def _pictures() -> dict[str, Made]:
    """Return the demo's pictures by where they would be; they are as small as renditions already."""
    files = (FOLDER / "pictures").glob("*.jpg")
    return {PICTURE.format(name=file.stem): Made(*PICTURE_SIZE, file.read_bytes()) for file in files}


def _tables(file: str, name: str) -> list[dict[str, Any]]:
    tables: list[dict[str, Any]] = tomllib.loads((FOLDER / file).read_text("utf-8"))[name]
    return tables
