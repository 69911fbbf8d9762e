"""The door of the sign-up form: whom it lets in, whom it asks to try again, and that it tells nobody why."""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import select

from app import create_app
from core import clock
from core.database import Base, db
from core.signups import SignupSettings
from core.windows import Windows
from subscribers.models import ConsentEntry, SignupRequest, Subscriber
from tests import at_once
from tests.installation import settings_for
from tests.web import markup, readers
from tests.web.readers import dump, hidden_fields
from tests.web.solving import solved

HOUR = timedelta(hours=1)


@pytest.fixture
def door(app, monkeypatch):
    """Set up how strict the door is: `door(per_origin_hour=2)`."""

    def strict(**limits) -> None:
        settings = replace(app.extensions["postrider settings"], signup=SignupSettings(**limits))
        monkeypatch.setitem(app.extensions, "postrider settings", settings)
        monkeypatch.setitem(app.extensions, "postrider windows", Windows(None))

    return strict


@pytest.fixture
def send(client):
    """Fill in the form of a page and send it: `send(page, email=…, origin=…)`; return the answer."""

    def post(page: str, *, origin: str = "192.0.2.1", path="/en/subscribe", **typed):
        fields = hidden_fields(page) | {"email": "reader@example.org", "digests": "asia-daily"} | typed
        return client.post(path, data=fields, environ_overrides={"REMOTE_ADDR": origin})

    return post


def noted() -> list[SignupRequest]:
    db.session.rollback()
    return list(db.session.scalars(select(SignupRequest).order_by(SignupRequest.id)))


def form(client, path="/en/subscribe") -> str:
    return str(client.get(path).text)


# --- the trap ---------------------------------------------------------------------------------------------------


def test_the_trap_is_hidden_from_people_and_from_what_fills_in_for_them(client):
    page = markup.read(form(client))
    (trap,) = [field for field in page.all("input") if field.attrs.get("name") == "subject"]
    assert (trap.attrs["tabindex"], trap.attrs["autocomplete"]) == ("-1", "off")
    assert re.search(r'<div hidden>(?:(?!</div>).)*name="subject"', form(client))


def test_what_falls_into_the_trap_is_thanked_like_anybody_and_leaves_nothing(client, send):
    trapped, person = send(form(client), subject="Buy this"), send(form(client))
    assert trapped.status == person.status
    assert without_cookie(trapped) == without_cookie(person)
    assert [request.address for request in noted()] == ["reader@example.org"]


def without_cookie(answer) -> str:
    return re.sub(r"signup=[\w-]{43}; Expires=[^;]+;", "", str(answer.headers))


# --- the stamp --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("age", [timedelta(seconds=1), 2 * HOUR + timedelta(seconds=2), 30 * 24 * HOUR])
@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_form_too_fast_or_too_old_is_offered_again_with_everything_in_it_and_then_taken(
    client, send, door, age, language
):
    door(proof_of_work=False, per_origin_hour=100)
    path = f"/{language}/subscribe"
    now = clock.utc_now()
    with time_machine.travel(now, tick=False) as time:
        page = form(client, path)
        time.shift(age)
        typed = {"topics": "kr", "digests": "asia-arabic", "rhythm": "daily", "zone": "Europe/Rome"}
        again = send(page, path=path, **typed)
        assert again.status_code == 422
        assert noted() == []
        kept = {
            (field.attrs.get("name"), field.attrs.get("value"))
            for field in markup.read(again.text).all("input")
            if "checked" in field.attrs or field.attrs.get("name") in ("email", "zone")
        }
        assert kept == {*typed.items(), ("email", "reader@example.org")}
        assert markup.problems(markup.read(again.text)) == []
        assert send(again.text, path=path, **typed).status_code == 303
    (request,) = noted()
    assert (request.topics, request.digests, request.rhythm) == (["kr"], ["asia-arabic"], "daily")


def test_a_form_of_a_person_s_pace_is_taken_at_once(client, send, door):
    door(proof_of_work=False)
    with time_machine.travel(clock.utc_now(), tick=False) as time:
        page = form(client)
        time.shift(timedelta(seconds=2))
        assert send(page).status_code == 303


