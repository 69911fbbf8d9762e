"""When the next mail of a subscription can come, in a reader's terms; and since when stories are new to a reader."""

from datetime import UTC, date, datetime, timedelta

from subscribers import rhythm, wallclock
from subscribers.duereaders import DueReader
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


def fresh_from(reader: DueReader, *, recap: bool, due_at: datetime, now: datetime) -> datetime:
    """Return since when stories are new to a reader in a regular wave that was due at `due_at`.

    Nobody gets a backlog: it is two periods at the most, and one after a pause, but for those who asked to catch up:
    then it reaches back to when their pause began. Who waits for more stories keeps those that they wait with.
    """
    period = rhythm.period(reader.rhythm)
    if reader.away_from is not None and not reader.catch_up:
        return max(reader.fresh_from, wallclock.a_period_before(due_at, reader.zone, period) if recap else now - period)
    if recap and reader.away_from is None:
        return max(reader.fresh_from, wallclock.a_period_before(due_at, reader.zone, period) - reader.waited * period)
    backlog = reader.away_from or now
    return max(reader.fresh_from, min(backlog, now - (2 + reader.waited) * period))
