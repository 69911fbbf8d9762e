"""A story goes to a friend, in a real browser: from the link in a digest to the friend's inbox, and never again."""

import re
from collections.abc import Callable, Iterator
from email.message import EmailMessage

import pytest
from playwright.sync_api import Page, expect

from tests.journeys import houses, readers
from tests.journeys.hands import Finger, Hand, Keys
from tests.journeys.houses import House

PACE_MS = 2_100
"""A form that comes back faster is offered again."""
PHONE = {"width": 390, "height": 844}
OF_READERS = re.compile(r"/(preferences|unsubscribe|undo|address|why|confirm)/")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One local service for all visitors of this module; stories go by its mail, as its publisher decided."""
    with houses.local(tmp_path_factory.mktemp("sharing")) as running:
        running.flask("sharing", "switch", "verified", "--by", "Ada Moore", "--accept-notice")
        yield running


def sends_of(digest: EmailMessage) -> list[str]:
    """Return the links of a digest that send a story as its reader."""
    return list(dict.fromkeys(link for link in readers.links_of(digest) if "/send/t/" in link))


def fill(hand: Hand, name: str, *friends: str) -> None:
    """Type into the form, at the pace of a person."""
    hand.type("Your name", name)
    for label, friend in zip(("A friend’s e-mail address", "Another friend’s, if you like"), friends, strict=False):
        hand.type(label, friend)
    hand.page.wait_for_timeout(PACE_MS)


def said(page: Page) -> str:
    return page.get_by_role("main").inner_text()


def test_a_reader_sends_a_story_the_friend_wants_no_more_and_another_one_subscribes(
    house: House, new_page: Callable[..., Page], assert_accessible: Callable[[Page], None]
) -> None:
    digest = readers.join(house, "mara@example.org", "asia-daily")
    first, second = sends_of(digest)[:2]
    page = new_page(viewport=PHONE)
    hand = Finger(page)

    page.goto(first)
    headline = page.locator(".shared a").inner_text()
    assert "m***@example.org" in said(page)
    expect(page.get_by_role("link", name="Write the e-mail")).to_be_visible()
    fill(hand, "Best Casino", "friend@example.org", "second@example.org")
    hand.press("Send the story")
    expect(page.get_by_role("alert")).to_contain_text("advertisement")
    expect(page.get_by_role("textbox", name="Another friend’s, if you like")).to_have_value("second@example.org")
    assert_accessible(page)
    hand.type("Your name", "Mara")
    hand.type("Another friend’s, if you like", "")
    hand.press("Send the story")
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    assert "to protect your friend" in said(page)

    (mail,) = house.wait_for_mails(1, to="friend@example.org")
    assert (mail["Subject"], mail["Reply-To"], mail["To"]) == (headline, "mara@example.org", "friend@example.org")
    assert mail["From"].addresses[0].domain == "monsoon.example.org"
    assert "Mara" in readers.text_of(mail)
    assert "mara@example.org" in readers.text_of(mail)
    assert not OF_READERS.search(mail.as_string().replace("=\n", ""))
    assert len([link for link in readers.links_of(mail) if "/t/" in link]) == 1, "its own way out, and nobody else's"
    notice = house.wait_for_mails(3, to="mara@example.org")[2]
    assert "friend@example.org" not in readers.text_of(notice)
    assert "f***@" in readers.text_of(notice)

    friend = new_page(viewport=PHONE)
    friend.goto(readers.link_to(mail, "never"))
    Finger(friend).press("No more stories from friends")
    assert "No story that a friend sends" in said(friend)

    page.goto(second)
    fill(hand, "Mara", "friend@example.org", "third@example.org")
    hand.press("Send the story")
    # The answer is the same as before, though one of the two friends wants no more of it.
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    house.wait_for_mails(1, to="third@example.org")
    house.wait_for_mails(4, to="mara@example.org")
    assert len(house.mails("friend@example.org")) == 1

    (theirs,) = house.mails("third@example.org")
    (subscribe,) = [link for link in readers.links_of(theirs) if link.endswith("/subscribe")]
    friend.goto(subscribe)
    expect(friend.get_by_role("textbox", name="Your e-mail address")).to_have_value("")
    friend.get_by_role("textbox", name="Your e-mail address").fill("third@example.org")
    friend.wait_for_timeout(PACE_MS)
    friend.get_by_role("main").get_by_role("button", name="Subscribe").click()
    expect(friend).to_have_url(re.compile("check-your-inbox"))
    confirm = house.wait_for_mails(2, to="third@example.org")[1]
    friend.goto(readers.link_to(confirm, "confirm"))
    expect(friend.get_by_role("heading", level=1)).to_have_text("Welcome!")


@pytest.mark.parametrize("java_script", [True, False], ids=["by keyboard", "without JavaScript"])
def test_somebody_who_is_not_known_is_asked_at_their_own_mailbox_first(
    house: House, new_page: Callable[..., Page], java_script: bool
) -> None:
    page = new_page(java_script_enabled=java_script)
    sender, friend = (f"{who}-{java_script}@example.org".lower() for who in ("sender", "to"))
    hand = Keys(page) if java_script else Finger(page)
    page.goto(f"{house.site}/en/")
    page.locator("main h2 a, main h1 a").first.click()
    story = page.url
    expect(page.get_by_role("link", name=re.compile("Send to a friend"))).to_have_count(2)
    page.get_by_role("link", name=re.compile("Send to a friend")).last.click()
    hand.type("Your name", "Jürgen Groß")
    hand.type("Your e-mail address", sender)
    hand.type("A friend’s e-mail address", friend)
    page.wait_for_timeout(PACE_MS)
    if java_script:
        page.keyboard.press("Enter")
    else:
        hand.press("Send the story")
    expect(page.get_by_role("heading", level=1)).to_have_text("Look into your inbox")
    (question,) = house.wait_for_mails(1, to=sender)
    assert "Jürgen" not in question.as_string()
    assert friend not in readers.text_of(question)
    page.goto(link_of(question, "/share/confirm/"))
    assert house.mails(friend) == []
    Finger(page).press("Yes, send it")
    assert "to protect your friend" in said(page)
    (mail,) = house.wait_for_mails(1, to=friend)
    assert f"{story}#from-a-friend" in readers.links_of(mail), "the demo counts how often such stories are opened"
    page.goto(link_of(house.wait_for_mails(2, to=sender)[1], "/share/not-me/"))
    Finger(page).press("Stop it")
    assert "Nothing more goes out in your name" in said(page)


def link_of(mail: EmailMessage, path: str) -> str:
    """Return the one link of a mail that has this in it."""
    (found,) = {link for link in readers.links_of(mail) if path in link}
    return found


def test_whoever_got_the_digest_passed_on_sends_a_little_in_its_readers_name_who_is_told_and_ends_that(
    house: House, new_page: Callable[..., Page]
) -> None:
    digest = readers.join(house, "owner@example.org", "asia-daily")
    page = new_page(viewport=PHONE)
    for link in readers.links_of(digest):
        # With the scripts of each page, as somebody does who looks at everything: nothing comes of it.
        page.goto(link, wait_until="load")
    assert len(house.mails("owner@example.org")) == 2

    first, second = sends_of(digest)[:2]
    for number, link in enumerate((first, second)):
        page.goto(link)
        fill(Finger(page), "Owner", f"{number}-a@example.net", f"{number}-b@example.net")
        Finger(page).press("Send the story")
        expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    notice = house.wait_for_mails(3, to="owner@example.org")[2]
    owner = new_page()
    owner.goto(link_of(notice, "/share/not-me/"))
    Finger(owner).press("Stop it")
    assert "sends nothing any more" in said(owner)
    page.goto(first)
    assert "does not work any more for this" in said(page)
    expect(page.get_by_role("textbox", name="Your e-mail address")).to_have_value("")
