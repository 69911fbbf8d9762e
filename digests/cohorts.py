"""Whom a wave reaches, grouped by what they get: readers with the same taste and history share one choosing.

A group is a cohort in the making: the same stories in the same format, with the same opening and the same past.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from articles import shelf
from core import language as languages
from core.database import db
from core.services import Services
from digests import editions, elsewhere, histories, rendering, selection, shelves, timetable
from digests.models import Edition, Wave
from subscribers import rhythm, schedule
from subscribers.models import Digest, Subscription, Taste

CHUNK = 2000
"""Readers in one transaction."""
CHUNK_IN_TURN = 500
"""The same on SQLite, where visitors wait for the turn of whoever writes."""


@dataclass(frozen=True, slots=True)
class Group:
    """Readers of a chunk who get the same mail: the same stories, format, opening and history."""

    readers: tuple[schedule.DueReader, ...]
    format: str
    stories: tuple[rendering.StoryView, ...]
    opening: rendering.Opening
    subject: str
    history_id: int | None
    entries: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """What was read of a wave: whom it reaches from `cursor` on, and with what.

    Stories first seen after `seen_until` are new to those who get a first edition, whatever came in meanwhile.
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
    seen_until: datetime
    shell: rendering.ShellView
    not_after: datetime


def read_chunk(wave_id: int, now: datetime, services: Services) -> Chunk:
    """Read the next readers of a wave and choose their stories. Writes nothing."""
    wave = db.session.get_one(Wave, wave_id, populate_existing=True)
    edition = db.session.get_one(Edition, wave.edition_id)
    digest = db.session.get_one(Digest, edition.digest_id)
    most = min(CHUNK, CHUNK_IN_TURN) if db.engine.dialect.name == "sqlite" else CHUNK
    readers = _readers(edition, wave, most)
    reading = Reading(digest, kind=edition.kind, slot=edition.slot, now=now, services=services)
    groups, empty = reading.groups(readers)
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
        groups=tuple(groups),
        empty=tuple(empty),
        seen_until=reading.seen_until,
        shell=rendering.ShellView(
            digest=digest.name,
            language=digest.language,
            subscribe_url=services.links.to("subscribe", language=digest.language),
        ),
        not_after=(now if edition.kind == "first" else wave.due_at) + timedelta(seconds=digest.not_after_s),
    )


def _readers(edition: Edition, wave: Wave, most: int) -> list[schedule.DueReader]:
    if edition.kind == "first":
        return schedule.readers_first(digest_id=edition.digest_id, due_at=wave.due_at, after_id=wave.cursor, limit=most)
    return schedule.readers_due(
        digest_id=edition.digest_id, slot=edition.slot, due_at=wave.due_at, after_id=wave.cursor, limit=most
    )


@dataclass(frozen=True, slots=True)
class _Outlook:
    """What a mail says beside its stories: its date, in a first edition when the digest comes again and others begin,
    and which other digest the reader's mail program has left.
    """

    dated: date
    own: str
    others: tuple[tuple[str, str], ...]
    left: str


@dataclass(frozen=True, slots=True)
class _Alike:
    """What readers of one group share."""

    taste_id: int
    history_id: int | None
    fresh_from: datetime | None
    catch_up: bool
    once: elsewhere.Better | None
    """What they get in better languages, where they want each story once; None: each digest for itself."""
    outlook: _Outlook


_NOTHING: tuple[int | None, bytes] = (None, b"")
"""The history of somebody who had nothing yet."""


