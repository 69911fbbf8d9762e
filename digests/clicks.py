"""How often links of digests are followed: by story, edition and hour, never by reader; only where a publisher says so.

The links are alike for all readers of an edition. Each names a story, and leads to that story and nowhere else. What is
followed is noted outside the database (docs/adr/0021), and judged before it is counted.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, mapped_column

from articles import shelf
from articles.models import Article
from core import clock, errors, logs, tokens
from core.database import Base, Mark, db, insert_for
from core.links import Links
from core.tokens import Purpose
from delivery.models import Mailing
from digests.models import Edition, Special
from digests.rendering import StoryView
from subscribers.models import Digest

log = logs.get(__name__)

ANSWER = "clicks"
"""The mark that says what was answered to the question whether links are counted."""
AT_ONCE = timedelta(seconds=2)
"""Nobody reads so fast: who follows MOST_AT_ONCE links of one mail within it is a scanner."""
MOST_AT_ONCE = 3
_YES, _NO = "counted", "not counted"
_FIRST, _SPECIAL, _BREAKING = "first-", "special-", "breaking-"
_SCANNERS = (
    *("bot", "crawl", "spider", "scan", "preview", "fetch", "proxy", "monitor", "check", "headless", "phantom"),
    *("curl", "wget", "python", "java/", "go-http", "okhttp", "libwww", "httpclient", "axios", "node"),
    *("barracuda", "mimecast", "proofpoint", "symantec", "sophos", "fireeye", "trendmicro", "forcepoint", "safelinks"),
    *("slack", "whatsapp", "telegram", "facebookexternalhit", "skypeuripreview", "microsoft office"),
)


class ClickCount(Base):
    """How often the links to a story in an edition were followed in an hour, which `hour` begins."""

    __tablename__ = "click_counts"
    edition_id: Mapped[int] = mapped_column(ForeignKey("editions.id"), primary_key=True)
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id"), primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    clicks: Mapped[int]


def answered() -> bool | None:
    """Return whether the publisher wants clicks counted; None as long as nobody was asked: then none are."""
    found = db.session.scalar(select(Mark.value).where(Mark.name == ANSWER))
    return None if found is None else found == _YES


def choose(*, counted: bool) -> None:
    """Keep the answer. Mails that are composed from now on go by it."""
    value = _YES if counted else _NO
    insert = insert_for(db.engine)(Mark).values(name=ANSWER, value=value)
    db.session.execute(insert.on_conflict_do_update(index_elements=["name"], set_={"value": value}))
    log.info("clicks chosen", counted=counted)


@dataclass(frozen=True, slots=True)
class Counting:
    """The edition by whose links clicks are counted, as these links name it."""

    digest: str
    language: str
    edition: str
    day: date

    def counted(self, view: StoryView, article: Article, links: Links) -> StoryView:
        """Return a story whose link is counted; not a flash, of which there is no page yet."""
        return view if article.state == "flash" else replace(view, url=self.link(article, links), text_url="")

    def link(self, article: Article, links: Links) -> str:
        """Return the link to a story: one for all readers."""
        scope = f"{self.digest}:{self.edition}:{article.public_id}"
        key = hashlib.sha256(scope.encode()).digest()[: tokens.KEY_BYTES]
        day = (self.day - clock.EPOCH_DAY).days
        token = links.tokens.mint(Purpose.CLICK, key, version=0, day=day, scope=scope)
        values = {"digest": self.digest, "edition": self.edition, "story": article.public_id}
        return links.to("click", language=self.language, token=token, **values)


def of(digest: Digest, slot: date, *, first: bool = False, special: str = "", breaking: int = 0) -> Counting | None:
    """Return how clicks of an edition are counted: of a date, the `first` one, a special by its key, or a `breaking`
    mail by its number on that date; None: not.
    """
    if not answered():
        return None
    name = f"{_FIRST if first else ''}{slot}"
    if special:
        name = f"{_SPECIAL}{special}"
    elif breaking:
        name = f"{_BREAKING}{slot}-{breaking}"
    return Counting(digest.key, digest.language, name, slot)


def of_edition(edition: Edition, digest: Digest) -> Counting | None:
    """Return how clicks of an edition are counted, of whatever kind it is; None: not."""
    if edition.special_id is not None:
        return of(digest, edition.slot, special=db.session.get_one(Special, edition.special_id).key)
    if edition.kind == "breaking":
        return of(digest, edition.slot, breaking=edition.number)
    return of(digest, edition.slot, first=edition.kind == "first")


def story_of(digest: str, edition: str, story: str, token: str, links: Links) -> Article:
    """Return the story that a link names. Raises LinkDamaged for one that we did not make, and NotFound."""
    links.tokens.read(Purpose.CLICK, token, scope=f"{digest}:{edition}:{story}")
    return shelf.by_ref(story)


def is_scanner(agent: str) -> bool:
    """Say whether a program that calls itself so is none by which a person reads."""
    told = agent.casefold()
    return "mozilla" not in told or any(word in told for word in _SCANNERS)


@dataclass(frozen=True, slots=True, order=True)
class Click:
    """A link that was followed `at` that time. `origin` is who did, blurred; it is forgotten when this is judged."""

    at: datetime
    origin: str
    digest: str
    edition: str
    story: str

    def line(self) -> str:
        """Return it as a line, to be noted."""
        return " ".join((self.at.isoformat(), self.origin, self.digest, self.edition, self.story))


def read(lines: Iterable[str]) -> list[Click]:
    """Read what was noted."""
    parts = (line.split(" ") for line in lines)
    return [Click(datetime.fromisoformat(at), *rest) for at, *rest in parts]


def judged(noted: Iterable[Click]) -> list[Click]:
    """Return what counts: of one origin each story once, and nothing of who follows several links at once."""
    by_mail: dict[tuple[str, str, str], list[Click]] = {}
    for one in sorted(noted):
        by_mail.setdefault((one.origin, one.digest, one.edition), []).append(one)
    counted: list[Click] = []
    for clicks in by_mail.values():
        if not _is_too_fast(clicks):
            counted += {one.story: one for one in reversed(clicks)}.values()
    return counted


def _is_too_fast(clicks: Sequence[Click]) -> bool:
    return any(
        len({one.story for one in clicks if first.at <= one.at <= first.at + AT_ONCE}) >= MOST_AT_ONCE
        for first in clicks
    )


def count(clicks: Iterable[Click]) -> int:
    """Add what counts to the numbers; return how much. What names no edition and no story of ours is passed over."""
    found = Counter(
        (one.digest, one.edition, one.story, one.at.replace(minute=0, second=0, microsecond=0)) for one in clicks
    )
    editions = {key: _edition_id(*key) for key in {key[:2] for key in found}}
    wanted = select(Article.public_id, Article.id).where(Article.public_id.in_({key[2] for key in found}))
    articles = {row.public_id: row.id for row in db.session.execute(wanted)}
    rows = [
        {"edition_id": editions[key[:2]], "article_id": articles[key[2]], "hour": key[3], "clicks": clicks_}
        for key, clicks_ in sorted(found.items())
        if editions[key[:2]] is not None and key[2] in articles
    ]
    for row in rows:
        insert = insert_for(db.engine)(ClickCount).values(row)
        more = {"clicks": ClickCount.clicks + insert.excluded.clicks}
        db.session.execute(insert.on_conflict_do_update(index_elements=["edition_id", "article_id", "hour"], set_=more))
    return sum(found.values())


def _edition_id(digest: str, name: str) -> int | None:
    wanted = select(Edition.id).join(Digest, Digest.id == Edition.digest_id).where(Digest.key == digest)
    if name.startswith(_SPECIAL):
        wanted = wanted.join(Special, Special.id == Edition.special_id).where(Special.key == name[len(_SPECIAL) :])
    elif name.startswith(_BREAKING):
        day, _dash, number = name.removeprefix(_BREAKING).rpartition("-")
        wanted = wanted.where(Edition.kind == "breaking", Edition.slot == _day(day), Edition.number == _number(number))
    else:
        kind = "first" if name.startswith(_FIRST) else "regular"
        wanted = wanted.where(Edition.kind == kind, Edition.slot == _day(name.removeprefix(_FIRST)))
    return db.session.scalar(wanted.order_by(Edition.id).limit(1))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise errors.NotFound from error


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise errors.NotFound
    return int(text)


@dataclass(frozen=True, slots=True)
class OfStory:
    """How often the links to a story in an edition were followed, and in which hour most often; `edition` is the key of
    its mailing.
    """

    edition_id: int
    edition: str
    story: str
    headline: str
    clicks: int
    busiest: datetime


def of_editions(edition_ids: Collection[int]) -> list[OfStory]:
    """Return the numbers of these editions: in each the stories that were followed most first."""
    rows = db.session.execute(
        select(ClickCount, Mailing.key, Article.public_id, Article.headline)
        .join(Article, Article.id == ClickCount.article_id)
        .join(Edition, Edition.id == ClickCount.edition_id)
        .join(Mailing, Mailing.id == Edition.mailing_id)
        .where(ClickCount.edition_id.in_(edition_ids))
        .order_by(ClickCount.hour)
    ).all()
    by_story: dict[tuple[int, str, str, str], Counter[datetime]] = {}
    for one, edition, public_id, headline in rows:
        by_story.setdefault((one.edition_id, edition, public_id, headline), Counter())[one.hour] += one.clicks
    found = [OfStory(*key, hours.total(), hours.most_common(1)[0][0]) for key, hours in by_story.items()]
    return sorted(found, key=lambda one: (-one.edition_id, -one.clicks, one.story))
