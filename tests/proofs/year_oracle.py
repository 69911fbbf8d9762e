"""The judge of a simulated year: a model of its own of who gets what, written from the words of the promise.

It shares no code with the product and imports nothing of it: it reads what people did and the mails as they came out.
`python -m tests.proofs.year_oracle FACTS` judges a file with one fact a line.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.proofs import year_breaking, year_mail, year_rules
from tests.proofs import year_clock as clocks
from tests.proofs.year_choice import Fate, Offered, Picture, choose
from tests.proofs.year_state import Article, Reader, Row, Sheet, Subscription, World

FIRST_MOST = 10
WAITS = 2


def judge(facts: Iterable[dict[str, Any]]) -> "Oracle":
    """Judge what happened."""
    oracle = Oracle()
    for fact in facts:
        oracle.read(fact)
    return oracle


class Oracle:
    """What should be so far; what was not, in `faults`; and what became of stories, in `fates`."""

    def __init__(self) -> None:
        self.world = World()
        self.faults: list[str] = []
        self.fates: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self._now = datetime.min.replace(tzinfo=UTC)

    def read(self, fact: dict[str, Any]) -> None:
        """Take one fact in."""
        self._now = datetime.fromisoformat(fact["at"])
        if fact["what"] == "look":
            self._look(fact)
        elif fact["what"] == "end":
            pass
        else:
            self.counts[fact["what"]] += 1
            self.world.learn(fact, self._now)

    def _wrong(self, what: str) -> None:
        self.faults.append(f"{self._now:%Y-%m-%d %H:%M} {what}")

    # What is due

    def _look(self, fact: dict[str, Any]) -> None:
        world, now = self.world, self._now
        world.release(now)
        wanted = self._due()
        composed = {
            (one["digest"], one["kind"], one["slot"], one["due"]) for one in fact["waves"] if one["kind"] == "regular"
        }
        for extra in sorted(composed - wanted.keys()):
            self._wrong(f"a wave that is not due: {extra}")
        for missing in sorted(wanted.keys() - composed):
            self._wrong(f"a wave that is due was not composed: {missing}")
        alarms = world.flagged_now(now)
        for wave in fact["waves"]:
            self._wave(wave, wanted, alarms)
        for digest, name in sorted(alarms):
            self._wrong(f"{name} was flagged, and {digest} did not mail it")

    def _wave(
        self,
        wave: dict[str, Any],
        wanted: dict[tuple[str, str, str, str], list[Row]],
        alarms: dict[tuple[str, str], datetime],
    ) -> None:
        self.counts[f"waves, {wave['kind']}"] += 1
        for mail in wave["mails"]:
            self.counts[f"mails, {mail['mailing'].partition(':')[0]}"] += 1
            for fault in year_rules.broken(mail, self.world, self._now):
                self._wrong(fault)
        if wave["kind"] == "regular":
            self._regular(wave, wanted.get((wave["digest"], "regular", wave["slot"], wave["due"]), []))
        elif wave["kind"] == "first":
            self._first(wave)
        else:
            self._breaking(wave, alarms)

    def _due(self) -> dict[tuple[str, str, str, str], list[Row]]:
        """Return the regular waves that are due, with their rows; rows that are too late move on."""
        found: dict[tuple[str, str, str, str], list[Row]] = {}
        for row in self.world.rows.values():
            if row.due > self._now or not self.world.has_readers(row):
                continue
            digest = self.world.digests[row.digest]
            if self._now > row.due + timedelta(hours=digest["not_after_hours"]):
                self.counts["waves, missed in an outage"] += 1
                self.world.move_on(row, self._now)
            else:
                found.setdefault((row.digest, "regular", str(row.slot), row.due.isoformat()), []).append(row)
        return found

    # Editions

    def _regular(self, wave: dict[str, Any], rows: list[Row]) -> None:
        world, slot = self.world, date.fromisoformat(wave["slot"])
        mails = self._by_reader(wave)
        keys = {row.key for row in rows}
        ours = [
            one
            for one in world.subscriptions.values()
            if one.on and one.key in keys and not one.first and (one.not_before is None or one.not_before <= slot)
        ]
        due = [one for one in ours if (until := world.readers[one.who].paused_until) is None or until <= slot]
        fresh = {one.who: self._fresh_from(one, slot, rows[0].due) for one in due}
        for one in due:
            self._for_reader(one, wave, mails.pop(one.who, None), fresh[one.who])
        for who in sorted(mails):
            self._wrong(f"{who} is not due, and got {wave['digest']} of {wave['slot']}")
        for row in rows:
            world.move_on(row, self._now)

    def _by_reader(self, wave: dict[str, Any]) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for mail in wave["mails"]:
            if mail["to"] in found:
                self._wrong(f"{mail['to']} got two mails of {mail['mailing']}")
            found[mail["to"]] = mail
        return found

    def _fresh_from(self, one: Subscription, slot: date, due: datetime) -> datetime:
        """Return from when on stories are new to a reader: two periods at most, but one after a pause."""
        reader, period = self.world.readers[one.who], clocks.PERIODS[one.rhythm]
        is_recap = self.world.digests[one.digest]["repeat"] == "recap"
        began = self._pause_before(one, reader, slot)
        wall = clocks.local(due, one.zone) - period
        a_period_ago = clocks.reaches(one.zone, wall.date(), 60 * wall.hour + wall.minute)
        # No recap takes up again what the one before had, also where its reader has chosen another day since.
        a_period_ago = max(a_period_ago, one.recap_until or a_period_ago)
        if began is not None and not reader.catch_up:
            return max(one.fresh_from, a_period_ago if is_recap else self._now - period)
        if began is None and is_recap:
            return max(one.fresh_from, a_period_ago - one.waited * period)
        return max(one.fresh_from, min(began or self._now, self._now - (2 + one.waited) * period))

    def _pause_before(self, one: Subscription, reader: Reader, slot: date) -> datetime | None:
        """Return when a pause began, if this is the first date of the reader's rhythm after it."""
        if reader.resumed_at is not None:
            lead = timedelta(minutes=self.world.digests[one.digest]["lead_minutes"])
            _at, first = clocks.next_slot(one.days, one.minute, one.zone, lead=lead, after=reader.resumed_at)
        elif reader.paused_until is not None and reader.paused_until <= slot:
            first = next(
                day for n in range(8) if (day := reader.paused_until + timedelta(days=n)).weekday() in one.days
            )
        else:
            return None
        return reader.paused_at if first == slot else None

    def _for_reader(
        self, one: Subscription, wave: dict[str, Any], mail: dict[str, Any] | None, fresh: datetime
    ) -> None:
        world, digest, slot = self.world, self.world.digests[one.digest], date.fromisoformat(wave["slot"])
        reader = world.readers[one.who]
        due = datetime.fromisoformat(wave["due"])
        alerted, night = self._alarms(one, fresh)
        sheet = world.sheets.get((one.digest, wave["slot"]), Sheet())
        catches_up = reader.catch_up and self._pause_before(one, reader, slot) is not None
        most = min(one.most, digest["most"])
        wish = Picture(
            topics=one.topics,
            most=min(most, FIRST_MOST) if catches_up else most,
            headlines=0 if catches_up else digest["headlines"],
            repeat="never" if catches_up else digest["repeat"],
            evenly=not catches_up,
            fresh_from=fresh,
            until=due if digest["repeat"] == "recap" and not catches_up else None,
            alerted=alerted,
            night=night,
            front=sheet.front,
            pins=sheet.pins,
        )
        made = choose(self._on_desk(digest, sheet), wish, had=reader.had, out=self._elsewhere(one, digest))
        made.more = 0 if catches_up else made.more
        again = (one.digest, "regular", wave["slot"]) in reader.editions
        waits = 0 < len(made.full) < digest.get("least", 1) and one.waited < WAITS
        if wish.until and made.full and not waits and not again:
            one.recap_until = due
        if waits:
            one.waited += 1
        elif made.full and not again:
            one.waited = 0
        self._compare(one, wave, mail, made, comes=bool(made.full) and not waits and not again, waits=waits or again)

    def _compare(
        self,
        one: Subscription,
        wave: dict[str, Any],
        mail: dict[str, Any] | None,
        made: Offered,
        *,
        comes: bool,
        waits: bool,
    ) -> None:
        where = f"{one.who}, {one.digest} {wave['kind']} of {wave['slot']}"
        if comes != (mail is not None):
            self._wrong(f"{where}: a mail {'should have come' if comes else 'came that should not'}: {made.full}")
        for fate in made.fates.values():
            is_late = not comes and fate not in (Fate.HAD, Fate.ELSEWHERE)
            self.fates[Fate.WAITING if is_late and waits else Fate.HAD if is_late else fate] += 1
        if mail is None:
            return
        read = year_mail.read(mail["raw"], self.world.digests[one.digest]["language"])
        for what, is_so, should in (
            ("stories in full", list(read.full), made.full),
            ("headlines", list(read.headlines), made.headlines),
            ("more", read.more, made.more),
            ("form", "both" if read.has_html else "text", one.format),
        ):
            if is_so != should:
                self._wrong(f"{where}: {what} {is_so}, and should be {should}")
        for mark in (each.split()[0] for _name, marks in read.full for each in marks.split("; ") if each):
            self.counts[f"stories in full, marked “{mark}”"] += 1
        self.world.note_mail(one, wave, read.full, read.headlines, self._now)

    def _first(self, wave: dict[str, Any]) -> None:
        world, digest = self.world, self.world.digests[wave["digest"]]
        mails = self._by_reader(wave)
        waiting = [one for one in world.subscriptions.values() if one.on and one.first and one.digest == wave["digest"]]
        wanted = [one.topics for one in waiting]
        anything = frozenset().union(*wanted) if all(wanted) else None
        for one in waiting:
            reader = world.readers[one.who]
            articles, sheet = self._offered(digest), world.sheets.get((one.digest, wave["slot"]), Sheet())
            most = min(one.most, digest["most"], FIRST_MOST)
            wish = Picture(topics=one.topics, most=most, evenly=False, front=sheet.front, pins=sheet.pins)
            made = choose(self._on_desk(digest, sheet), wish, had=reader.had, out=self._elsewhere(one, digest))
            made.more = 0
            again = (one.digest, "first", wave["slot"]) in reader.editions
            comes = bool(made.full) and not again
            self._compare(one, wave, mails.pop(one.who, None), made, comes=comes, waits=False)
            one.first = False
            if comes:
                looked_at = [each.seen for each in articles if anything is None or each.topics & anything]
                one.fresh_from = max(looked_at)
                one.not_before = clocks.local(self._now, one.zone).date() + timedelta(days=1)
        for who in sorted(mails):
            self._wrong(f"{who} got a first edition of {wave['digest']} that was not asked for")

    def _offered(self, digest: dict[str, Any]) -> list[Article]:
        return [one for one in self.world.articles.values() if self.world.is_on_shelf(one, digest)]

    def _on_desk(self, digest: dict[str, Any], sheet: Sheet) -> list[Article]:
        """Return the same with the front page, from whatever shelf, and without what is dropped."""
        found = [one for one in self._offered(digest) if one.name not in sheet.drops]
        front = self.world.articles.get(sheet.front) if sheet.front else None
        return [*found, front] if front and front.state == "published" and front not in found else found

    def _elsewhere(self, one: Subscription, digest: dict[str, Any]) -> dict[str, Fate]:
        """Return the stories that a reader who wants each once has, or is to have, in another language."""
        reader = self.world.readers[one.who]
        if not reader.once:
            return {}
        had, order = reader.had, reader.order(self.world.spoken)
        better = order[: order.index(digest["language"])]
        others = [*self.world.of_reader(one.who)]
        found: dict[str, Fate] = {}
        for article in self.world.articles.values():
            if article.language == digest["language"]:
                continue
            was_had = article.name in had and digest["repeat"] != "recap"
            if was_had or (article.language in better and any(self._brings(other, article) for other in others)):
                found[article.story] = Fate.ELSEWHERE
        return found

    def _brings(self, other: Subscription, article: Article) -> bool:
        """Say whether another digest of a reader may bring an article still, or brings it just now."""
        since = self.world.coming(self.world.rows[other.key], self._now)
        if self.world.is_on_front(article.name, other.digest, since=since):
            return True
        if not self.world.is_on_shelf(article, self.world.digests[other.digest]):
            return False
        fresh = max(other.fresh_from, self._now - 2 * clocks.PERIODS[other.rhythm])
        wants = not other.topics or bool(other.topics & article.topics)
        return wants and (other.first or article.seen > fresh)

    def _breaking(self, wave: dict[str, Any], alarms: dict[tuple[str, str], datetime]) -> None:
        digest, name = wave["digest"], wave["name"]
        flagged = alarms.pop((digest, name), None)
        if flagged is None:
            self._wrong(f"{name} is mailed as breaking by {digest}, and should not be")
            return
        judged = year_breaking.judge(self.world, digest, name, flagged, self._by_reader(wave))
        for fault in judged.faults:
            self._wrong(fault)
        self.fates.update(f"breaking: {fate}" for fate in judged.fates)

    def _alarms(self, one: Subscription, since: datetime) -> tuple[dict[str, str], set[str]]:
        """Return what a reader was alerted to, with its mark, and what the night kept from them."""
        reader, language = self.world.readers[one.who], self.world.digests[one.digest]["language"]
        alerted: dict[str, str] = {}
        night: set[str] = set()
        had = reader.had
        for alert in self.world.alerts:
            is_ours = alert.digest == one.digest
            if alert.at <= since or alert.name in had or self.world.articles[alert.name].language != language:
                continue
            if alert.state(one.who) == "sent":
                alerted[alert.name] = f"alerted {clocks.local(alert.at, one.zone):%H:%M}"
            elif is_ours and one.breaking and not alert.stopped and alert.was_kept(one.who, one.zone, self.world.quiet):
                night.add(alert.name)
        return alerted, night


if __name__ == "__main__":
    told = judge(json.loads(line) for line in Path(sys.argv[1]).read_text("utf-8").splitlines())
    sys.stdout.write("\n".join([*told.faults, str(dict(told.fates)), str(dict(told.counts)), ""]))
    sys.exit(1 if told.faults else 0)
