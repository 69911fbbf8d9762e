"""A publication in a test: stories come in, readers are there, waves are opened and composed, mails are read."""

import itertools
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage

from sqlalchemy import func, select

from articles import topics
from articles.models import Article, ArticleTopic, Story
from core import addresses, database
from core.database import Base, db
from core.services import Services
from delivery import message, suppression
from delivery.models import Delivery, Mailing
from delivery.moves import Intent
from delivery.recipes import Recipes
from digests import cohorts, dispatch, editions, histories, making, specialwaves
from digests.kept import Kept
from digests.models import Edition, Wave
from subscribers import offer, rhythm, tastes
from subscribers.models import Subscriber, Subscription
from tests.delivery import mails

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""A Monday: 17:00 in Hong Kong, 10:00 in Rome, 04:00 in New York."""
DUE = datetime(2026, 3, 2, 22, 40, tzinfo=UTC)
"""When the wave of Tuesday 07:00 in Hong Kong starts."""
TUESDAY = date(2026, 3, 3)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)

TOPICS = [
    {"key": "diplomacy", "kind": "theme", "names": {"en": "Diplomacy", "ar": "دبلوماسية"}},
    {"key": "economy", "kind": "theme", "names": {"en": "Economy", "ar": "اقتصاد"}},
    {"key": "kr", "kind": "country", "names": {}},
    {"key": "cu", "kind": "country", "names": {}},
]
ASIA = {
    "key": "asia-daily",
    "name": "Asia Daily",
    "language": "en",
    "rhythms": ["daily", "weekdays", "weekly"],
    "default_time": "07:00",
    "default_zone": "Asia/Hong_Kong",
    "lead_minutes": 20,
    "most": 12,
    "headlines": 0,
    "not_after_hours": 12,
    "subject": "{publication}: {headline}",
    "reply_to": "desk@monsoon.example.org",
}
TRADE = {**ASIA, "key": "asia-trade", "name": "Asia Trade", "subject": "{digest}: {headline}"}
ARABIC = {**ASIA, "key": "asia-arabic", "name": "آسيا اليوم", "language": "ar"}

_numbers = itertools.count(1)


def lay_out_offer() -> None:
    """Put three digests and four topics on offer."""
    topics.apply(TOPICS)
    offer.apply([ASIA, TRADE, ARABIC])
    db.session.commit()


@dataclass(frozen=True)
class Mail:
    """A digest's mail in the ledger, as its reader would get it."""

    to: str
    mailing: str
    not_after: datetime
    raw: bytes

    @property
    def parsed(self) -> EmailMessage:
        """The mail as a mail program reads it."""
        return mails.read(self.raw)

    @property
    def text(self) -> str:
        """The text, with plain line ends."""
        return mails.text_of(self.raw, "plain").replace("\r\n", "\n")

    @property
    def html(self) -> str:
        """The HTML, with plain line ends."""
        return mails.text_of(self.raw, "html").replace("\r\n", "\n")

    @property
    def headlines(self) -> list[str]:
        """The headlines of stories in full, in order, as they stand in the text; of the others the link comes next."""
        return re.findall(r"^\d+\. (.+)\n(?!http)", self.text, re.MULTILINE)


