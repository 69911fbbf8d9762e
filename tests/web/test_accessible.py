"""The pages in a real browser: what axe finds, whether they fit a narrow screen, and what the two scripts do."""

import threading
from collections.abc import Iterator

import pytest
from werkzeug.serving import make_server

from articles import shelf
from core import links
from core.database import db
from tests.web.readers import korea_and_cuba

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture
def served(app) -> Iterator[str]:
    """The address at which the site can be visited."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def paths(readers):
    """The paths of all kinds of pages, by language."""
    found = {}
    for language, digests in (("en", ("asia-daily", "asia-arabic")), ("ar", ("asia-arabic",))):
        reader = readers.join(f"reader@{language}.example", digests=digests, language=language, topics=("kr", "cu"))
        story = korea_and_cuba() if language == "en" else shelf.versions(korea_and_cuba())[0]
        pages = [links.path(name, language=language) for name in ("front", "topics", "subscribe", "fresh_link")]
        pages += [links.path(name, language=language, story=story.ref) for name in ("story", "print", "share")]
        pages += [reader.preferences, reader.choices(digests[0]), reader.links(digest=digests[0])[1], reader.confirm]
        pages += [links.path("subscribe", language=language) + "?topics=kr,cu", "/preferences/t/damaged"]
        pages.append(reader.preferences.replace("/preferences/", "/why/"))
        pages.append(readers.ask(f"new@{language}.example", digests=digests, language=language))
        found[language] = pages
    db.session.rollback()
    return found


@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("ar", "dark")])
def test_every_page_can_be_used_by_everybody(served, paths, new_page, assert_accessible, language, scheme):
    page = new_page(viewport={"width": 320, "height": 640}, color_scheme=scheme, locale=language)
    for path in paths[language]:
        page.goto(served + path)
        assert_accessible(page)
        too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(too_wide) == 0, path


def test_a_form_with_faults_brings_the_reader_to_them(served, new_page, assert_accessible):
    page = new_page(viewport={"width": 390, "height": 844})
    page.goto(served + "/en/subscribe")
    page.fill("#email", "reader@")
    page.click("main button")
    page.wait_for_function("document.activeElement.getAttribute('role') == 'alert'")
    assert_accessible(page)
    page.click("[role=alert] a")
    assert page.evaluate("document.activeElement.id") == "email"


def test_the_keyboard_reaches_the_content_first(served, page):
    page.goto(served + "/en/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_the_browser_s_time_zone_is_proposed_unasked(served, new_page):
    page = new_page(timezone_id="Asia/Kathmandu")
    page.goto(served + "/en/subscribe")
    assert page.input_value("[name=zone]") in ("Asia/Kathmandu", "Asia/Katmandu")


def test_the_link_to_a_story_is_copied_with_one_button(served, app, new_page):
    page = new_page(permissions=["clipboard-read", "clipboard-write"])
    page.goto(served + links.path("share", language="en", story=korea_and_cuba().ref))
    page.click("text=Copy the link")
    page.wait_for_selector("text=The link was copied.")
    assert page.evaluate("navigator.clipboard.readText()") == page.input_value("#link")


def test_without_scripts_no_button_is_shown_that_needs_one(served, app, new_page):
    page = new_page(java_script_enabled=False)
    page.goto(served + links.path("share", language="en", story=korea_and_cuba().ref))
    assert page.locator("button:visible").count() == 0
    assert page.locator("a:visible", has_text="Write the e-mail").count() == 1
