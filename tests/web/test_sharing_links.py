"""What the mails of sharing lead to: confirm, never again, not me. Opening does nothing, a button does it once."""

from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select

from articles import life
from core import addresses, clock, database, links, services
from core.database import db
from core.windows import Windows
from delivery import suppression
from delivery.models import Suppression
from sharing import switch
from sharing.models import ShareCount
from tests.web import friends, markup
from tests.web.readers import dump, korea_and_cuba

PAGES = ("share_confirm", "share_opt_out", "share_not_me")
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def share(app, nudged) -> bytes:
    """The key of a share whose sender was asked."""
    friends.turn()
    return friends.asked(korea_and_cuba().id, "mara@example.org", "friend@example.org", "other@sub.example.org")


def scopes(address: str) -> set[tuple[str, str]]:
    """Return in what an address is not mailed, and why."""
    db.session.rollback()
    of = Suppression.addr_hash == services.current().keyring.hash(addresses.parse(address))
    return {(one.scope, one.reason) for one in db.session.scalars(select(Suppression).where(of))}


@pytest.mark.parametrize("page", PAGES)
def test_opening_it_a_hundred_times_changes_nothing(client, share, page):
    before, path = dump(), friends.path_of(share, page)
    for _time in range(50):
        assert (client.get(path).status_code, client.head(path).status_code) == (200, 200)
    assert dump() == before


@pytest.mark.parametrize("page", PAGES)
def test_its_page_is_of_no_cache_and_no_index_sends_no_referrer_and_runs_nothing(client, share, page):
    answer = client.get(friends.path_of(share, page))
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert markup.problems(markup.read(answer.text)) == []
    assert "<script" not in answer.text


def test_the_page_that_asks_shows_friends_masked_and_neither_name_nor_note(client, share):
    text = client.get(friends.path_of(share, "share_confirm")).text
    assert "f***@e***.org" in text
    assert "o***@s***.example.org" in text or "o***@" in text
    assert "friend@" not in text
    assert "Mara" not in text


def test_the_button_sends_it_once(client, share, nudged):
    path = friends.path_of(share, "share_confirm")
    first = client.post(path)
    assert (first.status_code, friends.shares()[0].state) == (200, "confirmed")
    assert nudged
    before = dump()
    again = [client.post(path), client.get(path)]
    assert [one.status_code for one in again] == [200, 200]
    assert all("before" in one.text for one in again)
    assert dump() == before


def test_after_a_day_nothing_is_confirmed_but_the_story_can_be_sent_anew(client, share):
    path = friends.path_of(share, "share_confirm")
    with time_machine.travel(clock.utc_now() + timedelta(hours=24, seconds=1)):
        for answer in (client.get(path), client.post(path)):
            assert answer.status_code == 410
            assert "not confirmed in time" in answer.text
            assert 'name="friend_1"' in answer.text
    assert friends.shares()[0].state == "asked"


def test_when_the_switch_was_turned_meanwhile_there_is_ones_own_mail_program(client, share):
    friends.turn(switch.Mode.MAILTO)
    path = friends.path_of(share, "share_confirm")
    for answer in (client.get(path), client.post(path)):
        assert answer.status_code == 410
        assert "mailto:?subject=" in answer.text
        assert "<form" not in answer.text
    assert friends.shares()[0].state == "ended"
    friends.turn(switch.Mode.OFF)
    assert (client.get(path).status_code, client.post(path).status_code) == (404, 404)


def test_a_story_that_was_withdrawn_meanwhile_is_not_sent(client, share):
    with database.write_turn():
        life.withdraw(korea_and_cuba(), reason="It was wrong.")
        db.session.commit()
    path = friends.path_of(share, "share_confirm")
    assert (client.get(path).status_code, client.post(path).status_code) == (410, 410)
    assert friends.shares()[0].state == "asked"


@pytest.mark.parametrize(("what", "scope"), [("share", "share"), ("all", "all"), ("", "share"), ("digest:x", "share")])
def test_a_button_ends_stories_from_friends_or_all_mail_and_a_second_press_changes_nothing(client, share, what, scope):
    path = friends.path_of(share, "share_opt_out")
    assert client.post(path, data={"what": what}).status_code == 200
    assert scopes("mara@example.org") == {(scope, "left")}
    before = dump()
    assert client.post(path, data={"what": what}).status_code == 200
    assert dump() == before


def test_the_one_click_of_a_mail_program_ends_stories_from_friends_from_whatever_site(client, share):
    path = friends.path_of(share, "share_opt_out")
    answer = client.post(path, data=ONE_CLICK | {"what": "all"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, answer.headers.get("Location")) == (200, None)
    assert scopes("mara@example.org") == {("share", "left")}


def test_another_site_presses_no_other_button(client, share):
    before = dump()
    for page in PAGES:
        headers = {"Sec-Fetch-Site": "cross-site"}
        assert client.post(friends.path_of(share, page), data={"what": "all"}, headers=headers).status_code == 403
    assert dump() == before


def test_the_link_that_opts_out_never_grows_old(client, share):
    path = friends.path_of(share, "share_opt_out")
    with time_machine.travel(clock.utc_now() + timedelta(days=3650)):
        assert client.post(path).status_code == 200
    assert suppression.is_suppressed(
        services.current().keyring.hash(addresses.parse("mara@example.org")), ["share"], now=clock.utc_now()
    )


def test_not_me_ends_what_waits_and_can_be_pressed_again(client, share):
    path = friends.path_of(share, "share_not_me")
    assert [client.post(path).status_code for _time in range(2)] == [200, 200]
    assert (friends.shares()[0].state, friends.to()) == ("ended", [])
    assert client.post(friends.path_of(share, "share_confirm")).status_code == 410


# --- reads ------------------------------------------------------------------------------------------------------


@pytest.fixture
def counting(app, monkeypatch):
    """An installation whose publisher wants to know how often stories are opened from mails to friends."""
    settings = app.extensions["postrider settings"]
    made = replace(settings, sharing=replace(settings.sharing, count_reads=True))
    monkeypatch.setitem(app.extensions, "postrider settings", made)
    monkeypatch.setitem(app.extensions, "postrider windows", Windows(None))


def reads() -> list[int]:
    db.session.rollback()
    return [one.reads for one in db.session.scalars(select(ShareCount))]


def test_a_read_is_counted_once_an_hour_for_an_origin_and_only_where_a_publisher_wants_that(client, share, counting):
    path = links.path("share_read", language="en", story=korea_and_cuba().ref)
    for origin in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
        assert client.post(path, environ_overrides={"REMOTE_ADDR": origin}).status_code == 204
    assert client.post(path, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.get(path).status_code == 405
    assert reads() == [2]


def test_without_the_setting_nothing_is_counted_and_the_page_has_no_script_for_it(client, share):
    story = korea_and_cuba().ref
    assert client.post(links.path("share_read", language="en", story=story)).status_code == 204
    assert reads() == []
    assert "friend.js" not in client.get(links.path("story", language="en", story=story)).text


@pytest.mark.xdist_group("browser")
def test_a_browser_counts_a_story_from_a_friends_mail_and_takes_the_mark_away(served, share, counting, page):
    story = served + links.path("story", language="en", story=korea_and_cuba().ref)
    db.session.rollback()
    page.goto(story)
    with page.expect_request(lambda asked: asked.method == "POST") as told:
        page.goto(f"{story}#from-a-friend")
        page.reload()
    assert told.value.response().status == 204
    assert page.url == story
    assert reads() == [1]
