"""The whole path of a reader in a real browser: on a phone, with and without JavaScript, and by the keys alone.

Sign up, confirm, change, pause, move to another address, take that back, leave, and take that back.
"""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.journeys import houses, readers
from tests.journeys.hands import Finger, Hand, Keys
from tests.journeys.houses import House
from tests.journeys.test_browser import PACE_MS, PHONE

pytestmark = pytest.mark.xdist_group("whole path")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One local service for all visitors of this module."""
    with houses.local(tmp_path_factory.mktemp("path")) as running:
        yield running


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (Finger, {"viewport": PHONE, "has_touch": True}),
        (Finger, {"viewport": PHONE, "java_script_enabled": False}),
        (Keys, {"viewport": PHONE}),
    ],
    ids=["on a phone", "without JavaScript", "by keyboard alone"],
)
def test_a_reader_signs_up_changes_pauses_moves_leaves_and_takes_it_back(
    house: House,
    new_page: Callable[..., Page],
    assert_accessible: Callable[[Page], None],
    kind: Callable[[Page], Hand],
    options: dict[str, object],
    request: pytest.FixtureRequest,
) -> None:
    page = new_page(**options)
    hand, scripts = kind(page), options.get("java_script_enabled", True)
    name = re.sub(r"\W+", "-", request.node.callspec.id)
    address, other = f"{name}@example.org", f"{name}@example.net"

    def sees(words: str) -> None:
        expect(page.get_by_role("main")).to_contain_text(words)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), page.url
        if scripts:
            assert_accessible(page)

    page.goto(f"{house.site}/en/subscribe")
    hand.type("Your e-mail address", address)
    page.wait_for_timeout(PACE_MS)
    hand.press("Subscribe")
    sees("Check your inbox")
    (asked,) = house.wait_for_mails(1, to=address)
    page.goto(readers.link_to(asked, "confirm"))
    if not scripts:  # with scripts the browser that signed up presses it by itself
        hand.press("Yes, subscribe me")
    sees("Welcome!")
    first = house.wait_for_mails(2, to=address)[1]

    page.goto(readers.link_to(first, "preferences"))
    hand.press("Topics of Asia Daily")
    hand.tick("Cuba")
    hand.press("Save")
    sees("on Cuba")
    hand.press("Pause Asia Daily and all else")
    hand.press("Two weeks")
    sees("You have paused all mail.")
    hand.press("Send me mail again now")
    expect(page.get_by_role("main")).not_to_contain_text("You have paused all mail.")

    hand.press("Change your address")
    hand.type("Your new e-mail address", other)
    hand.press("Send a mail to the new address")
    sees("a mail is on its way to it")
    (moving,) = house.wait_for_mails(1, to=other)
    page.goto(readers.link_to(moving, "address"))
    hand.press("Yes, send them here")
    sees("Your digests come to the new address")
    told = house.wait_for_mails(3, to=address)[2]
    page.goto(readers.link_to(told, "undo"))
    hand.press("Yes, send it here again")
    sees("Mail comes to your old address again.")

    page.goto(readers.link_to(first, "unsubscribe"))
    hand.press("Yes, stop it")
    sees("is not sent to")
    hand.press("Undo: send it again as before")
    sees("This was taken back")
    page.goto(readers.link_to(first, "unsubscribe"))
    sees("Shall we stop sending Asia Daily to")
