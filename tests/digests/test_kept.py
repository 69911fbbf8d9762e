"""What is found out for a group is kept from chunk to chunk, and only as long as it is still so."""

import time
from datetime import timedelta

import pytest
from flask import current_app
from sqlalchemy import func, select

from articles import life
from articles.models import Article
from core import clock, database
from core.database import db
from delivery.models import Content
from digests import cohorts, histories, kept, recall, selection, turn
from digests.histories import Move
from digests.models import Cohort
from tasks import chunks
from tests.digests.house import DUE, HOUR, MINUTE, TUESDAY

TASTES = (("diplomacy",), ("economy",), ("diplomacy", "economy"), ())


@pytest.fixture(autouse=True)
def small_chunks(house, monkeypatch):
    """Three readers in one transaction, and a clock that stands still."""
    monkeypatch.setitem(current_app.extensions, "postrider", house.services)
    monkeypatch.setattr(cohorts, "CHUNK", 3)
    monkeypatch.setattr(clock, "utc_now", lambda: DUE)


@pytest.fixture
def chosen(monkeypatch):
    """How often stories were chosen for somebody."""
    calls: list[selection.Wish] = []
    real = selection.choose

    def choose(candidates, wish, **given):
        calls.append(wish)
        return real(candidates, wish, **given)

    monkeypatch.setattr(selection, "choose", choose)
    return calls


def readers(house, count: int) -> list[str]:
    names = [f"r{number:02}@example.org" for number in range(count)]
    for number, name in enumerate(names):
        house.reader(name, topics=TASTES[number % len(TASTES)])
    return names


def stories(house) -> None:
    house.article("Talks", "diplomacy", at=DUE - 3 * HOUR)
    house.article("Trade", "economy", at=DUE - 2 * HOUR)


def compose(wave: chunks.Chunks) -> int:
    """Compose until the end; return in how many chunks."""
    for number in range(1, 100):
        if wave.compose(is_last=False):
            return number
    raise AssertionError("It goes on for ever.")


def by_reader(house) -> dict[str, list[str]]:
    mails = house.mails()
    found = {mail.to: mail.headlines for mail in mails}
    assert len(found) == len(mails), "nobody has two"
    return found


def change(article_id: int, how) -> None:
    db.session.rollback()
    with database.write_turn():
        turn.take()
        article = db.session.get_one(Article, article_id)
        how(article)
        recall.hold(article)
        db.session.commit()


def test_each_copy_is_chosen_compiled_and_written_once(house, chosen):
    stories(house)
    names = readers(house, 16)
    with chunks.of(house.begun(DUE)) as wave:
        assert compose(wave) == 6
    assert len(chosen) == len(TASTES)
    found = by_reader(house)
    assert sorted(found) == names
    assert [found[name] for name in names[:4]] == [["Talks"], ["Trade"], ["Trade", "Talks"], ["Trade", "Talks"]]
    assert all(found[name] == found[names[number % 4]] for number, name in enumerate(names))
    # Who wants both topics, and who wants all, have the same stories and are told the same: they share a copy.
    assert db.session.scalar(select(func.count(Content.id))) == 3
    assert db.session.scalar(select(func.count(Cohort.id))) == 3


def test_readers_who_joined_at_different_times_share_a_choice_where_nothing_came_in_between(house, chosen):
    stories(house)
    for number in range(6):
        house.reader(f"r{number}@example.org", fresh_from=DUE - 10 * HOUR + number * MINUTE)
    house.reader("late@example.org", fresh_from=DUE - 2 * HOUR - MINUTE)
    with chunks.of(house.begun(DUE)) as wave:
        compose(wave)
    assert len(chosen) == 2
    assert by_reader(house)["late@example.org"] == ["Trade"]


def test_a_story_that_comes_in_meanwhile_reaches_those_whose_chunk_is_read_after_it(house):
    stories(house)
    names = readers(house, 12)
    wave_id = house.begun(DUE)
    with chunks.of(wave_id) as wave:
        assert not wave.compose(is_last=True)
    house.article("Late", "economy", at=DUE - MINUTE)
    with chunks.of(wave_id) as wave:
        compose(wave)
    found = by_reader(house)
    assert [found[name][0] for name in names[:3]] == ["Talks", "Trade", "Trade"]
    assert [found[name][0] for name in names[4:8]] == ["Talks", "Late", "Late", "Late"]


