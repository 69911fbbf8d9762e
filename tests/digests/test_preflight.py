"""Before a wave goes out: what is not fit is left out and told, and only what would harm every reader stops it."""

import dataclasses

import pytest
from sqlalchemy import select

from articles.models import Article
from core import database
from core.alerts import Alert
from core.database import db
from delivery.content import Part, PlaceOf
from digests import editions, preflight, rendering
from digests.models import Wave
from tests.digests.house import DUE, HOUR, NOW, House

AWAY = {"url": "https://publisher.example.org/gone", "read_at": "publisher"}


def look(house: House, wave_id: int, probe=lambda _urls: {}) -> None:
    """Look before the first chunk, as the task does."""
    found = preflight.check(preflight.stories(wave_id), probe)
    db.session.rollback()
    with database.write_turn():
        preflight.keep(wave_id, found, now=DUE)
        db.session.commit()


def alert() -> Alert:
    db.session.rollback()
    return db.session.execute(select(Alert)).scalar_one()


def test_a_story_whose_page_is_gone_is_left_out_and_the_desk_is_told(house):
    house.reader()
    house.article("Gone", at=NOW, **AWAY)
    house.article("Here", at=NOW - HOUR)
    (wave,) = house.open(DUE)
    asked: list[str] = []

    def probe(urls):
        asked.extend(urls)
        return {AWAY["url"]: 410}

    look(house, wave, probe)
    house.compose(wave, DUE)
    (mail,) = house.mails()
    assert mail.headlines == ["Here"]
    assert asked == [AWAY["url"]], "only what is read elsewhere"
    assert "Asia Daily of 2026-03-03 goes out without 1 stories" in alert().text
    assert "answers 410" in alert().text


def test_a_story_in_another_language_is_left_out(house):
    house.reader()
    house.article("نص عربي في موجز إنجليزي", at=NOW, standfirst="هذا خبر عن اجتماع في سيول.")
    house.article("Here, with سيول in it", at=NOW - HOUR)
    (wave,) = house.open(DUE)
    look(house, wave)
    house.compose(wave, DUE)
    (mail,) = house.mails()
    assert mail.headlines == ["Here, with سيول in it"]


@pytest.mark.parametrize(
    ("language", "headline", "foreign"),
    [
        ("ko", "서울에서 회담이 열렸다", False),
        ("ko", "Talks were held in Seoul", True),
        ("zh-Hans", "首尔举行会谈", False),
        ("en", "首尔举行会谈首尔举行会谈", True),
        ("it", "Così è, più o meno", False),
        ("en", "Short", False),
        ("ar", "محادثات في Seoul بين Kim وMoon", False),
    ],
)
def test_a_language_is_told_by_its_script(language, headline, foreign):
    assert preflight.is_foreign(Article(language=language, headline=headline, standfirst="")) is foreign


def test_an_alert_is_over_when_the_next_wave_is_fit(house):
    house.reader()
    house.article("Gone", at=NOW, **AWAY)
    (wave,) = house.open(DUE)
    look(house, wave, lambda urls: dict.fromkeys(urls, 404))
    look(house, wave)
    assert alert().closed_at == DUE


def begun(house: House) -> int:
    house.reader()
    house.article("Story", at=NOW)
    (wave,) = house.open(DUE)
    with database.write_turn():
        editions.begin(wave, DUE)
        db.session.commit()
    return wave


def test_a_place_that_nothing_fills_stops_the_wave_with_a_deadline(one_house, monkeypatch):
    wave = begun(one_house)
    monkeypatch.setattr("digests.rendering.part", lambda _view, _language: Part((PlaceOf("confirm"),), ()))
    with pytest.raises(preflight.Stopped) as stopped:
        one_house.made(wave, DUE)
    with database.write_turn():
        preflight.stop(wave, str(stopped.value), now=DUE)
        db.session.commit()
    assert "a place that nothing fills: confirm" in alert().text
    assert "until 2026-03-03 10:40 UTC" in alert().text
    assert editions.unfinished(DUE) == []
    assert editions.unfinished(DUE + HOUR) == [wave]
    one_house.open(DUE + 13 * HOUR)
    assert db.session.get_one(Wave, wave).state == "missed"


def test_a_mail_without_a_way_to_unsubscribe_is_not_made(one_house, monkeypatch):
    wave = begun(one_house)
    real = rendering.shell_parts

    def without(view, publication):
        head, foot = real(view, publication)
        return head, Part(tuple(one for one in foot.text if one != PlaceOf("unsubscribe")), foot.html)

    monkeypatch.setattr("digests.rendering.shell_parts", without)
    with pytest.raises(preflight.Stopped, match="The text of the mail has no link to unsubscribe"):
        one_house.made(wave, DUE)


def test_readers_who_are_mixed_up_stop_the_wave(one_house, monkeypatch):
    wave = begun(one_house)
    real = preflight.refuse_unfit

    def mixed(head, foot, blocks, readers, services):
        real(head, foot, blocks, [dataclasses.replace(one, addr_hash=bytes(16)) for one in readers], services)

    monkeypatch.setattr("digests.preflight.refuse_unfit", mixed)
    with pytest.raises(preflight.Stopped, match="A reader's address"):
        one_house.made(wave, DUE)
