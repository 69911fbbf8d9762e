"""Readers sorted by what they get: those with the same taste and past share one choosing, and one copy.

What was chosen for a group is kept from chunk to chunk, see digests.kept: most groups have readers in many of them.
"""

from collections.abc import Collection, Hashable, Mapping, Sequence
from datetime import date, datetime, timedelta

from articles import topics
from core import changes
from core.database import db
from core.services import Services
from digests import (
    alerted,
    clicks,
    corrections,
    desk,
    elsewhere,
    histories,
    notices,
    outlook,
    selection,
    shelves,
    timetable,
)
from digests.alike import Alike
from digests.copies import Copy, Group, SortedOut
from digests.kept import Kept
from digests.outlook import Outlook
from digests.selection import Repeat
from digests.showing import Showing
from digests.viewing import view_url
from digests.why import Reason
from subscribers.duereaders import DueReader
from subscribers.models import Digest, Taste

MOST_WAITS = 2
"""So many slots a reader waits for a fuller edition; then they get what there is."""
_REACHES = (timedelta(days=2), timedelta(days=4), timedelta(days=14), timedelta(days=28))
"""So far before a wave what was new then is looked up: as far as its readers go back, in steps, so that it is the same
for all its chunks. For those who come back from a pause it is looked up apart.
"""


_Fresh = Mapping[int, datetime | None]
"""Since when stories are new to a reader, by subscription; None: the latest, however old."""


