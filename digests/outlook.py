"""What a mail says beside its stories: its date, what comes after a first edition, what a mail program has left."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from articles import cleaning
from core import language as languages
from core.database import db
from core.services import Services
from digests import editions, rendering, timetable
from subscribers import rhythm
from subscribers.duereaders import DueReader
from subscribers.models import Digest, Subscription

PREHEADER = 100
"""Characters of a standfirst in the place of the next headlines, where there is one story only."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """The date of a mail; in a first edition when the digest comes again (`own`), and when the reader's others begin;
    and which other digest the reader's mail program has left.
    """

    dated: date
    own: str
    others: tuple[tuple[str, str], ...]
    left: str


def of_regular(reader: DueReader, digest: Digest, *, slot: date) -> Outlook:
    """Return what a regular edition says."""
    return Outlook(slot, "", (), _left(reader, digest))


def of_first(reader: DueReader, digest: Digest, *, now: datetime) -> Outlook:
    """Return what a first edition says."""
    own = db.session.get_one(Subscription, reader.subscription_id)
    # The regular slot of this date, as it is where the reader is, is skipped: see served.first_sent.
    today = rhythm.local_date(now, reader.zone)
    comes = _when(own, digest, now=now, not_before=today + timedelta(days=1))
    others = tuple((one.digest.name, _when(one, digest, now=now)) for one in editions.to_begin(own))
    return Outlook(today, comes, others, _left(reader, digest))


def opening(
    outlook: Outlook,
    digest: Digest,
    stories: Sequence[rendering.StoryView],
    *,
    first: bool,
    services: Services,
    view_url: str = "",
) -> rendering.Opening:
    """Return what stands before these stories. `view_url` shows them in a browser."""
    return rendering.Opening(
        publication=services.publication.name(digest.language),
        digest=digest.name,
        date=languages.date_text(outlook.dated, digest.language),
        **told_of(stories),
        first=first,
        rhythm_next=outlook.own,
        begins=outlook.others,
        left=outlook.left,
        view_url=view_url,
    )


def told_of(stories: Sequence[rendering.StoryView]) -> dict[str, Any]:
    """Return what an opening says of the stories below it."""
    return {
        "stories": len(stories),
        "minutes": sum(story.minutes for story in stories),
        "preheader": _preheader(stories),
    }


def _preheader(stories: Sequence[rendering.StoryView]) -> str:
    """Return what a list of mails shows after the subject, which has the first headline: the next two.

    They are not padded: a screen reader would read the padding.
    """
    return " · ".join(story.headline for story in stories[1:3]) or cleaning.cut(stories[0].standfirst, most=PREHEADER)


def _left(reader: DueReader, digest: Digest) -> str:
    if reader.left_by_click_id in (None, digest.id):
        return ""
    return db.session.get_one(Digest, reader.left_by_click_id).name


def _when(subscription: Subscription, digest: Digest, *, now: datetime, not_before: date | None = None) -> str:
    at = timetable.next_mail(subscription, now=now, not_before=not_before)
    return rendering.when(at, digest.language, subscription.rhythm.zone)
