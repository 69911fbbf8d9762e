"""A wave in chunks: whoever composes it, and wherever one dies, everybody gets one mail."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from core import database
from core.database import db
from digests import cohorts, dispatch, editions, histories
from digests.histories import Entry, Move
from digests.models import Wave, WaveCount
from tests.digests.house import DUE, MINUTE, TUESDAY


def everybody(mails) -> list[str]:
    return sorted(mail.to for mail in mails)


@pytest.fixture
def small_chunks(monkeypatch):
    """Three readers in one transaction."""
    monkeypatch.setattr(cohorts, "CHUNK", 3)


def readers(house, count: int) -> list[str]:
    names = [f"r{number:02}@example.org" for number in range(count)]
    for number, name in enumerate(names):
        house.reader(name, most=12 - number % 2)
    return names


def test_a_wave_of_many_chunks_reaches_everybody_once(house, small_chunks):
    house.articles(4)
    names = readers(house, 10)
    (wave,) = house.open(DUE)
    assert house.compose(wave, DUE) == 4
    assert everybody(house.mails()) == names


@pytest.mark.parametrize("count", [3, 6])
def test_a_wave_whose_readers_fill_its_chunks_ends_too(house, small_chunks, count):
    house.articles(1)
    names = readers(house, count)
    assert everybody(house.go(DUE)) == names
    assert [state for *_rest, state in house.waves()] == ["composed"]


@pytest.mark.parametrize("written", [0, 1, 2, 3])
@pytest.mark.parametrize("death", ["before the write", "before the commit"])
def test_a_task_that_dies_between_or_inside_chunks_is_followed_by_one_that_loses_nobody(
    house, small_chunks, written, death
):
    house.articles(4)
    names = readers(house, 10)
    wave = house.begun(DUE)
    for _ in range(written):
        assert not house.chunk(wave, DUE)
    made = house.made(wave, DUE)
    if death == "before the commit":
        with pytest.raises(KeyboardInterrupt), database.write_turn():
            dispatch.write_chunk(made, DUE, house.services)
            raise KeyboardInterrupt
    assert len(house.mails()) == 3 * written
    later = DUE + editions.LEASE + timedelta(seconds=1)
    assert house.open(later) == [wave], "nobody composes it any more, and it is found"
    house.compose(wave, later)
    assert everybody(house.mails()) == names
    assert all(len(mail.headlines) == 4 for mail in house.mails())


def test_a_slow_task_whose_wave_was_taken_over_changes_nothing(house, small_chunks):
    house.articles(4)
    names = readers(house, 5)
    wave = house.begun(DUE)
    slow = house.made(wave, DUE)
    later = DUE + editions.LEASE + MINUTE
    house.compose(wave, later)
    with pytest.raises(dispatch.WaveTaken), database.write_turn():
        dispatch.write_chunk(slow, later, house.services)
        db.session.commit()
    assert everybody(house.mails()) == names
    assert db.session.get_one(Wave, wave).state == "composed"


def test_who_came_to_another_history_whose_old_one_is_gone_is_looked_at_again(house, small_chunks):
    """Between reading and writing a chunk, another digest moved a reader on, and the history of before was pruned."""
    house.articles(2)
    subscriptions = [house.reader(name) for name in ("a@example.org", "b@example.org")]
    readers_had = [house.subscription(one).subscriber_id for one in subscriptions]
    packed = [histories.pack([Entry(10_000 + number, 1, TUESDAY)]) for number in range(2)]
    with database.write_turn():
        ids = [histories.intern([one], today=TUESDAY)[one] for one in packed]
        histories.advance([Move(one, None, ids[0]) for one in readers_had])
        db.session.commit()
    wave = house.begun(DUE)
    made = house.made(wave, DUE)
    with database.write_turn():
        histories.advance([Move(one, ids[0], ids[1]) for one in readers_had])
        assert histories.prune(today=TUESDAY + timedelta(days=3)) == 1
        written = dispatch.write_chunk(made, DUE, house.services)
        db.session.commit()
    assert not written.finished and house.mails() == []
    while not house.chunk(wave, DUE):
        pass
    assert everybody(house.mails()) == ["a@example.org", "b@example.org"]


def test_who_has_the_mail_and_is_looked_at_again_is_not_one_of_those_without(house, small_chunks):
    """Somebody before them had to be read again, so the cursor stood still, and for them there is nothing more."""
    house.articles(1)
    names = readers(house, 3)
    wave = house.begun(DUE)
    made = house.made(wave, DUE)
    first = min(one.subscriber_id for group in made.chunk.groups for one in group.readers)
    with database.write_turn():
        packed = histories.pack([Entry(10_000, 1, TUESDAY)])
        histories.advance([Move(first, None, histories.intern([packed], today=TUESDAY)[packed])])
        dispatch.write_chunk(made, DUE, house.services)
        db.session.commit()
    assert everybody(house.mails()) == names[1:]
    while not house.chunk(wave, DUE):
        pass
    assert everybody(house.mails()) == names
    assert db.session.scalars(select(WaveCount.readers)).all() == []
