"""What a reader wants: topics and countries, interned so that readers who want the same share one row."""

import hashlib
import json
from collections.abc import Collection, Iterable

from sqlalchemy import select

from articles import topics as shelf
from articles.models import Topic
from core import database
from core.database import db
from subscribers.models import Taste

FORMATS = ("both", "text")


def taste_row(*, topics: Iterable[str], countries: Iterable[str], most: int, format: str) -> Taste:
    """Return the row of a taste, made if there is none; safe when two readers bring the same one at once."""
    wanted = {"topics": sorted(set(topics)), "countries": sorted(set(countries)), "most": most, "format": format}
    fingerprint = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).digest()
    insert = database.insert_for(db.engine)
    db.session.execute(insert(Taste).values(fingerprint=fingerprint, **wanted).on_conflict_do_nothing())
    return db.session.execute(select(Taste).filter_by(fingerprint=fingerprint)).scalar_one()


def proposed(keys: Collection[str], *, most: int) -> Taste:
    """Return the taste for the topics that a form proposed, of both kinds. One that is gone since is left out."""
    known = [topic for topic in shelf.all_topics() if topic.key in keys]
    return taste_row(topics=keys_of(known, "theme"), countries=keys_of(known, "country"), most=most, format="both")


def keys_of(topics: Iterable[Topic], kind: str) -> list[str]:
    """Return the keys of the topics of one kind."""
    return [topic.key for topic in topics if topic.kind == kind]
