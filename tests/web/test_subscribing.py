"""The form in a browser, in a frame, and on other people's pages; and the button that presses itself."""

import html
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from playwright.sync_api import expect
from sqlalchemy import func, select

from articles.models import Article
from core import clock, services
from core.database import db
from core.signups import SignupSettings
from core.windows import Windows
from subscribers.models import SignupRequest, Subscriber
from tests.subscribers import people
from tests.web import markup
from tests.web.markup import faults
from tests.web.readers import hidden_fields, path

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture
def strict(app, monkeypatch):
    """The door as it is by default, framed by two sites."""
    ancestors = ("https://www.example.org", "https://example.com:8443")
    limits = SignupSettings(frame_ancestors=ancestors, least_age_s=0)
    settings = replace(app.extensions["postrider settings"], signup=limits)
    monkeypatch.setitem(app.extensions, "postrider settings", settings)
    monkeypatch.setitem(app.extensions, "postrider windows", Windows(None))


def noted() -> list[SignupRequest]:
    db.session.rollback()
    return list(db.session.scalars(select(SignupRequest).order_by(SignupRequest.id)))


def link_of(request: SignupRequest) -> str:
    """Let a request be answered; return the path of its confirm link."""
    people.answer(request.id, services=services.current(), now=clock.utc_now())
    db.session.commit()
    return path(services.current().links.confirm(request.public_id, day=clock.day_number(clock.utc_now())))


# --- the proof, in a browser ------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_the_browser_proves_its_work_without_taking_the_focus(served, strict, page, by):
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(served + "/en/subscribe")
    page.wait_for_timeout(300)
    assert page.input_value("[name=altcha]") == "", "it starts when the form is touched"
    page.focus("#email")
    page.keyboard.type("reader@example.org")
    expect(page.locator("[name=altcha]")).to_have_value(re.compile(".+"))
    assert page.evaluate("document.activeElement.id") == "email"
    if by == "mouse":
        page.click("main .button-main")
    else:
        page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("check-your-inbox"))
    assert [request.address for request in noted()] == ["reader@example.org"]
    assert said == [], "nothing is blocked by the policy"


def test_a_form_that_is_sent_before_the_proof_is_there_waits_for_it(served, strict, page):
    page.goto(served + "/en/subscribe")
    page.evaluate("document.querySelector('#email').value = 'reader@example.org'")
    page.evaluate("document.querySelector('main .button-main').click()")
    expect(page).to_have_url(re.compile("check-your-inbox"))
    assert len(noted()) == 1


def test_whoever_goes_back_and_corrects_the_address_can_send_it(served, strict, page):
    page.goto(served + "/en/subscribe")
    for address in ("raeder@example.org", "reader@example.org"):
        page.fill("#email", address)
        page.click("main .button-main")
        expect(page).to_have_url(re.compile("check-your-inbox"))
        page.go_back()
        expect(page).to_have_url(re.compile("subscribe"))
    assert [request.address for request in noted()] == ["raeder@example.org", "reader@example.org"]


# --- confirming -------------------------------------------------------------------------------------------------


def sign_up(page, served) -> SignupRequest:
    page.goto(served + "/en/subscribe")
    page.fill("#email", "reader@example.org")
    page.click("main .button-main")
    expect(page).to_have_url(re.compile("check-your-inbox"))
    (request,) = noted()
    return request


def confirmed() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(Subscriber)) or 0


def test_in_the_browser_that_signed_up_the_page_confirms_by_itself(served, new_page):
    page = new_page()
    link = link_of(sign_up(page, served))
    page.goto(served + link)
    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome!")
    assert confirmed() == 1


def test_a_scanner_with_a_browser_of_its_own_confirms_nothing(served, new_page):
    link = link_of(sign_up(new_page(), served))
    scanner = new_page()
    for _look in range(3):
        scanner.goto(served + link)
        scanner.wait_for_timeout(200)
        expect(scanner.get_by_role("heading", level=1)).to_have_text("Confirm your subscription")
    assert scanner.locator("script").count() == 0
    assert confirmed() == 0


def test_without_javascript_there_is_the_button(served, new_page):
    page = new_page(java_script_enabled=False)
    link = link_of(sign_up(page, served))
    page.goto(served + link)
    page.click("main button")
    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome!")


