"""What is known of readers and stories in a simulated year: kept from plain facts, by nothing of the product."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tests.proofs import year_clock as clocks

_KEPT = timedelta(days=60)


@dataclass(slots=True)
class Article:
    """One language version of a story."""

    number: int
    name: str
    story: str
    language: str
    topics: frozenset[str]
    published: datetime
    seen: datetime
    rank: int
    state: str = "published"
    until: datetime | None = None
    revision: int = 1
    updated: datetime | None = None
    updates: list[datetime] = field(default_factory=list)
    flagged: datetime | None = None
    urgent: bool = False

    def update(self, at: datetime) -> None:
        """Take a new revision."""
        self.revision, self.updated = self.revision + 1, at
        self.updates.append(at)

    def updated_between(self, since: datetime, until: datetime) -> bool:
        """Say whether there was another revision meanwhile."""
        return any(since <= at <= until for at in self.updates)


@dataclass(frozen=True, slots=True)
class Had:
    """How a reader had a story: in which revision last, whether ever in full, and whether a recap brought it so."""

    revision: int
    in_full: bool
    by_recap: bool = False


@dataclass(slots=True)
class Reader:
    """A person. `entries` is what mails brought (day, story, revision, in full, by a recap), as long as it is
    remembered.
    """

    who: str
    zone: str
    languages: list[str]
    once: bool = False
    catch_up: bool = False
    paused_until: date | None = None
    paused_at: datetime | None = None
    resumed_at: datetime | None = None
    entries: list[tuple[date, str, int, bool, bool]] = field(default_factory=list)
    in_full: dict[str, list[tuple[datetime, str]]] = field(default_factory=dict)
    shown: dict[str, datetime] = field(default_factory=dict)
    editions: set[tuple[str, str, str]] = field(default_factory=set)
    alerted: set[str] = field(default_factory=set)

    @property
    def had(self) -> dict[str, Had]:
        """Return what the reader had."""
        found: dict[str, Had] = {}
        for _day, name, revision, in_full, by_recap in self.entries:
            before = found.get(name, Had(0, in_full=False))
            found[name] = Had(
                max(before.revision, revision),
                in_full=before.in_full or in_full,
                by_recap=before.by_recap or (in_full and by_recap),
            )
        return found

    def had_in_full(self, name: str, revision: int) -> bool:
        """Say whether this revision of a story, or a later one, came in full."""
        return any(one == name and full and its >= revision for _day, one, its, full, _by_recap in self.entries)

    def order(self, spoken: Sequence[str]) -> list[str]:
        """Return all languages, those first that the reader likes best."""
        return [*dict.fromkeys([*self.languages, *spoken])]


@dataclass(slots=True)
class Row:
    """All readers of a digest in one rhythm: when their next wave begins, and of which date it is."""

    digest: str
    key: tuple[Any, ...]
    days: tuple[int, ...]
    minute: int
    zone: str
    due: datetime
    slot: date


@dataclass(slots=True)
class Subscription:
    """A reader's choice of a digest."""

    who: str
    digest: str
    topics: frozenset[str] = frozenset()
    rhythm: str = "daily"
    days: tuple[int, ...] = ()
    minute: int = 0
    zone: str = ""
    most: int = 0
    format: str = "both"
    breaking: int = 0
    on: bool = True
    first: bool = False
    fresh_from: datetime = datetime.min.replace(tzinfo=UTC)
    not_before: date | None = None
    waited: int = 0
    recap_until: datetime | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        """Return what readers in one rhythm have alike."""
        return self.digest, self.rhythm, self.days, self.minute, self.zone


@dataclass(slots=True)
class Sheet:
    """What editors have laid down for a digest and a date: stories by their names; of what is dropped, no version."""

    front: str | None = None
    pins: list[str] = field(default_factory=list)
    drops: set[str] = field(default_factory=set)

    def lift(self, name: str, role: str | None = None) -> None:
        """Take a story out of a role; None: out of any."""
        if role in (None, "front") and self.front == name:
            self.front = None
        if role in (None, "pin"):
            self.pins = [one for one in self.pins if one != name]
        if role in (None, "drop"):
            self.drops.discard(name)

    def lay(self, name: str, role: str) -> None:
        """Give a story a role, in place of the one it had."""
        self.lift(name)
        if role == "front":
            self.front = name
        elif role == "pin":
            self.pins.append(name)
        else:
            self.drops.add(name)