class Reading:
    """One reading of a chunk of a wave, or of readers as if they were one."""

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
        kept: Kept | None = None,
    ) -> None:
        """Read for a wave. `laid` stands for what the editors have laid down, to show it before it holds; the articles
        in `unfit` are left out, see digests.preflight. `kept` is what is known of the wave from before.
        """
        self._unfit = frozenset(unfit)
        self._digest = digest
        self._first = kind == "first"
        self._repeat = Repeat(digest.repeat)
        self._slot = slot
        self._due_at = due_at
        self._now = now
        self._services = services
        words_at = due_at if kind == "regular" else None
        self._laid = laid or desk.laid_down(digest, slot, due_at=words_at, zone=services.publication.zone)
        self._notice = notices.of(digest, slot)
        self._kept = kept or Kept()
        self._counting = clicks.of(digest, slot, first=self._first)
        self._outlooks: dict[int | None, Outlook] = {}
        self._fresh: dict[Hashable, datetime] = {}
        self.seen_until = now

    def sort_out(self, readers: Sequence[DueReader]) -> SortedOut:
        """Return the groups of a chunk, and who gets nothing."""
        if not readers:
            return SortedOut()
        if self._first:
            return self._sorted(readers, {one.subscription_id: None for one in readers}, None, self._kept)
        fresh = {one.subscription_id: self._fresh_from(one) for one in readers}
        back = [one for one in readers if one.away_from is not None]
        others = [one for one in readers if one.away_from is None] if back else readers
        found = SortedOut()
        if others:
            oldest = min(fresh[one.subscription_id] for one in others)
            found = self._sorted(others, fresh, self._since(oldest, self._kept), self._kept)
        if back:
            oldest, kept = min(fresh[one.subscription_id] for one in back), self._kept.of_pauses
            found += self._sorted(back, fresh, self._since(oldest, kept), kept)
        return found

    def _since(self, oldest: datetime, kept: Kept) -> datetime:
        reach = next((one for one in _REACHES if self._due_at - one <= oldest), self._due_at - oldest)
        kept.reach = max(reach, kept.reach)
        return self._due_at - kept.reach

    def _fresh_from(self, reader: DueReader) -> datetime:
        alike = reader.fresh_from, reader.rhythm, reader.zone, reader.waited, reader.away_from, reader.catch_up
        if alike not in self._fresh:
            recap = self._repeat is Repeat.RECAP
            self._fresh[alike] = timetable.fresh_from(reader, recap=recap, due_at=self._due_at, now=self._now)
        return self._fresh[alike]

    def _sorted(self, readers: Sequence[DueReader], fresh: _Fresh, since: datetime | None, kept: Kept) -> SortedOut:
        """Sort readers out for whom is looked up what was new since then."""
        had = histories.of_readers([reader.subscriber_id for reader in readers])
        alerts = alerted.since(self._digest, since) if since else []
        self._stand(readers, since, alerts, kept)
        alike = self._alike(readers, fresh, had, alerts, kept)
        new = {key: same[0] for key, same in alike.items() if key not in kept.chosen}
        self._recall(new, kept)
        showing, once = self._showing(kept), elsewhere.Once(kept.pool.found, self._digest.language)
        for key, one in new.items():
            # Most pasts differ in what nobody may choose any more.
            like = key if key.once is not None else key._replace(history_id=kept.past(key.history_id))
            if like not in kept.same:
                new_since = fresh[one.subscription_id]
                kept.same[like] = self._choose(key, one.taste, new_since, once, showing, kept)
            kept.chosen[key] = kept.same[like]
        groups: list[Group] = []
        without: dict[Reason, list[DueReader]] = {Reason.NOTHING: [], Reason.TOO_FEW: []}
        for key, same in alike.items():
            match kept.chosen[key]:
                case Copy() as copy:
                    groups.append(Group(tuple(same), copy, key.history_id))
                case why:
                    without[why] += same
        return SortedOut(tuple(groups), tuple(without[Reason.NOTHING]), tuple(without[Reason.TOO_FEW]))

    def _stand(
        self, readers: Sequence[DueReader], since: datetime | None, alerts: Sequence[alerted.Alert], kept: Kept
    ) -> None:
        """Look up what may be chosen, and forget what was chosen of anything else, or with other words of the desk."""
        known = {topic.key: topic.id for topic in topics.all_topics()}
        kept.stand_on_topics(known)
        shown = changes.latest(db.session.connection())
        if shown != kept.shown:
            # Something on the pages is another: perhaps what a mail shows of a story, too.
            kept.shown, views = shown, kept.views
            kept.views = self._showing(kept).looked_up(views)
            if kept.views != views:
                kept.forget()
        for reader in readers:
            if reader.taste.id not in kept.topic_ids:
                kept.topic_ids[reader.taste.id] = shelves.topic_ids_of(reader.taste, known)
        wanted = self._wanted(readers, kept)
        found = shelves.candidates(self._digest, since=since, topic_ids=wanted, flashes_at=self._now)
        if found:
            # Not now: a feed that is being stored at this moment has stories of before, which nobody sees yet.
            self.seen_until = max(one.first_seen_at for one in found)
        found = self._laid.candidates(alerted.candidates(self._digest, found, alerts))
        found = [one for one in found if one.article_id not in self._unfit]
        kept.stand_on((self._digest.revision, self._slot, self._due_at, self._laid, self._notice, tuple(found)), found)

    def _showing(self, kept: Kept) -> Showing:
        of_it = self._digest, self._laid, self._services
        return Showing(*of_it, notice=self._notice, views=kept.views, counting=self._counting)

    def _wanted(self, readers: Sequence[DueReader], kept: Kept) -> frozenset[int] | None:
        """Return all topics that somebody of a first edition's chunk wants; None when somebody wants everything."""
        if not self._first:
            return None
        wanted = [kept.topic_ids[reader.taste.id] for reader in readers]
        return None if None in wanted else frozenset().union(*filter(None, wanted))

    def _alike(
        self,
        readers: Sequence[DueReader],
        fresh: _Fresh,
        had: Mapping[int, int],
        alerts: Sequence[alerted.Alert],
        kept: Kept,
    ) -> dict[Alike, list[DueReader]]:
        alarms = alerted.of_readers(
            self._digest,
            readers,
            had,
            alerts,
            fresh=fresh,
            quiet_hours=self._services.publication.quiet,
            holding=kept.holding,
        )
        better = self._better(readers)
        wrong = corrections.to_tell(self._digest, [reader.addr_hash for reader in readers], now=self._now)
        freshness = {at: kept.pool.freshness(at) for at in set(fresh.values())}
        alike: dict[Alike, list[DueReader]] = {}
        for reader in readers:
            subscription_id = reader.subscription_id
            key = Alike(
                reader.taste.id,
                had.get(reader.subscriber_id),
                freshness[fresh[subscription_id]],
                reader.waited,
                reader.catch_up and reader.away_from is not None,
                better.get(subscription_id),
                self._outlook(reader),
                wrong.get(reader.addr_hash, ()),
                alarms.get(subscription_id, selection.NO_ALARM),
            )
            alike.setdefault(key, []).append(reader)
        return alike

    def _better(self, readers: Sequence[DueReader]) -> dict[int, elsewhere.Better]:
        ids = [reader.subscription_id for reader in readers if reader.once]
        if not ids:
            return {}
        return elsewhere.of_subscriptions(ids, self._digest, now=self._now, services=self._services)

    def _outlook(self, reader: DueReader) -> Outlook:
        if self._first:
            return outlook.of_first(reader, self._digest, now=self._now)
        if reader.left_by_click_id not in self._outlooks:
            self._outlooks[reader.left_by_click_id] = outlook.of_regular(reader, self._digest, slot=self._slot)
        return self._outlooks[reader.left_by_click_id]

    def _recall(self, new: Collection[Alike], kept: Kept) -> None:
        """Read what was had by the groups that are new: of what may be chosen, how; of the rest, that it was."""
        besides = {key.history_id for key in new if key.once is not None} - kept.had_besides.keys()
        pasts = besides | ({key.history_id for key in new} - kept.known.keys())
        for history_id, packed in histories.entries({one for one in pasts if one is not None}).items():
            kept.known[history_id] = histories.known(packed, kept.pool.article_ids)
            if history_id in besides:
                kept.had_besides[history_id] = frozenset(histories.known(packed)) - kept.pool.article_ids

    def _choose(
        self,
        key: Alike,
        taste: Taste,
        since: datetime | None,
        once: elsewhere.Once,
        showing: Showing,
        kept: Kept,
    ) -> Copy | Reason:
        """Return what a group gets, or why nothing."""
        foremost, wish = self._laid.foremost, self._wish(key, taste, since, kept)
        choice = selection.choose(
            kept.pool.on(wish.topic_ids, front=foremost.front),
            wish,
            had=kept.known.get(key.history_id, {}),
            without=() if key.once is None else once.without(key.once, had=self._counted(key, kept)),
            foremost=foremost,
            alarm=key.alarm,
        )
        if not choice.full:
            return Reason.NOTHING
        if len(choice.full) < self._digest.least and not self._first and key.waited < MOST_WAITS:
            return Reason.TOO_FEW
        return self._copy(key, taste, choice, showing, kept)

    def _counted(self, key: Alike, kept: Kept) -> frozenset[int]:
        """Return which of the articles that a reader had keep their story out: versions in other languages.

        What becomes of those in this one, the digest's rule says; a recap takes up what was had anywhere.
        """
        return frozenset() if self._repeat is Repeat.RECAP else kept.had_besides.get(key.history_id, frozenset())

    def _wish(self, key: Alike, taste: Taste, since: datetime | None, kept: Kept) -> selection.Wish:
        wanted, most = kept.topic_ids[taste.id], min(taste.most, self._digest.most)
        if self._first or key.catch_up:
            return selection.Wish(wanted, min(most, selection.FIRST_MOST), since, evenly=False)
        return selection.Wish(
            wanted,
            most,
            since,
            headlines=self._digest.headlines,
            repeat=self._repeat,
            # What comes later belongs to the next recap, which takes up all of its own period.
            until=self._due_at if self._repeat is Repeat.RECAP else None,
        )

    def _copy(self, key: Alike, taste: Taste, choice: selection.Choice, showing: Showing, kept: Kept) -> Copy:
        """Return the copy with a choice: the same for all groups to which it says the same."""
        with_rest = not (self._first or key.catch_up)
        wanted = kept.topic_ids[taste.id]
        rest = showing.rest(choice.more, wanted) if with_rest and choice.more else None
        same = (choice, taste.format, rest, key.outlook, key.corrections, key.alarm)
        if same not in kept.copies:
            shown = showing.of(choice, rest, key.alarm)
            link = view_url(self._digest, self._slot, shown, first=self._first, services=self._services)
            opening = outlook.opening(
                key.outlook, self._digest, shown.stories, first=self._first, services=self._services, view_url=link
            )
            told = tuple(corrections.views(key.corrections, self._services).values())
            kept.copies[same] = Copy(taste.format, shown, opening, told)
        return kept.copies[same]
