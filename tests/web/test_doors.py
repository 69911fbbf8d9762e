"""Tokens at the doors: each opens one, a changed one none; opening a page changes nothing, and nobody's another's."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from core import services, tokens
from core.database import Base, db
from core.links import PATHS
from core.tokens import Purpose
from subscribers.models import SignupRequest
from subscribers.trail import AddressChange
from tests.web import doors
from tests.web.doors import DIGEST, OPENS, refusal
from tests.web.readers import dump

SCOPES = ["", DIGEST, "change"]


@pytest.fixture
def house(readers):
    return doors.built(readers)


def test_every_page_with_a_token_is_among_the_doors():
    # What opens `view` and `click` is of no reader: tests/web/test_editions.py, tests/web/test_clicks.py.
    assert {page for page in PATHS if "<token>" in PATHS[page]} == {*OPENS, "view", "click"}


@pytest.mark.parametrize("page", OPENS)
def test_a_door_is_opened_by_its_own_purpose_and_scope_alone(client, house, page):
    before = dump()
    for purpose in Purpose:
        for scope in SCOPES:
            path = house.path(page, purpose, scope)
            if (purpose, scope) == OPENS[page]:
                assert client.get(path).status_code == 200
                continue
            assert client.get(path).status_code == 404, f"{purpose} {scope!r} opened {page}"
            assert client.post(path).status_code == refusal(page, 404), f"{purpose} {scope!r} acted at {page}"
    assert dump() == before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(page=st.sampled_from(sorted(OPENS)), bit=st.integers(0, 29 * 8 - 1))
def test_one_flipped_bit_opens_no_door(client, house, page, bit):
    raw = bytearray(tokens.decode(house.path(page).rpartition("/")[2]))
    raw[bit // 8] ^= 1 << bit % 8
    path = house.with_token(page, tokens.encode(bytes(raw)))
    before = dump()
    assert (client.get(path).status_code, client.post(path).status_code) == (404, refusal(page, 404))
    assert dump() == before


@pytest.mark.parametrize("page", OPENS)
def test_opening_a_page_changes_not_one_row_however_often(client, house, page):
    before = dump()
    for _time in range(3):
        assert client.get(house.path(page)).status_code == 200
        assert client.head(house.path(page)).status_code == 200
    assert dump() == before


@pytest.mark.parametrize("page", OPENS)
def test_what_one_readers_link_does_changes_nothing_of_another(client, house, readers, page):
    other = doors.built(readers, "another@example.net")
    before = _rows_of(other)
    assert len(before) > 5
    assert client.post(house.path(page)).status_code in (200, 303, refusal(page, 410), 422)
    assert _rows_of(other) == before


def test_a_readers_undo_link_takes_no_change_of_another_back(client, house, readers):
    other = doors.built(readers, "another@example.net")
    before = _rows_of(other)
    mint = services.current().links.undo
    link = mint(house.reader.key, version=house.reader.version, day=_day(house), change=other.change)
    assert client.post(link.removeprefix(services.current().links.base_url)).status_code == 404
    assert _rows_of(other) == before


@pytest.mark.parametrize("page", ["confirm", "confirm_address"])
def test_a_confirmation_that_is_pressed_again_after_leaving_changes_nothing(client, house, page):
    assert client.post(house.path(page)).status_code == 200
    path = house.path(page)
    for row in _subscribers():
        link = services.current().links.unsubscribe(row[0], digest="", version=row[1], day=0)
        client.post(link.removeprefix(services.current().links.base_url))
    left = dump()
    assert client.post(path).status_code == 200
    assert dump() == left


def _subscribers():
    db.session.rollback()
    table = Base.metadata.tables["subscribers"]
    return db.session.execute(select(table.c.public_id, table.c.link_version)).all()


def _day(house):
    return tokens.decode(house.path("undo").rpartition("/")[2])[18]


def _rows_of(house):
    """Return every row of every table that names this reader, their requests or their addresses."""
    row = house.reader.row
    asked = db.session.scalars(select(SignupRequest).filter_by(public_id=house.asked)).one()
    moving = db.session.scalars(select(AddressChange).filter_by(public_id=house.moving)).one()
    values = {row.public_id, row.addr_hash, house.asked, house.moving, asked.addr_hash, moving.addr_hash}
    found = []
    for table in Base.metadata.sorted_tables:
        for one in db.session.execute(select(table)):
            own = "subscriber_id" in table.c and one._mapping["subscriber_id"] == row.id
            if own or values & {value for value in one if isinstance(value, bytes)}:
                found.append((table.name, *one))
    return found
