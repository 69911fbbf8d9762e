"""Alerts: one row for each trouble, told once by whoever is first, again until somebody answers, and once when over."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from core import alerts, database
from core.alerts import Alert, Notice, Trouble
from core.database import db
from tests import at_once

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
REPEAT = timedelta(minutes=15)
RELAY = Trouble("relay:main", "The relay main is paused.\nSince 12:00.\nResume it.")


class Board:
    """The alerts of a database, at a time that the test says."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def write(self, call: Callable, *args, **values):
        with database.writing(self.engine) as connection:
            return call(connection, *args, **values)

    def open(self, found: Trouble = RELAY, *, at: datetime = NOON) -> None:
        self.write(alerts.raise_alert, found, at)

    def close(self, *, at: datetime) -> None:
        self.write(alerts.close, [RELAY.key], at)

    def due(self, at: datetime) -> list[Notice]:
        with self.engine.connect() as connection:
            return alerts.due(connection, repeat=REPEAT, now=at)

    def tell(self, at: datetime) -> list[str]:
        """Claim what is due; return whether it stands or is over."""
        claimed = [one for one in self.due(at) if self.write(alerts.claim, one, at)]
        return ["stands" if one.over_at is None else "over" for one in claimed]

    def row(self) -> Alert:
        with self.engine.connect() as connection:
            return Alert(**connection.execute(select(Alert)).one()._mapping)


@pytest.fixture
def board(on_both: Flask) -> Board:
    Alert.metadata.create_all(db.engine, tables=[Alert.metadata.tables["alerts"]])
    return Board(db.engine)


def minutes(count: float) -> datetime:
    return NOON + timedelta(minutes=count)


def test_the_same_trouble_seen_again_is_one_row_with_the_newest_text(board):
    board.open()
    board.tell(NOON)
    board.open(Trouble(RELAY.key, "The relay main is still paused."), at=minutes(3))
    row = board.row()
    assert (row.text, row.opened_at, row.told_at) == ("The relay main is still paused.", NOON, NOON)


def test_an_alert_is_told_at_once_and_then_again_after_each_interval(board):
    board.open()
    told = {count: board.tell(minutes(count)) for count in (0, 1, 14.9, 15, 16, 29, 30)}
    assert [count for count, notices in told.items() if notices == ["stands"]] == [0, 15, 30]
    assert [told[count] for count in (1, 14.9, 16, 29)] == [[]] * 4


def test_who_acknowledged_is_left_alone_until_it_is_over(board):
    board.open()
    board.tell(NOON)
    assert board.write(alerts.acknowledge, [RELAY.key], minutes(2)) == 1
    board.open(Trouble(RELAY.key, "More mails wait."), at=minutes(20))
    assert board.tell(minutes(60)) == []
    board.close(at=minutes(61))
    assert board.tell(minutes(61)) == ["over"]


def test_what_is_over_is_told_once_and_never_again(board):
    board.open()
    board.tell(NOON)
    board.close(at=NOON)
    assert [board.tell(minutes(count)) for count in (0, 1, 20, 60)] == [["over"], [], [], []]


def test_what_was_over_before_anybody_was_told_is_not_told(board):
    board.open()
    board.close(at=minutes(1))
    assert board.tell(minutes(1)) == []


@pytest.mark.parametrize("end_was_told", [True, False])
def test_a_trouble_that_comes_again_is_told_at_once_although_the_last_one_was_acknowledged(board, end_was_told):
    board.open()
    board.tell(NOON)
    board.write(alerts.acknowledge, [RELAY.key], minutes(1))
    board.close(at=minutes(2))
    if end_was_told:
        board.tell(minutes(2))
    board.open(at=minutes(4))
    row = board.row()
    assert (row.opened_at, row.told_at, row.acknowledged_at, row.closed_at) == (minutes(4), None, None, None)
    assert board.tell(minutes(4)) == ["stands"]