@dataclass(slots=True)
class Alert:
    """A breaking mail: what became of each reader's copy. `stopped` when its story was taken back."""

    digest: str
    name: str
    at: datetime
    urgent: bool
    stopped: bool = False
    copies: dict[str, list[Any]] = field(default_factory=dict)

    def wait(self, who: str, until: datetime, *, before_its_end: bool) -> None:
        """Note a copy that waits to be handed over."""
        self.copies[who] = ["planned", until, before_its_end]

    def state(self, who: str) -> str | None:
        """Return what became of a copy."""
        return self.copies[who][0] if who in self.copies else None

    def counts(self, who: str) -> bool:
        """Say whether a reader had a copy, or is to have it."""
        return self.state(who) in (("sent",) if self.stopped else ("planned", "sent"))

    def leave(self, now: datetime, *, jammed: bool) -> None:
        """Let the copies leave that wait, or be too late."""
        for copy in self.copies.values():
            if copy[0] == "planned" and (copy[1] <= now or not jammed):
                copy[0] = "expired" if copy[1] <= now else "sent"

    def was_kept(self, who: str, zone: str, quiet: tuple[int, int]) -> bool:
        """Say whether the night kept it from a reader."""
        if self.urgent:
            return False
        if who not in self.copies:
            return clocks.is_night(self.at, zone, quiet)
        return bool(self.copies[who][0] == "expired" and self.copies[who][2])