def test_a_headline_that_is_changed_meanwhile_is_right_in_the_chunks_after_it(house):
    stories(house)
    house.article("Tpyo", "economy", at=DUE - HOUR)
    names = readers(house, 9)
    wave_id = house.begun(DUE)
    with chunks.of(wave_id) as wave:
        assert not wave.compose(is_last=True)
    with database.write_turn():
        article = db.session.scalars(select(Article).where(Article.headline == "Tpyo")).one()
        article.headline = "Typo"
        # The revision, which is chosen by, stays what it was: that all pages may be others is noted by itself.
        db.session.merge(database.Mark(name="pages changed", value="1 another"))
        db.session.commit()
    with chunks.of(wave_id) as wave:
        compose(wave)
    found = by_reader(house)
    assert (found[names[1]][0], found[names[5]][0]) == ("Tpyo", "Typo")


def test_a_story_that_is_withdrawn_after_a_chunk_was_read_ahead_is_in_no_mail_of_it(house):
    stories(house)
    gone = house.article("Gone", "economy", at=DUE - HOUR)
    names = readers(house, 9)
    with chunks.of(house.begun(DUE)) as wave:
        assert not wave.compose(is_last=False)
        if wave._ahead is not None:
            wave._ahead.result()
        change(gone, lambda article: life.withdraw(article, reason="Wrong."))
        compose(wave)
    found = by_reader(house)
    assert all("Gone" not in found[name] for name in names[3:])
    assert sorted(found) == names


def test_who_has_other_mail_composed_after_being_read_ahead_is_looked_at_again(house):
    stories(house)
    names = readers(house, 9)
    house.article("Known", "economy", at=DUE - HOUR)
    with chunks.of(house.begun(DUE)) as wave:
        assert not wave.compose(is_last=False)
        if wave._ahead is not None:
            wave._ahead.result()
        db.session.rollback()
        reader = house.subscriber(names[5])
        known = db.session.scalars(select(Article.id).where(Article.headline == "Known")).one()
        with database.write_turn():
            packed = histories.pack([histories.Entry(known, 1, TUESDAY)])
            (new,) = histories.intern([packed], today=TUESDAY).values()
            assert histories.advance([Move(reader, None, new)]) == {reader}
            db.session.commit()
        compose(wave)
    found = by_reader(house)
    assert sorted(found) == names
    assert (found[names[5]], found[names[1]]) == (["Trade"], ["Known", "Trade"])


def test_what_an_editor_lays_down_meanwhile_is_in_the_chunks_after_it(house):
    stories(house)
    names = readers(house, 9)
    wave_id = house.begun(DUE)
    with chunks.of(wave_id) as wave:
        assert not wave.compose(is_last=True)
    with database.write_turn():
        article = db.session.scalars(select(Article).where(Article.headline == "Trade")).one()
        article.rank = -1
        db.session.commit()
    with chunks.of(wave_id) as wave:
        compose(wave)
    found = by_reader(house)
    assert (found[names[2]], found[names[6]]) == (["Trade", "Talks"], ["Talks", "Trade"])


@pytest.mark.parametrize("bound", ["MOST", "MOST_COPIES"])
def test_with_more_groups_than_are_kept_it_begins_anew_and_nobody_is_lost(house, monkeypatch, bound):
    monkeypatch.setattr(kept, bound, 1)
    stories(house)
    names = readers(house, 12)
    with chunks.of(house.begun(DUE)) as wave:
        compose(wave)
    assert sorted(by_reader(house)) == names


def test_what_is_kept_of_a_wave_is_lent_to_one_task_at_a_time(house):
    mine = kept.lend(db.engine, 7)
    assert kept.lend(db.engine, 7) is not mine
    kept.give_back(db.engine, 7, mine)
    assert kept.lend(db.engine, 7) is mine
    for number in range(8):
        kept.give_back(db.engine, number, mine)
    assert list(kept._waves[db.engine]) == [4, 5, 6, 7], "of the last four waves"


def test_what_others_went_on_with_is_let_go(house, monkeypatch):
    now = time.monotonic()
    mine = kept.lend(db.engine, 7)
    kept.give_back(db.engine, 7, mine)
    monkeypatch.setattr(time, "monotonic", lambda: now + 300)
    assert kept.lend(db.engine, 8) is not mine
    assert kept._waves[db.engine] == {}


def test_of_a_wave_that_is_done_nothing_is_kept(house):
    stories(house)
    readers(house, 6)
    wave_id = house.begun(DUE)
    with chunks.of(wave_id) as wave:
        assert not wave.compose(is_last=True)
    assert list(kept._waves[db.engine]) == [wave_id]
    with chunks.of(wave_id) as wave:
        compose(wave)
    assert kept._waves[db.engine] == {}


def test_since_when_stories_are_looked_up_is_the_same_for_all_chunks(house, chosen):
    stories(house)
    for number in range(9):
        house.reader(f"r{number}@example.org", fresh_from=DUE - timedelta(hours=40 - number))
    with chunks.of(house.begun(DUE)) as wave:
        compose(wave)
    assert len(chosen) == 1