@pytest.mark.parametrize("damage", ["", "x", "a" * 64, "é" * 26, "a" * 10_000, "flip", "other form"])
def test_a_stamp_that_is_not_ours_is_none(client, send, damage):
    page = form(client)
    stamp = hidden_fields(page)["stamp"]
    typed = {"stamp": damage}
    if damage == "flip":
        typed = {"stamp": stamp[:-1] + ("a" if stamp[-1] != "a" else "b")}
    if damage == "other form":
        typed = {"form_id": "0" * 32}
    again = send(page, **typed)
    assert (again.status_code, noted()) == (422, [])
    assert send(again.text).status_code == 303


# --- the proof of work ------------------------------------------------------------------------------------------


@pytest.fixture
def proving(door):
    """A door that asks for proof, and for nothing else that a test would notice."""
    door(least_age_s=0, per_origin_hour=100, per_origin_day=100)


def test_a_form_with_its_proof_is_taken(client, send, proving):
    page = form(client)
    for number in range(3):
        page = form(client)
        assert send(page, altcha=solved(page), email=f"r{number}@example.org").status_code == 303
    assert len(noted()) == 3


def test_a_proof_is_good_once(client, send, proving):
    page = form(client)
    proof = solved(page)
    assert send(page, altcha=proof, email="one@example.org").status_code == 303
    again = send(page, altcha=proof, email="two@example.org")
    assert again.status_code == 422
    assert send(again.text, altcha=solved(again.text), email="two@example.org").status_code == 303
    assert [request.address for request in noted()] == ["one@example.org", "two@example.org"]


def test_the_same_form_sent_twice_is_answered_alike_and_is_one_request(client, send, proving):
    page = form(client)
    proof = solved(page)
    assert [send(page, altcha=proof).status_code for _time in range(3)] == [303] * 3
    assert len(noted()) == 1


DAMAGES: dict[str, Callable[[Any], None]] = {
    "later": lambda proof: proof["challenge"]["parameters"].update(expiresAt=2**33),
    "never": lambda proof: proof["challenge"]["parameters"].pop("expiresAt"),
    "cheaper": lambda proof: proof["challenge"]["parameters"].update(cost=1),
    "endless": lambda proof: proof["challenge"]["parameters"].update(cost=10**12),
    "easier": lambda proof: proof["challenge"]["parameters"].update(keyPrefix=""),
    "other form": lambda proof: proof["challenge"]["parameters"].update(data={"form": "0" * 32}),
    "no form": lambda proof: proof["challenge"]["parameters"].pop("data"),
    "unsigned": lambda proof: proof["challenge"].pop("signature"),
    "signature is a list": lambda proof: proof["challenge"].update(signature=[]),
    "counter": lambda proof: proof["solution"].update(counter=proof["solution"]["counter"] + 1),
    "key": lambda proof: proof["solution"].update(derivedKey="00" * 32),
    "types": lambda proof: proof["solution"].update(counter="1", derivedKey=None),
    "parameters are a list": lambda proof: proof["challenge"].update(parameters=[]),
}


def damaged(page: str, how: str) -> str:
    proof = json.loads(base64.b64decode(solved(page)))
    DAMAGES[how](proof)
    return base64.b64encode(json.dumps(proof).encode()).decode()


@pytest.mark.parametrize("how", DAMAGES)
def test_a_proof_that_was_tampered_with_is_none(client, send, proving, how):
    page = form(client)
    assert send(page, altcha=damaged(page, how)).status_code == 422
    assert noted() == []


@pytest.mark.parametrize(
    "text",
    ["x", "e30=", "bnVsbA==", "W10=", "=" * 4000, "é", "A" * 60_000, base64.b64encode(b"[" * 2000).decode()],
    ids=range(8),
)
def test_a_proof_that_is_none_is_asked_for_again(client, send, proving, text):
    again = send(form(client), altcha=text)
    assert (again.status_code, noted()) == (422, [])
    assert send(again.text, altcha=solved(again.text)).status_code == 303


def test_a_proof_for_another_form_is_none(client, send, proving):
    assert send(form(client), altcha=solved(form(client))).status_code == 422
    assert noted() == []


