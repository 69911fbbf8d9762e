"""Whom a special reaches through one of its digests, chunk by chunk, grouped by what they get."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from sqlalchemy import select

from articles import shelf
from core.database import db
from core.services import Services
from delivery import outbox
from digests import clicks, cohorts, desk, elsewhere, histories, outlook, rendering, selection, specials
from digests.cohorts import Chunk
from digests.copies import Copy, Group, SortedOut
from digests.kept import Kept
from digests.models import Edition, Special, Wave
from digests.outlook import Outlook
from digests.selection import Foremost, Repeat
from digests.showing import Showing
from digests.viewing import view_url
from subscribers import schedule
from subscribers.duereaders import DueReader
from subscribers.models import Digest, Subscription, Taste


@dataclass(frozen=True, slots=True)
class _Alike:
    """What readers of one group share."""

    history_id: int | None
    format: str
    once: bool
    outlook: Outlook


def is_special(wave_id: int) -> bool:
    """Say whether a wave is one of a special."""
    wanted = select(Edition.kind).join(Wave, Wave.edition_id == Edition.id).where(Wave.id == wave_id)
    return db.session.scalar(wanted) == specials.KIND


def read_chunk(wave_id: int, now: datetime, services: Services) -> Chunk:
    """Read the next readers of a special's wave, and what they get. Writes nothing."""
    wave = db.session.get_one(Wave, wave_id, populate_existing=True)
    edition = db.session.get_one(Edition, wave.edition_id)
    special = db.session.get_one(Special, edition.special_id)
    lead, via = db.session.get_one(Digest, edition.digest_id), db.session.get_one(Digest, edition.via_id)
    most = cohorts.most_at_once()
    everybody = schedule.readers_of(digest_id=via.id, day=edition.slot, after_id=wave.cursor, limit=most)
    matching, _double = Reach(special, via).of(everybody)
    readers = _without_copy(special, edition, matching)
    reading = Reading(special, lead, slot=edition.slot, services=services, unfit=wave.unfit)
    sorted_out = reading.sort_out(readers)
    return Chunk(
        wave_id=wave.id,
        edition_id=edition.id,
        mailing_id=edition.mailing_id,
        digest_id=lead.id,
        language=lead.language,
        kind=edition.kind,
        slot=edition.slot,
        due_at=wave.due_at,
        cursor=wave.cursor,
        last=everybody[-1].subscription_id if everybody else wave.cursor,
        finished=len(everybody) < most,
        groups=sorted_out.groups,
        empty=sorted_out.empty,
        waiting=(),
        seen_until=now,
        shell=shell(lead, via, services),
        not_after=wave.due_at + timedelta(seconds=lead.not_after_s),
        kept=Kept(),
    )


def shell(lead: Digest, via: Digest, services: Services) -> rendering.ShellView:
    """Return the frame of a special's mails: in the language of the one digest, and naming that they came through."""
    return replace(rendering.shell_view(lead, services), digest=via.name)


def _without_copy(special: Special, edition: Edition, readers: Sequence[DueReader]) -> list[DueReader]:
    """Return the readers without those who have their copy in the ledger through a digest before: who changed their
    choices between two waves gets one all the same.
    """
    before = select(Edition.mailing_id).where(Edition.special_id == special.id, Edition.id < edition.id)
    keys = [reader.addr_hash for reader in readers]
    have = {key for mailing_id in db.session.scalars(before) for key in outbox.already_queued(mailing_id, keys)}
    return [reader for reader in readers if reader.addr_hash not in have]


