"""The overview: one sentence a digest, five buttons, and what holds for all of a reader's mail."""

import re
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine

from core import clock, database
from core import language as languages
from core.database import db
from subscribers import offer, overall, preferences
from tests.installation import PUBLICATION
from tests.web import fields, markup
from tests.web.markup import faults
from tests.web.readers import dump

MARKS = re.compile(r"<[^>]+>")
OTHERS = [code for code in PUBLICATION.languages if code != "ar"]
"""The other languages, for a reader who puts Arabic first."""


@pytest.fixture
def roman(readers):
    """A reader in Rome who asked for Korea and Cuba."""
    return readers.join("reader@example.org", topics=("kr", "cu"), zone="Europe/Rome")


@pytest.fixture
def save(client):
    """Send the form of one digest as it is filled, but for what is given."""

    def send(reader, digest="asia-daily", **changed):
        form = fields.filled(client.get(reader.choices(digest)).text, "choices")
        return client.post(reader.choices(digest), data=form | changed)

    return send


@pytest.fixture
def press(client):
    """Press a button of the overview, with the hidden fields of its form."""

    def send(reader, action, **changed):
        (choice,) = preferences.view(reader.row, clock.utc_now())
        sent = {"action": action, "digest": choice.digest.key, "version": str(choice.version)}
        return client.post(reader.preferences, data=sent | changed)

    return send


@pytest.fixture
def save_all(client):
    """Send the form of all mail as it is filled, but for what is given."""

    def send(reader, **changed):
        return client.post(reader.preferences, data=filled(client, reader) | changed)

    return send


def filled(client, reader) -> dict[str, Any]:
    return fields.filled(client.get(reader.preferences).text, "all-form")


def today(zone: str = "Europe/Rome"):
    return clock.utc_now().astimezone(ZoneInfo(zone)).date()


def friends_may(reader) -> bool:
    return overall.view(reader.row, spoken=["en", "ar"], now=clock.utc_now()).friends


def sentences(client, reader):
    """Return the sentences of the overview."""
    text = client.get(reader.preferences).text
    return [MARKS.sub("", sentence) for sentence in re.findall(r"<h2 id=\"digest-[^>]+>(.*?)</h2>", text)]


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
            "Asia Daily, every day, by 07:00 in Rome, on Bangladesh, China, Cuba, Hong Kong and 3 more",
        ),
    ],
    ids=str,
)
def test_what_was_saved_is_what_the_sentence_then_says(client, roman, save, changed, sentence):
    answer = save(roman, **changed)
    assert answer.status_code == 303
    assert sentences(client, roman) == [sentence]


def test_the_address_is_shown_so_that_only_its_owner_knows_it(client, roman):
    assert "r***@example.org" in client.get(roman.preferences).text


def test_the_next_mail_is_said_in_words(client, roman):
    text = client.get(roman.preferences).text
    assert re.search(r"Next mail: \w+day \d+ \w+, 07:00 \(Rome\), if there is something new\.", text)