@dataclass
class House:
    """A publication on a database."""

    services: Services
    _kept: dict[int, Kept] = field(default_factory=dict)

    def article(
        self,
        headline: str,
        *topic_keys: str,
        at: datetime = NOW - HOUR,
        seen: datetime | None = None,
        language: str = "en",
        story: int | None = None,
        **values: object,
    ) -> int:
        """Let one article come in; return its id. `seen` is when we first saw it, if not when it was published."""
        number = next(_numbers)
        with database.write_turn():
            if story is None:
                one = Story(public_id=f"s{number:09}", created_at=at)
                db.session.add(one)
                db.session.flush()
                story = one.id
            given = {"standfirst": f"What {headline} is about.", "words": 440, "slug": "", "author": ""}
            given |= {"body": "<p>Text.</p>", **values}
            article = Article(
                story_id=story,
                language=language,
                public_id=f"a{number:09}",
                headline=headline,
                dateline_place="Seoul",
                dateline_agency="Masthead",
                published_at=at,
                first_seen_at=seen or at,
                revision=1,
                **given,
            )
            db.session.add(article)
            db.session.flush()
            for topic in topics.by_keys(topic_keys):
                db.session.add(ArticleTopic(article_id=article.id, topic_id=topic.id))
            db.session.commit()
        return article.id

    def articles(self, count: int, *topic_keys: str, at: datetime = NOW - HOUR, prefix: str = "Story") -> list[int]:
        """Let some articles come in, a minute apart; the last one is the newest, published at `at`."""
        return [
            self.article(f"{prefix} {number}", *topic_keys, at=at - (count - number) * MINUTE)
            for number in range(1, count + 1)
        ]

    def subscriber(self, mailbox: str = "reader@example.org", *, zone: str = "Asia/Hong_Kong") -> int:
        """Return the id of an active subscriber, made if there is none."""
        address = addresses.parse(mailbox)
        addr_hash = self.services.keyring.hash(address)
        with database.write_turn():
            found = db.session.scalar(select(Subscriber.id).filter_by(addr_hash=addr_hash))
            if found is None:
                made = Subscriber(
                    public_id=os.urandom(16),
                    address=address.mailbox,
                    addr_hash=addr_hash,
                    state="active",
                    language="en",
                    zone=zone,
                    created_at=NOW,
                )
                db.session.add(made)
                db.session.commit()
                found = made.id
        return found

    def reader(
        self,
        mailbox: str = "reader@example.org",
        *,
        digest: str = "asia-daily",
        first: datetime | None = None,
        topics: Sequence[str] = (),
        countries: Sequence[str] = (),
        most: int = 12,
        format: str = "both",
        how_often: str = "daily",
        minute: int = 7 * 60,
        weekday: int | None = None,
        zone: str = "Asia/Hong_Kong",
        at: datetime = NOW,
        fresh_from: datetime | None = None,
    ) -> int:
        """Subscribe a reader to a digest; return the subscription's id. `first` asks for a first edition."""
        subscriber = self.subscriber(mailbox, zone=zone)
        with database.write_turn():
            offered = offer.by_key(digest)
            choice = rhythm.choose(how_often, minute=minute, zone=zone, weekday=weekday)
            made = Subscription(
                subscriber_id=subscriber,
                digest_id=offered.id,
                state="on",
                taste_id=tastes.taste_row(topics=topics, countries=countries, most=most, format=format).id,
                rhythm_id=rhythm.rhythm_row(offered, choice, now=at).id,
                first_due_at=first,
                fresh_from=fresh_from or at - rhythm.period(how_often),
                created_at=at,
            )
            db.session.add(made)
            db.session.commit()
        return made.id

    def subscription(self, subscription_id: int) -> Subscription:
        """Return a subscription as it is now."""
        db.session.rollback()
        return db.session.get_one(Subscription, subscription_id, populate_existing=True)

    def suppress(self, mailbox: str, scope: str) -> None:
        """Keep an address from being mailed."""
        with database.write_turn():
            addr_hash = self.services.keyring.hash(addresses.parse(mailbox))
            suppression.suppress(addr_hash, scope=scope, reason="left", source="test", now=NOW)
            db.session.commit()

    def open(self, at: datetime) -> list[int]:
        """Open what is due, as the beat does; return the waves that nobody composes."""
        with database.write_turn():
            editions.open_due(at, self.services)
            db.session.commit()
        return editions.unfinished(at)

    def begun(self, at: datetime) -> int:
        """Open what is due, one wave, and take it as a task does; return it."""
        (wave_id,) = self.open(at)
        with database.write_turn():
            assert editions.begin(wave_id, at)
            db.session.commit()
        return wave_id

    def compose(self, wave_id: int, at: datetime) -> int:
        """Compose a wave to its end, as a task does; return the number of chunks."""
        with database.write_turn():
            ours = editions.begin(wave_id, at)
            db.session.commit()
        chunks = 0
        finished = not ours
        while not finished:
            chunks += 1
            finished = self.chunk(wave_id, at)
        return chunks

    def chunk(self, wave_id: int, at: datetime) -> bool:
        """Read, make and write one chunk; return whether the wave is done."""
        made = self.made(wave_id, at)
        with database.write_turn():
            written = dispatch.write_chunk(made, at, self.services)
            db.session.commit()
        made.settle()
        return written.finished

    def made(self, wave_id: int, at: datetime) -> making.Made:
        """Read and make a chunk, without writing anything."""
        if specialwaves.is_special(wave_id):
            chunk = specialwaves.read_chunk(wave_id, at, self.services)
        else:
            chunk = cohorts.read_chunk(wave_id, at, self.services, self._kept.setdefault(wave_id, Kept()))
        db.session.rollback()
        return making.make(chunk, self.services)

    def go(self, at: datetime) -> list[Mail]:
        """Open and compose all that is due; return the mails that came of it."""
        db.session.rollback()
        before = db.session.scalar(select(func.max(Delivery.id))) or 0
        for wave_id in self.open(at):
            self.compose(wave_id, at)
        return self.mails(after=before)

    def mails(self, *, after: int = 0) -> list[Mail]:
        """Return the ledger's mails in the order in which they were queued."""
        db.session.rollback()
        found = Recipes(db.engine)
        rows = db.session.execute(
            select(Delivery, Mailing.key)
            .join(Mailing, Mailing.id == Delivery.mailing_id)
            .where(Delivery.id > after)
            .order_by(Delivery.id)
        ).all()
        return [self._mail(row, key, found) for row, key in rows]

    def _mail(self, row: Delivery, mailing: str, found: Recipes) -> Mail:
        assert row.address_sealed is not None
        to = self.services.keyring.unseal(row.address_sealed, row.addr_hash)
        fields = {name: getattr(row, name) for name in Intent.__slots__ if name != "dated_at"}
        intent = Intent(**fields, dated_at=NOW)
        raw = message.splice(found.of(row.content_id), intent, to=to, services=self.services)
        return Mail(to, mailing, row.not_after, raw)

    @staticmethod
    def had(subscriber_id: int) -> list[int]:
        """Return the ids of the articles that a subscriber had, in order."""
        db.session.rollback()
        return [entry.article_id for entry in House.past(subscriber_id)]

    @staticmethod
    def past(subscriber_id: int) -> list[histories.Entry]:
        """Return what a subscriber had."""
        packed = histories.entries(histories.of_readers([subscriber_id]).values())
        return [entry for entries in packed.values() for entry in histories.unpack(entries)]

    @staticmethod
    def waves() -> list[tuple[str, str, date, str]]:
        """Return (digest, kind, slot, state) of each wave, in order."""
        db.session.rollback()
        found = db.session.execute(select(Wave, Edition).join(Edition, Edition.id == Wave.edition_id).order_by(Wave.id))
        digests = {digest.id: digest.key for digest in offer.active()}
        return [(digests[edition.digest_id], edition.kind, edition.slot, wave.state) for wave, edition in found]

    @staticmethod
    def count(model: type[Base]) -> int:
        """Return how many rows there are."""
        db.session.rollback()
        return db.session.scalar(select(func.count()).select_from(model)) or 0
