"""A DNS server for the tests of this folder; each test brings its own zone."""

from collections.abc import Callable, Iterator, Mapping

import pytest

from core import names
from core.names import Names
from tests.nameserver import NameServer, Zone, serving


@pytest.fixture(scope="session")
def server() -> Iterator[NameServer]:
    """The server, with an empty zone."""
    with serving({}) as running:
        yield running


@pytest.fixture
def names_in(server, monkeypatch) -> Callable[..., Names]:
    """Return a place to ask, in a world of this zone: `names_in({"example.org": {"TXT": ["…"]}})`."""
    monkeypatch.setattr(names, "TRY_S", 0.1)
    monkeypatch.setattr(names, "QUESTION_S", 0.2)

    def world(zone: Zone, odd: Mapping[str, str] | None = None) -> Names:
        server.zone, server.odd, server.asked = dict(zone), dict(odd or {}), []
        return Names(("127.0.0.1", server.port))

    return world