def test_a_proof_does_not_outlive_its_form(client, send, proving):
    with time_machine.travel(clock.utc_now(), tick=False) as time:
        page = form(client)
        proof = solved(page)
        time.shift(2 * HOUR)
        assert send(page, altcha=proof).status_code == 422


def test_a_setting_turns_the_proof_off(client, send, door):
    door(proof_of_work=False, least_age_s=0)
    assert "altcha" not in form(client)
    assert send(form(client)).status_code == 303


# --- without JavaScript -----------------------------------------------------------------------------------------


def test_without_javascript_one_form_of_an_origin_is_taken_in_a_day(client, send, proving):
    with time_machine.travel(clock.utc_now(), tick=False) as time:
        assert send(form(client)).status_code == 303
        refused = send(form(client), email="two@example.org")
        assert refused.status_code == 429
        assert "desk@" in refused.text
        assert "two@example.org" in refused.text
        assert send(form(client), email="two@example.org", origin="192.0.2.2").status_code == 303
        time.shift(24 * HOUR)
        assert send(form(client), email="three@example.org").status_code == 303
    assert len(noted()) == 3


def test_without_javascript_twenty_forms_are_taken_in_an_hour(client, send, proving):
    answers = [
        send(form(client), email=f"r{number}@example.org", origin=f"2001:db8:0:{number:x}::1").status_code
        for number in range(22)
    ]
    assert answers == [303] * 20 + [429] * 2
    page = form(client)
    assert send(page, altcha=solved(page), email="r@example.org").status_code == 303


def test_what_was_refused_for_its_site_has_not_used_up_its_origin(client, send, proving):
    with time_machine.travel(clock.utc_now(), tick=False) as time:
        for number in range(20):
            send(form(client), email=f"r{number}@example.org", origin=f"198.51.100.{number}")
        assert send(form(client)).status_code == 429
        time.shift(HOUR)
        assert send(form(client)).status_code == 303


# --- origins ----------------------------------------------------------------------------------------------------


def sendings(send, client, origins) -> list[int]:
    return [
        send(form(client), email=f"r{number}@example.org", origin=origin).status_code
        for number, origin in enumerate(origins)
    ]


def test_an_origin_sends_so_many_forms_an_hour(client, send, door):
    door(proof_of_work=False, least_age_s=0, per_origin_hour=3)
    assert sendings(send, client, ["192.0.2.1"] * 5) == [303] * 3 + [429] * 2
    assert send(form(client), origin="192.0.2.2").status_code == 303
    assert len(noted()) == 4


def test_zero_is_without_a_limit(client, send, door):
    door(proof_of_work=False, least_age_s=0, per_origin_hour=0, per_origin_day=0)
    assert sendings(send, client, ["192.0.2.1"] * 25) == [303] * 25


def test_an_ipv6_network_is_one_origin_and_a_mapped_address_is_the_ipv4_it_maps(client, send, door):
    door(proof_of_work=False, least_age_s=0, per_origin_hour=2)
    assert sendings(send, client, ["2001:db8::1", "2001:db8::ffff", "2001:db8::2:1"]) == [303, 303, 429]
    assert sendings(send, client, ["::ffff:192.0.2.9", "192.0.2.9", "192.0.2.9"]) == [303, 303, 429]


def test_an_origin_sends_so_many_forms_a_day_on_all_forms_together(client, send, door):
    door(proof_of_work=False, least_age_s=0, per_origin_hour=100, per_origin_day=3)
    with time_machine.travel(clock.utc_now(), tick=False) as time:
        assert sendings(send, client, ["192.0.2.1"] * 2) == [303] * 2
        for expected in (303, 429):
            answer = send(form(client, "/en/fresh-link"), path="/en/fresh-link")
            assert answer.status_code == expected
        assert "reader@example.org" in answer.text
        assert markup.problems(markup.read(answer.text)) == []
        assert sendings(send, client, ["192.0.2.1"]) == [429]
        time.shift(24 * HOUR)
        assert sendings(send, client, ["192.0.2.1"]) == [303]
    assert len(noted()) == 4


