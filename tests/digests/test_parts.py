"""A large wave in parts, which workers compose side by side: everybody has one mail, and the next slot comes once."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from flask import current_app
from sqlalchemy import select, update

from core import clock, database
from core.database import db
from digests import cohorts, desk, editions, parts, preflight, report, why
from digests.models import Edition, Wave, WaveCount
from digests.why import Reason
from subscribers import offer
from subscribers.models import Rhythm, Subscriber, Subscription, Taste
from tasks import chunks, digests, nudge, ownparts
from tests.digests.house import ASIA, DAY, DUE, HOUR, MINUTE, TUESDAY

COUNT = 11
TASTES = 6
NAMES = [f"r{number:02}@example.org" for number in range(COUNT)]


@pytest.fixture
def house(postgres_house, monkeypatch):
    """A publication whose waves go in three parts from five readers on, in chunks of two; its clock stands still."""
    made = replace(postgres_house, services=replace(postgres_house.services, composing_parts=3))
    monkeypatch.setitem(current_app.extensions, "postrider", made.services)
    monkeypatch.setattr(parts, "LEAST", 5)
    monkeypatch.setattr(cohorts, "CHUNK", 2)
    monkeypatch.setattr(clock, "utc_now", lambda: DUE)
    return made


@pytest.fixture
def nudged(monkeypatch):
    """What was nudged, instead of nudging."""
    found: list[tuple[str, tuple[int, ...]]] = []
    monkeypatch.setattr(nudge, "_nudge", lambda task, *args: found.append((task, args)))
    return found


def gather(house, count: int = COUNT) -> list[int]:
    house.articles(2)
    return [house.reader(name, most=1 + number % TASTES) for number, name in enumerate(NAMES[:count])]


def opened(house, at=DUE) -> list[int]:
    """Open what is due, as looked at by preflight; return the parts."""
    (first, *_none) = house.open(at)
    with database.write_turn():
        preflight.keep(first, [], now=at)
        db.session.commit()
    return editions.unfinished(at)


def rest(at=DUE) -> int:
    """Return the part that is left when the others have ended."""
    (wave,) = editions.unfinished(at)
    return wave


def slots() -> set[date]:
    return set(db.session.scalars(select(Rhythm.slot)))


def everybody(house) -> list[str]:
    return sorted(mail.to for mail in house.mails())


def test_a_large_wave_goes_in_parts_that_hold_each_reader_once_and_a_rest(house):
    ids = gather(house)
    opened(house)
    waves = db.session.scalars(select(Wave).order_by(Wave.part)).all()
    held = [db.session.scalars(select(Subscription.id).where(*parts.readers(wave))).all() for wave in waves]
    assert [wave.part for wave in waves] == [0, 1, 2, 3] and {wave.parts for wave in waves} == {3}
    assert sorted(one for some in held[:3] for one in some) == ids and all(held[:3])
    assert held[3] == [], "nobody has changed a taste"


def test_a_small_wave_is_whole(house):
    gather(house, 4)
    house.open(DUE)
    assert db.session.execute(select(Wave.part, Wave.parts)).all() == [(0, 1)]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_each_part_reaches_its_readers_and_the_rest_moves_on(house, order):
    gather(house)
    waves = opened(house)
    assert len(waves) == 3
    for number, place in enumerate(order):
        assert slots() == {TUESDAY}
        house.compose(waves[place], DUE)
        assert number == 2 or len(house.mails()) < COUNT
    assert everybody(house) == NAMES
    house.compose(rest(), DUE)
    assert everybody(house) == NAMES
    assert slots() == {TUESDAY + timedelta(days=1)}
    assert house.open(DUE) == []


def test_parts_that_are_composed_at_one_time_reach_everybody_once(house, at_once):
    gather(house)
    waves = opened(house)
    results = at_once(*[lambda one=one: house.compose(one, DUE) for one in waves])
    assert not [result for result in results if isinstance(result, Exception)], results
    house.compose(rest(), DUE)
    assert everybody(house) == NAMES
    assert slots() == {TUESDAY + timedelta(days=1)}


def test_of_several_who_open_a_large_wave_one_cuts_it(house, at_once):
    gather(house)
    results = at_once(*[lambda: house.open(DUE)] * 4)
    assert not [result for result in results if isinstance(result, Exception)], results
    assert db.session.scalars(select(Wave.part).order_by(Wave.part)).all() == [0, 1, 2, 3]


def test_who_goes_from_a_part_that_is_to_come_to_one_that_is_over_has_a_mail_and_one_only(house):
    """The taste is changed as the page of preferences does, and as an undo of it does."""
    ids = gather(house)
    first, *others = opened(house)
    house.compose(first, DUE)
    reached = set(everybody(house))
    over = db.session.scalars(
        select(Subscription.taste_id).where(*parts.readers(db.session.get_one(Wave, first)))
    ).first()
    assert over is not None
    with database.write_turn():
        for one in ids[::2]:
            db.session.get_one(Subscription, one).taste = db.session.get_one(Taste, over)
        for one in ids[1::4]:
            db.session.get_one(Subscription, one).taste_id = over
        db.session.commit()
    for one in others:
        house.compose(one, DUE)
    assert reached < set(everybody(house)) < set(NAMES), "some were in no part"
    house.compose(rest(), DUE)
    assert everybody(house) == NAMES
    assert slots() == {TUESDAY + timedelta(days=1)}


def test_who_changes_a_taste_after_their_part_is_counted_once_and_waits_no_slot_longer(house):
    """Four have their mail, and nothing new after it; the others wait, and are looked at in the rest once more."""
    with database.write_turn():
        offer.apply([{**ASIA, "least": 3}])
        db.session.commit()
    ids = gather(house)
    waves = opened(house)
    with database.write_turn():
        db.session.execute(update(Subscription).where(Subscription.id.in_(ids[:4])).values(waited=2))
        db.session.commit()
    for one in waves:
        house.compose(one, DUE)
    assert everybody(house) == NAMES[:4]
    before = [house.subscription(one).waited for one in ids]
    with database.write_turn():
        tastes = db.session.scalars(select(Taste).order_by(Taste.id)).all()
        for place, one in enumerate(ids):
            db.session.get_one(Subscription, one).taste = tastes[(place + 2) % len(tastes)]
        db.session.commit()
    house.compose(rest(), DUE)
    assert everybody(house) == NAMES[:4]
    db.session.rollback()
    assert [house.subscription(one).waited for one in ids] == before == [0] * 4 + [1] * (COUNT - 4)
    assert sum(db.session.scalars(select(WaveCount.readers))) == COUNT - 4


def test_the_rest_waits_for_all_others(house):
    gather(house)
    first, second, third = opened(house)
    house.compose(first, DUE)
    house.compose(third, DUE)
    assert editions.unfinished(DUE) == [second]


def test_preflight_looks_once_for_all_parts(house):
    gather(house)
    waves = house.open(DUE)
    assert len(waves) == 1, "the others wait until it was looked at"
    (story, _other) = [one.id for one in preflight.stories(waves[0])]
    with database.write_turn():
        assert not editions.begin(waves[0] + 1, DUE)
        preflight.keep(waves[0], [preflight.Finding(story, "0" * 10, "its page is gone")], now=DUE)
        db.session.commit()
    assert len(editions.unfinished(DUE)) == 3
    assert not any(preflight.is_to_do(one) for one in editions.unfinished(DUE))
    for one in editions.unfinished(DUE):
        house.compose(one, DUE)
    house.compose(rest(), DUE)
    assert {len(mail.headlines) for mail in house.mails()} == {1}


def test_a_task_that_looks_has_the_other_parts_begun(house, nudged):
    gather(house)
    (first,) = house.open(DUE)
    digests.compose.run(first)
    others = db.session.scalars(select(Wave.id).where(Wave.part.in_([1, 2])).order_by(Wave.id)).all()
    assert [("tasks.digests.compose", (one,)) for one in others] == [
        one for one in nudged if one[0] == "tasks.digests.compose"
    ]


def test_a_process_composes_one_part_at_a_time_and_leaves_the_other_to_others(house, nudged, monkeypatch):
    gather(house)
    first, second, _third = opened(house)
    with ownparts.one_part(first) as is_only:
        assert is_only
        digests.compose.run(second)
        assert nudged == [("tasks.digests.compose", (second,))] and not house.mails()
        digests.compose.run(db.session.scalars(select(Wave.id).where(Wave.part == 3)).one())
        assert len(nudged) == 1, "what could not begin anyway is not said again"
    moments = iter(range(100))
    monkeypatch.setattr("tasks.ownparts.time.monotonic", lambda: next(moments) * ownparts.PATIENCE_S)
    for _ in range(3):
        digests.compose.run(second)
    assert house.mails(), "nobody else has taken it"


def test_a_process_goes_on_with_its_part_and_takes_another_only_when_nobody_else_does(house, monkeypatch):
    gather(house)
    first, second, _third = opened(house)
    clock_at = [100.0]
    monkeypatch.setattr("tasks.ownparts.time.monotonic", lambda: clock_at[0])

    def may(wave: int) -> bool:
        with ownparts.one_part(wave) as is_ours:
            return is_ours

    assert may(first) and may(first)
    assert not may(second), "another process has gone on with it, or will"
    clock_at[0] += 0.6
    assert not may(second)
    clock_at[0] += 0.6
    assert may(second), "nobody has taken it"
    assert not may(first), "now this one is kept"
    for _ in range(3):
        clock_at[0] += ownparts.PATIENCE_S + 0.1
        assert not may(first), "somebody had it in between"
    with chunks.of(second) as wave:
        while not wave.compose(is_last=False):
            pass
    assert may(first), "the one that was kept is done"


def test_waves_that_are_whole_are_composed_beside_each_other(house):
    gather(house, 3)
    house.reader("later@example.org", minute=8 * 60)
    house.open(DUE)
    (one, other) = house.open(DUE + HOUR)
    with ownparts.one_part(one) as first, ownparts.one_part(other) as second:
        assert first and second


def test_after_an_outage_the_parts_that_nobody_composed_are_missed_and_the_next_slot_comes(house):
    gather(house)
    waves = opened(house)
    house.compose(waves[0], DUE)
    mailed = everybody(house)
    late = DUE + 2 * DAY
    house.open(late)
    assert [state for *_rest, state in house.waves()] == ["composed", "missed", "missed", "missed"]
    assert report.waves(report.find("asia-daily:2026-03-03")) == {"missed": 1}, "it is one wave"
    assert everybody(house) == mailed
    assert min(slots()) > TUESDAY


def test_a_part_that_is_composed_just_now_is_not_missed_and_the_next_slot_waits_for_it(house):
    gather(house)
    waves = opened(house)
    late = DUE + timedelta(seconds=offer.by_key("asia-daily").not_after_s) + MINUTE
    with database.write_turn():
        assert editions.begin(waves[1], late)
        db.session.commit()
    house.open(late)
    assert [state for *_rest, state in house.waves()] == ["missed", "composing", "missed", "missed"]
    assert slots() == {TUESDAY}
    while not house.chunk(waves[1], late):
        pass
    assert slots() != {TUESDAY}


def test_unapproved_all_parts_are_skipped_and_the_next_slot_comes(house):
    gather(house)
    with database.write_turn():
        offer.apply([{**ASIA, "unapproved": "skip"}])
        desk.hold(offer.by_key("asia-daily"), TUESDAY, minute=450, zone="Asia/Hong_Kong", now=DUE - HOUR)
        db.session.commit()
    assert house.open(DUE) == []
    assert house.open(DUE + 51 * MINUTE) == []
    assert [state for *_rest, state in house.waves()] == ["skipped"] * 4
    assert slots() == {TUESDAY + timedelta(days=1)}


def test_the_why_page_tells_of_the_part_that_a_reader_is_in(house):
    ids = gather(house)
    db.session.execute(update(Subscription).values(fresh_from=DUE))
    db.session.commit()
    waves = opened(house)
    house.compose(waves[0], DUE)

    def reason(place: int) -> Reason:
        subscriber = db.session.get_one(Subscriber, db.session.get_one(Subscription, ids[place]).subscriber_id)
        return why.recent(subscriber, now=DUE + HOUR)[0].reason

    assert house.mails() == []
    of_first = parts.readers(db.session.get_one(Wave, waves[0]))
    place = ids.index(db.session.scalars(select(Subscription.id).where(*of_first).order_by(Subscription.id)).all()[0])
    assert reason(place) == Reason.NOTHING
    assert reason((place + 1) % COUNT) == Reason.COMING
    for one in waves[1:]:
        house.compose(one, DUE)
    house.compose(rest(), DUE)
    assert reason((place + 1) % COUNT) == Reason.NOTHING
    assert sum(db.session.scalars(select(WaveCount.readers))) == COUNT
    assert house.count(Edition) == 1
