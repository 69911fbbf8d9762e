"""The pages in a real browser: what axe finds, whether they fit a narrow screen, and what the two scripts do."""

import pytest

from articles import shelf
from core import links
from core.database import db
from tests.web import doors
from tests.web.readers import korea_and_cuba

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture
def paths(readers):
    """The paths of all kinds of pages, by language."""
    found = {}
    for language, digests in (("en", ("asia-daily", "asia-arabic")), ("ar", ("asia-arabic",))):
        reader = readers.join(f"reader@{language}.example", digests=digests, language=language, topics=("kr", "cu"))
        story = korea_and_cuba() if language == "en" else shelf.versions(korea_and_cuba())[0]
        pages = [
            links.path(name, language=language)
            for name in ("front", "topics", "search", "subscribe", "fresh_link", "frame", "embed")
        ]
        pages += [links.path(name, language=language, story=story.ref) for name in ("story", "print", "share")]
        pages += [reader.preferences, reader.choices(digests[0]), reader.links(digest=digests[0])[1], reader.confirm]
        pages += [links.path("subscribe", language=language) + "?topics=kr,cu", "/preferences/t/damaged"]
        pages += [
            links.path("search", language=language) + "?q=cuba+كوبا&to=nothing",
            links.path("search", language=language) + "?q=cuba+كوبا",
        ]
        pages.append(reader.preferences.replace("/preferences/", "/why/"))
        pages.append(readers.ask(f"new@{language}.example", digests=digests, language=language))
        house = doors.built(readers, f"house@{language}.example", language=language)
        pages += [house.path(page) for page in ("undo", "undo_one", "not_me", "address", "confirm_address")]
        pages += [house.path(page) for page in ("unsubscribe", "unsubscribe_all")]
        pages += [house.path(page) for page in ("share_as", "share_confirm", "share_opt_out", "share_not_me")]
        pages += [house.path("share_as") + "?sent", links.path("share", language=language, story=house.story) + "?sent"]
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


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_reader_leaves_says_why_comes_back_and_renews_their_links(
    served, readers, new_page, assert_accessible, nudged, scripts
):
    page = new_page(viewport={"width": 320, "height": 640}, java_script_enabled=scripts)
    house = doors.built(readers)

    def look(words: str) -> None:
        assert words in page.inner_text("main")
        if scripts:
            assert_accessible(page)

    page.goto(served + house.path("unsubscribe"))
    page.click("text=Once a week instead")
    look("comes once a week now")
    page.click("text=Undo: send it again as before")
    look("This was taken back")
    page.goto(served + house.path("unsubscribe"))
    page.click("text=Yes, stop it")
    look("is not sent to")
    page.check("text=Too many mails")
    page.click("text=Send the reason")
    look("Your reason was counted")
    page.goto(served + house.path("undo"))
    look("was stopped.")
    page.click("text=Take it back")
    look("This was taken back")
    page.goto(served + house.path("not_me"))
    page.click("text=Renew all my links")
    look("What was changed lately")


def test_a_reader_changes_the_address_and_takes_it_back(served, readers, new_page, assert_accessible, nudged):
    page = new_page(viewport={"width": 320, "height": 640})
    house = doors.built(readers)
    page.goto(served + house.path("address"))
    page.fill("#email", "no address")
    page.click("text=Send a mail to the new address")
    assert_accessible(page)
    page.fill("#email", "other@example.org")
    page.click("text=Send a mail to the new address")
    assert "a mail is on its way to it" in page.inner_text("main")
    page.goto(served + house.path("confirm_address"))
    page.click("text=Yes, send them here")
    assert "Your digests come to the new address" in page.inner_text("main")
    assert_accessible(page)
    page.goto(served + house.path("unsubscribe", version=house.reader.version))
    assert_accessible(page)
    page.goto(served + house.path("undo", version=house.reader.version))
    assert_accessible(page)
    page.click("text=Yes, send it here again")
    assert "Mail comes to your old address again." in page.inner_text("main")
    assert_accessible(page)


def test_a_form_with_faults_brings_the_reader_to_them(served, new_page, assert_accessible):
    page = new_page(viewport={"width": 390, "height": 844})
    page.goto(served + "/en/subscribe")
    page.fill("#email", "reader@")
    page.click("main button.button-main")
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
