"""Histories: what a reader had, as bytes that are equal when the past is, and moved on by one writer at a time."""

import random
import threading
import time
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from core import database
from core.clock import EPOCH_DAY
from core.database import db
from digests import histories, turn
from digests.histories import KEPT_DAYS, Entry, Move
from digests.models import Had, History

TODAY = date(2026, 3, 2)

entries = st.lists(
    st.builds(
        Entry,
        article_id=st.integers(1, 2**63 - 1),
        revision=st.integers(1, 0x3FFF),
        day=st.dates(EPOCH_DAY, date(2203, 6, 5)),
        in_full=st.booleans(),
        by_recap=st.booleans(),
    ),
    max_size=30,
)


@given(entries)
def test_what_is_packed_is_unpacked_in_12_bytes_each(given_entries):
    packed = histories.pack(given_entries)
    assert len(packed) == 12 * len(given_entries)
    read = histories.unpack(packed)
    assert sorted(map(repr, read)) == sorted(map(repr, given_entries))
    assert histories.pack(read) == packed


@given(entries, st.randoms(use_true_random=False))
def test_equal_pasts_are_equal_bytes_in_whatever_order_they_came(given_entries, shuffler: random.Random):
    shuffled = list(given_entries)
    shuffler.shuffle(shuffled)
    assert histories.pack(shuffled) == histories.pack(given_entries)


def test_a_revision_beyond_fourteen_bits_is_the_greatest_that_fits():
    (entry,) = histories.unpack(histories.pack([Entry(1, 70_000, TODAY)]))
    assert entry == Entry(1, 0x3FFF, TODAY)


@given(entries)
def test_of_each_story_it_is_known_how_it_was_had(given_entries):
    known = histories.known(histories.pack(given_entries))
    assert known.keys() == {entry.article_id for entry in given_entries}
    for article_id, one in known.items():
        theirs = [entry for entry in given_entries if entry.article_id == article_id]
        assert one.revision == max(entry.revision for entry in theirs)
        assert one.in_full == any(entry.in_full for entry in theirs)
        assert one.by_recap == any(entry.by_recap for entry in theirs)


@pytest.mark.parametrize(("age", "kept"), [(0, True), (1, True), (59, True), (60, True), (61, False), (400, False)])
def test_what_is_older_than_sixty_days_is_forgotten(age, kept):
    old, new = Entry(1, 1, TODAY - timedelta(days=age)), Entry(2, 1, TODAY)
    assert KEPT_DAYS == 60
    grown = histories.unpack(histories.grown(histories.pack([old]), [new], today=TODAY))
    assert grown == ([old, new] if kept else [new])


def committed(*days_and_ids: tuple[int, int], today: date = TODAY) -> int:
    with database.write_turn():
        packed = histories.pack([Entry(one, 1, TODAY - timedelta(days=age)) for age, one in days_and_ids])
        made = histories.intern([packed], today=today)
        db.session.commit()
    return made[packed]


def advance(readers: list[int], *, read: int | None, new: int) -> set[int]:
    return histories.advance([Move(reader, read, new) for reader in readers])


def test_equal_pasts_share_a_row_and_other_pasts_do_not(house):
    one = committed((0, 1), (1, 2))
    assert committed((1, 2), (0, 1)) == one
    assert len({one, committed((0, 1)), committed((0, 1), (0, 2)), committed()}) == 4
    assert house.count(History) == 4


def test_a_history_that_is_taken_again_is_young_again(house):
    one = committed((0, 1), today=TODAY - timedelta(days=50))
    committed((0, 1), today=TODAY)
    db.session.rollback()
    assert db.session.get_one(History, one).last_used_on == TODAY


def test_readers_without_a_past_are_not_among_those_with_one(house):
    first, second = house.subscriber("one@example.org"), house.subscriber("two@example.org")
    history = committed((0, 7))
    with database.write_turn():
        assert advance([first], read=None, new=history) == {first}
        db.session.commit()
    found = histories.of_readers([first, second])
    assert found == {first: history}
    assert [entry.article_id for entry in histories.unpack(histories.entries([history])[history])] == [7]
    assert histories.of_readers([]) == {}