@pytest.mark.parametrize("over", [False, True])
def test_of_several_tellers_at_once_one_tells(on_both, board, over):
    board.open()
    if over:
        board.tell(NOON)
        board.close(at=minutes(1))
    (notice,) = board.due(minutes(2))
    claims = at_once.run(on_both, *[lambda: board.write(alerts.claim, notice, minutes(2))] * 6)
    assert sorted(claims, key=bool) == [False] * 5 + [True]


def test_nobody_tells_what_was_answered_or_ended_a_moment_ago(board):
    board.open()
    (notice,) = board.due(NOON)
    board.write(alerts.acknowledge, [RELAY.key], NOON)
    assert not board.write(alerts.claim, notice, NOON)
    board.close(at=NOON)
    assert not board.write(alerts.claim, notice, NOON)


@pytest.mark.parametrize("over", [False, True])
def test_what_could_not_be_told_is_due_again_at_once(board, over):
    board.open()
    if over:
        board.tell(NOON)
        board.close(at=minutes(1))
    (notice,) = board.due(minutes(1))
    board.write(alerts.claim, notice, minutes(1))
    assert board.due(minutes(1)) == []
    board.write(alerts.give_back, notice, minutes(1))
    assert board.due(minutes(1)) == [notice]


def test_what_is_given_back_late_changes_nothing_that_somebody_told_since(board):
    board.open()
    (notice,) = board.due(NOON)
    board.write(alerts.claim, notice, NOON)
    board.tell(minutes(15))
    board.write(alerts.give_back, notice, NOON)
    assert board.row().told_at == minutes(15)


def test_the_alerts_follow_the_troubles_and_those_of_other_kinds_stay(board):
    other, old = Trouble("journal:disk", "The disk is full."), Trouble("queue:digest", "Mail waits.")
    for one in (RELAY, other, old):
        board.open(one)
    found = [RELAY, Trouble("doubts", "Two mails are in doubt.")]
    board.write(alerts.keep, found, kinds=("relay", "queue", "doubts"), now=minutes(1))
    with board.engine.connect() as connection:
        assert alerts.open_keys(connection) == {RELAY.key, other.key, "doubts"}
        assert [one.key for one in alerts.standing(connection)] == [other.key, RELAY.key, "doubts"]


def test_several_who_keep_the_alerts_at_once_do_not_hold_each_other_up(on_both, board):
    names = [Trouble(f"relay:{number}", "It is paused.") for number in range(6)]
    for one in names:
        board.open(one)

    def keeping(found: list[Trouble]) -> Callable[[], None]:
        def keep() -> None:
            for count in range(5):
                board.write(alerts.keep, found, kinds=("relay",), now=minutes(count))

        return keep

    outcome = at_once.run(on_both, keeping(names[:3]), keeping(names[::-1]), keeping(names[3:]), keeping([]))
    assert outcome == [None] * 4


def test_still_so_is_what_stands_unanswered_or_is_still_over(board):
    def still_so(notice: Notice) -> bool:
        with board.engine.connect() as connection:
            return alerts.still_so(connection, notice)

    board.open()
    (stands,) = board.due(NOON)
    board.tell(NOON)
    assert still_so(stands)
    board.write(alerts.acknowledge, [RELAY.key], NOON)
    assert not still_so(stands)
    board.close(at=minutes(1))
    (over,) = board.due(minutes(1))
    board.tell(minutes(1))
    assert still_so(over) and not still_so(stands)
    board.open(at=minutes(2))
    assert not still_so(over) and not still_so(stands)


@given(st.text(max_size=400), st.text(max_size=400))
def test_a_trouble_is_three_lines_whatever_is_in_it(one, other):
    said = f"{one} reader@example.org {other}"
    found = alerts.trouble("relay:main", what=said, how_much=f"{one}/t/abcdef", cure=other)
    lines = found.text.split("\n")
    assert len(lines) == 3
    assert all(len(line) <= alerts.LONGEST for line in lines)
    assert "reader@" not in found.text and "/t/abcdef" not in found.text


def test_an_instant_is_told_in_utc():
    assert alerts.at(datetime.fromisoformat("2026-11-24T20:17:31+08:00")) == "2026-11-24 12:17 UTC"
