"""The weeks and quarters of stories, as tags in the index: so the newest of very many stories are found among few.

A tag is no term: it has letters, and the ids of terms have none. Nobody counts how many stories have it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from articles.models import Article
from core.database import db

_UNITS = (("w", 7), ("q", 91))
"""The letters of the tags, and how many days one covers."""
_MOST = 20
"""Tags that are asked for at once: for more weeks it is quarters."""
_SPARE = 1.5
"""So many times the stories that should be enough are looked through: terms are not spread evenly."""
_WORTHWHILE = 0.5
"""The share of an archive from which on it is looked through as a whole."""


@dataclass(frozen=True, slots=True)
class Recent:
    """Tags, of which each story that is wanted first has one; `is_all` when no other story is wanted at all."""

    tags: Sequence[str]
    is_all: bool


def tags(at: datetime) -> list[str]:
    """Return the tags of a story that was published at a time."""
    return [f"{letter}{at.toordinal() // days}" for letter, days in _UNITS]


def enough(
    language: str, *, stories: int, share: float, most: int, begin: datetime | None, before: datetime | None
) -> Recent | None:
    """Return the tags of the time that should have the newest `most` stories, of a share of all stories of a language.

    None when that is no less than most of the archive, `stories`. Only stories from `begin` on, and `before` a time,
    are wanted.
    """
    wanted = math.ceil(most * _SPARE / share) if share > 0 else stories
    if wanted > stories * _WORTHWHILE:
        return None
    theirs = select(Article.published_at).where(Article.language == language)
    if before is not None:
        theirs = theirs.where(Article.published_at <= before)
    inorder = theirs.order_by(Article.published_at.desc()).limit(1)
    row = db.session.execute(
        select(inorder.scalar_subquery().label("last"), inorder.offset(wanted).scalar_subquery().label("first"))
    ).one()
    if row.first is None:
        return None
    is_all = begin is not None and begin >= row.first
    found = _between(max(begin, row.first) if begin else row.first, row.last)
    return Recent(found, is_all) if found else None


def _between(first: datetime, last: datetime) -> list[str]:
    """Return the tags of a time; none when those would be too many."""
    for letter, days in _UNITS:
        numbers = range(first.toordinal() // days, last.toordinal() // days + 1)
        if len(numbers) <= _MOST:
            return [f"{letter}{number}" for number in numbers]
    return []
