"""Send a story to a friend, at the page: who is shown which form, what is taken, and that the answer tells nothing."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
import time_machine
from sqlalchemy import exc

from articles import life, shelf
from core import clock, database, links, services
from core.database import db
from core.signups import SignupSettings
from core.windows import Windows
from sharing import asking, notme, switch
from tests import at_once
from tests.web import friends, markup
from tests.web.friends import TYPED
from tests.web.readers import dump, hidden_fields, korea_and_cuba
from tests.web.solving import solved

HOUR = timedelta(hours=1)
FIELDS = ("name", "email", "friend_1", "friend_2", "friend_3", "note")
POISON = {
    "CR LF": "\r\nBcc: everybody@example.org",
    "LF": "\nBcc: everybody@example.org",
    "CR": "\rBcc: everybody@example.org",
    "NUL": "\x00",
    "escape": "\x1b[2J",
    "line separator": "\u2028",
    "paragraph separator": "\u2029",
    "next line": "\x85",
    "override": "\u202e",
    "isolate": "\u2067",
    "embedding": "\u202b",
    "half a pair": "\ud800",
}


@pytest.fixture
def given(app, monkeypatch):
    """Set up the limits and what the form has: `given(note=True, per_origin_hour=5)`."""

    def setting(**values):
        settings = app.extensions["postrider settings"]
        signup = values.pop("signup", settings.signup)
        made = replace(settings, sharing=replace(friends.WIDE, **values), signup=signup)
        monkeypatch.setitem(app.extensions, "postrider settings", made)
        monkeypatch.setitem(app.extensions, "postrider windows", Windows(None))

    setting(note=True)
    return setting


@pytest.fixture
def form(client, given, nudged):
    """The form of a story, with the switch turned to `verified`."""
    friends.turn()
    return friends.form(client)


def fields_of(text: str) -> dict[str, str]:
    """Return what is typed into the fields of a page that people see."""
    page = markup.read(text)
    found = {one.attrs["id"]: one.attrs["value"] for one in page.all("input") if one.attrs.get("id") in FIELDS}
    return found | {one.attrs["id"]: one.text for one in page.all("textarea")}


# --- the switch -------------------------------------------------------------------------------------------------


def test_until_the_switch_is_turned_there_is_no_form_and_nothing_is_taken(client, given, nudged):
    form = friends.form(client)
    page = client.get(form.path)
    assert (page.status_code, markup.read(page.text).all("form")) == (200, [])
    assert page.headers["Cache-Control"] == "public, max-age=60"
    answer = form.send()
    assert (answer.status_code, friends.shares(), nudged) == (409, [], [])
    assert "mailto:?subject=" in answer.text


def test_switched_off_there_is_no_page_and_no_story_links_to_it(client, form, reader):
    story = korea_and_cuba()
    at = links.path("story", language="en", story=story.ref)
    assert client.get(at).text.count('/send"') == 2
    friends.turn(switch.Mode.OFF)
    assert '/send"' not in client.get(at).text
    for path in (form.path, form.as_reader(reader)):
        assert (client.get(path).status_code, client.post(path, data=TYPED).status_code) == (404, 404)


def test_turned_back_to_mailto_the_page_is_as_before_and_a_form_that_lay_open_is_answered_with_it(client, form, reader):
    page = client.get(form.path).text
    friends.turn(switch.Mode.MAILTO)
    answer = form.send(page=page)
    assert (answer.status_code, friends.shares()) == (409, [])
    assert "turned off meanwhile" in answer.text
    assert "mailto:?subject=" in answer.text
    moved = client.get(form.as_reader(reader))
    assert (moved.status_code, moved.headers["Location"]) == (302, form.path)


def test_a_story_that_may_not_be_shared_answers_404_on_every_share_route(client, form, reader):
    story = korea_and_cuba()
    share = friends.asked(story.id, "mara@example.org", "friend@example.org")
    page, mine = client.get(form.path).text, form.as_reader(reader)
    with database.write_turn():
        life.let(korea_and_cuba(), share=False)
        db.session.commit()
    before = dump()
    for path in (form.path, mine, friends.path_of(share, "share_confirm")):
        assert (client.get(path).status_code, client.head(path).status_code) == (404, 404)
        assert client.post(path, data=hidden_fields(page) | TYPED).status_code == 404
    assert client.post(links.path("share_read", language="en", story=story.ref)).status_code == 404
    assert dump() == before


# --- the page ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "ar", "it", "ko", "zh-Hans"])
def test_the_link_stands_above_and_below_each_story_with_labels_of_their_own(client, form, language):
    for story in shelf.latest(language, limit=3):
        page = markup.read(client.get(links.path("story", language=language, story=story.ref)).text)
        sends = [one for one in page.all("a") if one.attrs["href"].endswith("/send")]
        assert len(sends) == 2
        assert len({one.attrs["aria-label"] for one in sends}) == 2
        assert all(one.text in one.attrs["aria-label"] for one in sends)  # WCAG 2.5.3, label in name


@pytest.mark.parametrize("known", [False, True], ids=["anybody", "a reader"])
def test_the_page_always_begins_with_ones_own_mail_program_and_is_of_no_cache_and_no_index(client, form, reader, known):
    answer = client.get(form.as_reader(reader) if known else form.path)
    page = markup.read(answer.text)
    assert answer.headers["Cache-Control"] == "no-store"
    assert 'name="robots" content="noindex"' in answer.text
    assert answer.text.index("mailto:?subject=") < answer.text.index("<form")
    assert markup.problems(page) == []
    addressed = {one.attrs["id"]: one.attrs for one in page.all("input") if one.attrs.get("type") == "email"}
    assert addressed.keys() == {"friend_1", "friend_2", "friend_3"} | (set() if known else {"email"})
    assert all(one["autocomplete"].split()[-1] == "email" for one in addressed.values())
    assert not any(one["value"] for one in addressed.values())


def test_a_reader_is_told_as_whom_and_never_asked_for_an_address(client, form, reader):
    text = client.get(form.as_reader(reader)).text
    assert "r***@example.org" in text
    assert "reader@example.org" not in text


def test_there_are_as_many_fields_as_friends_and_a_note_only_when_the_publisher_lets(client, form, given):
    given(max_friends=1)
    assert fields_of(client.get(form.path).text).keys() == {"name", "email", "friend_1"}
    answer = form.send(friend_2="other@example.org", note="ignored http://evil.example")
    assert (answer.status_code, friends.shares()) == (422, [])
    assert form.send(note="not asked for: http://evil.example").status_code == 303
    assert [share.note for share in friends.shares()] == [""]


# --- what is taken ----------------------------------------------------------------------------------------------


def test_a_stranger_is_asked_first_and_a_reader_is_taken_at_their_word(client, form, reader, nudged):
    asked = form.send(friend_3="other@example.org", note="Read this")
    assert (asked.status_code, asked.headers["Location"]) == (303, f"{form.path}?sent")
    assert "Press the button in it within 24 hours" in client.get(asked.headers["Location"]).text
    at = form.as_reader(reader)
    sent = form.send(at, email="forged@example.org")
    assert (sent.status_code, sent.headers["Location"]) == (303, f"{at}?sent")
    assert "to protect your friend" in client.get(sent.headers["Location"]).text
    first, second = friends.shares()
    assert (first.state, first.name, first.note, first.subscriber_id) == ("new", "Mara Rossi", "Read this", None)
    assert (second.state, second.subscriber_id, second.sender_hash) != (first.state, None, first.sender_hash)
    assert second.state == "confirmed"
    assert friends.to() == ["friend@example.org", "other@example.org", "friend@example.org"]
    assert nudged.count("tasks.sharing.answer") == 2


def test_a_form_that_is_sent_twice_is_one_share_and_paid_for_once(client, form, given):
    given(per_origin_hour=1, per_origin_day=1, signup=SignupSettings(least_age_s=0))
    page = client.get(form.path).text
    proof = solved(page)
    assert [form.send(page=page, altcha=proof).status_code for _time in range(3)] == [303] * 3
    assert len(friends.shares()) == 1


def test_a_form_that_was_gone_back_to_and_corrected_is_another_share(client, form):
    page = client.get(form.path).text
    for friend in ("frend@example.org", "friend@example.org"):
        assert form.send(page=page, friend_1=friend).status_code == 303
    assert friends.to() == ["frend@example.org", "friend@example.org"]


def test_one_address_in_two_fields_is_one_friend(form):
    assert form.send(friend_2="Friend@Example.org").status_code == 303
    assert friends.to() == ["friend@example.org"]


# --- what is not ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("poison", POISON)
@pytest.mark.parametrize("known", [False, True], ids=["anybody", "a reader"])
def test_line_ends_controls_and_bidi_controls_are_refused_in_every_field(form, reader, field, poison, known):
    if (field == "email" and known) or (field == "note" and poison in ("LF", "CR LF")):
        return  # a note may have lines; what is behind this one is an address
    at = form.as_reader(reader) if known else ""
    for text in (f"{TYPED.get(field, 'Words')}{POISON[poison]}", f"Ma{POISON[poison]}ra@example.org"):
        answer = form.send(at, **{field: text.encode("utf-8", "surrogatepass")})
        assert answer.status_code in (400, 422), text
        assert friends.shares() == []


def test_a_note_with_a_line_break_stays_a_note(form):
    assert form.send(note="Line\r\nBcc: everybody").status_code == 303
    assert form.send(note="Line\r\nBcc: everybody@example.org").status_code == 422


def test_a_fault_is_named_above_and_beside_its_field_and_nothing_typed_is_lost(form):
    wrong = {
        "name": "Best Casino",
        "email": "mara@",
        "friend_1": "friend@example.org, other@example.org",
        "friend_2": "fine@example.org",
        "friend_3": "no",
        "note": "see evil.example",
    }
    answer = form.send(**wrong)
    page = markup.read(answer.text)
    assert (answer.status_code, friends.shares()) == (422, [])
    assert fields_of(answer.text) == wrong
    assert markup.problems(page) == []
    (summary,) = [one for one in page.all("div") if one.attrs.get("role") == "alert"]
    linked = {one.attrs["href"].removeprefix("#") for one in page.all("a") if one.attrs["href"].startswith("#")}
    assert "Please look at this" in summary.text
    assert linked >= set(wrong) - {"friend_2"}
    for one in (*page.all("input"), *page.all("textarea")):
        if one.attrs.get("id") in wrong:
            is_wrong = one.attrs["id"] != "friend_2"
            assert ("aria-invalid" in one.attrs) == is_wrong
            assert (f"{one.attrs['id']}-fault" in one.attrs.get("aria-describedby", "")) == is_wrong


def test_nobody_sends_in_the_name_of_the_publication(form):
    ours = services.current().publication.name("en")
    answer = form.send(name=ours)
    assert (answer.status_code, friends.shares()) == (422, []) and "This is our name." in answer.text


def test_without_a_friend_it_says_so(form):
    answer = form.send(friend_1=" ")
    assert answer.status_code == 422
    assert "friend_1-fault" in answer.text


@pytest.mark.parametrize("known", [False, True], ids=["anybody", "a reader"])
def test_a_form_that_lay_open_too_long_is_offered_again_with_everything_in_it_and_then_taken(
    client, form, given, reader, known
):
    given(note=True, signup=SignupSettings(proof_of_work=False))
    typed = TYPED | {"note": "Words", "friend_3": "other@example.org"}
    with time_machine.travel(clock.utc_now(), tick=False) as time:
        at = form.as_reader(reader) if known else form.path
        page = client.get(at).text
        time.shift(2 * HOUR + timedelta(seconds=1))
        again = form.send(at, page=page, **typed)
        assert (again.status_code, friends.shares()) == (400, [])
        assert "lay open for more than two hours" in again.text
        kept = fields_of(again.text)
        assert {name: text for name, text in kept.items() if text} == {n: t for n, t in typed.items() if n in kept}
        assert form.send(at, page=again.text, **typed).status_code == 303
    assert len(friends.shares()) == 1


def test_a_form_that_is_none_of_ours_is_offered_again(client, form):
    page = client.get(form.path).text
    for damage in ({"stamp": "x"}, {"form_id": "0" * 32}, {"form_id": "é"}, {"form_id": ""}, {"stamp": ""}):
        answer = form.send(page=page, **damage)
        assert (answer.status_code, friends.shares()) == (400, [])
    assert form.send(page=answer.text).status_code == 303


def test_a_form_without_any_field_is_refused_and_not_broken(client, form, reader):
    for path in (form.path, form.as_reader(reader)):
        assert client.post(path).status_code == 422
        broken = client.post(path, data=b"\xff\xfe=\x00&&=", content_type="application/x-www-form-urlencoded")
        assert broken.status_code in (400, 422)
    assert friends.shares() == []


def test_what_falls_into_the_trap_is_thanked_like_anybody_and_leaves_nothing(form, nudged):
    trapped, person = form.send(subject="Buy this"), form.send()
    assert (trapped.status, trapped.data, str(trapped.headers)) == (person.status, person.data, str(person.headers))
    assert len(friends.shares()) == 1


def test_another_site_cannot_press_the_button(client, form, reader):
    for path in (form.path, form.as_reader(reader)):
        fields = hidden_fields(client.get(path).text) | TYPED
        assert client.post(path, data=fields, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert friends.shares() == []


def test_a_proof_of_work_is_good_for_one_form_and_once(client, form, given):
    given(signup=SignupSettings(least_age_s=0))
    page = client.get(form.path).text
    proof = solved(page)
    assert form.send(page=page, altcha=proof).status_code == 303
    assert form.send(page=page, altcha=proof, friend_1="other@example.org").status_code == 422
    assert form.send(altcha=proof, friend_1="other@example.org").status_code == 422
    assert len(friends.shares()) == 1


def test_without_javascript_one_a_day_is_taken_and_then_there_is_ones_own_mail_program(client, form, given):
    given(signup=SignupSettings(least_age_s=0))
    assert form.send().status_code == 303
    answer = form.send(friend_1="other@example.org")
    assert answer.status_code == 429
    assert "with your own mail" in answer.text
    assert "mailto:?subject=" in answer.text
    assert len(friends.shares()) == 1


# --- a reader's link --------------------------------------------------------------------------------------------


def test_a_readers_link_ends_after_30_days_with_new_links_when_they_left_and_when_it_was_not_them(
    client, form, readers
):
    reader = readers.join("reader@example.org")
    month = form.as_reader(reader, days_ago=30)
    assert client.get(month).status_code == 200
    share_by = form.send(month)
    assert share_by.status_code == 303
    with database.write_turn():
        notme.end(friends.shares()[-1], now=clock.utc_now())
        db.session.commit()
    for path in (month, form.as_reader(reader, days_ago=31), form.as_reader(reader, version=reader.version + 1)):
        for answer in (client.get(path), form.send(path, page=client.get(form.path).text)):
            assert answer.status_code == 410
            assert fields_of(answer.text).keys() >= {"email", "friend_1"}
            assert "reader@" not in answer.text
    assert len(friends.shares()) == 1


def test_a_link_that_is_no_good_any_more_loses_nothing_of_what_was_typed(client, form, reader):
    at = form.as_reader(reader, days_ago=40)
    answer = client.post(at, data=TYPED)
    assert fields_of(answer.text)["friend_1"] == "friend@example.org"
    assert form.send(page=answer.text).status_code == 303


# --- limits -----------------------------------------------------------------------------------------------------


def test_recipients_are_counted_and_what_is_over_at_the_page_leaves_ones_own_mail_program(client, form, given):
    given(per_origin_hour=5)
    three = {"friend_2": "second@example.org", "friend_3": "third@example.org"}
    assert form.send(**three).status_code == 303
    over = form.send(**three)
    assert over.status_code == 429
    assert int(over.headers["Retry-After"]) > 0
    assert "mailto:?subject=" in over.text
    assert "<form" not in over.text
    assert form.send(friend_2="second@example.org").status_code == 303
    assert form.send(origin="192.0.2.2", **three).status_code == 303
    assert len(friends.to()) == 8


@pytest.mark.parametrize("limit", ["per_origin_day", "per_story_hour", "per_site_hour"])
def test_the_limits_that_are_about_nobody_are_told(form, given, limit):
    given(**{limit: 1})
    assert [form.send(friend_1=f"f{n}@example.org").status_code for n in range(2)] == [303, 429]


@pytest.mark.parametrize("limit", ["per_sender_hour", "per_sender_day", "per_link_day"])
def test_the_limits_that_are_about_a_person_are_not(client, form, given, reader, limit):
    given(**{limit: 1})
    at = form.as_reader(reader) if limit == "per_link_day" else ""
    answers = [form.send(at, friend_1=f"f{n}@example.org") for n in range(3)]
    assert len({(one.status, one.data, str(one.headers)) for one in answers}) == 1
    assert friends.to() == ["f0@example.org"]


def test_two_hundred_at_once_are_as_many_as_the_limit_has(app, client, form, given):
    given(per_origin_day=7)
    pages = [hidden_fields(client.get(form.path).text) for _number in range(200)]

    answers: list[int] = []

    def post(number: int) -> None:
        typed = TYPED | {"friend_1": f"friend{number}@example.org", "email": f"sender{number}@example.org"}
        answers.append(app.test_client(use_cookies=False).post(form.path, data=pages[number] | typed).status_code)

    def posts(first: int) -> None:
        for number in range(first, 200, 20):
            post(number)

    works = [partial(posts, first) for first in range(20)]
    assert not any(isinstance(one, Exception) for one in at_once.run(app, *works))
    assert (answers.count(303), answers.count(429)) == (7, 193)
    assert len(friends.to()) == 7


def test_without_a_database_to_write_to_there_is_still_ones_own_mail_program(form, monkeypatch):
    def locked(*_wish, **_given):
        raise exc.OperationalError("INSERT", {}, Exception("database is locked"))

    monkeypatch.setattr(asking, "note", locked)
    answer = form.send()
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "mailto:?subject=" in answer.text
    assert friends.shares() == []


@pytest.mark.parametrize("known", [False, True], ids=["anybody", "a reader"])
def test_while_nothing_can_be_counted_nothing_is_sent_and_there_is_ones_own_mail_program(
    app, form, reader, monkeypatch, known
):
    monkeypatch.setitem(app.extensions, "postrider windows", Windows("redis://127.0.0.1:1/0"))
    answer = form.send(form.as_reader(reader) if known else "")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "mailto:?subject=" in answer.text
    assert friends.shares() == []


# --- what is told of a friend -----------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [False, True], ids=["anybody", "a reader"])
def test_the_answer_is_the_same_whoever_the_friend_is(client, form, readers, reader, known):
    at = form.as_reader(reader) if known else ""
    answers = set()
    for friend in friends.of_all_kinds(readers):
        answer = form.send(at, friend_1=friend)
        followed = client.get(answer.headers["Location"])
        answers.add((answer.status, answer.data, str(answer.headers), followed.data, str(followed.headers)))
    assert len(answers) == 1
    assert len(friends.shares()) == 8