class Reading:
    """One reading of a chunk: candidates, topics and stories are looked up once and kept while it lasts."""

    def __init__(self, digest: Digest, *, kind: str, slot: date, now: datetime, services: Services) -> None:
        self._digest = digest
        self._first = kind == "first"
        self._slot = slot
        self._now = now
        self._services = services
        self._topics: dict[int, frozenset[int] | None] = {}
        self._views: dict[int, rendering.StoryView] = {}
        self.seen_until = now

    def groups(self, readers: Sequence[schedule.DueReader]) -> tuple[list[Group], list[schedule.DueReader]]:
        """Return the groups of a chunk, and the readers for whom there is nothing."""
        if not readers:
            return [], []
        had = histories.of_readers([reader.subscriber_id for reader in readers])
        fresh = {reader.subscription_id: self._fresh_from(reader) for reader in readers}
        since = None if self._first else min(at for at in fresh.values() if at is not None)
        found = shelves.candidates(self._digest, since=since, topic_ids=self._wanted(readers))
        if found:
            # Not now: a feed that is being stored at this moment has stories of before, which nobody sees yet.
            self.seen_until = max(one.first_seen_at for one in found)
        better, once = self._better(readers), elsewhere.Once(found, self._digest.language)
        sorted_out: dict[_Alike, list[schedule.DueReader]] = {}
        for reader in readers:
            key = _Alike(
                taste_id=reader.taste.id,
                history_id=had.get(reader.subscriber_id, _NOTHING)[0],
                fresh_from=fresh[reader.subscription_id],
                catch_up=reader.away_from is not None,
                once=better.get(reader.subscription_id),
                outlook=self._outlook(reader),
            )
            sorted_out.setdefault(key, []).append(reader)
        groups: list[Group] = []
        empty: list[schedule.DueReader] = []
        for key, same in sorted_out.items():
            past = had.get(same[0].subscriber_id, _NOTHING)
            wish, known = self._wish(same[0].taste, key), [entry.article_id for entry in histories.unpack(past[1])]
            without = frozenset[int]() if key.once is None else once.without(key.once, had=known)
            chosen = selection.choose(found, wish, had=known, without=without, best=key.catch_up)
            if len(chosen) < (1 if self._first else self._digest.least):
                empty += same
            else:
                groups.append(self._group(same, chosen, past, key.outlook))
        return groups, empty

    def _better(self, readers: Sequence[schedule.DueReader]) -> dict[int, elsewhere.Better]:
        ids = [reader.subscription_id for reader in readers if reader.once]
        if not ids:
            return {}
        return elsewhere.of_subscriptions(ids, self._digest, now=self._now, services=self._services)

    def _wanted(self, readers: Sequence[schedule.DueReader]) -> frozenset[int] | None:
        """Return all topics that somebody of a first edition's chunk wants; None when somebody wants everything."""
        tastes = {reader.taste.id: reader.taste for reader in readers}
        self._topics |= {key: shelves.topic_ids(taste) for key, taste in tastes.items()}
        wanted = [topics for topics in (self._topics[key] for key in tastes) if topics is not None]
        return frozenset().union(*wanted) if self._first and len(wanted) == len(tastes) else None

    def _fresh_from(self, reader: schedule.DueReader) -> datetime | None:
        if self._first:
            return None
        # Nobody gets a backlog, but who has asked for it: then it reaches back to when their pause began.
        backlog = reader.away_from or self._now
        return max(reader.fresh_from, min(backlog, self._now - 2 * rhythm.period(reader.rhythm)))

    def _wish(self, taste: Taste, alike: _Alike) -> selection.Wish:
        most = min(taste.most, self._digest.most)
        if self._first or alike.catch_up:
            most = min(most, selection.FIRST_MOST)
        return selection.Wish(self._topics[taste.id], most, alike.fresh_from)

    def _group(
        self, readers: list[schedule.DueReader], chosen: list[int], past: tuple[int | None, bytes], outlook: _Outlook
    ) -> Group:
        missing = [one for one in chosen if one not in self._views]
        self._views |= {one.id: rendering.story_view(one, self._services) for one in shelf.by_ids(missing)}
        stories = tuple(self._views[one] for one in chosen if one in self._views)
        publication = self._services.publication.name(self._digest.language)
        history_id, entries = past
        return Group(
            readers=tuple(readers),
            format=readers[0].taste.format,
            stories=stories,
            opening=self._opening(outlook, stories, publication),
            subject=self._digest.subject.format(
                publication=publication, digest=self._digest.name, headline=stories[0].headline
            ),
            history_id=history_id,
            entries=entries,
        )

    def _opening(
        self, outlook: _Outlook, stories: Sequence[rendering.StoryView], publication: str
    ) -> rendering.Opening:
        return rendering.Opening(
            publication=publication,
            digest=self._digest.name,
            date=languages.date_text(outlook.dated, self._digest.language),
            stories=len(stories),
            minutes=sum(story.minutes for story in stories),
            preheader=" · ".join(story.headline for story in stories[1:3]),
            first=self._first,
            rhythm_next=outlook.own,
            begins=outlook.others,
            left=outlook.left,
        )

    def _outlook(self, reader: schedule.DueReader) -> _Outlook:
        if not self._first:
            return _Outlook(self._slot, "", (), self._left(reader))
        own = db.session.get_one(Subscription, reader.subscription_id)
        # The regular slot of this date, as it is where the reader is, is skipped: see schedule.first_sent.
        today = rhythm.local_date(self._now, reader.zone)
        comes = self._when(own, not_before=today + timedelta(days=1))
        others = tuple((one.digest.name, self._when(one)) for one in editions.to_begin(own))
        return _Outlook(today, comes, others, self._left(reader))

    def _left(self, reader: schedule.DueReader) -> str:
        if reader.left_by_click_id in (None, self._digest.id):
            return ""
        return db.session.get_one(Digest, reader.left_by_click_id).name

    def _when(self, subscription: Subscription, *, not_before: date | None = None) -> str:
        at = timetable.next_mail(subscription, now=self._now, not_before=not_before)
        return rendering.when(at, self._digest.language, subscription.rhythm.zone)
