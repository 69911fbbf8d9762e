"""The form of one digest: every choice is kept, what is wrong is said, and what it would bring is shown."""

from typing import Any

import pytest

from articles import shelf
from core import clock
from core.database import db
from subscribers import preferences
from tests.web import fields, markup
from tests.web.markup import faults
from tests.web.readers import dump

CHOSEN = {
    "topics": ["sea", "trade"],
    "countries": ["jp", "kr"],
    "rhythm": "weekly",
    "weekday": "2",
    "hour": "21",
    "quarter": "30",
    "zone": "Asia/Tokyo",
    "breaking": "3",
    "most": "5",
    "format": "text",
}


@pytest.fixture
def roman(readers):
    """A reader in Rome who asked for Korea and Cuba."""
    return readers.join("reader@example.org", topics=("kr", "cu"), zone="Europe/Rome")


@pytest.fixture
def save(client):
    """Send the choices form as it is filled, but for what is given."""

    def send(reader, digest="asia-daily", headers=None, **changed):
        return client.post(reader.choices(digest), data=filled(client, reader, digest) | changed, headers=headers)

    return send


def filled(client, reader, digest="asia-daily") -> dict[str, Any]:
    return fields.filled(client.get(reader.choices(digest)).text, "choices")


def chosen(reader, digest="asia-daily") -> preferences.Chosen:
    (found,) = [c for c in preferences.view(reader.row, clock.utc_now()) if c.digest.key == digest]
    return found.chosen


