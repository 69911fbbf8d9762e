"""When the next mail of a subscription can come, in a reader's terms."""

from datetime import UTC, datetime, timedelta

from subscribers import rhythm
from subscribers.models import Subscription


def next_mail(subscription: Subscription, *, now: datetime) -> datetime:
    """Return the instant *by* which the next regular mail can come: the promised hour, not the start of its wave."""
    lead = timedelta(seconds=subscription.digest.lead_s)
    choice = rhythm.choice_of(subscription.rhythm)
    due = rhythm.next_due(choice, lead_s=subscription.digest.lead_s, after=now)
    while _too_early(subscription, due):
        due = rhythm.next_due(choice, lead_s=subscription.digest.lead_s, after=due.at)
    return (due.at + lead).astimezone(UTC)


def _too_early(subscription: Subscription, due: rhythm.Due) -> bool:
    bounds = (subscription.not_before_slot, subscription.subscriber.paused_until)
    return any(bound is not None and due.slot < bound for bound in bounds)
