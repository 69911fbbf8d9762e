"""The public archive of a digest: its regular editions, each with the editors' note and all stories that went out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import exists, func, select

from articles import shelf
from articles.models import Article
from core import errors
from core.database import db
from digests import desk, notes, viewing
from digests.models import Cohort, Edition, Wave
from subscribers.models import Digest

MOST = 60
"""Editions on one page, and stories of one edition."""


@dataclass(frozen=True, slots=True)
class Whole:
    """All that an edition brought to anybody: the editors' note, and stories, the front page and the pins first."""

    slot: date
    note: str
    stories: Sequence[Article]


def slots(digest: Digest) -> list[date]:
    """Return the dates of a digest's editions, newest first."""
    brought = exists().where(Cohort.edition_id == Edition.id)
    wanted = select(Edition.slot).where(Edition.digest_id == digest.id, Edition.kind == "regular", brought)
    return list(db.session.scalars(wanted.order_by(Edition.slot.desc()).limit(MOST)))


def whole(digest: Digest, slot: date, *, zone: str) -> Whole:
    """Return an edition as a whole; `zone` is the publisher's. Raises NotFound for one that brought nothing."""
    of_it = (Edition.digest_id == digest.id, Edition.kind == "regular", Edition.slot == slot)
    edition_id = db.session.scalar(select(Edition.id).where(*of_it))
    cohorts = db.session.scalars(select(Cohort.article_ids).where(Cohort.edition_id == edition_id)).all()
    if edition_id is None or not cohorts:
        raise errors.NotFound
    last = db.session.scalar(select(func.max(Wave.due_at)).where(Wave.edition_id == edition_id))
    laid = desk.laid_down(digest, slot, due_at=last, zone=zone)
    first = {one: place for place, one in enumerate(_foremost(laid))}
    counts = Counter(one for packed in cohorts for one in viewing.unpacked(packed))
    order = sorted(counts, key=lambda one: (first.get(one, len(first)), -counts[one], -one))
    stories = [one for one in shelf.by_ids(order) if one.state == "published"]
    return Whole(slot, notes.as_html(laid.note) if laid.note else "", stories[:MOST])


def _foremost(laid: desk.Laid) -> list[int]:
    front = laid.foremost.front
    return [*([front] if front is not None else []), *laid.foremost.pins]
