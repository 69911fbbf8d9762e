"""Several at once: two tasks on one wave, two digests at one instant. Nothing comes twice, and nobody is lost."""

from collections import Counter
from collections.abc import Callable

import pytest

from core import database
from core.database import db
from delivery.models import Delivery
from digests import cohorts, dispatch, editions
from tests.digests.house import DUE, NOW, House

ROUNDS = 4


def begin(wave: int) -> None:
    with database.write_turn():
        assert editions.begin(wave, NOW)
        db.session.commit()


def work_on(house: House, wave: int) -> Callable[[], str]:
    """Return a task that composes a wave whose lease it does not ask for, as if an older task's had just ended."""

    def task() -> str:
        while True:
            made = house.made(wave, DUE)
            try:
                with database.write_turn():
                    finished = dispatch.write_chunk(made, DUE, house.services).finished
                    db.session.commit()
            except dispatch.WaveTaken:
                return "taken"
            if finished:
                return "finished"

    return task


def assert_nobody_got_an_article_twice(house: House) -> None:
    seen = Counter((mail.to, headline) for mail in house.mails() for headline in mail.headlines)
    assert not [pair for pair, times in seen.items() if times > 1]


def assert_no_errors(results: list[object]) -> None:
    assert not [result for result in results if isinstance(result, Exception)], results


@pytest.mark.parametrize("chunk", [2, 500])
def test_two_tasks_that_compose_one_wave_at_once_make_one_mail_for_each_reader(house, at_once, monkeypatch, chunk):
    monkeypatch.setattr(cohorts, "CHUNK", chunk)
    house.articles(4)
    names = [f"r{number}@example.org" for number in range(9)]
    for number, name in enumerate(names):
        house.reader(name, most=1 + number % 3)
    (wave,) = house.open(DUE)
    begin(wave)
    results = at_once(*[work_on(house, wave)] * 3)
    assert_no_errors(results)
    assert "finished" in results
    assert sorted(mail.to for mail in house.mails()) == sorted(names)
    assert house.open(DUE) == [] and house.count(Delivery) == 9


@pytest.mark.parametrize("round_", range(2))
def test_a_task_that_is_nudged_many_times_at_once_composes_once(house, at_once, round_):
    house.articles(3)
    for number in range(6):
        house.reader(f"r{number}@example.org")
    (wave,) = house.open(DUE)
    chunks = at_once(*[lambda: house.compose(wave, DUE)] * 4)
    assert sorted(chunks, key=str) == [0, 0, 0, 1]
    assert house.count(Delivery) == 6


def test_in_two_digests_at_one_instant_no_reader_gets_an_article_twice(house, at_once):
    house.articles(6, "kr")
    names = [f"r{number}@example.org" for number in range(12)]
    for name in names:
        house.reader(name)
    for name in reversed(names):
        house.reader(name, digest="asia-trade", most=2)
    waves = house.open(DUE)
    assert len(waves) == 2
    assert_no_errors(at_once(*[lambda wave=wave: house.compose(wave, DUE) for wave in waves]))
    assert_nobody_got_an_article_twice(house)
    got = Counter(mail.to for mail in house.mails())
    assert set(got) == set(names), "each reader got the stories, in the one mail or in two"
    assert [state for *_rest, state in house.waves()] == ["composed", "composed"]


def test_whoever_had_a_mail_composed_meanwhile_is_looked_at_again_and_gets_the_rest(house):
    house.articles(6)
    for number in range(3):
        house.reader(f"r{number}@example.org")
    house.reader("r1@example.org", digest="asia-trade", most=2)
    daily, trade = house.open(DUE)
    begin(daily)
    slow = house.made(daily, DUE)
    house.compose(trade, DUE)
    with database.write_turn():
        assert not dispatch.write_chunk(slow, DUE, house.services).finished, "r1 must be looked at again"
        db.session.commit()
    assert work_on(house, daily)() == "finished"
    got = [(mail.to, len(mail.headlines)) for mail in house.mails()]
    assert sorted(got) == [("r0@example.org", 6), ("r1@example.org", 2), ("r1@example.org", 4), ("r2@example.org", 6)]
    assert_nobody_got_an_article_twice(house)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_two_digests_of_many_tastes_never_wait_for_each_other_in_a_circle(postgres_house, at_once, round_):
    # PostgreSQL ends one of two transactions that wait for each other, and its wave would lie still for a minute.
    house = postgres_house
    house.articles(8, "kr")
    house.articles(8, "cu", prefix="Havana")
    names = [f"r{number}@example.org" for number in range(24)]
    wishes = [{"countries": [country], "most": most} for country in ("kr", "cu") for most in (2, 3, 4, 5, 6, 7)]
    for number, name in enumerate(names):
        house.reader(name, **wishes[number % 12])
    for number, name in reversed(list(enumerate(names))):
        house.reader(name, digest="asia-trade", **wishes[(number * 5) % 12])
    waves = house.open(DUE)
    results = at_once(*[lambda wave=wave: house.compose(wave, DUE) for wave in waves])
    assert_no_errors(results)
    assert_nobody_got_an_article_twice(house)
    assert {mail.to for mail in house.mails()} == set(names)


def test_a_first_edition_and_a_regular_one_at_one_instant_share_no_story(house, at_once):
    house.articles(14)
    for number in range(6):
        house.reader(f"r{number}@example.org", digest="asia-trade")
        house.reader(f"r{number}@example.org", first=DUE, at=NOW)
    waves = house.open(DUE)
    assert {(digest, kind) for digest, kind, _slot, _state in house.waves()} >= {
        ("asia-daily", "first"),
        ("asia-trade", "regular"),
    }
    assert_no_errors(at_once(*[lambda wave=wave: house.compose(wave, DUE) for wave in waves]))
    assert_nobody_got_an_article_twice(house)
    assert {mail.to for mail in house.mails()} == {f"r{number}@example.org" for number in range(6)}


def test_two_first_editions_composed_at_once_make_one_mail_for_each_reader(house, at_once):
    house.articles(4)
    for number in range(5):
        house.reader(f"r{number}@example.org", first=NOW)
    (wave,) = house.open(NOW)
    begin(wave)
    assert_no_errors(at_once(*[work_on(house, wave)] * 3))
    assert house.count(Delivery) == 5
