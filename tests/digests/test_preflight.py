"""Before a wave goes out: what is not fit is left out and told, and only what would harm every reader stops it."""

import dataclasses

import pytest
from flask import current_app
from sqlalchemy import select, update

import tasks.digests
from articles import breaking as flags
from articles import pictures, pictures_due
from articles.models import Article
from articles.pictures import PictureSource, Rendition
from articles.pictures_found import FoundPicture
from articles.renditions import Made
from core import clock, database, probing
from core.alerts import Alert
from core.database import db
from delivery.content import Part, PlaceOf
from digests import alarm, breaking, editions, preflight, rendering, specials
from digests.models import Wave
from subscribers import offer
from subscribers.models import Subscription
from tests.digests.house import ASIA, DUE, HOUR, MINUTE, NOW, House
from tests.digests.test_specials import draft

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


def give_picture(article_id: int, **values) -> str:
    """Give a story a picture with these values of its source; return its address."""
    url = f"https://publisher.example.org/{article_id}.jpg"
    one = FoundPicture(url, width=800, height=600, alt="A square")
    with database.write_turn():
        pictures.place({article_id: [one]}, NOW)
        source = db.session.scalars(select(PictureSource).filter_by(url=url)).one()
        for name, value in values.items():
            setattr(source, name, value)
        db.session.commit()
    return url


def show(url: str, content: bytes = b"\xff\xd8\xff of a square") -> None:
    with database.write_turn():
        source = db.session.scalars(select(PictureSource).filter_by(url=url)).one()
        pictures_due.note_made(source.id, Made(800, 600, content), NOW)
        db.session.commit()


def look_whole(house: House, wave_id: int) -> None:
    """Look at pictures as well."""
    bare = preflight.without_picture(preflight.stories(wave_id))
    db.session.rollback()
    with database.write_turn():
        preflight.keep(wave_id, bare, now=DUE)
        db.session.commit()


def test_a_story_whose_picture_cannot_be_shown_goes_without_it_and_the_desk_is_told(house):
    house.reader()
    refused, shown, waits = (house.article(name, at=NOW) for name in ("Refused", "Shown", "Waits"))
    give_picture(refused, state="refused", next_try_at=None, why="it is 1 pixel")
    show(give_picture(shown))
    give_picture(waits)
    house.article("Bare", at=NOW)
    (wave,) = house.open(DUE)
    look_whole(house, wave)
    house.compose(wave, DUE)
    (mail,) = house.mails()
    assert sorted(mail.headlines) == ["Bare", "Refused", "Shown", "Waits"]
    assert "with 2 stories that lack their picture" in alert().text
    assert "could not be had: it is 1 pixel" in alert().text and "is not here yet" in alert().text
    assert db.session.get_one(Wave, wave).unfit == frozenset()


def test_a_damaged_picture_is_not_shown_and_is_fetched_anew(house):
    house.reader()
    story = house.article("Story", at=NOW)
    url = give_picture(story)
    show(url)
    # As a disk may leave it.
    db.session.execute(update(Rendition).values(content=bytes(1000)))
    db.session.commit()
    (wave,) = house.open(DUE)
    look_whole(house, wave)
    house.compose(wave, DUE)
    (mail,) = house.mails()
    assert mail.headlines == ["Story"] and "<img" not in mail.html
    assert "is damaged" in alert().text
    db.session.rollback()
    with database.write_turn():
        assert pictures_due.take(DUE, 9) != []
        db.session.commit()
    show(url)
    assert pictures.for_mails([story], house.services.links) and not preflight.without_picture(
        [db.session.get_one(Article, story)]
    )


def test_a_special_is_looked_at_as_well(house):
    house.reader()
    gone, here = house.article("Gone", at=NOW, **AWAY), house.article("Here", at=NOW)
    draft(house, gone, here)
    with database.write_turn():
        specials.send(specials.by_key("vote"), now=NOW, services=house.services)
        db.session.commit()
    (wave,) = house.open(NOW)
    assert [one.headline for one in preflight.stories(wave)] == ["Gone", "Here"]
    look(house, wave, lambda urls: dict.fromkeys(urls, 404))
    house.compose(wave, NOW)
    (mail,) = house.mails()
    assert mail.headlines == ["Here"]
    assert "The special vote goes out without 1 stories" in alert().text


def breaking_wave(house: House, **values) -> int:
    with database.write_turn():
        offer.apply([{**ASIA, "offers_breaking": True}])
        db.session.commit()
    reader, story = house.reader(), house.article("Quake", at=NOW, **values)
    with database.write_turn():
        db.session.execute(update(Subscription).where(Subscription.id == reader).values(breaking=255))
        flags.flag(db.session.get_one(Article, story), now=NOW)
        db.session.commit()
    with database.write_turn():
        breaking.keep(NOW, house.services)
        db.session.commit()
    (wave,) = breaking.waiting(NOW)
    return wave


def test_a_breaking_mail_waits_for_a_page_that_is_not_there_yet_and_goes_as_soon_as_it_is(house, monkeypatch):
    wave = breaking_wave(house, **AWAY)
    monkeypatch.setitem(current_app.extensions, "postrider", house.services)
    answers: list[int | None] = [404, 404, None]
    monkeypatch.setattr(probing, "answer_if_gone", lambda _url: answers.pop(0))
    monkeypatch.setattr(clock, "utc_now", lambda: NOW)
    tasks.digests.compose.run(wave)
    assert house.mails() == [] and breaking.waiting(NOW) == []
    assert "The breaking mail of Asia Daily of 2026-03-02 is stopped: Its story is not fit" in alert().text
    assert "until 2026-03-02 10:00 UTC" in alert().text
    for minutes in (2, 4):
        monkeypatch.setattr(clock, "utc_now", lambda minutes=minutes: NOW + minutes * MINUTE)
        assert breaking.waiting(clock.utc_now()) == [wave]
        tasks.digests.compose.run(wave)
    assert [mail.to for mail in house.mails()] == ["reader@example.org"]
    assert alert().closed_at == NOW + 4 * MINUTE


def test_a_breaking_mail_that_would_harm_every_reader_is_stopped(house, monkeypatch):
    wave = breaking_wave(house)
    monkeypatch.setitem(current_app.extensions, "postrider", house.services)
    real = alarm.read_chunk

    def mixed(*args):
        chunk = real(*args)
        (group,) = chunk.groups
        readers = tuple(one._replace(addr_hash=bytes(16)) for one in group.readers)
        return dataclasses.replace(chunk, groups=(dataclasses.replace(group, readers=readers),))

    monkeypatch.setattr(alarm, "read_chunk", mixed)
    monkeypatch.setattr(clock, "utc_now", lambda: NOW)
    tasks.digests.compose.run(wave)
    assert house.mails() == []
    assert "is stopped: A reader's address is not the one" in alert().text


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
    strange = rendering.Compiled(Part((PlaceOf("confirm"),), ()), 0)
    monkeypatch.setattr(rendering, "compiled", lambda _view, _language: strange)
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
        real(head, foot, blocks, [one._replace(addr_hash=bytes(16)) for one in readers], services)

    monkeypatch.setattr("digests.preflight.refuse_unfit", mixed)
    with pytest.raises(preflight.Stopped, match="A reader's address"):
        one_house.made(wave, DUE)
