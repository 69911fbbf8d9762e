"""A recap takes up what came since the one before, also for who has chosen another day, or came back, meanwhile."""

from datetime import datetime

from delivery import outbox
from subscribers import rhythm, wallclock
from subscribers.models import Subscription

RECAP = "recap"


def fresh_from(subscription: Subscription, *, at: datetime) -> datetime:
    """Return since when stories are new to a reader whose rhythm is about to be another: since `at`, but not before the
    last recap that they had ends, since of what was had a recap leaves out just what a recap brought in full.
    """
    digest, row = subscription.digest, subscription.rhythm
    if digest.repeat != RECAP or subscription.waited:
        return at
    last = wallclock.a_period_before(row.next_due_at, row.zone, rhythm.period(row.rhythm))
    had = outbox.queued_since(subscription.subscriber.addr_hash, stream=digest.stream, since=last)
    return max(at, last) if had else at
