"""Editions in a browser: a mail's own stories by its signed link, and the public archive of each digest."""

import re

import pytest

from articles import life, topics
from articles.models import Article
from core import clock
from core.database import db
from core.services import current
from subscribers import offer
from tests.digests.house import ASIA, DUE, HOUR, NOW, TOPICS, House
from tests.web import markup


@pytest.fixture
def house(app) -> House:
    topics.apply(TOPICS)
    offer.apply([{**ASIA, "headlines": 1}])
    db.session.commit()
    return House(current())


def link(mail) -> str:
    (found,) = re.findall(r"View in browser:\n(\S+)\n", mail.text)
    assert f'href="{found}"' in mail.html
    return str(found).partition("//")[2].partition("/")[2]


def test_a_mail_leads_to_its_own_stories_as_they_read_now(client, house):
    house.reader(most=1)
    wrong, other = house.article("Wrong", at=NOW), house.article("Other", at=NOW - HOUR)
    house.article("Third", at=NOW - 2 * HOUR)
    (mail,) = house.go(DUE)
    path = "/" + link(mail)
    life.correct(db.session.get_one(Article, wrong), text="It was right.", now=clock.utc_now())
    db.session.get_one(Article, other).headline = "Another headline"
    db.session.commit()
    answer = client.get(path)
    assert answer.status_code == 200
    assert markup.problems(markup.read(answer.text)) == []
    assert "Wrong" in answer.text and "Corrected" in answer.text
    assert "Another headline" in answer.text
    assert "Third" not in answer.text
    assert 'content="noindex"' in answer.text


def test_what_was_taken_back_is_not_there_any_more(client, house):
    house.reader()
    killed = house.article("Killed", at=NOW)
    (mail,) = house.go(DUE)
    life.withdraw(db.session.get_one(Article, killed), reason="Killed by the agency.")
    db.session.commit()
    answer = client.get("/" + link(mail))
    assert answer.status_code == 200
    assert "Killed" not in answer.text


def test_a_link_opens_its_own_edition_only(client, house):
    house.reader()
    house.article("Story", at=NOW)
    (mail,) = house.go(DUE)
    path = "/" + link(mail)
    for other in (path.replace("2026-03-03", "2026-03-04"), path[:-1] + ("a" if path[-1] != "a" else "b")):
        assert client.get(other).status_code in (400, 403, 404, 410)


def test_the_archive_shows_each_edition_whole(client, house):
    house.reader("korea@example.org", countries=["kr"])
    house.reader("cuba@example.org", countries=["cu"])
    house.article("From Seoul", "kr", at=NOW)
    house.article("From Havana", "cu", at=NOW)
    house.go(DUE)
    listed = client.get("/en/digests/asia-daily")
    assert '/en/digests/asia-daily/2026-03-03"' in listed.text
    shown = client.get("/en/digests/asia-daily/2026-03-03")
    assert "From Seoul" in shown.text and "From Havana" in shown.text
    for page in (listed, shown):
        assert markup.problems(markup.read(page.text)) == []
    for nothing in (
        "en/digests/asia-daily/2026-03-09",
        "en/digests/asia-daily/x",
        "en/digests/x",
        "ar/digests/asia-daily",
    ):
        assert client.get(f"/{nothing}").status_code == 404
