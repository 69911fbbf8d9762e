"""When the next mail of a subscription can come, in a reader's terms."""

from datetime import UTC, date, datetime, timedelta

from subscribers import rhythm
from subscribers.models import Subscription


def next_mail(subscription: Subscription, *, now: datetime, not_before: date | None = None) -> datetime:
    """Return the instant *by* which the next regular mail can come: the promised hour, not the start of its wave.

    `not_before` is a date before which there will be none, besides those that the subscription knows of.
    """
    return next_by(rhythm.choice_of(subscription.rhythm), subscription, now=now, not_before=not_before)


def next_by(
    choice: rhythm.RhythmChoice, subscription: Subscription, *, now: datetime, not_before: date | None = None
) -> datetime:
    """Return the same as if the subscription already had this rhythm."""
    lead_s = subscription.digest.lead_s
    due = rhythm.next_due(choice, lead_s=lead_s, after=now)
    bounds = (not_before, subscription.not_before_slot, subscription.subscriber.paused_until)
    while any(bound is not None and due.slot < bound for bound in bounds):
        due = rhythm.next_due(choice, lead_s=lead_s, after=due.at)
    return (due.at + timedelta(seconds=lead_s)).astimezone(UTC)
