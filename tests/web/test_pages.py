"""What holds for every page: sound HTML, a language, headers, own resources only, and that looking changes nothing."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from articles import shelf
from core import clock, links, services
from core.links import PATHS
from tests.web import markup
from tests.web.readers import dump, korea_and_cuba

SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
}
OPEN = {"Referrer-Policy": "strict-origin-when-cross-origin"}
PERSONAL = {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
CACHED = ["front", "topics", "topic", "story", "print", "share", "day"]


@pytest.fixture
def addresses(app, readers):
    """The path of every page there is, by its name in PATHS, as (path, language, status)."""
    reader = readers.join("reader@example.org", digests=("asia-daily", "asia-arabic"))
    arab = readers.join("qari@example.org", digests=("asia-arabic",), language="ar")
    story = korea_and_cuba()
    pages = {}
    for language in ("en", "ar"):
        ref = next(version.ref for version in _versions(story) if version.language == language)
        for name in ("front", "topics", "subscribe", "check_inbox", "fresh_link"):
            pages[f"{name} {language}"] = (links.path(name, language=language), language, 200)
        for name in ("story", "print", "share"):
            pages[f"{name} {language}"] = (links.path(name, language=language, story=ref), language, 200)
        pages[f"topic {language}"] = (links.path("topic", language=language, topic="diplomacy"), language, 200)
        for name, day in (("day", story.published_at.date().isoformat()), ("day empty", "2001-02-03")):
            pages[f"{name} {language}"] = (links.path("day", language=language, day=day), language, 200)
        pages[f"not found {language}"] = (f"/{language}/nothing", language, 404)
        pages[f"check_inbox link {language}"] = (pages[f"check_inbox {language}"][0] + "?link", language, 200)
        pages[f"subscribe topics {language}"] = (pages[f"subscribe {language}"][0] + "?topics=kr,cu", language, 200)
    old = clock.utc_now() - timedelta(days=8)
    pages |= {
        "confirm": (readers.ask("new@example.org", digests=("asia-daily", "asia-arabic")), "en", 200),
        "confirm ar": (readers.ask("jadid@example.org", language="ar"), "ar", 200),
        "confirm again": (reader.confirm, "en", 200),
        "confirm too old": (readers.ask("old@example.org", at=old), "en", 410),
        "preferences": (reader.preferences, "en", 200),
        "preferences saved": (reader.preferences + "?saved", "en", 200),
        "preferences ar": (arab.preferences, "ar", 200),
        "preferences too old": (reader.links(days_ago=91)[0], "en", 410),
        "preferences damaged": (reader.preferences[:-1] + "_", "en", 404),
        "why": (reader.preferences.replace("/preferences/", "/why/"), "en", 200),
        "why ar": (arab.preferences.replace("/preferences/", "/why/"), "ar", 200),
        "why too old": (reader.links(days_ago=91)[0].replace("/preferences/", "/why/"), "en", 410),
        "preferences same": (reader.preferences + "?same", "en", 200),
        "preferences pause": (reader.preferences + "?open=pause", "en", 200),
        "choices": (reader.choices(), "en", 200),
        "choices open": (reader.choices() + "?open=time", "en", 200),
        "choices ar": (arab.choices("asia-arabic"), "ar", 200),
        "unsubscribe": (reader.unsubscribe, "en", 200),
        "unsubscribe ar": (arab.links(digest="asia-arabic")[1], "ar", 200),
        "unsubscribe_all": (reader.leave_all, "en", 200),
    }
    return pages


def _versions(story):
    return [story, *shelf.versions(story)]


def test_every_pattern_of_paths_is_a_route_and_every_route_with_a_token_is_a_pattern(app):
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    assert set(PATHS.values()) <= rules
    assert rules - set(PATHS.values()) == {
        *("/", "/health/live", "/health/ready", "/metrics"),
        "/static/<path:filename>",
    }


def test_a_route_either_shows_or_changes_never_both(app):
    for rule in app.url_map.iter_rules():
        assert rule.methods in ({"GET", "HEAD", "OPTIONS"}, {"POST", "OPTIONS"}), rule


def test_every_page_is_sound_html_in_its_language_with_its_headers(client, addresses):
    for name, (path, language, status) in addresses.items():
        answer = client.get(path)
        assert answer.status_code == status, (name, path)
        page = markup.read(answer.text)
        assert markup.problems(page) == [], name
        html = page.one("html").attrs
        assert (html["lang"], html["dir"]) == (language, "rtl" if language == "ar" else "ltr"), name
        for header, value in (SECURITY | (PERSONAL if "/t/" in path else OPEN)).items():
            assert answer.headers[header] == value, (name, header)
        assert "Set-Cookie" not in answer.headers
        assert "Strict-Transport-Security" not in answer.headers
        cached = name.split()[0] in CACHED
        assert answer.headers["Cache-Control"] == ("public, max-age=60" if cached else "no-store"), name
        assert ("ETag" in answer.headers) == cached, name


def test_every_page_has_a_way_past_the_masthead_and_names_its_landmarks(client, addresses):
    for name, (path, _language, _status) in addresses.items():
        page = markup.read(client.get(path).text)
        landmarks = [element.tag for element in page.elements if element.tag in ("header", "main", "footer")]
        assert landmarks == ["header", "main", "footer"], name
        if not name.startswith("print"):
            assert page.all("a")[0].attrs["href"] == "#main"
            assert all(nav.attrs.get("aria-label") for nav in page.all("nav")), name


def test_looking_at_any_page_three_times_changes_no_row(client, addresses):
    before = dump()
    for path, _language, _status in addresses.values():
        for _time in range(3):
            client.get(path)
            client.head(path)
            client.options(path)
    assert dump() == before


def test_no_page_of_a_token_says_the_token_s_address_in_full(client, addresses):
    for name, (path, _language, _status) in addresses.items():
        assert not re.search(r"(reader|qari|new|jadid|old)@example\.org", client.get(path).text), name


def test_a_page_that_has_not_changed_is_not_sent_again(client, addresses):
    for name in CACHED:
        path = addresses[f"{name} en"][0]
        first = client.get(path)
        second = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert (second.status_code, second.data) == (304, b"")
        assert second.headers["Content-Security-Policy"]


def test_a_host_that_was_made_up_is_named_nowhere(client, addresses):
    for name, (path, _language, _status) in addresses.items():
        answer = client.get(path, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
        assert "evil.example" not in answer.text, name
    for path in ("/", "/en", "//evil.example/", "/en//topics", "/static", "/en/topics/"):
        answer = client.get(path, headers={"Host": "evil.example"})
        assert "evil.example" not in answer.headers.get("Location", ""), path


def test_static_files_are_kept_for_good_because_their_addresses_change_with_them(client):
    page = markup.read(client.get("/en/").text)
    sheets = [link.attrs["href"] for link in page.all("link") if link.attrs["rel"] in ("stylesheet", "icon")]
    assert len(sheets) == 3
    for address in sheets:
        with client.get(address) as answer:
            assert answer.status_code == 200
            assert "immutable" in answer.headers["Cache-Control"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
    with client.get("/static/postrider.css") as answer:
        assert answer.headers["Cache-Control"] == "no-cache"


def test_a_site_on_https_asks_browsers_to_stay_there(app, client, monkeypatch):
    here = services.current()
    secure = replace(here, links=replace(here.links, base_url="https://news.example.org"))
    monkeypatch.setitem(app.extensions, "postrider", secure)
    for path in ("/", "/en/", "/health/live", "/en/nothing"):
        assert client.get(path).headers["Strict-Transport-Security"] == "max-age=31536000"
    assert 'rel="canonical" href="https://news.example.org/en/"' in client.get("/en/").text