def test_the_cookie_is_short_lived_goes_only_to_the_confirm_page_and_names_nothing(app):
    client = app.test_client()
    fields = hidden_fields(client.get("/en/subscribe").text) | {"email": "reader@example.org", "digests": "asia-daily"}
    (cookie,) = client.post("/en/subscribe", data=fields).headers.getlist("Set-Cookie")
    assert re.fullmatch(
        r"signup=[\w-]{43}; Expires=[^;]+; Max-Age=86400; HttpOnly; Path=/confirm/; SameSite=Lax", cookie
    )
    (request,) = noted()
    value = cookie.partition("=")[2].partition(";")[0]
    assert value.encode() not in (request.browser_hash or b"")
    link = link_of(request)
    assert "confirm.js" in client.get(link).text
    other = app.test_client()
    for forged in ("", "x", value[:-1], value + "x", "é" * 43, "x" * 5_000):
        assert "confirm.js" not in other.get(link, headers={"Cookie": f"signup={forged}"}).text
    assert client.get(link).status_code == 200
    assert confirmed() == 0, "GET changes nothing, whoever has the cookie"


def test_on_https_the_cookie_is_secure(app, monkeypatch):
    given = services.current()
    links = replace(given.links, base_url="https://news.example.org")
    monkeypatch.setitem(app.extensions, "postrider", replace(given, links=links))
    client = app.test_client()
    fields = hidden_fields(client.get("/en/subscribe").text) | {"email": "reader@example.org", "digests": "asia-daily"}
    assert "; Secure;" in client.post("/en/subscribe", data=fields).headers["Set-Cookie"]


def test_only_a_sign_up_sets_a_cookie(app, client, reader):
    fields = hidden_fields(client.get("/en/fresh-link").text) | {"email": "reader@example.org"}
    answers = [client.post("/en/fresh-link", data=fields), client.get("/en/"), client.get("/en/subscribe")]
    answers += [client.get(reader.confirm), client.post(reader.confirm), client.get(reader.preferences)]
    assert not any("Set-Cookie" in answer.headers for answer in answers)


# --- the preview ------------------------------------------------------------------------------------------------


def headlines(answer) -> list[str]:
    section = re.search(r'<section class="stack" id="preview".*?</section>', answer.text, re.S)
    assert section is not None
    return [html.unescape(found) for found in re.findall(r"<li><a [^>]*>([^<]+)</a>", section[0])]


def test_before_the_address_the_form_shows_what_would_have_come(client):
    page = client.get("/en/subscribe")
    shown = headlines(page)
    assert len(set(shown)) == len(shown) == 5
    known = set(db.session.scalars(select(Article.headline).where(Article.language == "en")))
    assert set(shown) <= known
    assert page.text.index('id="preview"') < page.text.index('id="email"')


def test_the_topics_of_the_story_one_comes_from_choose_the_headlines(client):
    everything, korea = headlines(client.get("/en/subscribe")), headlines(client.get("/en/subscribe?topics=kr"))
    assert korea
    assert korea != everything
    assert "Korea" in " ".join(korea)


def test_what_was_ticked_is_shown_on_demand_and_nothing_is_noted_or_lost(client):
    typed = {"email": "reader@", "digests": ["asia-daily", "asia-arabic"], "topics": "kr", "rhythm": "weekly"}
    fields = hidden_fields(client.get("/en/subscribe?topics=kr").text) | typed | {"action": "preview"}
    answer = client.post("/en/subscribe?topics=kr", data=fields)
    assert (answer.status_code, faults(answer), noted()) == (200, [], [])
    assert any(re.search("[\u0600-\u06ff]", one) for one in headlines(answer))
    assert any("Korea" in one for one in headlines(answer))
    kept = {f.attrs.get("value") for f in markup.read(answer.text).all("input") if "checked" in f.attrs}
    assert kept == {"asia-daily", "asia-arabic", "kr", "weekly"}
    assert 'value="reader@"' in answer.text
    assert markup.problems(markup.read(answer.text)) == []


def test_without_a_digest_or_a_story_the_preview_says_so(client):
    fields = hidden_fields(client.get("/en/subscribe").text) | {"action": "preview"}
    assert headlines(client.post("/en/subscribe", data=fields)) == []
    nothing = client.get("/en/subscribe?topics=ye")
    assert headlines(nothing) == []
    assert "then we send nothing" in nothing.text