@pytest.mark.parametrize("proxies", [0, 1, 2])
def test_forged_forwarding_headers_never_change_the_origin_that_is_counted(tmp_path, proxies):
    """Whatever a visitor writes in front, the entries of our own proxies are counted from the end."""
    limits = SignupSettings(proof_of_work=False, least_age_s=0, per_origin_hour=2)
    settings = replace(settings_for(f"sqlite:///{tmp_path / 'p.db'}"), trusted_proxies=proxies, signup=limits)
    app = create_app(settings)
    with app.app_context():
        Base.metadata.create_all(db.engine)
        readers_form = app.test_client(use_cookies=False)
        real = ["203.0.113.5", "198.51.100.9"][:proxies]
        answers = []
        for number in range(4):
            forged = [f"192.0.2.{number}", f"10.0.0.{number}"]
            headers = {
                "X-Forwarded-For": ", ".join([*forged, *real]),
                "X-Real-IP": f"192.0.2.{number}",
                "Forwarded": f"for=192.0.2.{number}",
                "X-Forwarded-Host": "evil.example",
                "CF-Connecting-IP": f"192.0.2.{number}",
            }
            fields = hidden_fields(readers_form.get("/en/fresh-link").text) | {"email": f"r{number}@example.org"}
            answers.append(readers_form.post("/en/fresh-link", data=fields, headers=headers).status_code)
        assert answers == [303, 303, 429, 429]
        networks = {request.origin_truncated for request in noted()}
        assert networks == {{0: "127.0.0.0/24", 1: "203.0.113.0/24", 2: "203.0.113.0/24"}[proxies]}
        db.session.remove()
        db.engine.dispose()


def test_a_forged_host_comes_into_no_answer_and_no_request(client):
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    page = client.get("/en/subscribe", headers=headers)
    fields = hidden_fields(page.text) | {"email": "reader@example.org", "digests": "asia-daily"}
    answer = client.post("/en/subscribe", data=fields, headers=headers)
    embed = client.get("/en/embed", headers=headers)
    for one in (page, answer, embed):
        assert "evil.example" not in one.text + str(one.headers)
    assert answer.headers["Location"] == "/en/check-your-inbox"
    assert not [row for row in dump() if any("evil" in str(value) for value in row)]


# --- everybody alike --------------------------------------------------------------------------------------------


NASTY = {
    "letters": "x" * 100_000,
    "ats": "@" * 100_000,
    "dots": "a." * 50_000,
    "quotes": '"' * 100_000,
    "nested": "(" * 100_000,
    "bidi": "\u202e" * 33_000,
    "combining": "a" + "\u0301" * 49_000,
    "numbers": "9" * 100_000,
    "base64": "A" * 100_000,
    "braces": "{" * 100_000,
}
FIELDS = ("email", "digests", "topics", "zone", "rhythm", "form_id", "stamp", "altcha", "subject", "action")


@pytest.mark.parametrize("kind", NASTY)
def test_a_hundred_kilobytes_of_anything_in_any_field_are_answered(app, client, proving, monkeypatch, kind):
    """The site takes 64 kB at once; here it is made to take more, so that each field's own reader sees them."""
    for limit in ("MAX_CONTENT_LENGTH", "MAX_FORM_MEMORY_SIZE"):
        monkeypatch.setitem(app.config, limit, 2_000_000)
    page = form(client)
    for field in FIELDS:
        good = hidden_fields(page) | {"email": "reader@example.org", "digests": "asia-daily"}
        answer = client.post("/en/subscribe", data=good | {field: NASTY[kind]})
        assert answer.status_code in (200, 303, 422, 429), field
        assert len(answer.text) < 200_000, field
    assert len(noted()) <= 1, "only where the field does not matter"


def test_two_hundred_identical_confirmations_at_once_are_one_reader_and_one_entry(app, client):
    link = readers.Readers(app).ask("reader@example.org")

    def press() -> int:
        return int(app.test_client(use_cookies=False).post(link).status_code)

    assert at_once.run(app, *[press] * 200) == [200] * 200
    for table in (Subscriber, ConsentEntry):
        assert len(db.session.scalars(select(table)).all()) == 1