def headlines(text: str) -> list[str]:
    """Return what the preview lists."""
    listed = text.partition('class="headlines"')[2].partition("</ol>")[0]
    return [line.partition("</a>")[0].rpartition(">")[2] for line in listed.split("<li")[1:]]


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize(
    "changed",
    [
        {"topics": "nothing"},
        {"topics": "kr"},
        {"topics": "sea\r\nx"},
        {"countries": "atlantis"},
        {"countries": ["sea"]},
        {"countries": "x" * 10_000},
        {"countries": [f"c{number}" for number in range(301)]},
        {"rhythm": "hourly"},
        {"rhythm": ""},
        {"rhythm": "\u202edaily"},
        {"rhythm": "weekly", "weekday": "7"},
        {"weekday": "-1"},
        {"weekday": "٣"},
        {"hour": "24"},
        {"hour": ""},
        {"hour": "7.5"},
        {"hour": "9" * 10_000},
        {"quarter": "7"},
        {"quarter": "x"},
        {"zone": ""},
        {"zone": "Rome"},
        {"zone": "Europe/Rome\x00"},
        {"zone": "x" * 10_000},
        {"format": "pdf"},
        {"breaking": ""},
        {"breaking": "2"},
        {"breaking": "256"},
        {"most": "7"},
        {"most": "13"},
        {"most": "x" * 10_000},
        {"version": ""},
        {"version": "x"},
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_bad_choice_gets_one_clear_message_and_changes_nothing(client, readers, save, language, changed):
    reader = readers.join("reader@example.org", language=language)
    before = dump()
    answer = save(reader, **changed)
    assert answer.status_code == 422
    assert len(faults(answer)) == 1
    assert f'<html lang="{language}"' in answer.text
    assert dump() == before


def test_what_was_typed_is_kept_when_something_is_wrong(roman, save):
    answer = save(roman, zone="Mars/Olympus", topics=["sea"], hour="21", quarter="15", format="text")
    for kept in ('value="Mars/Olympus"', 'value="sea" checked', 'value="21" selected', 'value="text" checked'):
        assert kept in answer.text


def test_what_is_wrong_with_the_minutes_is_said_of_the_minutes(roman, save):
    assert faults(save(roman, quarter="7")) == ["Please choose the minutes from the list."]


def test_a_digest_that_was_not_chosen_has_no_form(client, roman):
    for digest in ("asia-arabic", "nothing", "%00"):
        assert client.get(roman.choices(digest)).status_code == 404
        assert client.post(roman.choices(digest), data=filled(client, roman)).status_code == 404


def test_saving_without_a_change_changes_nothing(roman, save):
    before = dump()
    assert save(roman).status_code == 303
    assert dump() == before


def test_every_choice_is_kept(client, roman, save):
    answer = save(roman, **CHOSEN)
    assert (answer.status_code, answer.headers["Location"]) == (303, roman.preferences + "?saved")
    kept = filled(client, roman)
    assert {name: kept[name] for name in CHOSEN} == CHOSEN
    found = chosen(roman)
    assert (found.breaking, found.most, found.format, found.minute) == (3, 5, "text", 21 * 60 + 30)


@pytest.mark.parametrize("name", ["breaking", "most"])
def test_a_form_without_a_field_keeps_what_was_chosen(client, roman, save, name):
    save(roman, **CHOSEN)
    sent = filled(client, roman)
    del sent[name]
    assert client.post(roman.choices(), data=sent | {"hour": "6"}).status_code == 303
    assert filled(client, roman)[name] == CHOSEN[name]


def test_breaking_mail_is_asked_for_only_where_the_digest_offers_it(client, readers):
    reader = readers.join("reader@example.org", digests=("asia-daily", "asia-arabic"))
    assert 'name="breaking"' in client.get(reader.choices("asia-daily")).text
    assert 'name="breaking"' not in client.get(reader.choices("asia-arabic")).text
    sent = filled(client, reader, "asia-arabic")
    assert client.post(reader.choices("asia-arabic"), data=sent | {"breaking": "1"}).status_code == 422


def test_topics_stand_in_the_order_of_the_alphabet_and_those_chosen_first(client, readers):
    reader = readers.join("reader@example.org", topics=("uz", "kr"))
    page = markup.read(client.get(reader.choices()).text)
    labels = [label.text.strip() for label in page.all("label") if label.attrs.get("class") == "tick"]
    assert labels[:4] == ["South Korea", "Uzbekistan", "Bangladesh", "China"]


@pytest.mark.parametrize(("fold", "place"), [("topics", "fold-topics"), ("time", "time")])
def test_a_button_of_the_overview_opens_its_fold(client, roman, fold, place):
    opened = client.get(f"{roman.choices()}?open={fold}").text
    assert f'<details id="{place}" open>' in opened
    assert opened.count("<details") == 4
    assert opened.count(" open>") == 1
    assert " open>" not in client.get(roman.choices()).text


def test_what_is_wrong_is_never_folded_away(roman, save):
    answer = save(roman, zone="Mars/Olympus", most="7")
    assert '<details id="time" open>' in answer.text
    assert '<details id="fold-look"' in answer.text


def test_show_me_shows_the_headlines_of_what_was_typed_and_saves_nothing(client, roman, save):
    before = dump()
    answer = save(roman, action="show", topics=[], countries=["cu"], rhythm="weekly", most="5", hour="21")
    assert answer.status_code == 200
    assert markup.problems(markup.read(answer.text)) == []
    cuban = [one.headline for one in shelf.latest("en", limit=50) if "Cuba" in one.headline or "Havana" in one.headline]
    assert cuban[0] in headlines(answer.text)
    assert "Asia Daily</bdi>, every Saturday, by 21:00 in Rome, on Cuba" in answer.text
    assert 'value="weekly" checked' in answer.text, "what was typed is still there"
    assert answer.text.count(" open>") == 3, "and what was changed is still unfolded"
    assert dump() == before


def test_the_script_gets_only_what_changed(roman, save):
    before = dump()
    answer = save(roman, headers={"HX-Request": "true"}, action="show", rhythm="weekdays", countries=[], most="5")
    assert answer.status_code == 200
    assert "<html" not in answer.text
    assert len(headlines(answer.text)) == 5
    for swapped in ("sentence", "now-topics", "now-time", "now-breaking", "now-look"):
        assert answer.text.count(f'id="{swapped}" data-hx-swap-oob="innerHTML"') == 1
    assert "by 07:00 in Rome, on everything" in answer.text
    assert "Next mail: " in answer.text
    assert dump() == before


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
@pytest.mark.parametrize("wrong", [{"zone": "Mars/Olympus"}, {"topics": ["nothing"]}, {"most": "7"}, {"hour": "24"}])
def test_what_cannot_be_chosen_has_no_preview(roman, save, headers, wrong):
    before = dump()
    answer = save(roman, headers=headers, action="show", **wrong)
    assert answer.status_code == 422
    assert "Please choose" in answer.text
    assert headlines(answer.text) == []
    assert dump() == before


def test_a_change_made_elsewhere_is_shown_beside_what_was_typed_and_can_be_saved_over(client, roman, save):
    old = filled(client, roman)
    save(roman, rhythm="weekly", weekday="0")
    before = dump()
    answer = client.post(roman.choices(), data=old | {"hour": "12", "most": "5"})
    assert answer.status_code == 409
    assert "changed elsewhere meanwhile" in answer.text
    assert markup.problems(markup.read(answer.text)) == []
    rows = [row.text.split("\n") for row in markup.read(answer.text).all("tr")]
    assert ["".join(row) for row in rows] == [
        "You typedStored now",
        "How oftenEvery dayOnce a week (Monday)",
        "By what time12:0007:00",
        "Longest mail5 stories12 stories",
    ]
    assert "Save anyway" in answer.text
    assert dump() == before
    again = fields.filled(answer.text, "choices")
    assert (again["rhythm"], again["hour"], again["most"]) == ("daily", "12", "5"), "what was typed is kept"
    assert client.post(roman.choices(), data=again).status_code == 303
    assert (chosen(roman).rhythm, chosen(roman).minute, chosen(roman).most) == ("daily", 720, 5)


def test_save_anyway_meets_a_third_change_with_the_same_question(client, roman, save):
    old = filled(client, roman)
    save(roman, hour="8")
    again = fields.filled(client.post(roman.choices(), data=old | {"hour": "12"}).text, "choices")
    save(roman, hour="9")
    assert client.post(roman.choices(), data=again).status_code == 409
    assert chosen(roman).minute == 9 * 60


def test_the_same_form_sent_twice_is_saved_once_and_answered_alike(client, roman):
    sent = filled(client, roman) | {"hour": "12"}
    first = client.post(roman.choices(), data=sent)
    after = dump()
    second = client.post(roman.choices(), data=sent)
    assert (first.status_code, second.status_code) == (303, 303)
    assert first.headers["Location"] == second.headers["Location"]
    assert dump() == after
    assert chosen(roman).minute == 720


def test_a_digest_left_meanwhile_cannot_be_changed(client, roman):
    sent = filled(client, roman)
    client.post(roman.unsubscribe)
    assert client.post(roman.choices(), data=sent).status_code == 404
    db.session.rollback()
