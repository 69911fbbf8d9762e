"""The preference centre in a real browser: on a phone, by keyboard alone, with and without JavaScript."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.journeys import houses, readers
from tests.journeys.houses import House

PHONE = {"width": 390, "height": 844}
NARROW = {"width": 320, "height": 640}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One local service for all visitors of this module."""
    with houses.local(tmp_path_factory.mktemp("preferences")) as running:
        yield running


def preferences_of(house: House, address: str, *digests: str, language: str = "en") -> str:
    """Subscribe somebody; return the link to their preferences."""
    readers.subscribe(house, address, *digests, language=language)
    (mail,) = house.wait_for_mails(1, to=address)
    assert house.post(readers.link_to(mail, "confirm"), []).status == 200
    return readers.link_to(house.wait_for_mails(2, to=address)[1], "preferences")


def fold(page: Page, name: str) -> None:
    page.locator("summary", has_text=name).click()


def said(page: Page) -> str:
    return page.get_by_role("main").inner_text()


@pytest.mark.parametrize("java_script", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_everything_is_changed_paused_taken_back_and_kept(
    house: House, new_page: Callable[..., Page], assert_accessible: Callable[[Page], None], java_script: bool
) -> None:
    page = new_page(java_script_enabled=java_script, timezone_id="Asia/Tokyo", viewport=PHONE)
    link = preferences_of(house, f"centre-{java_script}@example.org".lower(), "asia-daily")
    page.goto(link)
    page.get_by_role("button", name="Fewer of Asia Daily").click()
    expect(page.get_by_role("status")).to_contain_text("Once a week (Saturday)")
    page.get_by_role("button", name="Take it back").click()
    expect(page.get_by_role("heading", level=2).first).to_contain_text("every day")

    page.get_by_role("link", name="Topics of Asia Daily").click()
    page.get_by_label("Cuba").check()
    fold(page, "When")
    page.get_by_label("Monday to Friday").check()
    page.get_by_label("Hour").select_option("18")
    fold(page, "Breaking news")
    page.get_by_label("At most one a day").check()
    fold(page, "Length and form")
    page.get_by_label("5 stories").check()
    if not java_script:
        page.get_by_role("button", name="Show me").click()
    preview = page.get_by_role("complementary")
    expect(preview).to_contain_text("South Korea and Cuba establish diplomatic relations")
    expect(page.locator("#sentence")).to_contain_text("Asia Daily, weekdays, by 18:00 in Rome, on Cuba")
    expect(page.locator("#now-look")).to_contain_text("5 stories")
    if java_script:
        assert_accessible(page)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=2).first).to_contain_text("weekdays, by 18:00 in Rome, on Cuba")
    expect(page.get_by_role("status")).to_contain_text("Breaking news: At most one a day – before: None")

    page.get_by_role("link", name=re.compile("Pause Asia Daily")).click()
    page.get_by_role("button", name="Two weeks").click()
    expect(page.get_by_role("main")).to_contain_text("You have paused all mail.")
    page.get_by_role("button", name="Send me mail again now").click()
    expect(page.get_by_role("main")).not_to_contain_text("You have paused all mail.")

    fold(page, "After a pause")
    page.get_by_label(re.compile("ten best stories")).check()
    fold(page, "Stories from friends")
    page.get_by_label("No stories from friends").check()
    fold(page, "Languages")
    page.get_by_label("Language 1").select_option("ar")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("html")).to_have_attribute("lang", "ar")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_topic_is_found_chosen_and_saved_by_keyboard_alone(house: House, new_page: Callable[..., Page]) -> None:
    page = new_page(viewport=NARROW)
    page.goto(preferences_of(house, "keys@example.org", "asia-daily"))
    press_until(page, "Topics of Asia Daily")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("open=topics"))
    press_until(page, "Find a topic or a country")
    page.keyboard.type("cub")
    expect(page.get_by_label("Cuba")).to_be_visible()
    expect(page.get_by_label("Japan")).to_be_hidden()
    page.keyboard.press("Enter")
    assert "open=topics" in page.url, "Enter in the search field saves nothing"
    press_until(page, "Cuba")
    page.keyboard.press("Space")
    expect(page.locator("#now-topics")).to_have_text("Cuba")
    expect(page.get_by_label("Cuba")).to_be_focused()
    press_until(page, "Save")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=2).first).to_contain_text("on Cuba")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "status", "it is read out what was changed"


