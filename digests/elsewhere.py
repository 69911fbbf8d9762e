"""Each story once: what readers of several digests had in any language, or are to have in one that they like better."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import aliased

from articles import shelf
from core.database import db
from core.services import Services
from digests import desk, selection, shelves
from subscribers import overall, rhythm
from subscribers.models import Digest, Rhythm, Subscriber, Subscription, Taste


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another digest of a reader, in a language that stands before in their order, and what it may bring still:
    stories on these shelves, first seen here after `fresh_from`; with None, whatever their age; and the front pages
    from its next `slot` on.
    """

    digest_id: int
    slot: date
    topic_ids: frozenset[int] | None
    fresh_from: datetime | None


Better = frozenset[Elsewhere]
"""All such digests of one reader."""


def of_subscriptions(
    subscription_ids: Collection[int], digest: Digest, *, now: datetime, services: Services
) -> dict[int, Better]:
    """Return what else the readers of these subscriptions of a digest get in better languages, by subscription."""
    found: dict[int, set[Elsewhere]] = {one: set() for one in subscription_ids}
    own, reader, taste, when = aliased(Subscription), aliased(Subscriber), aliased(Taste), aliased(Rhythm)
    wanted = (
        select(own.id, reader.languages, reader.language, Subscription, Digest.language.label("other"), taste, when)
        .join(reader, reader.id == own.subscriber_id)
        .join(Subscription, Subscription.subscriber_id == own.subscriber_id)
        .join(Digest, Digest.id == Subscription.digest_id)
        .join(taste, taste.id == Subscription.taste_id)
        .join(when, when.id == Subscription.rhythm_id)
        .where(own.id.in_(found), Subscription.state == "on", Digest.active, Digest.language != digest.language)
    )
    for row in db.session.execute(wanted):
        if _stands_before(row, digest.language, services):
            found[row.id].add(_elsewhere(row, now))
    return {subscription_id: frozenset(better) for subscription_id, better in found.items()}


def _stands_before(row: Row[*tuple[Any, ...]], language: str, services: Services) -> bool:
    order = overall.in_order([*row.languages, row.language], tuple(services.publication.languages))
    place = {code: number for number, code in enumerate(order)}
    return place.get(row.other, len(place)) < place.get(language, len(place))


def _elsewhere(row: Row[*tuple[Any, ...]], now: datetime) -> Elsewhere:
    other, taste, when = row.Subscription, row[5], row[6]
    since = None
    if other.first_due_at is None:
        since = max(other.fresh_from, now - 2 * rhythm.period(when.rhythm))
    return Elsewhere(other.digest_id, when.slot, shelves.topic_ids(taste), since)


class Once:
    """What is left out for readers who want each story once, of the candidates of one reading of a chunk."""

    def __init__(self, found: Sequence[shelf.Candidate], language: str) -> None:
        self._story_ids = {one.story_id for one in found}
        self._language = language
        self._versions: Mapping[str, Sequence[shelf.Candidate]] | None = None
        self._coming: dict[Elsewhere, frozenset[int]] = {}

    def without(self, better: Better, *, had: Collection[int]) -> frozenset[int]:
        """Return the ids of stories that such a reader had as one of these articles, or gets from a better digest."""
        return frozenset(shelf.story_ids(had)).union(*(self._comes(one) for one in better))

    def _comes(self, one: Elsewhere) -> frozenset[int]:
        if one not in self._coming:
            digest = db.session.get_one(Digest, one.digest_id)
            if self._versions is None:
                self._versions = shelf.other_versions(self._story_ids, language=self._language)
            wish = selection.Wish(one.topic_ids, len(self._story_ids), one.fresh_from)
            versions = shelves.of_digest(digest, self._versions.get(digest.language, ()))
            matching = frozenset(version.story_id for version in versions if selection.matches(version, wish))
            self._coming[one] = matching | desk.front_pages(digest, since=one.slot)
        return self._coming[one]
