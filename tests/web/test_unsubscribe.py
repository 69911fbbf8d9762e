"""Leaving: a button for people, one click for mail programs."""

import re
from datetime import timedelta

import pytest
import time_machine

from core import clock
from core.database import db
from delivery import suppression
from tests.web import markup
from tests.web.readers import dump

ONE_CLICK = b"List-Unsubscribe=One-Click"
MULTIPART = (
    b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n',
    "multipart/form-data; boundary=x",
)
URLENCODED = (ONE_CLICK, "application/x-www-form-urlencoded")


@pytest.fixture
def both(readers):
    """A reader of both digests."""
    return readers.join("reader@example.org", digests=("asia-daily", "asia-arabic"))


def suppressed(reader, digest="asia-daily"):
    return suppression.is_suppressed(reader.row.addr_hash, [f"digest:{digest}"], now=clock.utc_now())


def test_opening_the_link_asks_with_one_button(client, both):
    page = markup.read(client.get(both.unsubscribe).text)
    assert [button.text for button in page.all("button")][0] == "Yes, stop it"
    assert {form.attrs["action"] for form in page.all("form")} == {both.unsubscribe}
    assert "Shall we stop sending" in client.get(both.unsubscribe).text
    assert not suppressed(both)


def test_pressing_the_button_leaves_that_digest_and_offers_to_stop_everything(client, both):
    answer = client.post(both.unsubscribe)
    assert answer.status_code == 200
    assert "is not sent to" in answer.text
    assert suppressed(both)
    assert not suppressed(both, "asia-arabic")
    (everything,) = re.findall(r'<form method="post" action="(/unsubscribe/t/[^"]+)"', answer.text)
    assert "No digest is sent to" in client.post(everything).text
    assert suppressed(both, "asia-arabic")


def test_a_way_back_is_offered(client, both):
    answer = client.post(both.unsubscribe)
    assert 'href="/en/subscribe?digests=asia-daily"' in answer.text
    page = markup.read(client.get("/en/subscribe?digests=asia-daily").text)
    boxes = [f for f in page.all("input") if f.attrs.get("name") == "digests"]
    assert [box.attrs["value"] for box in boxes if "checked" in box.attrs] == ["asia-daily"]


@pytest.mark.parametrize(("body", "kind"), [URLENCODED, MULTIPART], ids=["urlencoded", "multipart"])
@pytest.mark.parametrize("site", [None, "cross-site"])
def test_one_click_leaves_from_anywhere_without_a_cookie_and_as_often_as_it_comes(client, both, body, kind, site):
    headers = {"Sec-Fetch-Site": site} if site else {}
    for path in (both.unsubscribe, both.leave_all):
        for _time in range(2):
            answer = client.post(path, data=body, content_type=kind, headers=headers)
            assert answer.status_code == 200
            assert "Location" not in answer.headers
            assert "Set-Cookie" not in answer.headers
            after = dump()
        client.post(path, data=body, content_type=kind, headers=headers)
        assert dump() == after
    assert suppressed(both)


@pytest.mark.parametrize("more", [{"instead": "pause"}, {"reason": "other"}], ids=str)
def test_a_page_of_another_site_can_press_no_other_button(client, both, more):
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert client.post(both.unsubscribe, data=more, headers=foreign).status_code == 403
    client.post(both.unsubscribe, data={"List-Unsubscribe": "One-Click", **more}, headers=foreign)
    assert both.row.paused_until is None
    assert suppressed(both)


def test_a_link_to_leave_works_for_ever(client, both):
    _preferences, years_old = both.links(days_ago=900)
    both.row.link_version += 1
    db.session.commit()
    assert client.post(years_old, data=ONE_CLICK, content_type=URLENCODED[1]).status_code == 200
    assert suppressed(both)


def test_whoever_has_left_already_is_told_so(client, both):
    client.post(both.unsubscribe)
    text = client.get(both.unsubscribe).text
    assert "You have unsubscribed" in text
    assert "Yes, stop it" not in text


def test_the_link_offers_the_way_back_for_as_long_as_there_is_one(client, both):
    client.post(both.unsubscribe)
    (undo,) = re.findall(r'<form method="post" action="(/undo/[^"]+)"', client.get(both.unsubscribe).text)
    assert "Would you tell us why?" in client.get(both.unsubscribe).text
    with time_machine.travel(clock.utc_now() + timedelta(hours=25)):
        assert "/undo/" not in client.get(both.unsubscribe).text
    assert client.post(undo).status_code == 200
    assert not suppressed(both)
    assert "Yes, stop it" in client.get(both.unsubscribe).text


def test_a_reason_is_asked_for_once(client, both):
    client.post(both.unsubscribe)
    client.post(both.unsubscribe, data={"reason": "other"})
    assert "Would you tell us why?" not in client.get(both.unsubscribe).text


def test_leaving_everything_leaves_an_overview_without_digests(client, both):
    client.post(both.leave_all)
    text = client.get(both.preferences).text
    assert "You get no digest at the moment." in text
    assert markup.problems(markup.read(text)) == []
