"""A forecast says just what the waves then bring, and writes nothing."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text, update

from articles.models import Article
from core import addresses, database, errors
from core.database import Base, db
from digests import desk, forecast, specials
from subscribers import offer
from subscribers.models import Subscriber
from tests.digests.house import ASIA, DAY, DUE, HOUR, NOW, TUESDAY, House


def of_date(house: House, *, now=NOW, slot=TUESDAY, rate: float | None = 10) -> forecast.Forecast:
    digest = offer.by_key("asia-daily")
    *_before, tally = counted(forecast.regular(digest, slot, now=now, services=house.services))
    return forecast.of_tally(tally, offer.by_key("asia-daily"), rate=rate, now=now)


def counted(steps: Iterator[forecast.Tally]) -> Iterator[forecast.Tally]:
    """Let go of each chunk's read, as the command does."""
    for tally in steps:
        db.session.rollback()
        yield tally


def rows() -> dict[str, int]:
    db.session.rollback()
    return {
        name: db.session.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()  # noqa: S608 - our own names
        for name in Base.metadata.tables
    }


def test_it_counts_who_gets_a_mail_and_who_none_and_why(house):
    house.reader("all@example.org")
    house.reader("cuba@example.org", countries=["cu"])
    house.reader("korea@example.org", countries=["kr"])
    house.reader("left@example.org")
    house.reader("paused@example.org")
    house.reader("first@example.org", first=NOW)
    with database.write_turn():
        paused = house.services.keyring.hash(addresses.parse("paused@example.org"))
        db.session.execute(
            update(Subscriber).where(Subscriber.addr_hash == paused).values(paused_until=TUESDAY + DAY, paused_at=NOW)
        )
        db.session.commit()
    house.suppress("left@example.org", "digest:asia-daily")
    house.articles(3, "cu")
    before = rows()
    found = of_date(house)
    assert found.mails == 2
    assert found.nothing == {
        "suppressed": 1,
        "nothing new": 1,
        "paused": 1,
        "waits for a first edition, or had one that day": 1,
    }
    assert found.leads == [("Story 3", 2)]
    assert rows() == before, "nothing is written"


def test_it_says_when_the_last_reader_has_it_at_the_relays_rate(house):
    for number in range(4):
        house.reader(f"early{number}@example.org")
        house.reader(f"late{number}@example.org", zone="Europe/Rome")
    house.articles(1)
    # Rome's four begin seven hours after Hong Kong's, and take two seconds.
    assert of_date(house, rate=2).last_at == DUE + 7 * HOUR + timedelta(seconds=2)
    assert of_date(house, rate=None).last_at is None, "nobody can say"
    # At four mails a day those of Hong Kong hold those of Rome up.
    assert of_date(house, rate=4 / 86400).last_at == DUE + 2 * DAY


def test_it_names_the_usual_number_and_what_is_much_more(house):
    house.reader()
    house.articles(1, at=NOW)
    assert of_date(house).usual is None
    house.go(DUE)
    house.articles(1, at=DUE + HOUR, prefix="Wednesday")
    for number in range(5):
        house.reader(f"new{number}@example.org", at=DUE + HOUR)
    found = of_date(house, now=DUE + HOUR, slot=TUESDAY + DAY)
    assert (found.mails, found.usual, found.is_much) == (6, 1, True)


def test_a_date_on_which_nobody_gets_it_is_refused(house):
    house.reader(how_often="weekdays")
    with pytest.raises(errors.Invalid, match="Nobody gets asia-daily on 2026-03-07"):
        of_date(house, slot=TUESDAY + 4 * DAY)


def test_it_counts_what_the_desk_has_laid_down(house):
    house.reader(countries=["kr"])
    old = house.article("The vote", "cu", at=NOW - 9 * DAY)
    with database.write_turn():
        front = db.session.get_one(Article, old)
        desk.put(offer.by_key("asia-daily"), TUESDAY, [front], "front", now=NOW)
        db.session.commit()
    assert of_date(house).leads == [("The vote", 1)]


@pytest.mark.parametrize("seed", range(4))
def test_the_waves_bring_what_was_forecast(house, seed):
    """The judge is the ledger: readers, stories, histories and rules at random."""
    chance = random.Random(seed)
    with database.write_turn():
        offer.apply([{**ASIA, "least": chance.choice([1, 2]), "repeat": chance.choice(["never", "headline"])}])
        db.session.commit()
    for number in range(14):
        house.reader(
            f"reader{number}@example.org",
            countries=chance.choice([[], ["kr"], ["cu"], ["kr", "cu"]]),
            zone=chance.choice(["Asia/Hong_Kong", "Europe/Rome"]),
            most=chance.choice([1, 3, 12]),
            format=chance.choice(["both", "text"]),
        )
    for number in range(chance.randint(1, 4)):
        house.article(f"Monday {number}", *chance.sample(["kr", "cu", "economy"], 1), at=NOW)
    house.go(DUE)
    house.go(DUE + 7 * HOUR)
    for number in range(chance.randint(0, 4)):
        house.article(f"Tuesday {number}", *chance.sample(["kr", "cu", "economy"], 1), at=DUE + 8 * HOUR)
    now = DUE + 9 * HOUR
    found = of_date(house, now=now, slot=TUESDAY + DAY)
    mails = house.go(DUE + DAY) + house.go(DUE + DAY + 7 * HOUR)
    assert found.mails == len(mails)
    assert found.mails + sum(found.nothing.values()) == 14
    assert Counter(dict(found.leads)) == Counter(mail.headlines[0] for mail in mails)


def test_a_special_is_forecast_with_each_reader_once(house):
    for digest in ("asia-daily", "asia-trade"):
        house.reader("both@example.org", digest=digest)
    house.reader("trade@example.org", digest="asia-trade")
    ids = house.articles(2)
    with database.write_turn():
        stories = [db.session.get_one(Article, one) for one in ids]
        specials.draft(
            "vote", offer.by_key("asia-daily"), stories, also=[offer.by_key("asia-trade")], subject="The vote"
        )
        db.session.commit()
    before = rows()
    *_before, tally = counted(forecast.special("vote", NOW.date(), now=NOW, services=house.services))
    found = forecast.of_tally(tally, offer.by_key("asia-daily"), rate=1, now=NOW)
    assert (found.mails, found.nothing) == (2, {"has a copy through another digest": 1})
    assert found.leads == [("Story 1", 2)]
    assert found.last_at == NOW + timedelta(seconds=2)
    assert 1_000 < found.mean_octets == found.largest_octets < 90_000
    assert rows() == before


def test_a_later_date_is_forecast_by_the_same_code_for_those_whom_it_is_for(house):
    house.reader("daily@example.org")
    house.reader("weekdays@example.org", how_often="weekdays")
    house.reader("saturday@example.org", how_often="weekly", weekday=5)
    house.articles(2, at=DUE)
    saturday = TUESDAY + 4 * DAY
    found = of_date(house, slot=TUESDAY + DAY, rate=None)
    assert found.mails == 2
    assert of_date(house, slot=saturday).mails == 1, "what is here now is no news for the daily by then"
    with pytest.raises(errors.Invalid, match="Nobody gets asia-daily on 2026-03-02"):
        of_date(house, slot=TUESDAY - DAY)