class Reach:
    """Whom a special is for through one of its digests: who wants its topics, and gets no copy through one before."""

    def __init__(self, special: Special, via: Digest) -> None:
        order = [special.digest_id, *special.also]
        self._before = order[: order.index(via.id)]
        self._topics = frozenset(special.topics)

    def of(self, readers: Sequence[DueReader]) -> tuple[list[DueReader], int]:
        """Return those of a digest's readers for whom it is, and how many get it through a digest before."""
        matching = [reader for reader in readers if self._wants(reader.taste)]
        through_others = self._through_others([reader.subscriber_id for reader in matching])
        own = [reader for reader in matching if reader.subscriber_id not in through_others]
        return own, len(matching) - len(own)

    def _wants(self, taste: Taste) -> bool:
        chosen = {*taste.topics, *taste.countries}
        return not self._topics or not chosen or not self._topics.isdisjoint(chosen)

    def _through_others(self, subscriber_ids: Sequence[int]) -> set[int]:
        if not self._before or not subscriber_ids:
            return set()
        rows = db.session.execute(
            select(Subscription.subscriber_id, Taste)
            .join(Taste, Taste.id == Subscription.taste_id)
            .where(
                Subscription.subscriber_id.in_(subscriber_ids),
                Subscription.digest_id.in_(self._before),
                Subscription.state == "on",
            )
        )
        return {row.subscriber_id for row in rows if self._wants(row.Taste)}


class Reading:
    """One reading of readers of a special: its stories are looked up once and kept while it lasts."""

    def __init__(
        self, special: Special, lead: Digest, *, slot: date, services: Services, unfit: Collection[int] = ()
    ) -> None:
        """Read for a special; the articles in `unfit` are left out, see digests.preflight."""
        self._digest, self._slot, self._services = lead, slot, services
        self._found = [one for one in shelf.candidates_by_ids(special.article_ids) if one.article_id not in unfit]
        self._foremost = Foremost(pins=tuple(special.article_ids))
        self._repeat = Repeat(special.repeat)
        count = len(special.article_ids)
        self._wish = selection.Wish(None, count, None, headlines=count, repeat=self._repeat, evenly=False)
        laid = desk.Laid(self._foremost, note=special.note, subject=special.subject)
        self._showing = Showing(lead, laid, services, counting=clicks.of(lead, slot, special=special.key))
        self._once = elsewhere.Once(self._found, lead.language)

    def sort_out(self, readers: Sequence[DueReader]) -> SortedOut:
        """Return who gets the same mail together, and for whom nothing is left of what they have not had."""
        had = histories.of_readers([reader.subscriber_id for reader in readers])
        alike: dict[_Alike, list[DueReader]] = {}
        for reader in readers:
            view = outlook.of_regular(reader, self._digest, slot=self._slot)
            key = _Alike(had.get(reader.subscriber_id), reader.taste.format, reader.once, view)
            alike.setdefault(key, []).append(reader)
        pasts = histories.entries({key.history_id for key in alike if key.history_id is not None})
        groups: list[Group] = []
        empty: list[DueReader] = []
        for key, same in alike.items():
            choice = self._choice(histories.known(pasts.get(key.history_id or 0, b"")), once=key.once)
            if choice.full:
                groups.append(Group(tuple(same), self._copy(key, choice), key.history_id))
            else:
                empty += same
        return SortedOut(tuple(groups), tuple(empty))

    def _choice(self, known: Mapping[int, selection.Known], *, once: bool) -> selection.Choice:
        without = frozenset[int]()
        if self._repeat is Repeat.RECAP:
            # Picked by hand for all: also for those to whom a recap has brought it.
            known = {}
        elif once:
            others = frozenset(known).difference(one.article_id for one in self._found)
            without = self._once.without(frozenset(), had=others)
        return selection.choose(self._found, self._wish, had=known, without=without, foremost=self._foremost)

    def _copy(self, key: _Alike, choice: selection.Choice) -> Copy:
        shown = self._showing.of(choice, None, selection.NO_ALARM)
        link = view_url(self._digest, self._slot, shown, first=False, services=self._services)
        opening = outlook.opening(
            key.outlook, self._digest, shown.stories, first=False, services=self._services, view_url=link
        )
        return Copy(key.format, shown, opening)
