"""What a reader's choices would bring today: chosen by the very code that composes, and nothing written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.services import Services
from digests import rendering, sorting, timetable
from subscribers import rhythm
from subscribers.duereaders import DueReader
from subscribers.models import Subscription, Taste
from subscribers.preferences import Chosen

_NOBODY = 0
"""No subscriber has this id: a preview is for somebody who had nothing yet."""
SHOWN_OLDER = 5
"""When there is nothing new, this many of the latest stories show what the choices are like."""


@dataclass(frozen=True, slots=True)
class Preview:
    """The stories that are new today by these choices (this week, of a weekly digest). `is_new` is False when there are
    too few of them for a mail: the stories are then the latest that match, however old. `next_by` is by when the next
    mail can come.
    """

    stories: Sequence[rendering.StoryView]
    is_new: bool
    next_by: datetime


def of(subscription: Subscription, chosen: Chosen, *, now: datetime, services: Services) -> Preview:
    """Return what `chosen`, which was checked, would bring, as it would be if the subscription had it already."""
    choice = rhythm.choose(chosen.rhythm, minute=chosen.minute, zone=chosen.zone, weekday=chosen.weekday)
    stories = _stories("regular", subscription, chosen, now=now, services=services)
    older = [] if stories else _stories("first", subscription, chosen, now=now, services=services)
    next_by = timetable.next_by(choice, subscription, now=now)
    return Preview(stories or older[:SHOWN_OLDER], is_new=bool(stories), next_by=next_by)


def _stories(
    kind: str, subscription: Subscription, chosen: Chosen, *, now: datetime, services: Services
) -> Sequence[rendering.StoryView]:
    slot = rhythm.local_date(now, chosen.zone)
    reading = sorting.Reading(subscription.digest, kind, slot=slot, due_at=now, now=now, services=services)
    groups = reading.sort_out([_reader(subscription, chosen, now)]).groups
    return groups[0].copy.shown.stories if groups else []


def _reader(subscription: Subscription, chosen: Chosen, now: datetime) -> DueReader:
    """Return somebody with these choices who had nothing yet, and to whom one period is new."""
    person = subscription.subscriber
    return DueReader(
        subscription_id=subscription.id,
        subscriber_id=_NOBODY,
        reader_key=person.public_id,
        address=person.mailbox,
        addr_hash=person.addr_hash,
        link_version=person.link_version,
        # It belongs to no session, so it is never stored.
        taste=Taste(
            id=_NOBODY,
            topics=list(chosen.topics),
            countries=list(chosen.countries),
            most=chosen.most,
            format=chosen.format,
        ),
        fresh_from=now - rhythm.period(chosen.rhythm),
        rhythm=chosen.rhythm,
        zone=chosen.zone,
        once=person.once_over_digests,
    )
