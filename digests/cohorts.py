"""Whom a wave reaches, grouped by what they get: readers with the same taste and history share one choosing.

A group is a cohort in the making: the same stories in the same format, with the same opening and the same past.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from articles import shelf
from core.database import db
from core.services import Services
from digests import alerted, corrections, desk, elsewhere, histories, outlook, rendering, selection, shelves, timetable
from digests.models import Edition, Wave
from digests.outlook import Outlook
from digests.selection import Repeat
from digests.showing import Showing, Shown
from digests.viewing import view_url
from subscribers import schedule
from subscribers.models import Digest, Taste

CHUNK = 2000
"""Readers in one transaction."""
CHUNK_IN_TURN = 500
"""The same on SQLite, where visitors wait for the turn of whoever writes."""


@dataclass(frozen=True, slots=True)
class Group:
    """Readers of a chunk who get the same mail: the same stories, headlines below, format, opening and history.

    `corrections` are of stories that they had, and of which they were not told yet.
    """

    readers: tuple[schedule.DueReader, ...]
    format: str
    shown: Shown
    opening: rendering.Opening
    history_id: int | None
    entries: bytes
    corrections: tuple[rendering.CorrectionView, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """What was read of a wave: whom it reaches from `cursor` on, and with what.

    For the readers in `empty` there is nothing, for those who are `waiting` too little yet. Stories first seen after
    `seen_until` are new to those who get a first edition, whatever came in meanwhile.
    """

    wave_id: int
    edition_id: int
    mailing_id: int
    digest_id: int
    language: str
    kind: str
    slot: date
    due_at: datetime
    cursor: int
    last: int
    finished: bool
    groups: tuple[Group, ...]
    empty: tuple[schedule.DueReader, ...]
    waiting: tuple[schedule.DueReader, ...]
    seen_until: datetime
    shell: rendering.ShellView
    not_after: datetime


def read_chunk(wave_id: int, now: datetime, services: Services) -> Chunk:
    """Read the next readers of a wave and choose their stories. Writes nothing."""
    wave = db.session.get_one(Wave, wave_id, populate_existing=True)
    edition = db.session.get_one(Edition, wave.edition_id)
    digest = db.session.get_one(Digest, edition.digest_id)
    most = most_at_once()
    readers = _readers(edition, wave, most)
    slot, due_at = edition.slot, wave.due_at
    reading = Reading(digest, edition.kind, slot=slot, due_at=due_at, now=now, services=services, unfit=wave.unfit)
    sorted_out = reading.sort_out(readers)
    return Chunk(
        wave_id=wave.id,
        edition_id=edition.id,
        mailing_id=edition.mailing_id,
        digest_id=digest.id,
        language=digest.language,
        kind=edition.kind,
        slot=edition.slot,
        due_at=wave.due_at,
        cursor=wave.cursor,
        last=readers[-1].subscription_id if readers else wave.cursor,
        finished=len(readers) < most,
        groups=sorted_out.groups,
        empty=sorted_out.empty,
        waiting=sorted_out.waiting,
        seen_until=reading.seen_until,
        shell=rendering.shell_view(digest, services),
        not_after=(now if edition.kind == "first" else wave.due_at) + timedelta(seconds=digest.not_after_s),
    )


def most_at_once() -> int:
    """Return how many readers are read, and written, at once."""
    return min(CHUNK, CHUNK_IN_TURN) if db.engine.dialect.name == "sqlite" else CHUNK


def _readers(edition: Edition, wave: Wave, most: int) -> list[schedule.DueReader]:
    if edition.kind == "first":
        return schedule.readers_first(digest_id=edition.digest_id, due_at=wave.due_at, after_id=wave.cursor, limit=most)
    return schedule.readers_due(
        digest_id=edition.digest_id, slot=edition.slot, due_at=wave.due_at, after_id=wave.cursor, limit=most
    )


@dataclass(frozen=True, slots=True)
class SortedOut:
    """The readers of a chunk: those who get the same mail together, those for whom there is nothing, and those who wait
    until there are as many stories as the digest has at least.
    """

    groups: tuple[Group, ...] = ()
    empty: tuple[schedule.DueReader, ...] = ()
    waiting: tuple[schedule.DueReader, ...] = ()


@dataclass(frozen=True, slots=True)
class _Alike:
    """What readers of one group share."""

    taste_id: int
    history_id: int | None
    fresh_from: datetime | None
    waited: int
    catch_up: bool
    once: elsewhere.Better | None
    """What they get in better languages, where they want each story once; None: each digest for itself."""
    outlook: Outlook
    corrections: tuple[int, ...]
    alarm: selection.Alarm


_NOTHING: tuple[int | None, bytes] = (None, b"")
"""The history of somebody who had nothing yet."""
MOST_WAITS = 2
"""So many slots a reader waits for a fuller edition; then they get what there is."""


class Reading:
    """One reading of a chunk: candidates, topics and stories are looked up once and kept while it lasts."""

    def __init__(
        self,
        digest: Digest,
        kind: str,
        *,
        slot: date,
        due_at: datetime,
        now: datetime,
        services: Services,
        laid: desk.Laid | None = None,
        unfit: Collection[int] = (),
    ) -> None:
        """Read for a wave. `laid` stands for what the editors have laid down, to show it before it holds; the articles
        in `unfit` are left out, see digests.preflight.
        """
        self._unfit = frozenset(unfit)
        self._digest = digest
        self._first = kind == "first"
        self._repeat = Repeat(digest.repeat)
        self._slot = slot
        self._due_at = due_at
        self._now = now
        self._services = services
        self._topics: dict[int, frozenset[int] | None] = {}
        words_at = due_at if kind == "regular" else None
        self._laid = laid or desk.laid_down(digest, slot, due_at=words_at, zone=services.publication.zone)
        self._showing = Showing(digest, self._laid, services, day=slot)
        self.seen_until = now

    def sort_out(self, readers: Sequence[schedule.DueReader]) -> SortedOut:
        """Return the groups of a chunk, and who gets nothing."""
        if not readers:
            return SortedOut()
        had = histories.of_readers([reader.subscriber_id for reader in readers])
        fresh = {reader.subscription_id: self._fresh_from(reader) for reader in readers}
        since = None if self._first else min(at for at in fresh.values() if at is not None)
        found = shelves.candidates(self._digest, since=since, topic_ids=self._wanted(readers), flashes_at=self._now)
        if found:
            # Not now: a feed that is being stored at this moment has stories of before, which nobody sees yet.
            self.seen_until = max(one.first_seen_at for one in found)
        alarms = {} if self._first else self._alarms(readers, had, since)
        found = self._laid.candidates(alerted.candidates(self._digest, found, alarms))
        found = [one for one in found if one.article_id not in self._unfit]
        better, once = self._better(readers), elsewhere.Once(found, self._digest.language)
        wrong = corrections.to_tell(self._digest, [reader.addr_hash for reader in readers], now=self._now)
        alike: dict[_Alike, list[schedule.DueReader]] = {}
        for reader in readers:
            key = _Alike(
                taste_id=reader.taste.id,
                history_id=had.get(reader.subscriber_id, _NOTHING)[0],
                fresh_from=fresh[reader.subscription_id],
                waited=reader.waited,
                catch_up=reader.catch_up and reader.away_from is not None,
                once=better.get(reader.subscription_id),
                outlook=self._outlook(reader),
                corrections=wrong.get(reader.addr_hash, ()),
                alarm=alarms.get(reader.subscription_id, selection.NO_ALARM),
            )
            alike.setdefault(key, []).append(reader)
        groups: list[Group] = []
        empty: list[schedule.DueReader] = []
        waiting: list[schedule.DueReader] = []
        for key, same in alike.items():
            past = had.get(same[0].subscriber_id, _NOTHING)
            known = histories.known(past[1])
            without = frozenset[int]() if key.once is None else once.without(key.once, had=self._counted(known, found))
            wish, first = self._wish(same[0].taste, key), self._laid.foremost
            choice = selection.choose(found, wish, had=known, without=without, foremost=first, alarm=key.alarm)
            if not choice.full:
                empty += same
            elif len(choice.full) < self._digest.least and not self._first and key.waited < MOST_WAITS:
                waiting += same
            else:
                groups.append(self._group(same, choice, past, key))
        return SortedOut(tuple(groups), tuple(empty), tuple(waiting))

    def _alarms(
        self, readers: Sequence[schedule.DueReader], had: Mapping[int, tuple[int, bytes]], since: datetime | None
    ) -> dict[int, selection.Alarm]:
        past = {reader.subscription_id: had.get(reader.subscriber_id, _NOTHING)[1] for reader in readers}
        quiet = self._services.publication.quiet
        return alerted.of_readers(self._digest, readers, past, since=since or self._now, quiet_hours=quiet)

    def _better(self, readers: Sequence[schedule.DueReader]) -> dict[int, elsewhere.Better]:
        ids = [reader.subscription_id for reader in readers if reader.once]
        if not ids:
            return {}
        return elsewhere.of_subscriptions(ids, self._digest, now=self._now, services=self._services)

    def _counted(self, known: Collection[int], found: Sequence[shelf.Candidate]) -> frozenset[int]:
        """Return which of the articles that a reader had keep their story out: versions in other languages.

        What becomes of those in this one, the digest's rule says; a recap takes up what was had anywhere.
        """
        if self._repeat is Repeat.RECAP:
            return frozenset()
        return frozenset(known).difference(one.article_id for one in found)

    def _wanted(self, readers: Sequence[schedule.DueReader]) -> frozenset[int] | None:
        """Return all topics that somebody of a first edition's chunk wants; None when somebody wants everything."""
        tastes = {reader.taste.id: reader.taste for reader in readers}
        self._topics |= shelves.topic_ids_of(tastes.values())
        wanted = [topics for topics in (self._topics[key] for key in tastes) if topics is not None]
        return frozenset().union(*wanted) if self._first and len(wanted) == len(tastes) else None

    def _fresh_from(self, reader: schedule.DueReader) -> datetime | None:
        if self._first:
            return None
        return timetable.fresh_from(reader, recap=self._repeat is Repeat.RECAP, due_at=self._due_at, now=self._now)

    def _wish(self, taste: Taste, alike: _Alike) -> selection.Wish:
        topics, most = self._topics[taste.id], min(taste.most, self._digest.most)
        if self._first or alike.catch_up:
            return selection.Wish(topics, min(most, selection.FIRST_MOST), alike.fresh_from, evenly=False)
        return selection.Wish(
            topics,
            most,
            alike.fresh_from,
            headlines=self._digest.headlines,
            repeat=self._repeat,
            # What comes later belongs to the next recap, which takes up all of its own period.
            until=self._due_at if self._repeat is Repeat.RECAP else None,
        )

    def _group(
        self,
        readers: list[schedule.DueReader],
        choice: selection.Choice,
        past: tuple[int | None, bytes],
        key: _Alike,
    ) -> Group:
        is_regular = not (self._first or key.catch_up)
        shown = self._showing.of(choice, self._topics[key.taste_id], with_rest=is_regular, alarm=key.alarm)
        link = view_url(self._digest, self._slot, shown, first=self._first, services=self._services)
        return Group(
            readers=tuple(readers),
            format=readers[0].taste.format,
            shown=shown,
            opening=outlook.opening(
                key.outlook, self._digest, shown.stories, first=self._first, services=self._services, view_url=link
            ),
            history_id=past[0],
            entries=past[1],
            corrections=tuple(corrections.views(key.corrections, self._services).values()),
        )

    def _outlook(self, reader: schedule.DueReader) -> Outlook:
        if self._first:
            return outlook.of_first(reader, self._digest, now=self._now)
        return outlook.of_regular(reader, self._digest, slot=self._slot)
