"""Budgets: as many as allowed in any stretch of the window, all charges or none, by as many at once as there are."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from core import budgets
from core.budgets import Budget, Charge
from core.database import db
from tests import at_once
from tests.installation import rooms_on, settings_for

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
KEY, OTHER = b"k" * 16, b"o" * 16
SECOND = timedelta(seconds=1)


@pytest.fixture(params=["sqlite", "postgresql"])
def rooms(request, tmp_path):
    """A database with the tables, on both kinds."""
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'b.db'}" if sqlite else request.getfixturevalue("postgres_database")
    with rooms_on(settings_for(url)) as app:
        yield app


def spend(*charges: Charge, now: datetime = NOW) -> bool:
    over = budgets.spend(db.session(), charges, now=now)
    db.session.commit()
    return over is None


def rows() -> int:
    return db.session.scalar(select(func.count()).select_from(Budget)) or 0


def test_a_budget_has_room_for_as_many_as_its_limit_and_then_for_one_as_each_grows_old(rooms):
    charge = Charge(KEY, 60, 3)
    assert [spend(charge, now=NOW + place * SECOND) for place in (0, 10, 20, 30)] == [True, True, True, False]
    assert not spend(charge, now=NOW + 59 * SECOND)
    assert spend(charge, now=NOW + 60 * SECOND)
    assert [spend(charge, now=NOW + place * SECOND) for place in (61, 70, 71)] == [False, True, False]
    assert rows() == 1


def test_keys_and_windows_are_counted_apart(rooms):
    assert spend(Charge(KEY, 60, 1), Charge(KEY, 3600, 2))
    assert spend(Charge(OTHER, 60, 1))
    assert not spend(Charge(KEY, 60, 1))
    assert spend(Charge(KEY, 60, 1), Charge(KEY, 3600, 2), now=NOW + 60 * SECOND)
    assert not spend(Charge(KEY, 60, 1), Charge(KEY, 3600, 2), now=NOW + 120 * SECOND)


def test_all_charges_of_a_request_are_spent_or_none(rooms):
    full, free = Charge(OTHER, 60, 1), Charge(KEY, 60, 1)
    assert spend(full)
    assert budgets.spend(db.session(), [free, full], now=NOW) == full
    db.session.commit()
    assert spend(free), "the refused request has cost nothing"


def test_a_look_says_what_spending_would_and_spends_nothing(rooms):
    charge = Charge(KEY, 60, 1)
    for _look in range(3):
        assert budgets.has_room(db.session(), [charge], now=NOW)
    assert rows() == 0
    spend(charge)
    assert not budgets.has_room(db.session(), [charge], now=NOW + 59 * SECOND)
    assert budgets.has_room(db.session(), [charge], now=NOW + 60 * SECOND)


def test_what_is_given_back_can_be_spent_again(rooms):
    day, month = Charge(KEY, 60, 1), Charge(KEY, 3600, 1)
    assert spend(day, month)
    assert spend(Charge(OTHER, 60, 1))
    budgets.give_back(db.session(), [day, month])
    budgets.give_back(db.session(), [])
    assert spend(day, month)
    assert not spend(Charge(OTHER, 60, 1))


def test_only_rows_in_which_nothing_counts_any_more_are_pruned(rooms):
    spend(Charge(KEY, 60, 2))
    spend(Charge(KEY, 60, 2), now=NOW + 30 * SECOND)
    spend(Charge(OTHER, 3600, 2))
    assert budgets.prune(db.session(), now=NOW + 89 * SECOND) == 0
    assert budgets.prune(db.session(), now=NOW + 90 * SECOND) == 1
    assert rows() == 1


def test_of_many_at_once_just_as_many_pass_as_there_is_room_for(rooms):
    charges = [Charge(KEY, 60, 4), Charge(OTHER, 60, 4)]
    doors = [lambda: budgets.spend(db.session(), charges, now=NOW) is None for _door in range(12)]
    assert sorted(at_once.run_as_writers(rooms, *doors), key=bool) == [False] * 8 + [True] * 4


@pytest.mark.parametrize("wrong", [(0, 1), (1, 0), (1, budgets.MOST + 1)])
def test_a_budget_that_cannot_be_kept_is_refused(wrong):
    with pytest.raises(ValueError, match="cannot be kept"):
        Charge(KEY, *wrong)


@pytest.fixture(scope="module")
def one_room(tmp_path_factory):
    """A database for all examples of the property."""
    with rooms_on(settings_for(f"sqlite:///{tmp_path_factory.mktemp('b') / 'b.db'}")) as app:
        yield app


USES = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 5)), max_size=25)


@given(limit=st.integers(1, 4), window=st.integers(1, 20), uses=USES)
def test_no_stretch_of_the_window_ever_holds_more_than_the_limit_and_none_is_refused_without_need(
    one_room, limit, window, uses
):
    now = NOW
    passed: list[datetime] = []
    for gap, count in uses:
        now += gap * SECOND
        charge = Charge(KEY, window, limit, count)
        recent = [at for at in passed if at > now - window * SECOND]
        has_room = len(recent) + count <= limit
        assert budgets.has_room(db.session(), [charge], now=now) == has_room
        assert (budgets.spend(db.session(), [charge], now=now) is None) == has_room
        passed += [now] * count if has_room else []
    db.session.rollback()
