"""What a wave notes of its readers: that their first edition went out, or that they wait for more stories."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from sqlalchemy import update

from core.database import db
from subscribers.models import Subscription


def first_sent(subscription_id: int, *, slot: date, fresh_from: datetime) -> None:
    """Record that a first edition was queued on the local date `slot`: the regular one of that date is left out.

    `fresh_from` is when the newest story it chose from was first seen; what was stored while it was being made, even
    with an earlier time on it than the clock has now, is new to this reader.
    """
    subscription = db.session.get_one(Subscription, subscription_id)
    subscription.first_due_at = None
    subscription.not_before_slot = slot + timedelta(days=1)
    subscription.fresh_from = fresh_from


def note_waits(waited: Mapping[int, int]) -> None:
    """Record how many slots in a row brought too few stories, by subscription."""
    for count in sorted(set(waited.values())):
        ids = sorted(one for one in waited if waited[one] == count)
        db.session.execute(
            update(Subscription)
            .where(Subscription.id.in_(ids))
            .values(waited=count)
            .execution_options(synchronize_session=False)
        )


def first_empty(subscription_id: int) -> None:
    """Record that there was nothing for a first edition: the regular ones begin."""
    db.session.get_one(Subscription, subscription_id).first_due_at = None