def test_only_those_whose_history_is_still_the_one_that_was_read_are_moved(house):
    readers = [house.subscriber(f"r{number}@example.org") for number in range(4)]
    old, other, new = committed((0, 1)), committed((0, 2)), committed((0, 3))
    with database.write_turn():
        advance(readers[:2], read=None, new=old)
        advance(readers[2:3], read=None, new=other)
        assert advance(readers, read=old, new=new) == set(readers[:2])
        assert advance(readers, read=None, new=new) == {readers[3]}
        assert advance(readers[:1], read=old, new=other) == set()
        db.session.commit()
    has = {row.subscriber_id: row.history_id for row in db.session.scalars(select(Had))}
    assert has == {readers[0]: new, readers[1]: new, readers[2]: other, readers[3]: new}


@pytest.mark.parametrize("start", ["nothing had", "something had"])
def test_of_two_at_once_who_read_the_same_past_exactly_one_moves_each_reader(house, at_once, start):
    readers = [house.subscriber(f"r{number}@example.org") for number in range(20)]
    read = committed((0, 1)) if start == "something had" else None
    if read is not None:
        with database.write_turn():
            advance(readers, read=None, new=read)
            db.session.commit()

    def move(article: int):
        def work() -> set[int]:
            with database.write_turn():
                packed = histories.pack([Entry(article, 1, TODAY)])
                new = histories.intern([packed], today=TODAY)[packed]
                moved = advance(readers, read=read, new=new)
                db.session.commit()
            return moved

        return work

    results = at_once(move(100), move(200), move(300))
    assert sorted(map(len, results)) == [0, 0, 20], results
    (winner,) = (100 + 100 * place for place, moved in enumerate(results) if moved)
    assert {tuple(house.had(reader)) for reader in readers} == {(winner,)}


def kept() -> set[tuple[int, ...]]:
    return {
        tuple(one.article_id for one in histories.unpack(row)) for row in db.session.scalars(select(History.entries))
    }


def prune(day: date) -> int:
    db.session.rollback()
    with database.write_turn():
        turn.take()
        count = histories.prune(today=day)
        db.session.commit()
    return count


def test_a_history_that_nobody_has_goes_two_days_after_it_was_last_given_to_somebody(house, monkeypatch):
    reader, other = house.subscriber(), house.subscriber("other@example.org")
    with database.write_turn():
        packed = [histories.pack([Entry(article, 1, TODAY)]) for article in (1, 2, 3)]
        first, second, _third = (histories.intern([one], today=TODAY)[one] for one in packed)
        advance([reader, other], read=None, new=first)
        advance([other], read=first, new=second)
        db.session.commit()
    assert prune(TODAY + timedelta(days=2)) == 0
    with database.write_turn():
        advance([reader], read=first, new=second)
        histories.intern(packed[:1], today=TODAY + timedelta(days=2))
        db.session.commit()
    assert prune(TODAY + timedelta(days=3)) == 1
    assert kept() == {(1,), (2,)}, "the first was taken again, the second is somebody's"
    monkeypatch.setattr(histories, "PRUNED_AT_ONCE", 1)
    assert prune(TODAY + timedelta(days=70)) == 1
    assert kept() == {(2,)} and [house.had(one) for one in (reader, other)] == [[2], [2]]


def test_whoever_prunes_waits_for_those_who_compose(postgres_house, at_once):
    packed, shared, seen = histories.pack([Entry(1, 1, TODAY)]), threading.Event(), []
    reader = postgres_house.subscriber()
    histories.intern([packed], today=TODAY)
    db.session.commit()

    def compose() -> None:
        with database.write_turn():
            turn.share()
            found = histories.intern([packed], today=TODAY + timedelta(days=9))[packed]
            shared.set()
            time.sleep(0.3)
            seen.append("composed")
            advance([reader], read=None, new=found)
            db.session.commit()

    def clean() -> int:
        shared.wait(10)
        count = prune(TODAY + timedelta(days=9))
        seen.append("pruned")
        return count

    assert at_once(compose, clean) == [None, 0]
    assert seen == ["composed", "pruned"] and postgres_house.had(reader) == [1]


near = st.lists(
    st.builds(
        Entry,
        article_id=st.integers(1, 40),
        revision=st.integers(1, 3),
        day=st.integers(0, 70).map(lambda age: TODAY - timedelta(days=age)),
        in_full=st.booleans(),
    ),
    max_size=30,
)


@given(near, near, st.sets(st.integers(1, 40)))
def test_a_history_grows_and_is_looked_through_as_if_it_were_read_whole(before, new, among):
    packed = histories.pack(before)
    kept = [one for one in (*before, *new) if (TODAY - one.day).days <= KEPT_DAYS]
    assert histories.grown(packed, new, today=TODAY) == histories.pack(kept)
    whole = histories.known(packed)
    assert histories.known(packed, among) == {article: how for article, how in whole.items() if article in among}