class World:
    """Digests, readers and stories as they are now."""

    def __init__(self) -> None:
        self.digests: dict[str, dict[str, Any]] = {}
        self.spoken: list[str] = []
        self.zone = ""
        self.quiet = (0, 0)
        self.readers: dict[str, Reader] = {}
        self.subscriptions: dict[tuple[str, str], Subscription] = {}
        self.rows: dict[tuple[Any, ...], Row] = {}
        self.articles: dict[str, Article] = {}
        self.alerts: list[Alert] = []
        self.sheets: dict[tuple[str, str], Sheet] = {}

    def learn(self, fact: dict[str, Any], now: datetime) -> None:
        """Take in what somebody did."""
        getattr(self, f"_{fact['what']}")(fact, now)

    def _offer(self, fact: dict[str, Any], _now: datetime) -> None:
        self.digests = {one["key"]: one for one in fact["digests"]}
        self.spoken, self.zone, self.quiet = fact["spoken"], fact["zone"], (fact["quiet"][0], fact["quiet"][1])

    # Readers

    def _join(self, fact: dict[str, Any], now: datetime) -> None:
        who = fact["who"]
        reader = self.readers.setdefault(who, Reader(who, fact["zone"], ["en"]))
        if not any(True for _each in self.of_reader(who)):
            reader.zone, reader.languages, reader.paused_until = fact["zone"], ["en"], None
        for place, key in enumerate(fact["digests"]):
            digest = self.digests[key]
            one = self.subscriptions.setdefault((who, key), Subscription(who, key, on=False))
            rhythm = fact["rhythm"] if fact["rhythm"] in digest["rhythms"] else digest["rhythms"][0]
            hour, minute = digest["default_time"].split(":")
            self._set_rhythm(one, rhythm, None, 60 * int(hour) + int(minute), fact["zone"], now)
            one.topics, one.most, one.format = frozenset(fact["topics"]), digest["most"], "both"
            one.on, one.fresh_from = True, now - clocks.PERIODS[rhythm]
            # Who asks for several begins with one of them; the others begin with their next regular edition.
            one.first = place == 0

    def _set_rhythm(
        self, one: Subscription, rhythm: str, weekday: int | None, minute: int, zone: str, now: datetime
    ) -> None:
        days = clocks.days_of(rhythm, weekday)
        key = (one.digest, rhythm, days, minute, zone)
        lead = timedelta(minutes=self.digests[one.digest]["lead_minutes"])
        due, slot = clocks.next_slot(days, minute, zone, lead=lead, after=now)
        row = self.rows.setdefault(key, Row(one.digest, key, days, minute, zone, due, slot))
        if row.due <= now and not self.has_readers(row):
            row.due, row.slot = due, slot
        one.rhythm, one.days, one.minute, one.zone = rhythm, days, minute, zone

    def _choose(self, fact: dict[str, Any], now: datetime) -> None:
        one = self.subscriptions[fact["who"], fact["digest"]]
        self._set_rhythm(one, fact["rhythm"], fact["weekday"], fact["minute"], fact["zone"], now)
        one.topics = frozenset([*fact["topics"], *fact["countries"]])
        one.breaking, one.most, one.format = fact["breaking"], fact["most"], fact["format"]
        self.readers[one.who].zone = fact["zone"]

    def _pause(self, fact: dict[str, Any], now: datetime) -> None:
        reader = self.readers[fact["who"]]
        if reader.paused_until is None or reader.paused_until <= clocks.local(now, reader.zone).date():
            reader.paused_at = now
        reader.paused_until, reader.resumed_at = date.fromisoformat(fact["until"]), None

    def _resume(self, fact: dict[str, Any], now: datetime) -> None:
        reader = self.readers[fact["who"]]
        reader.paused_until, reader.resumed_at = None, now

    def _overall(self, fact: dict[str, Any], _now: datetime) -> None:
        reader = self.readers[fact["who"]]
        reader.languages, reader.once, reader.catch_up = fact["languages"], fact["once"], fact["catch_up"]

    def _leave(self, fact: dict[str, Any], _now: datetime) -> None:
        for one in self.of_reader(fact["who"]):
            if fact["digest"] in (None, one.digest):
                one.on = one.first = False

    def of_reader(self, who: str) -> Iterator[Subscription]:
        """Yield the digests that a reader gets."""
        yield from [one for one in self.subscriptions.values() if one.who == who and one.on]

    def has_readers(self, row: Row) -> bool:
        """Say whether anybody gets a digest in this rhythm."""
        return any(one.on and one.key == row.key for one in self.subscriptions.values())

    def move_on(self, row: Row, now: datetime) -> None:
        """Go to the next date: what an outage has left out is not made up for."""
        row.due, row.slot = self._after(row, now)

    def coming(self, row: Row, now: datetime) -> date:
        """Return the next date of which no wave has begun."""
        return self._after(row, now)[1] if row.due <= now else row.slot

    def _after(self, row: Row, now: datetime) -> tuple[datetime, date]:
        lead, due, slot = timedelta(minutes=self.digests[row.digest]["lead_minutes"]), row.due, row.slot
        while slot <= row.slot:
            due, slot = clocks.next_slot(row.days, row.minute, row.zone, lead=lead, after=max(now, due))
        return due, slot

    # Stories

    def _story(self, fact: dict[str, Any], now: datetime) -> None:
        until = datetime.fromisoformat(fact["until"]) if fact["until"] else None
        story = "+".join(sorted(fact["names"].values()))
        for language, name in fact["names"].items():
            self.articles[name] = Article(
                number=len(self.articles),
                name=name,
                story=story,
                language=language,
                topics=frozenset(fact["topics"]),
                published=datetime.fromisoformat(fact["published"]),
                seen=now,
                rank=fact["rank"],
                state="held" if until else "published",
                until=until,
            )

    def _update(self, fact: dict[str, Any], now: datetime) -> None:
        self.articles[fact["name"]].update(now)

    _mark = _update

    def _withdraw(self, fact: dict[str, Any], _now: datetime) -> None:
        self.articles[fact["name"]].state = "withdrawn"

    def _restore(self, fact: dict[str, Any], now: datetime) -> None:
        article = self.articles[fact["name"]]
        article.state, article.seen, article.until = "published", now, None

    def _hold(self, fact: dict[str, Any], _now: datetime) -> None:
        article = self.articles[fact["name"]]
        article.state, article.until = "held", datetime.fromisoformat(fact["until"])

    def _rank(self, fact: dict[str, Any], _now: datetime) -> None:
        self.articles[fact["name"]].rank = fact["rank"]

    def _flag(self, fact: dict[str, Any], now: datetime) -> None:
        article = self.articles[fact["name"]]
        article.flagged, article.urgent = now, fact["urgent"]

    def _unflag(self, fact: dict[str, Any], _now: datetime) -> None:
        self.articles[fact["name"]].flagged = None

    def _lay(self, fact: dict[str, Any], _now: datetime) -> None:
        self.sheets.setdefault((fact["digest"], fact["slot"]), Sheet()).lay(fact["name"], fact["role"])

    def _lift(self, fact: dict[str, Any], _now: datetime) -> None:
        self.sheets.setdefault((fact["digest"], fact["slot"]), Sheet()).lift(fact["name"], fact["role"])

    def is_on_front(self, name: str, digest: str, *, since: date) -> bool:
        """Say whether a story is on the front page of a digest from a date on."""
        ours = [
            sheet for (key, slot), sheet in self.sheets.items() if key == digest and date.fromisoformat(slot) >= since
        ]
        return any(sheet.front == name for sheet in ours)

    def release(self, now: datetime) -> None:
        """Publish what was held until now: it is new from now on."""
        for one in self.articles.values():
            if one.state == "held" and one.until is not None and one.until <= now:
                one.state, one.seen, one.until = "published", now, None

    def is_on_shelf(self, article: Article, digest: dict[str, Any]) -> bool:
        """Say whether a digest may bring an article at all."""
        shelves = digest.get("topics")
        is_ours = article.state == "published" and article.language == digest["language"]
        return is_ours and (not shelves or not article.topics.isdisjoint(shelves))

    # Breaking news

    def flagged_now(self, now: datetime) -> dict[tuple[str, str], datetime]:
        """Return what is to be mailed at once, by digest and story; what is taken back is stopped."""
        found: dict[tuple[str, str], datetime] = {}
        for alert in self.alerts:
            article = self.articles[alert.name]
            if now - alert.at < timedelta(hours=12) and (article.state != "published" or article.flagged is None):
                alert.stopped = True
        opened = {(one.digest, one.name, one.at) for one in self.alerts}
        for article in self.articles.values():
            at = article.flagged
            for key, digest in self.digests.items() if at is not None else ():
                lasts = timedelta(minutes=digest["breaking_not_after_minutes"])
                is_due = digest["offers_breaking"] and at is not None and now < at + lasts
                is_new = (key, article.name, at) not in opened
                if at is not None and is_due and is_new and self.is_on_shelf(article, digest):
                    found[key, article.name] = at
        return found

    def was_alerted(self, who: str, article: Article, *, once: bool) -> bool:
        """Say whether a reader had an alert to a story, or is to have one; with `once`, in whatever language."""
        return any(
            one.counts(who) and (one.name == article.name or (once and self.articles[one.name].story == article.story))
            for one in self.alerts
        )

    def alerts_of(self, who: str, digest: str, day: date) -> int:
        """Return how many breaking mails of a digest a reader has had on a date of the publisher's."""
        return sum(
            one.digest == digest and clocks.local(one.at, self.zone).date() == day and one.counts(who)
            for one in self.alerts
        )

    def _left(self, fact: dict[str, Any], now: datetime) -> None:
        for alert in self.alerts:
            if not alert.stopped:
                alert.leave(now, jammed=fact["jammed"])

    def note_mail(
        self,
        one: Subscription,
        wave: dict[str, Any],
        full: Sequence[tuple[str, str]],
        headlines: Sequence[str],
        now: datetime,
    ) -> None:
        """Remember what a mail brought."""
        reader, today = self.readers[one.who], now.date()
        is_recap = self.digests[one.digest]["repeat"] == "recap"
        reader.editions.add((one.digest, wave["kind"], wave["slot"]))
        reader.entries = [entry for entry in reader.entries if today - entry[0] <= _KEPT]
        reader.entries += [(today, name, self.articles[name].revision, True, is_recap) for name, _mark in full]
        reader.entries += [(today, name, self.articles[name].revision, False, is_recap) for name in headlines]
        reader.shown |= dict.fromkeys([*headlines, *(name for name, _mark in full)], now)
        for name, _mark in full:
            reader.in_full.setdefault(name, []).append((now, one.digest))