# --- on other people's pages ------------------------------------------------------------------------------------


def code(client, name: str, language: str = "en") -> str:
    page = markup.read(client.get(f"/{language}/embed").text)
    return next(area.text for area in page.all("textarea") if area.attrs["id"] == name)


@pytest.mark.parametrize("language", ["en", "ar"])
def test_the_code_of_the_form_is_plain_html_that_posts_to_us(client, language):
    form = markup.read(code(client, "plain-code", language))
    assert form.one("form").attrs["action"] == f"http://127.0.0.1:8000/{language}/subscribe"
    assert form.all("script") == []
    assert {field.attrs["name"] for field in form.all("input")} == {"email", "digests"}


def test_what_the_plain_form_sends_is_shown_once_more_and_then_taken(client, strict):
    first = client.post(
        "/en/subscribe",
        data={"email": "reader@example.org", "digests": ["asia-daily", "asia-arabic"]},
        headers={"Origin": "https://www.example.org", "Sec-Fetch-Site": "cross-site"},
    )
    assert (first.status_code, noted(), faults(first)) == (200, [], [])
    assert "press the button once more" in first.text
    fields = hidden_fields(first.text) | {"email": "reader@example.org", "digests": ["asia-daily", "asia-arabic"]}
    assert client.post("/en/subscribe", data=fields).status_code == 303
    assert [request.digests for request in noted()] == [["asia-daily", "asia-arabic"]]


def test_a_mistake_in_the_plain_form_is_named_at_once(client):
    answer = client.post("/en/subscribe", data={"email": "reader@", "digests": "asia-daily"})
    assert (answer.status_code, len(faults(answer)), noted()) == (422, 1, [])


def test_only_the_frame_s_page_may_be_framed_and_only_by_the_sites_of_the_settings(client, strict):
    fields = {"email": "reader@example.org", "digests": "asia-daily"}
    framed = [client.get("/en/subscribe/frame"), client.get("/en/subscribe/frame?sent")]
    framed += [client.post("/en/subscribe/frame", data=fields)]
    for answer in framed:
        policy = answer.headers["Content-Security-Policy"]
        assert "frame-ancestors https://www.example.org https://example.com:8443;" in policy
        assert "script-src 'self';" in policy
    for elsewhere in ("/en/subscribe", "/en/embed", "/en/check-your-inbox", "/en/subscribe/frame/"):
        assert "frame-ancestors 'none'" in client.get(elsewhere).headers["Content-Security-Policy"]


def test_without_the_setting_nobody_may_frame_it(client):
    assert "frame-ancestors 'none'" in client.get("/en/subscribe/frame").headers["Content-Security-Policy"]
    assert "frame-code" not in client.get("/en/embed").text


def test_the_frame_s_form_stays_in_its_frame(client, strict):
    page = client.get("/en/subscribe/frame?topics=kr")
    assert markup.problems(markup.read(page.text)) == []
    fields = hidden_fields(page.text) | {"email": "reader@example.org", "digests": "asia-daily"}
    answer = client.post(markup.read(page.text).one("form").attrs["action"], data=fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/en/subscribe/frame?sent")
    assert "Check your inbox" in client.get(answer.headers["Location"]).text
    assert [request.form for request in noted()] == ["/en/subscribe/frame"]
    assert code(client, "frame-code").startswith('<iframe src="http://127.0.0.1:8000/en/subscribe/frame"')


# --- rhythm -----------------------------------------------------------------------------------------------------


def test_a_rhythm_is_taken_where_it_is_offered_and_else_as_usual(app, client):
    typed = {"email": "reader@example.org", "digests": ["asia-daily", "asia-arabic"], "rhythm": "weekly"}
    client.post("/en/subscribe", data=hidden_fields(client.get("/en/subscribe").text) | typed)
    (request,) = noted()
    done = people.confirm(request, services=services.current(), now=clock.utc_now() + timedelta(minutes=1))
    found = {one.digest.key: one.rhythm.rhythm for one in done.subscriptions}
    expected = {
        one.digest.key: "weekly" if "weekly" in one.digest.rhythms else one.digest.default_rhythm
        for one in done.subscriptions
    }
    assert found == expected
    assert "weekly" in found.values()
