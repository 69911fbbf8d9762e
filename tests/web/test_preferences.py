"""The overview of a reader's choices and the form behind it."""

import re
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine

from core import clock, database
from core import language as languages
from core.database import db
from subscribers import offer, preferences
from tests.web import markup
from tests.web.markup import faults
from tests.web.readers import dump

MARKS = re.compile(r"<[^>]+>")


@pytest.fixture
def roman(readers):
    """A reader in Rome who asked for Korea and Cuba."""
    return readers.join("reader@example.org", topics=("kr", "cu"), zone="Europe/Rome")


@pytest.fixture
def save(client):
    """Send the choices form as it is filled, but for what is given."""

    def send(reader, digest="asia-daily", **changed):
        return client.post(reader.choices(digest), data=filled(client, reader, digest) | changed)

    return send


def filled(client, reader, digest="asia-daily"):
    """Return the fields of the choices form as a browser would send them untouched."""
    text, _datalist, end = client.get(reader.choices(digest)).text.partition("<datalist")
    text += end.partition("</datalist>")[2]
    fields: dict[str, Any] = {"topics": [], "countries": []}
    for field in markup.read(text).all("input"):
        name, value = field.attrs["name"], field.attrs.get("value", "")
        if field.attrs.get("type") == "checkbox":
            fields[name] += [value] if "checked" in field.attrs else []
        elif field.attrs.get("type") != "radio" or "checked" in field.attrs:
            fields[name] = value
    for name, options in re.findall(r'<select id="\w+" name="(\w+)"[^>]*>(.*?)</select>', text, re.DOTALL):
        (fields[name],) = re.findall(r'value="(\d+)" selected', options)
    return fields


def sentences(client, reader):
    """Return the sentences of the overview."""
    text = client.get(reader.preferences).text
    return [MARKS.sub("", sentence) for sentence in re.findall(r"<h2 id=[^>]+>(.*?)</h2>", text)]


def choice(reader, digest="asia-daily"):
    (found,) = [c for c in preferences.view(reader.row, clock.utc_now()) if c.digest.key == digest]
    return found


def test_each_digest_has_one_sentence(client, readers):
    reader = readers.join("reader@example.org", digests=("asia-daily", "asia-arabic"), zone="Europe/Rome")
    assert sentences(client, reader) == [
        "Asia Daily, every day, by 07:00 in Rome, on everything",
        "آسيا اليوم, every day, by 07:00 in Rome, on everything",
    ]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({}, "Asia Daily, every day, by 07:00 in Rome, on Cuba and South Korea"),
        ({"rhythm": "weekdays"}, "Asia Daily, weekdays, by 07:00 in Rome, on Cuba and South Korea"),
        ({"rhythm": "weekly", "weekday": "0"}, "Asia Daily, every Monday, by 07:00 in Rome, on Cuba and South Korea"),
        (
            {"rhythm": "weekly", "weekday": "6", "countries": []},
            "Asia Daily, every Sunday, by 07:00 in Rome, on everything",
        ),
        (
            {"rhythm": "weekdays", "hour": "18", "quarter": "45", "zone": "Asia/Kathmandu", "topics": "trade"},
            "Asia Daily, weekdays, by 18:45 in Kathmandu, on Cuba, South Korea and Trade",
        ),
        (
            {"countries": ["bd", "cn", "cu", "hk", "id", "in", "jo"]},
            "Asia Daily, every day, by 07:00 in Rome, on Bangladesh, China, Cuba, Hong Kong SAR China and 3 more",
        ),
    ],
    ids=str,
)
def test_what_was_saved_is_what_the_sentence_then_says(client, roman, save, changed, sentence):
    answer = save(roman, **changed)
    assert (answer.status_code, answer.headers["Location"]) == (303, roman.preferences + "?saved")
    assert "Your choices are saved." in client.get(answer.headers["Location"]).text
    assert sentences(client, roman) == [sentence]


def test_saving_without_a_change_changes_nothing(roman, save):
    before = dump()
    assert save(roman).status_code == 303
    assert dump() == before


def test_the_form_keeps_every_choice(client, roman, save):
    chosen = {"topics": ["sea", "trade"], "countries": ["jp"], "rhythm": "weekly", "weekday": "2", "hour": "21"}
    chosen |= {"quarter": "30", "zone": "Asia/Tokyo", "format": "text", "pause": "none"}
    save(roman, **chosen)
    kept = filled(client, roman)
    assert {name: kept[name] for name in chosen} == chosen


def test_the_buttons_lead_to_their_part_of_the_form(client, roman):
    page = markup.read(client.get(roman.preferences).text)
    buttons = {a.text: a.attrs for a in page.all("a") if "Asia Daily" in a.attrs.get("aria-label", "")}
    assert list(buttons) == ["Topics", "Time", "Pause", "Stop"]
    ids = {element.attrs.get("id") for element in markup.read(client.get(roman.choices()).text).elements}
    for name in ("Topics", "Time", "Pause"):
        path, _mark, anchor = buttons[name]["href"].partition("#")
        assert path == roman.choices()
        assert anchor in ids
    assert client.get(buttons["Stop"]["href"]).status_code == 200
    (everything,) = [a for a in page.all("a") if a.text == "Stop all mail"]
    assert "Shall we stop sending all digests" in client.get(everything.attrs["href"]).text


def test_the_address_is_shown_so_that_only_its_owner_knows_it(client, roman):
    assert "r***@example.org" in client.get(roman.preferences).text


def test_the_next_mail_is_said_in_words(client, roman):
    text = client.get(roman.preferences).text
    assert re.search(r"Next mail: \w+day \d+ \w+, 07:00 \(Rome\), if there is something new\.", text)


