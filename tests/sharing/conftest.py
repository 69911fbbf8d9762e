"""A publication whose switch stands at `verified`, on each kind of database."""

from collections.abc import Iterator

import pytest

from sharing.switch import Mode
from tests.digests.conftest import at_once, house, house_postgres, one_house, postgres_house, sqlite_file
from tests.digests.house import House
from tests.sharing.desk import Desk

__all__ = ["at_once", "house", "house_postgres", "one_house", "postgres_house", "sqlite_file"]


@pytest.fixture
def desk(house: House) -> Iterator[Desk]:
    """A publication on SQLite and on PostgreSQL."""
    made = Desk(house)
    made.turn(Mode.VERIFIED)
    yield made


@pytest.fixture
def one_desk(one_house: House) -> Iterator[Desk]:
    """A publication on SQLite only, for what no database makes a difference to."""
    made = Desk(one_house)
    made.turn(Mode.VERIFIED)
    yield made
