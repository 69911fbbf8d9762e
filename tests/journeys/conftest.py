"""The two houses in which the same journey is walked."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys import houses
from tests.journeys.houses import House


@pytest.fixture
def local_house(tmp_path: Path) -> Iterator[House]:
    """One process on SQLite."""
    with houses.local(tmp_path) as house:
        yield house


@pytest.fixture(params=["local", "fleet"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """The service on each pair: SQLite with the embedded broker, PostgreSQL with Redis."""
    if request.param == "local":
        with houses.local(tmp_path) as running:
            yield running
        return
    database_url = request.getfixturevalue("postgres_database")
    redis_url = request.getfixturevalue("redis_database")
    with houses.fleet(tmp_path, database_url=database_url, redis_url=redis_url) as running:
        yield running