def press_until(page: Page, name: str) -> None:
    """Press Tab until the focus is on what is called so."""
    for _step in range(80):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            "(e => (e.getAttribute('aria-label') || (e.labels && e.labels[0] || e).textContent).trim())"
            "(document.activeElement)"
        )
        if focused == name:
            return
    raise AssertionError(f"{name} cannot be reached by keyboard")


def test_the_zone_of_the_device_is_offered_and_any_other_can_be_typed(
    house: House, new_page: Callable[..., Page]
) -> None:
    page = new_page(timezone_id="Asia/Tokyo")
    page.goto(preferences_of(house, "zone@example.org", "asia-daily"))
    page.get_by_role("link", name="Time of Asia Daily").click()
    expect(page.get_by_label("Time zone")).to_have_value("Europe/Rome")
    page.get_by_role("button", name="Take the time zone of this device: Asia/Tokyo").click()
    expect(page.locator("#sentence")).to_contain_text("by 07:00 in Tokyo")
    expect(page.get_by_role("button", name=re.compile("this device"))).to_be_hidden()
    page.get_by_label("Time zone").fill("Mars/Olympus")
    page.get_by_label("Time zone").blur()
    expect(page.locator("#preview")).to_contain_text("We do not know this time zone.")
    page.get_by_label("Time zone").fill("Asia/Kathmandu")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=2).first).to_contain_text("in Kathmandu")


def test_a_change_made_on_another_device_is_shown_and_saved_over(
    house: House, new_page: Callable[..., Page], assert_accessible: Callable[[Page], None]
) -> None:
    link = preferences_of(house, "two@example.org", "asia-daily")
    phone, desk = new_page(viewport=PHONE), new_page()
    for page in (phone, desk):
        page.goto(link)
        page.get_by_role("link", name="Time of Asia Daily").click()
    desk.get_by_label("Monday to Friday").check()
    desk.get_by_role("button", name="Save").click()
    expect(desk.get_by_role("heading", level=2).first).to_contain_text("weekdays")
    phone.get_by_label("Hour").select_option("21")
    phone.get_by_role("button", name="Save").click()
    expect(phone.get_by_role("alert")).to_be_focused()
    expect(phone.get_by_role("row", name="How often Every day Monday to Friday")).to_be_visible()
    assert_accessible(phone)
    phone.get_by_role("button", name="Save anyway").click()
    expect(phone.get_by_role("heading", level=2).first).to_contain_text("every day, by 21:00")


@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("ar", "dark")])
def test_every_fold_is_for_everybody_and_never_scrolls_sideways(
    house: House, new_page: Callable[..., Page], assert_accessible: Callable[[Page], None], language: str, scheme: str
) -> None:
    page = new_page(viewport=NARROW, color_scheme=scheme, locale=language)
    digest = "asia-daily" if language == "en" else "asia-arabic"
    link = preferences_of(house, f"{language}-{scheme}@example.org", digest, language=language)
    page.goto(link)
    choices = page.locator("a.button").first.get_attribute("href")
    for path in (link, f"{house.site}{choices}"):
        page.goto(path)
        for folded in page.locator("details").all():
            folded.locator("summary").click()
        if path != link:
            page.locator("aside button").click()
            expect(page.locator(".headlines")).to_be_visible()
        assert page.locator("html").get_attribute("dir") == ("rtl" if language == "ar" else "ltr")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        assert_accessible(page)


def test_the_script_s_styles_and_evaluation_are_off_so_that_the_policy_stays_strict(house: House, page: Page) -> None:
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.goto(preferences_of(house, "policy@example.org", "asia-daily"))
    page.get_by_role("link", name="Topics of Asia Daily").click()
    page.get_by_label("Cuba").check()
    expect(page.locator("#now-topics")).to_have_text("Cuba")
    assert page.evaluate("[htmx.config.allowEval, htmx.config.includeIndicatorStyles]") == [False, False]
    assert told == []
