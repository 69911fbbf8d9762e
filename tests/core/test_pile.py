"""A pile of lines that wait to be counted: shared through Redis, bounded, and no loss when it is lost."""

import pytest

from core import pile
from core.pile import Pile


@pytest.fixture(params=["redis", "own"])
def url(request: pytest.FixtureRequest) -> str | None:
    pile._OWN.clear()
    return str(request.getfixturevalue("redis_database")) if request.param == "redis" else None


def test_what_one_process_adds_another_takes_once_the_oldest_first(url):
    for line in ("one", "two"):
        Pile("clicks", url).add(line)
    assert Pile("other", url).take() == []
    assert Pile("clicks", url).take() == ["one", "two"]
    assert Pile("clicks", url).take() == []


def test_it_grows_no_higher_than_its_bound(url, monkeypatch):
    monkeypatch.setattr(pile, "MOST", 3)
    one = Pile("clicks", url)
    for number in range(9):
        one.add(str(number))
    assert one.take() == ["0", "1", "2"]


def test_while_redis_is_away_lines_are_lost_and_nobody_waits():
    away = Pile("clicks", "redis://127.0.0.1:1/0")
    away.add("one")
    assert away.take() == []
