"""The reader's path in a real browser: by mouse, by keyboard, on a phone, in Arabic, with and without JavaScript."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.journeys import houses, readers
from tests.journeys.houses import House

PACE_MS = 2_100
"""A form that comes back faster is offered again."""
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One local service for all visitors of this module."""
    with houses.local(tmp_path_factory.mktemp("browser")) as running:
        yield running


def sign_up(page: Page, house: House, address: str) -> str:
    """Fill in the form in the browser, as fast as a person; return the link of the confirmation mail."""
    page.goto(f"{house.site}/en/")
    page.get_by_role("link", name="Subscribe now").click()
    page.get_by_role("textbox", name="Your e-mail address").fill(address)
    page.get_by_role("checkbox", name="Asia Daily").check()
    page.wait_for_timeout(PACE_MS)
    page.get_by_role("main").get_by_role("button", name="Subscribe").click()
    expect(page).to_have_url(re.compile("check-your-inbox"))
    (mail,) = house.wait_for_mails(1, to=address)
    return readers.link_to(mail, "confirm")


@pytest.mark.parametrize("java_script", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_subscribe_confirm_read_change_and_unsubscribe(
    house: House, new_page: Callable[..., Page], java_script: bool
) -> None:
    page = new_page(java_script_enabled=java_script, timezone_id="Asia/Tokyo", viewport=PHONE)
    address = f"browser-{java_script}@example.org".lower()
    page.goto(sign_up(page, house, address))
    if not java_script:  # else the page presses it by itself
        page.get_by_role("main").get_by_role("button").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome!")
    expect(page.get_by_role("main")).to_contain_text("Asia Daily")
    first = house.wait_for_mails(2, to=address)[1]

    page.goto(next(link for link in readers.links_of(first) if "south-korea" in link and not link.endswith("/send")))
    expect(page.get_by_role("heading", level=1)).to_have_text("South Korea and Cuba establish diplomatic relations")
    page.get_by_role("link", name="Printable version").click()
    expect(page.get_by_role("navigation")).to_have_count(0)

    page.goto(readers.link_to(first, "preferences"))
    # The browser told its zone where it could; without scripts it is the digest's own.
    expect(page.get_by_role("main")).to_contain_text("Tokyo" if java_script else "Hong Kong")
    page.get_by_role("link", name=re.compile("^Time")).first.click()
    page.get_by_label("Monday to Friday").check()
    for fold in ("Topics and countries", "Length and form"):
        page.locator("summary", has_text=fold).click()
    page.get_by_label("South Korea").check()
    page.get_by_label("Plain text only").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("main")).to_contain_text(re.compile("Monday to Friday|weekdays"))
    expect(page.get_by_role("main")).to_contain_text("South Korea")

    house.flask("demo", "tomorrow")
    if java_script:
        later = house.wait_for_mails(3, to=address)[2]
        assert later.get_content_type() == "text/plain", "text only, as chosen"
        assert "Cárdenas" in later.get_content() or "Korea" in later.get_content()

    page.goto(readers.link_to(first, "unsubscribe"))
    page.get_by_role("main").get_by_role("button").first.click()
    expect(page.get_by_role("main")).to_contain_text("Asia Daily")
    page.goto(readers.link_to(first, "preferences"))
    expect(page.get_by_role("link", name=re.compile("^Time"))).to_have_count(0)


def test_the_form_is_filled_in_and_sent_by_keyboard_alone(house: House, page: Page) -> None:
    page.goto(f"{house.site}/en/subscribe")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name=re.compile("Skip"))).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "email":
            break
    page.keyboard.type("keyboard@example.org")
    page.wait_for_timeout(PACE_MS)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("check-your-inbox"))


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_and_never_scrolls_sideways(
    house: House, new_page: Callable[..., Page], assert_accessible: Callable[[Page], None], language: str, scheme: str
) -> None:
    page = new_page(viewport={"width": 320, "height": 700}, color_scheme=scheme, locale=language)
    page.goto(f"{house.site}/{language}/")
    story = page.locator("main h2 a, main h1 a").first.get_attribute("href")
    assert story is not None
    paths = [
        "",
        "topics",
        "topics/kr",
        "subscribe",
        "subscribe/frame",
        "embed",
        "check-your-inbox",
        "fresh-link",
        "nothing-here",
    ]
    for path in (*(f"/{language}/{one}" for one in paths), story, f"{story}/send", f"{story}/print", "/confirm/t/x"):
        page.goto(path if path.startswith("http") else house.site + path)
        root = page.locator("html")
        assert (root.get_attribute("lang"), root.get_attribute("dir")) == (
            language,
            "rtl" if language == "ar" else "ltr",
        )
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        assert_accessible(page)


def test_a_mistake_is_named_beside_its_field_and_nothing_typed_is_lost(house: House, page: Page) -> None:
    page.goto(f"{house.site}/ar/subscribe")
    page.locator("form[method=post]").evaluate("form => form.noValidate = true")
    page.locator("input[name=email]").fill("not an address")
    page.locator("form[method=post] button.button-main").click()
    field = page.locator("input[name=email]")
    expect(field).to_have_value("not an address")
    expect(field).to_have_attribute("aria-invalid", "true")
    described = field.get_attribute("aria-describedby")
    assert described is not None
    assert re.search("[\u0600-\u06ff]", page.locator(f"#{described.split()[0]}").inner_text())