def test_a_withdrawn_digest_is_said_to_be_out_of_print(client, roman):
    assert "Next mail:" in client.get(roman.preferences).text
    with database.write_turn():
        offer.by_key("asia-daily").active = False
        db.session.commit()
    answer = client.get(roman.preferences)
    assert markup.problems(markup.read(answer.text)) == []
    assert "This digest is not published at present." in answer.text
    assert "Next mail:" not in answer.text


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
    pages: dict[str, dict[str, str]] = {roman.preferences: {}, roman.choices(): {}, roman.unsubscribe: {}}
    pages[readers.ask("new@example.org")] = {"List-Unsubscribe": "One-Click"}
    before = dump()
    for path, sent in pages.items():
        answer = client.post(path, data=sent, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403
        assert "Not from another site" in answer.text
        assert markup.problems(markup.read(answer.text)) == []
    assert dump() == before
    for site in ("same-origin", "none"):
        answer = client.post(roman.preferences, data={"action": "resume"}, headers={"Sec-Fetch-Site": site})
        assert answer.status_code == 303


def test_five_buttons_stand_below_each_sentence_and_lead_where_they_say(client, roman):
    page = markup.read(client.get(roman.preferences).text)
    named = [one for one in page.elements if "Asia Daily" in one.attrs.get("aria-label", "")]
    assert [one.text for one in named] == ["Fewer", "Topics", "Time", "Pause", "Stop"]
    for one in named[1:4]:
        path, _mark, anchor = one.attrs["href"].partition("#")
        text = client.get(path).text
        assert f'<details id="{anchor}" open>' in text
    assert client.get(named[4].attrs["href"]).status_code == 200
    (everything,) = [a for a in page.all("a") if a.text == "Stop all mail"]
    assert "Shall we stop sending all digests" in client.get(everything.attrs["href"]).text


def test_what_was_changed_is_told_and_can_be_taken_back(client, roman, save, press):
    answer = save(roman, rhythm="weekly", weekday="0", hour="18", countries=["kr"], topics=["sea"])
    told = client.get(answer.headers["Location"]).text
    assert "saved" in told
    assert fields.as_told(told) == [
        "Themes: The sea – before: none",
        "Countries: South Korea – before: Cuba and South Korea",
        "How often: Once a week (Monday) – before: Every day",
        "By what time: 18:00 – before: 07:00",
    ]
    assert markup.problems(markup.read(told)) == []
    assert "Take it back" in told
    assert press(roman, "back").status_code == 303
    assert sentences(client, roman) == ["Asia Daily, every day, by 07:00 in Rome, on Cuba and South Korea"]


def test_a_save_that_changed_nothing_says_so(client, roman, save, save_all):
    for answer in (save(roman), save_all(roman)):
        assert answer.headers["Location"] == roman.preferences + "?same"
        assert "Nothing was changed" in client.get(answer.headers["Location"]).text


def test_what_was_changed_is_told_for_a_quarter_of_an_hour_only(client, roman, save):
    where = save(roman, hour="18").headers["Location"]
    with time_machine.travel(clock.utc_now() + timedelta(minutes=16)):
        assert fields.as_told(client.get(where).text) == []


def test_fewer_is_one_press_that_says_what_it_did_and_the_way_back(client, roman, press):
    answer = press(roman, "fewer")
    assert answer.status_code == 303
    told = client.get(answer.headers["Location"]).text
    assert fields.as_told(told) == ["How often: Once a week (Saturday) – before: Every day"]
    assert sentences(client, roman)[0].startswith("Asia Daily, every Saturday")
    press(roman, "back")
    assert sentences(client, roman)[0].startswith("Asia Daily, every day")


def test_fewer_pressed_twice_at_once_is_one_step(client, roman, press):
    first = press(roman, "fewer", version="1")
    before = dump()
    second = press(roman, "fewer", version="1")
    assert second.headers["Location"] == first.headers["Location"] == roman.preferences + "?saved"
    assert dump() == before


def test_a_button_pressed_on_a_page_that_is_older_says_so(roman, save, press):
    save(roman, hour="18")
    before = dump()
    answer = press(roman, "fewer", version="1")
    assert answer.status_code == 409
    assert "changed elsewhere meanwhile" in answer.text
    assert markup.problems(markup.read(answer.text)) == []
    assert dump() == before


def test_when_there_is_nothing_fewer_there_is_no_such_button(client, roman, press):
    for _step in range(3):
        assert press(roman, "fewer").status_code == 303
    assert 'value="fewer"' not in client.get(roman.preferences).text
    before = dump()
    assert press(roman, "fewer").headers["Location"].endswith("?same")
    assert dump() == before


@pytest.mark.parametrize(("preset", "days"), [("week", 7), ("two-weeks", 14), ("month", 30)])
def test_one_tap_pauses_until_a_day_that_is_said(client, roman, preset, days):
    answer = client.post(roman.preferences, data={"action": "pause", "length": preset})
    until = today() + timedelta(days=days)
    assert (answer.status_code, roman.row.paused_until) == (303, until)
    text = client.get(answer.headers["Location"]).text
    assert f"It comes again from {languages.date_text(until, 'en')} on." in text
    assert filled(client, roman)["until"] == until.isoformat()


def test_a_pause_can_last_until_any_day_within_a_year_and_be_ended_at_once(client, roman, save_all):
    save_all(roman, until=(today() + timedelta(days=365)).isoformat())
    assert roman.row.paused_until == today() + timedelta(days=365)
    answer = client.post(roman.preferences, data={"action": "resume"})
    assert (answer.status_code, roman.row.paused_until) == (303, None)
    assert "You have paused" not in client.get(answer.headers["Location"]).text


def test_a_pause_outlives_a_form_without_a_word_of_it(client, roman, save_all):
    client.post(roman.preferences, data={"action": "pause", "length": "month"})
    until = roman.row.paused_until
    sent = filled(client, roman) | {"friends": "0"}
    del sent["until"]
    assert client.post(roman.preferences, data=sent).status_code == 303
    assert roman.row.paused_until == until is not None


@pytest.mark.parametrize(("zone", "hour"), [("Pacific/Kiritimati", 11), ("Pacific/Pago_Pago", 10)])
def test_a_pause_counts_from_the_date_where_the_reader_is(client, roman, save, zone, hour):
    """At 11:00 UTC it is tomorrow already on Kiritimati; at 10:00 UTC it is still yesterday in Pago Pago."""
    tomorrow = clock.utc_now().replace(hour=hour) + timedelta(days=1)
    with time_machine.travel(tomorrow, tick=False):
        save(roman, zone=zone)
        assert today(zone) != clock.utc_now().date()
        client.post(roman.preferences, data={"action": "pause", "length": "week"})
        assert roman.row.paused_until == today(zone) + timedelta(days=7)


@pytest.mark.parametrize(
    "wanted",
    [
        {"catch_up": "1"},
        {"friends": "0"},
        {"languages": ["ar", *OTHERS]},
        {"once": "1"},
        {"languages": ["ar", *OTHERS], "catch_up": "1", "friends": "0", "until": "in a month"},
    ],
    ids=str,
)
def test_what_holds_for_all_mail_is_kept(client, roman, save_all, wanted):
    wanted = {name: _date(value) for name, value in wanted.items()}
    answer = save_all(roman, **wanted)
    assert (answer.status_code, answer.headers["Location"]) == (303, roman.preferences + "?saved")
    told = client.get(answer.headers["Location"]).text
    assert len(fields.as_told(told)) == len(wanted)
    kept = filled(client, roman)
    assert {name: kept[name] for name in wanted} == wanted
    assert friends_may(roman) == (wanted.get("friends") != "0")


def _date(value):
    return (today() + timedelta(days=30)).isoformat() if value == "in a month" else value


def test_the_first_language_is_that_of_the_pages(client, roman, save_all):
    answer = save_all(roman, languages=["ar", "ar"])
    assert '<html lang="ar" dir="rtl">' in client.get(answer.headers["Location"]).text
    assert filled(client, roman)["languages"] == ["ar", *OTHERS]


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize(
    "changed",
    [
        {"until": "2020-01-01"},
        {"until": "9999-12-31"},
        {"until": "31/12/2027"},
        {"until": "x" * 10_000},
        {"catch_up": "2"},
        {"once": "yes"},
        {"friends": ""},
        {"friends": "\u202e1"},
        {"languages": ["x" * 10_000]},
        {"version": ""},
        {"version": "-1"},
        {"action": ""},
        {"action": "delete"},
        {"action": "pause"},
        {"action": "pause", "length": "forever"},
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_bad_value_gets_one_clear_message_and_changes_nothing(client, readers, save_all, language, changed):
    reader = readers.join("reader@example.org", language=language)
    before = dump()
    answer = save_all(reader, **changed)
    assert answer.status_code == 422
    assert len(faults(answer)) == 1
    assert f'<html lang="{language}"' in answer.text
    assert dump() == before


@pytest.mark.parametrize("action", ["fewer", "back"])
@pytest.mark.parametrize(
    "changed", [{"digest": "nothing"}, {"digest": "asia-arabic"}, {"version": "7"}, {"version": "x"}]
)
def test_a_button_of_a_page_that_does_not_hold_any_more_changes_nothing(roman, press, action, changed):
    before = dump()
    answer = press(roman, action, **changed)
    expected = 404 if "digest" in changed else 409 if changed["version"] == "7" else 422
    assert answer.status_code == expected
    assert dump() == before


def test_a_change_of_all_mail_made_elsewhere_is_shown_and_can_be_saved_over(client, roman, save_all):
    old = filled(client, roman)
    save_all(roman, friends="0")
    before = dump()
    answer = client.post(roman.preferences, data=old | {"catch_up": "1"})
    assert answer.status_code == 409
    assert markup.problems(markup.read(answer.text)) == []
    assert "Save anyway" in answer.text
    assert "changed elsewhere meanwhile" in answer.text
    assert dump() == before
    again = fields.filled(answer.text, "all-form")
    assert (again["catch_up"], again["friends"]) == ("1", "1")
    assert client.post(roman.preferences, data=again).status_code == 303
    assert friends_may(roman)
    assert roman.row.catch_up


def test_the_form_of_all_mail_sent_twice_is_saved_once(client, roman):
    sent = filled(client, roman) | {"friends": "0"}
    assert client.post(roman.preferences, data=sent).status_code == 303
    after = dump()
    assert client.post(roman.preferences, data=sent).headers["Location"].endswith("?saved")
    assert dump() == after
