"""A simulated year is played: its script on the real rooms and tasks, with the clock set forward; and written down.

What is written down are plain facts: what people did, and what mails the ledger then had. Nothing is judged here.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import celery
from celery import Celery
from flask import Flask
from sqlalchemy import func, select, update

from app import create_app
from articles import breaking as flags
from articles import following, life, topics
from articles.entries import Entry
from articles.models import Article
from core import clock, database, errors
from core.database import Base, db
from core.services import current
from delivery.models import Delivery, Lane
from digests import desk, recall, turn
from digests.models import Edition, Wave
from subscribers import offer, overall, preferences, rhythm, unsubscribe
from subscribers.models import Digest, Rhythm, Subscriber, Subscription
from subscribers.overall import Overall
from subscribers.preferences import Chosen
from tasks import nudge
from tests.digests.house import House
from tests.installation import settings_for
from tests.proofs import year_script
from tests.proofs.year_script import COUNTRIES, DIGESTS, THEMES, Script
from tests.subscribers import people

TASKS = ("tasks.digests.open_due", "tasks.digests.compose", "tasks.digests.remake", "tasks.breaking.look")
"""Which of what is nudged runs: the others are about the site, or send."""
LOOKS = ("tasks.feeds.release_due", "tasks.breaking.look", "tasks.digests.open_due")
"""What the beat has looked at."""
_REFUSED = (errors.Invalid, errors.Conflict, errors.NotFound, errors.LinkExpired)
_QUARTER = timedelta(minutes=20)
Fact = dict[str, Any]


def play(script: Script, *, database_url: str) -> list[Fact]:
    """Play a script on an empty database; return what happened, in order, as it could stand in a file of JSON."""
    app = create_app(settings_for(database_url))
    with app.app_context():
        Base.metadata.create_all(db.engine)
        try:
            with _Player(app, script) as player:
                return player.facts()
        finally:
            db.session.remove()
            db.engine.dispose()


class _Player:
    def __init__(self, app: Flask, script: Script) -> None:
        self._celery: Celery = app.extensions["celery"]
        self._celery.loader.import_default_modules()
        self._script, self._house = script, House(current())
        self._now = script.begin
        self._queue: list[tuple[str, tuple[int, ...]]] = []
        self._facts: list[Fact] = []
        self._ids: dict[str, int] = {}
        self._embargoes: set[datetime] = set()
        self._last = 0
        self._refused: Counter[str] = Counter()

    def __enter__(self) -> "_Player":
        self._others = celery.current_app.tasks["tasks.delivery.ring"].app
        self._celery.set_current()
        self._patches = (
            mock.patch.object(clock, "utc_now", lambda: self._now),
            mock.patch.object(nudge, "_nudge", self._nudged),
        )
        for one in self._patches:
            one.start()
        return self

    def __exit__(self, *_error: object) -> None:
        for one in self._patches:
            one.stop()
        self._others.set_current()

    def _nudged(self, task: str, *args: int) -> None:
        if task in TASKS and (task, args) not in self._queue:
            self._queue.append((task, args))

    def facts(self) -> list[Fact]:
        """Play all of it."""
        self._offer()
        events = iter(self._script.events)
        event = next(events, None)
        last = self._script.begin
        for beat in year_script.beats(self._script):
            while event is not None and event["at"] < beat:
                self._happens(event)
                event = next(events, None)
            # Looks that find nothing take most of the time; after an outage, and four times a day, there is always one.
            if beat - last > _QUARTER or beat.hour % 6 == 0 or self._is_anything_due(beat):
                self._look(beat)
            last = beat
        self._tell("end", refused=dict(self._refused))
        return self._facts

    def _is_anything_due(self, at: datetime) -> bool:
        """Say whether a look would find something. When it is wrong, the model sees what should have come before."""
        due = db.session.scalar(select(func.min(Rhythm.next_due_at)).where(rhythm.has_readers(Rhythm.id)))
        waiting = select(Delivery.id).where(Delivery.state == "planned").limit(1)
        is_due = (due is not None and due <= at) or any(until <= at for until in self._embargoes)
        is_due = is_due or db.session.scalar(waiting) is not None
        db.session.rollback()
        return is_due

    def _tell(self, what: str, **values: object) -> None:
        self._facts.append({"what": what, "at": self._now.isoformat(), **values})

    def _offer(self) -> None:
        with _turn():
            topics.apply(
                [
                    *({"key": key, "kind": "theme", "names": {"en": key.title()}} for key in THEMES),
                    *({"key": key, "kind": "country", "names": {}} for key in COUNTRIES),
                ]
            )
            offer.apply(DIGESTS)
        publication = self._house.services.publication
        self._tell(
            "offer",
            digests=list(DIGESTS),
            spoken=list(publication.languages),
            zone=publication.zone,
            quiet=[publication.quiet.begin, publication.quiet.until],
        )

    def _happens(self, event: Fact) -> None:
        self._now = event["at"]
        step: Callable[[Fact], bool | None] = getattr(self, f"_{event['what']}")
        try:
            looked_at = step(event)
        except _REFUSED:
            db.session.rollback()
            self._refused[event["what"]] += 1
            return
        if looked_at and not year_script.within(self._now, self._script.outages):
            self._look(self._now)
        self._run_queue([])

    # Readers

    def _join(self, event: Fact) -> bool:
        with _turn():
            done = people.joined(
                self._house.services,
                event["who"],
                at=self._now,
                digests=event["digests"],
                topics=event["topics"],
                zone=event["zone"],
                rhythm=event["rhythm"],
            )
            new = [one.digest.key for one in done.new]
        asked = {name: event[name] for name in ("who", "topics", "zone", "rhythm")}
        self._tell("join", digests=new, **asked)
        for one in event["choices"]:
            if one["digest"] in new:
                self._choose(one)
        return True

    def _choose(self, event: Fact) -> None:
        values = {name: one for name, one in event.items() if name not in ("what", "at", "who", "digest")}
        chosen = Chosen(**{**values, "topics": tuple(values["topics"]), "countries": tuple(values["countries"])})
        with _turn():
            subscription = self._subscription(event["who"], event["digest"])
            preferences.save(subscription, chosen, version=subscription.version, now=self._now)
        self._tell("choose", **{name: one for name, one in event.items() if name not in ("what", "at")})

    def _pause(self, event: Fact) -> None:
        with _turn():
            reader = self._reader(event["who"])
            today = self._now.astimezone(ZoneInfo(reader.zone)).date()
            until: date | None = today + timedelta(days=event["days"])
            overall.pause(reader, until, spoken=self._spoken, now=self._now)
        self._tell("pause", who=event["who"], until=str(until))

    def _resume(self, event: Fact) -> None:
        with _turn():
            changed = overall.pause(self._reader(event["who"]), None, spoken=self._spoken, now=self._now)
        if changed:
            self._tell("resume", who=event["who"])

    def _overall(self, event: Fact) -> None:
        with _turn():
            reader = self._reader(event["who"])
            before = overall.view(reader, spoken=self._spoken, now=self._now)
            wanted = Overall(
                languages=tuple(event["languages"]),
                once=event["once"],
                paused_until=before.paused_until,
                catch_up=event["catch_up"],
                friends=before.friends,
            )
            overall.save(reader, wanted, spoken=self._spoken, version=reader.version, now=self._now)
        told = {name: event[name] for name in ("who", "languages", "once", "catch_up")}
        self._tell("overall", **told)

    def _leave(self, event: Fact) -> None:
        with _turn():
            digest = offer.by_key(event["digest"]) if event["digest"] else None
            unsubscribe.leave(self._reader(event["who"]), digest, now=self._now)
        self._tell("leave", who=event["who"], digest=event["digest"])

    @property
    def _spoken(self) -> tuple[str, ...]:
        return tuple(self._house.services.publication.languages)

    def _reader(self, who: str) -> Subscriber:
        found = db.session.scalar(select(Subscriber).where(Subscriber.address == who))
        if found is None:
            raise errors.NotFound
        return found

    def _subscription(self, who: str, digest: str) -> Subscription:
        ours = (Subscription.subscriber_id == self._reader(who).id, Digest.key == digest)
        found = db.session.scalar(select(Subscription).join(Digest).where(*ours))
        if found is None:
            raise errors.NotFound
        return found

    # Stories

    def _story(self, event: Fact) -> None:
        story: int | None = None
        until = self._now + timedelta(hours=event["embargo_h"]) if event["embargo_h"] else None
        self._embargoes |= {until} if until else set()
        published = self._now - timedelta(seconds=event["age_s"])
        for language, name in event["names"].items():
            kept = {"state": "held", "embargo_until": until} if until else {}
            self._ids[name] = self._house.article(
                name,
                *event["topics"],
                at=published,
                seen=self._now,
                language=language,
                story=story,
                rank=event["rank"],
                **kept,
            )
            story = self._article(name).story_id
        told = {name: event[name] for name in ("names", "topics", "rank")}
        self._tell("story", published=published.isoformat(), until=until and until.isoformat(), **told)

    def _article(self, name: str) -> Article:
        if name not in self._ids:
            raise errors.NotFound
        return db.session.get_one(Article, self._ids[name], populate_existing=True)

    def _change(self, event: Fact, step: Callable[[Article], object], **told: object) -> None:
        """Change a story as a door does: mails that wait and show it are made anew."""
        with _turn():
            turn.take()
            article = self._article(event["name"])
            step(article)
            recall.hold(article)
            nudge.remake()
        self._tell(event["what"], name=event["name"], **told)

    def _update(self, event: Fact) -> None:
        self._change(event, lambda one: following.follow(one, self._entry(one), self._now, keeps_body=False))

    def _entry(self, one: Article) -> Entry:
        if one.state not in ("published", "held"):
            raise errors.NotFound
        text = f"What is new of {one.headline} since {self._now}."
        where = one.dateline_place, one.dateline_agency, one.body, "", one.words
        return Entry(f"urn:{one.public_id}", (), one.headline, text, *where, None, (), "")

    def _mark(self, event: Fact) -> None:
        self._change(event, lambda one: life.mark_updated(one, now=self._now))

    def _withdraw(self, event: Fact) -> None:
        self._change(event, lambda one: life.withdraw(one, reason="It was not so."))

    def _restore(self, event: Fact) -> None:
        self._change(event, lambda one: life.restore(one, now=self._now))

    def _hold(self, event: Fact) -> None:
        until = self._now + timedelta(hours=event["hours"])
        self._embargoes.add(until)
        self._change(event, lambda one: life.hold(one, until=until, now=self._now), until=until.isoformat())

    def _rank(self, event: Fact) -> None:
        self._change(event, lambda one: life.set_rank(one, event["rank"]), rank=event["rank"])

    def _flag(self, event: Fact) -> bool:
        before = self._article(event["name"]).breaking_at
        with _turn():
            article = self._article(event["name"])
            flags.flag(article, now=self._now, however_old=True, urgent=event["urgent"])
            is_new = article.breaking_at != before
        if is_new:
            self._tell("flag", name=event["name"], urgent=event["urgent"])
        return is_new

    def _unflag(self, event: Fact) -> None:
        with _turn():
            flags.unflag(self._article(event["name"]))
        self._tell("unflag", name=event["name"])

    def _lay(self, event: Fact) -> None:
        self._on_desk(event, desk.put)

    def _lift(self, event: Fact) -> None:
        self._on_desk(event, desk.take_back)

    def _on_desk(self, event: Fact, change: Callable[..., object]) -> None:
        with _turn():
            digest, slot = offer.by_key(event["digest"]), date.fromisoformat(event["slot"])
            change(digest, slot, [self._article(event["name"])], event["role"], now=self._now)
        self._tell(event["what"], **{name: event[name] for name in ("digest", "slot", "role", "name")})

    # Time and mails

    def _look(self, at: datetime) -> None:
        """Look for what is due, as the beat does, and let what is composed leave."""
        self._now = at
        self._embargoes = {until for until in self._embargoes if until > at}
        waves: list[Fact] = []
        for name in LOOKS:
            self._run(name, (), waves)
            self._run_queue(waves)
        self._tell("look", waves=waves)
        self._last = db.session.scalar(select(func.max(Delivery.id))) or 0
        self._let_go(is_jammed=year_script.within(at, self._script.jams))

    def _run_queue(self, waves: list[Fact]) -> None:
        while self._queue:
            self._run(*self._queue.pop(0), waves)

    def _run(self, name: str, args: tuple[int, ...], waves: list[Fact]) -> None:
        self._celery.tasks[name].run(*args)
        db.session.rollback()
        if name == "tasks.digests.compose":
            waves.append(self._wave(args[0]))

    def _wave(self, wave_id: int) -> Fact:
        wave = db.session.get_one(Wave, wave_id)
        edition = db.session.get_one(Edition, wave.edition_id)
        return {
            "digest": db.session.get_one(Digest, edition.digest_id).key,
            "kind": edition.kind,
            "slot": str(edition.slot),
            "due": wave.due_at.isoformat(),
            "state": wave.state,
            "name": next((name for name, one in self._ids.items() if one == edition.article_id), ""),
            "mails": [*self._new_mails()],
        }

    def _new_mails(self) -> Iterator[Fact]:
        last = db.session.scalar(select(func.max(Delivery.id))) or 0
        if last > self._last:
            for mail in self._house.mails(after=self._last):
                if mail.mailing.startswith(("edition:", "breaking:")):
                    yield {
                        "to": mail.to,
                        "mailing": mail.mailing,
                        "not_after": mail.not_after.isoformat(),
                        "raw": mail.raw.decode("latin-1"),
                    }
        self._last = last

    def _let_go(self, *, is_jammed: bool) -> None:
        """Let all mails that wait be handed over, but those that are too late; note what became of breaking mails."""
        waiting = select(Delivery.id, Delivery.not_after, Delivery.lane).where(Delivery.state == "planned")
        rows = db.session.execute(waiting).all()
        late = {row.id for row in rows if row.not_after <= self._now and row.lane == Lane.BREAKING}
        ended = {"expired": sorted(late), "sent": [row.id for row in rows if row.id not in late and not is_jammed]}
        db.session.rollback()
        if rows:
            with _turn():
                # The ledger has a clock of its own, which nobody has set: here it must not be years ahead.
                later = Delivery.next_attempt_at > self._now + timedelta(days=1)
                db.session.execute(update(Delivery).where(later).values(next_attempt_at=self._now))
        for state, ids in ended.items():
            if ids:
                with _turn():
                    gone = update(Delivery).where(Delivery.id.in_(ids))
                    db.session.execute(gone.values(state=state, done_at=self._now, address_sealed=None))
        if any(ended.values()):
            self._tell("left", jammed=is_jammed)


@contextmanager
def _turn() -> Iterator[None]:
    """Write, as a door does."""
    with database.write_turn():
        yield
        db.session.commit()
