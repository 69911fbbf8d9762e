"""`flask digests report`: text, JSON and CSV."""

import csv
import io
import json
import sys
from datetime import timedelta

import click
import pytest

from articles.models import Article
from commands import digests_clicks
from core import clock
from core.database import db
from core.services import current
from delivery.models import Delivery, Mailing
from digests.clicks import ClickCount
from digests.models import Edition
from subscribers import leaving, offer
from subscribers.models import Subscriber
from tests.digests.house import DUE, NOW, House, lay_out_offer


@pytest.fixture
def edition(app) -> str:
    lay_out_offer()
    house = House(current())
    house.reader("one@example.org")
    house.article("Story", at=NOW)
    house.go(DUE)
    return "asia-daily:2026-03-03"


def test_it_is_told_as_text_json_and_csv(flask, edition):
    assert "1  on its way" in flask(f"digests report {edition}").output.replace("waiting", "on its way")
    told = json.loads(flask(f"digests report {edition} --json").output)
    assert (told["edition"], told["readers"]) == (f"edition:asia-daily:regular:{edition[-10:]}", {"waiting": 1})
    assert flask(f"digests report {edition} --csv").output.split() == ["reason,readers", "waiting,1"]


def test_each_reader_has_a_row_without_an_address(flask, edition):
    (row,) = csv.DictReader(io.StringIO(flask(f"digests report {edition} --readers --csv").output))
    assert (row["reason"], len(row["reader"])) == ("waiting", 26)
    line = json.loads(flask(f"digests report {edition} --readers --json").output)
    assert line["reader"] == row["reader"]
    assert "@" not in json.dumps([row, line])


def test_an_edition_that_is_not_there_is_said_in_one_sentence(flask, edition):
    result = flask("digests report asia-daily:1999-01-01")
    assert result.exit_code == 1
    assert result.output.count("\n") == 1


def test_the_numbers_say_after_which_edition_a_reader_left(flask, edition):
    now = clock.utc_now()
    db.session.query(Delivery).update({"state": "sent", "done_at": now, "address_sealed": None})
    db.session.query(Edition).update({"opened_at": now})
    db.session.query(Mailing).update({"created_at": now})
    reader = db.session.query(Subscriber).one()
    leaving.leave(reader, offer.by_key("asia-daily"), now=now + timedelta(minutes=1))
    db.session.commit()
    told = json.loads(flask("digests numbers --json").output)
    assert [(row["handed_over"], row["left"]) for row in told["editions"]] == [(1, 1)]
    assert told["readers"]["asia-daily"] == {"opt_out": 1}
    (row,) = csv.DictReader(io.StringIO(flask("digests numbers --csv").output))
    assert (row["edition"], row["left"]) == ("edition:asia-daily:regular:2026-03-03", "1")
    reader = db.session.query(Subscriber).one()
    leaving.give_reason(reader, offer.by_key("asia-daily"), reason="too_many", now=now + timedelta(minutes=2))
    db.session.commit()
    told = json.loads(flask("digests numbers --json").output)
    assert told["reasons"]["asia-daily"] == {"too_many": 1}
    assert told["reasons_by_edition"] == {"edition:asia-daily:regular:2026-03-03": {"too_many": 1}}
    text = flask("digests numbers").output
    assert "1 handed over" in text and "sign-ups, all: none" in text


def test_clicks_are_off_until_somebody_says_yes_and_the_question_is_asked_once(flask, edition, monkeypatch):
    assert flask("digests clicks").output == "Clicks are not counted.\n"
    asked: list[str] = []

    def confirm(text: str, *, default: bool) -> bool:
        asked.append(text)
        return default

    monkeypatch.setattr(sys.stdin.__class__, "isatty", lambda _self: True, raising=False)
    monkeypatch.setattr(click, "confirm", confirm)
    for _time in range(2):
        digests_clicks.ask_once()
    assert asked == ["Shall clicks be counted?"]
    assert flask("digests clicks --count").output == "Clicks are counted.\n"
    assert json.loads(flask("digests numbers --json").output)["clicks"]["asia-daily"] == {}


def test_clicks_are_told_by_edition_and_story_with_the_busiest_hour(flask, edition):
    now = clock.utc_now().replace(minute=0, second=0, microsecond=0)
    db.session.query(Edition).update({"opened_at": now})
    followed = db.session.query(Edition).one().id
    article_id, story, headline = db.session.query(Article.id, Article.public_id, Article.headline).order_by("id")[0]
    for hour, count in ((1, 2), (2, 7), (3, 1)):
        at = now + timedelta(hours=hour)
        db.session.add(ClickCount(edition_id=followed, article_id=article_id, hour=at, clicks=count))
    db.session.commit()
    told = json.loads(flask("digests numbers --json").output)
    assert told["stories"] == [
        {
            "edition": "edition:asia-daily:regular:2026-03-03",
            "story": story,
            "headline": headline,
            "clicks": 10,
            "busiest_hour": (now + timedelta(hours=2)).isoformat(timespec="minutes"),
        }
    ]
    assert told["clicks"]["asia-daily"] == {story: 10}
