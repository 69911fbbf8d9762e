"""Dates that are still to come: when their waves will begin, before any is due."""

from datetime import date, datetime

from sqlalchemy import select

from core.database import db
from subscribers import rhythm
from subscribers.models import Digest, Rhythm


def waves_on(digest: Digest, slot: date) -> dict[datetime, list[int]]:
    """Return when the waves of a date begin that are still to come, the next date of a rhythm or a later one, with the
    ids of their rhythms.
    """
    found: dict[datetime, list[int]] = {}
    for row in db.session.scalars(select(Rhythm).where(Rhythm.digest_id == digest.id, Rhythm.slot <= slot)):
        at = row.next_due_at if row.slot == slot else rhythm.due_on(rhythm.choice_of(row), slot, lead_s=digest.lead_s)
        if at is not None:
            found.setdefault(at, []).append(row.id)
    return found
