"""Subscribe, confirm, and ask for a fresh link."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from core import addresses, clock, database, services
from core.database import db
from delivery import suppression
from digests import editions
from subscribers import offer, unsubscribe
from subscribers.models import SignupRequest, Subscription
from tasks import digests as tasks
from tests.web import markup
from tests.web.markup import faults
from tests.web.readers import dump, hidden_fields

BROKEN_ADDRESSES = [
    *("", " ", "reader", "@example.org", "reader@", "reader@@example.org", "a@b@example.org", "reader@example"),
    *("reader example.org", "reader@exam ple.org", "reader@-example.org", "reader@example..org", ".reader@example.org"),
    *(
        "reader@example.org, other@example.org",
        "Reader <reader@example.org>",
        "reader@[127.0.0.1]",
        "réader@example.org",
    ),
    *(
        "reader@example.org\r\nBcc: x@example.org",
        "reader@example.org\n",
        "rea\x00der@example.org",
        "reader\u200b@example.org",
    ),
    *("\u202ereader@example.org", "reader@exam\u00adple.org", "x" * 65 + "@example.org", "a@" + "b" * 250 + ".org"),
    *("x" * 10_000, "x" * 10_000 + "@example.org", "@" * 10_000),
]


@pytest.fixture
def form(client):
    """Fill in the subscribe form as somebody would; what is given replaces what they typed."""

    def fill(language="en", **typed):
        page = client.get(f"/{language}/subscribe").text
        fields = hidden_fields(page) | {"email": "reader@example.org", "digests": "asia-daily"} | typed
        return client.post(f"/{language}/subscribe", data=fields)

    return fill


def requests():
    db.session.rollback()
    return list(db.session.scalars(select(SignupRequest).order_by(SignupRequest.id)))


def test_the_form_proposes_a_digest_in_the_language_of_the_page_and_shows_the_others(client):
    page = markup.read(client.get("/en/subscribe").text)
    boxes = [field for field in page.all("input") if field.attrs.get("name") == "digests"]
    ticked = {box.attrs["value"]: "checked" in box.attrs for box in boxes}
    assert [name for name, is_ticked in ticked.items() if is_ticked] == ["asia-daily"]
    assert ticked.keys() == {digest.key for digest in offer.active()}
    names = {e.text: (e.attrs["lang"], e.attrs["dir"]) for e in page.all("span") if e.attrs.get("class") == "card-name"}
    assert names.items() >= {"Asia Daily": ("en", "ltr"), "آسيا اليوم": ("ar", "rtl")}.items()


def test_the_form_asks_for_no_name_and_fills_in_an_address_by_itself(client):
    page = markup.read(client.get("/en/subscribe").text)
    asked = {field.attrs.get("name") for field in page.all("input")}
    assert asked == {"form_id", "stamp", "subject", "email", "digests", "rhythm", "zone"}
    (email,) = [field for field in page.all("input") if field.attrs.get("name") == "email"]
    assert (email.attrs["type"], email.attrs["autocomplete"]) == ("email", "email")


def test_the_form_shows_proposed_topics_ticked_and_leaves_out_what_it_does_not_know(client):
    page = markup.read(client.get("/en/subscribe?topics=kr,cu,nothing,%00&digests=asia-arabic").text)
    ticked = {f.attrs["value"] for f in page.all("input") if f.attrs.get("type") == "checkbox" and "checked" in f.attrs}
    assert ticked == {"kr", "cu", "asia-arabic"}


def test_a_request_is_written_down_and_answered_with_check_your_inbox(form, client):
    answer = form(topics=["kr", "cu"], zone="Europe/Rome")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/en/check-your-inbox")
    assert "Check your inbox" in client.get("/en/check-your-inbox").text
    (noted,) = requests()
    assert (noted.digests, noted.topics, noted.zone, noted.language) == (
        ["asia-daily"],
        ["kr", "cu"],
        "Europe/Rome",
        "en",
    )
    assert (noted.state, noted.form, noted.origin_truncated) == ("new", "/en/subscribe", "127.0.0.0/24")
    assert noted.wording in client.get("/en/subscribe").text


def test_the_answer_is_the_same_for_a_new_a_pending_an_active_a_left_and_a_suppressed_address(client, readers):
    readers.ask("pending@example.org")
    readers.join("active@example.org")
    unsubscribe.leave(readers.join("left@example.org").row, None, now=clock.utc_now())
    blocked = services.current().keyring.hash(addresses.parse("blocked@example.org"))
    suppression.suppress(blocked, scope="all", reason="complaint", source="test", now=clock.utc_now())
    db.session.commit()
    for path in ("/en/subscribe", "/en/fresh-link"):
        fields = hidden_fields(client.get(path).text) | {"digests": "asia-daily"}
        answers = set()
        for who in ("new", "pending", "active", "left", "blocked"):
            answer = client.post(path, data=fields | {"email": f"{who}@example.org"})
            followed = client.get(answer.headers["Location"])
            headers = re.sub(r"signup=[\w-]{43}; Expires=[^;]+;", "signup=(random);", str(answer.headers))
            answers.add((answer.status, answer.data, headers, followed.data, str(followed.headers)))
        assert len(answers) == 1
    assert len(requests()) == 13


def test_a_form_that_is_sent_twice_is_one_request(client):
    fields = hidden_fields(client.get("/en/subscribe").text) | {"email": "reader@example.org", "digests": "asia-daily"}
    for _time in range(2):
        assert client.post("/en/subscribe", data=fields).status_code == 303
    assert len(requests()) == 1


def test_a_form_that_is_sent_again_with_the_address_corrected_is_a_second_request(client):
    fields = hidden_fields(client.get("/en/subscribe").text) | {"digests": "asia-daily"}
    client.post("/en/subscribe", data=fields | {"email": "raeder@example.org"})
    client.post("/en/subscribe", data=fields | {"email": "reader@example.org"})
    assert [request.address for request in requests()] == ["raeder@example.org", "reader@example.org"]


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("email", BROKEN_ADDRESSES, ids=range(len(BROKEN_ADDRESSES)))
def test_a_broken_address_gets_one_clear_message_and_writes_nothing(form, language, email):
    answer = form(language, email=email)
    assert answer.status_code == 422
    assert len(faults(answer)) == 1
    assert f'<html lang="{language}"' in answer.text
    assert requests() == []


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize(
    "typed",
    [
        {"digests": "nothing"},
        {"digests": []},
        {"digests": ["asia-daily", "asia\r\ndaily"]},
        {"digests": "\u202easia-daily"},
        {"digests": "x" * 10_000},
        {"digests": [f"d{number}" for number in range(400)]},
        {"topics": "nothing"},
        {"topics": "kr\x00"},
        {"topics": "x" * 10_000},
        {"zone": "Mars/Olympus"},
        {"zone": "Europe/Rome\r\nX: y"},
        {"zone": "../../etc/passwd"},
        {"zone": "x" * 10_000},
        {"rhythm": "hourly"},
        {"rhythm": "x" * 10_000},
        {"form_id": ""},
        {"form_id": "x" * 32},
        {"form_id": "0" * 10_000},
    ],
    ids=str,
)
def test_any_other_bad_field_gets_one_clear_message_and_writes_nothing(form, language, typed):
    answer = form(language, **typed)
    assert answer.status_code == 422
    assert len(faults(answer)) == 1
    assert f'<html lang="{language}"' in answer.text
    assert requests() == []


def test_what_was_typed_is_kept_and_everything_wrong_is_said_at_once(form):
    answer = form(email="reader@", digests="asia-arabic", rhythm="weekly", zone="Mars/Olympus", topics=["kr"])
    assert len(faults(answer)) == 2
    page = markup.read(answer.text)
    kept = {
        f.attrs["value"] for f in page.all("input") if "checked" in f.attrs or f.attrs.get("name") in ("email", "zone")
    }
    assert kept == {"reader@", "asia-arabic", "weekly", "Mars/Olympus", "kr"}


def test_bytes_that_are_no_text_and_forms_without_fields_are_refused(client):
    for body in (b"", b"=&=&=", b"&" * 60_000):
        answer = client.post("/en/subscribe", data=body, content_type="application/x-www-form-urlencoded")
        assert answer.status_code == 422, body[:20]
    for kind in ("application/json", "text/plain", "multipart/form-data", "multipart/form-data; boundary=x"):
        assert client.post("/en/subscribe", data=b"{", content_type=kind).status_code in (400, 422), kind
    assert requests() == []


@pytest.mark.parametrize("language", ["en", "ar"])
def test_more_than_we_take_is_refused_with_a_page(client, language):
    answer = client.post(f"/{language}/subscribe", data={"email": "x" * 70_000})
    assert answer.status_code == 413
    assert f'<html lang="{language}"' in answer.text
    assert markup.problems(markup.read(answer.text)) == []
    parts = {f"field{number}": "x" for number in range(2000)}
    assert client.post("/en/subscribe", data=parts, content_type="multipart/form-data").status_code == 413


def test_opening_the_confirmation_link_shows_one_button_and_pressing_it_subscribes(client, readers):
    link = readers.ask("new@example.org", digests=("asia-daily", "asia-arabic"))
    page = markup.read(client.get(link).text)
    assert [button.text for button in page.all("button")] == ["Yes, subscribe me"]
    assert page.one("form").attrs == {"method": "post", "action": link}
    answer = client.post(link)
    assert answer.status_code == 200
    assert "Your first" in answer.text
    assert "is on its way to your inbox." in answer.text
    assert re.search(r"آسيا اليوم</bdi>: the next mail can come on \w+ \d+ \w+, 07:00 \(\w+\)", answer.text)
    assert markup.problems(markup.read(answer.text)) == []


def test_after_confirming_one_link_leads_to_the_choices(client, readers):
    answer = client.post(readers.ask("new@example.org"))
    (link,) = re.findall(r'href="(/preferences/t/[^"]+)"', answer.text)
    assert client.get(link).status_code == 200


def test_when_no_story_matches_the_page_says_when_the_next_mail_can_come(client, readers):
    answer = client.post(readers.ask("new@example.org", topics=("ye",), zone="Europe/Rome"))
    assert "no story matches your choice at the moment. The next mail can come on" in answer.text
    assert "(Rome)" in answer.text


def test_a_second_click_on_confirm_changes_nothing(client, readers):
    link = readers.ask("new@example.org")
    client.post(link)
    before = dump()
    answer = client.post(link)
    assert answer.status_code == 200
    assert "Already confirmed" in answer.text
    assert "/preferences/t/" not in answer.text, "an old confirmation link opens nothing else"
    assert "Already confirmed" in client.get(link).text
    assert dump() == before


BROKEN = {
    "percent": ("application/x-www-form-urlencoded", b"email=reader%FF@example.org"),
    "raw": ("application/x-www-form-urlencoded", b"email=reader\xff@example.org"),
    "cut": ("application/x-www-form-urlencoded", b"zone=%C3&email=reader@example.org"),
    "surrogate": ("application/x-www-form-urlencoded", b"email=%ED%A0%80@example.org"),
    "name": ("application/x-www-form-urlencoded", b"%FF=x"),
    "multipart": (
        "multipart/form-data; boundary=edge",
        b'--edge\r\nContent-Disposition: form-data; name="email"\r\n\r\nreader\xff@example.org\r\n--edge--\r\n',
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("path", ["/en/subscribe", "/ar/fresh-link"])
def test_a_form_that_is_not_utf_8_cannot_be_read(client, path, kind):
    content_type, body = BROKEN[kind]
    answer = client.post(path, data=body, content_type=content_type)
    assert answer.status_code == 400
    assert markup.problems(markup.read(answer.text)) == []
    assert requests() == []


@pytest.mark.parametrize("multipart", [False, True])
def test_a_form_in_any_script_is_read_whole(client, multipart):
    fields = hidden_fields(client.get("/ar/subscribe").text) | {"digests": "asia-daily", "email": "قارئ %FF + é"}
    content_type = "multipart/form-data" if multipart else "application/x-www-form-urlencoded"
    answer = client.post("/ar/subscribe", data=fields, content_type=content_type)
    assert answer.status_code == 422
    assert 'value="قارئ %FF + é"' in answer.text


def test_of_a_digest_the_reader_had_already_the_page_says_that_it_comes_as_before(client, readers):
    readers.join("reader@example.org")
    link = readers.ask("reader@example.org", digests=("asia-daily", "asia-arabic"))
    text = client.post(link).text
    assert "You had" in text
    assert "already. It comes as before." in text
    assert text.count("the next mail can come on") + text.count("is on its way to your inbox") == 1


def test_confirming_again_after_leaving_does_not_bring_anybody_back(client, readers):
    reader = readers.join("reader@example.org")
    client.post(reader.unsubscribe)
    before = dump()
    assert "Already confirmed" in client.post(reader.confirm).text
    assert dump() == before
    assert db.session.scalar(select(func.count()).select_from(Subscription).where(Subscription.state == "on")) == 0


def test_an_old_or_forgotten_confirmation_link_offers_a_fresh_start(client, readers):
    old = readers.ask("old@example.org", at=clock.utc_now() - timedelta(days=8))
    for method in (client.get, client.post):
        answer = method(old)
        assert answer.status_code == 410
        assert 'action="/en/fresh-link"' in answer.text
        assert 'href="/en/subscribe"' in answer.text


@pytest.mark.parametrize("token", ["", "x", "a" * 47, "a" * 5000, "%00", "é" * 47, "a%2Fb"])
def test_a_damaged_link_offers_a_fresh_one_in_the_browser_s_language(client, token):
    for path in (f"/confirm/t/{token}", f"/preferences/t/{token}", f"/unsubscribe/t/{token}"):
        answer = client.get(path, headers={"Accept-Language": "ar"})
        assert answer.status_code == 404
        assert '<html lang="ar" dir="rtl">' in answer.text
        if token and "%2F" not in token:
            assert 'action="/ar/fresh-link"' in answer.text
            assert markup.problems(markup.read(answer.text)) == []


def test_a_token_opens_the_doors_of_its_own_purpose_only(client, reader):
    tokens = {
        "confirm": reader.confirm.rpartition("/")[2],
        "preferences": reader.preferences.rpartition("/")[2],
        "unsubscribe": reader.unsubscribe.rpartition("/")[2],
        "unsubscribe_all": reader.leave_all.rpartition("/")[2],
    }
    doors = {
        "confirm": "/confirm/t/{}",
        "preferences": "/preferences/t/{}",
        "choices": "/preferences/asia-daily/t/{}",
        "unsubscribe": "/unsubscribe/asia-daily/t/{}",
        "unsubscribe_all": "/unsubscribe/t/{}",
        "another digest": "/unsubscribe/asia-arabic/t/{}",
    }
    opened = {
        (purpose, door)
        for purpose, token in tokens.items()
        for door, path in doors.items()
        if client.get(path.format(token)).status_code == 200
    }
    assert opened == {(purpose, purpose) for purpose in tokens} | {("preferences", "choices")}


def test_the_form_on_a_damaged_link_s_page_asks_for_a_fresh_link(client):
    page = client.get("/preferences/t/damaged").text
    answer = client.post("/en/fresh-link", data=hidden_fields(page) | {"email": "reader@example.org"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/en/check-your-inbox?link")
    (noted,) = requests()
    assert (noted.kind, noted.address) == ("fresh_link", "reader@example.org")


@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_bad_address_on_the_fresh_link_form_is_kept_and_explained(client, language):
    fields = hidden_fields(client.get(f"/{language}/fresh-link").text)
    answer = client.post(f"/{language}/fresh-link", data=fields | {"email": "reader@"})
    assert answer.status_code == 422
    assert len(faults(answer)) == 1
    assert 'value="reader@"' in answer.text
    assert requests() == []


def test_the_page_says_that_the_first_edition_comes_also_when_it_is_composed_before_the_page_is(
    client, readers, monkeypatch
):
    composed = []

    def compose_at_once():
        at = clock.utc_now()
        with database.write_turn():
            editions.open_due(at, services.current())
            db.session.commit()
        for wave_id in editions.unfinished(at):
            tasks.compose.run(wave_id)
            composed.append(wave_id)

    link = readers.ask("quick@example.org")
    monkeypatch.setattr("web.signup.nudge.digests", compose_at_once)
    text = client.post(link).text
    assert composed
    assert "is on its way to your inbox." in text