@pytest.mark.parametrize(("preset", "days"), [("week", 7), ("two-weeks", 14), ("month", 30)])
def test_a_pause_ends_by_itself_on_a_day_that_is_said(client, roman, save, preset, days):
    save(roman, pause=preset)
    until = clock.utc_now().astimezone(ZoneInfo("Europe/Rome")).date() + timedelta(days=days)
    assert roman.row.paused_until == until
    assert f"It comes again from {languages.date_text(until, 'en')} on." in client.get(roman.preferences).text
    assert filled(client, roman) | {"pause": "date", "until": until.isoformat()} == filled(client, roman)


def test_a_pause_outlives_a_form_without_a_word_of_it(client, roman, save):
    save(roman, pause="month")
    until = roman.row.paused_until
    fields = filled(client, roman)
    del fields["pause"]
    answer = client.post(roman.choices(), data=fields)
    assert answer.status_code == 422
    assert len(faults(answer)) == 1
    assert roman.row.paused_until == until is not None


def test_what_is_wrong_with_the_minutes_is_said_of_the_minutes(roman, save):
    assert faults(save(roman, quarter="7")) == ["Please choose the minutes from the list."]


def test_a_withdrawn_digest_is_said_to_be_out_of_print(client, roman):
    assert "Next mail:" in client.get(roman.preferences).text
    with database.write_turn():
        offer.by_key("asia-daily").active = False
        db.session.commit()
    answer = client.get(roman.preferences)
    assert markup.problems(markup.read(answer.text)) == []
    assert "This digest is not published at present." in answer.text
    assert "Next mail:" not in answer.text


@pytest.mark.parametrize(("zone", "hour"), [("Pacific/Kiritimati", 11), ("Pacific/Pago_Pago", 10)])
def test_a_pause_counts_from_the_date_in_the_zone_that_is_saved_with_it(roman, save, zone, hour):
    """At 11:00 UTC it is tomorrow already on Kiritimati; at 10:00 UTC it is still yesterday in Pago Pago."""
    tomorrow = clock.utc_now().replace(hour=hour) + timedelta(days=1)
    with time_machine.travel(tomorrow, tick=False):
        save(roman, zone=zone, pause="week")
        row = roman.row
        assert row.zone == zone
        here = clock.utc_now().astimezone(ZoneInfo(zone)).date()
        assert here != clock.utc_now().date()
        assert row.paused_until == here + timedelta(days=7)
        shown = choice(roman).paused_until
        assert shown == preferences.paused_until(row, clock.utc_now()) == row.paused_until


def test_a_pause_can_last_until_any_day_within_a_year_and_be_ended_at_once(client, roman, save):
    today = clock.utc_now().astimezone(ZoneInfo("Europe/Rome")).date()
    save(roman, pause="date", until=(today + timedelta(days=365)).isoformat())
    assert roman.row.paused_until == today + timedelta(days=365)
    answer = client.post(roman.preferences, data={"action": "resume"})
    assert (answer.status_code, roman.row.paused_until) == (303, None)
    assert "You have paused" not in client.get(answer.headers["Location"]).text


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
        {"version": ""},
        {"version": "x"},
        {"pause": ""},
        {"pause": "forever"},
        {"pause": "None"},
        {"pause": "date", "until": ""},
        {"pause": "date", "until": "2020-01-01"},
        {"pause": "date", "until": "9999-12-31"},
        {"pause": "date", "until": "31/12/2027"},
        {"pause": "date", "until": "x" * 10_000},
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


def test_a_form_that_is_older_than_the_choices_changes_nothing_and_shows_them_as_they_are(client, roman, save):
    old = filled(client, roman)
    save(roman, rhythm="weekly", weekday="0")
    before = dump()
    answer = client.post(roman.choices(), data=old | {"hour": "12"})
    assert answer.status_code == 409
    assert "changed elsewhere meanwhile" in answer.text
    assert 'value="weekly" checked' in answer.text
    assert markup.problems(markup.read(answer.text)) == []
    assert dump() == before


def test_a_digest_that_was_not_chosen_has_no_form(client, roman):
    for digest in ("asia-arabic", "nothing", "%00"):
        assert client.get(roman.choices(digest)).status_code == 404
        assert client.post(roman.choices(digest), data=filled(client, roman)).status_code == 404


def test_a_link_older_than_ninety_days_offers_a_fresh_one(client, roman):
    assert client.get(roman.links(days_ago=90)[0]).status_code == 200
    for path in (roman.links(days_ago=91)[0], roman.links(days_ago=91)[0].replace("/t/", "/asia-daily/t/")):
        for method in (client.get, client.post):
            answer = method(path)
            assert answer.status_code == 410
            assert 'action="/en/fresh-link"' in answer.text


def test_a_link_from_before_the_links_were_renewed_is_too_old(client, roman):
    old = roman.preferences
    roman.row.link_version += 1
    db.session.commit()
    assert client.get(old).status_code == 410


def test_a_page_of_another_site_cannot_press_the_buttons(client, readers, roman):
    pages = {roman.preferences: {}, roman.choices(): filled(client, roman), roman.unsubscribe: {}}
    pages[readers.ask("new@example.org")] = {"List-Unsubscribe": "One-Click"}
    before = dump()
    for path, fields in pages.items():
        answer = client.post(path, data=fields, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403
        assert "Not from another site" in answer.text
        assert markup.problems(markup.read(answer.text)) == []
    assert dump() == before
    for site in ("same-origin", "none"):
        assert client.post(roman.preferences, headers={"Sec-Fetch-Site": site}).status_code == 303
