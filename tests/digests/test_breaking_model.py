"""Who gets a breaking mail when: judged by a model that shares no code with the product, over random days."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update

from articles.models import Article
from core import database
from core.database import db
from delivery.models import Content, Delivery, Mailing, Shell
from digests.models import Cohort, Edition, Had, Wave
from subscribers.models import Subscriber, Subscription
from tests.digests.house import ASIA, TRADE, House
from tests.digests.test_breaking import flag, go, offers, wants

BEGIN = datetime(2026, 3, 28, 8, 0, tzinfo=UTC)
"""The day before the clocks of Rome are put forward."""
ZONES = ("Asia/Hong_Kong", "Europe/Rome", "America/New_York", "Asia/Kathmandu")
PUBLISHER = "Asia/Hong_Kong"
DIGESTS = ("asia-daily", "asia-trade")


@dataclass(frozen=True)
class Person:
    """A reader: where, on which topics (none: everything), and how many a day of each digest (None: not its reader)."""

    zone: str
    countries: tuple[str, ...]
    numbers: tuple[int | None, int | None]


@dataclass(frozen=True)
class News:
    """A story that is flagged some minutes after the one before, and whether its mails leave in time."""

    after: int
    country: str
    urgent: bool
    leaves: bool


NUMBERS = st.sampled_from((None, 0, 1, 3, 255))
PEOPLE = st.lists(
    st.builds(
        Person,
        st.sampled_from(ZONES),
        st.sampled_from(((), ("kr",), ("cu",), ("kr", "cu"))),
        st.tuples(NUMBERS, NUMBERS),
    ),
    min_size=1,
    max_size=4,
)
DAYS = st.lists(
    st.builds(
        News, st.integers(1, 500), st.sampled_from(("kr", "cu")), st.sampled_from((False, False, True)), st.booleans()
    ),
    min_size=1,
    max_size=9,
)


@dataclass
class Model:
    """What should be: written from the words of the promise alone."""

    counts: dict[tuple[int, str, str], int] = field(default_factory=dict)

    def get_it(self, people: list[Person], news: News, at: datetime) -> set[tuple[int, str]]:
        """Return who gets a story, through which digest, when it is flagged at this moment."""
        today = str(at.astimezone(ZoneInfo(PUBLISHER)).date())
        found: set[tuple[int, str]] = set()
        for number, person in enumerate(people):
            for digest, most in zip(DIGESTS, person.numbers, strict=True):
                if not most or (person.countries and news.country not in person.countries):
                    continue
                hour = at.astimezone(ZoneInfo(person.zone)).hour
                had = self.counts.get((number, digest, today), 0)
                if not news.urgent and (hour >= 22 or hour < 6 or (most != 255 and had >= most)):
                    continue
                if any(one == number for one, _digest in found):
                    continue  # one story once, through whichever digest
                found.add((number, digest))
        return found

    def note(self, got: set[tuple[int, str]], at: datetime) -> None:
        """Count what was handed over in time."""
        today = str(at.astimezone(ZoneInfo(PUBLISHER)).date())
        for number, digest in got:
            self.counts[number, digest, today] = self.counts.get((number, digest, today), 0) + 1


def _clear() -> None:
    with database.write_turn():
        for table in (Delivery, Cohort, Wave, Edition, Content, Shell, Mailing, Had, Subscription, Subscriber):
            db.session.execute(delete(table))
        db.session.execute(update(Article).values(breaking_at=None, urgent=False))
        db.session.commit()


def _settle(at: datetime, *, leaves: bool) -> None:
    """Let all that waits be handed over, or be too late for it."""
    with database.write_turn():
        rows = update(Delivery).where(Delivery.state == "planned")
        ended = {"state": "sent" if leaves else "expired", "done_at": at, "address_sealed": None}
        db.session.execute(rows.values(**ended))
        db.session.commit()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(people=PEOPLE, day=DAYS)
def test_readers_get_just_what_the_model_says(one_house: House, people: list[Person], day: list[News]) -> None:
    _clear()
    offers(ASIA, TRADE)
    for number, person in enumerate(people):
        for digest, most in zip(DIGESTS, person.numbers, strict=True):
            if most is not None:
                wants(
                    one_house,
                    f"r{number}@example.org",
                    digest=digest,
                    breaking=most,
                    zone=person.zone,
                    countries=person.countries,
                )
    model, at = Model(), BEGIN
    for place, news in enumerate(day):
        at += timedelta(minutes=news.after)
        flag(one_house.article(f"News {place}", news.country, at=at - timedelta(minutes=1)), at=at, urgent=news.urgent)
        got = {(int(mail.to[1 : mail.to.index("@")]), mail.mailing.split(":")[1]) for mail in go(one_house, at)}
        assert got == model.get_it(people, news, at), (place, news)
        _settle(at, leaves=news.leaves)
        if news.leaves:
            model.note(got, at)
