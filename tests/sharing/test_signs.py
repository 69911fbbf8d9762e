"""Bad signs turn the switch back to `mailto`, end what waits, and are told; and who turns it is kept."""

from dataclasses import asdict

import pytest
from sqlalchemy import update

from core import alerts, byus, errors, shares
from core.database import db
from delivery.models import Delivery, Lane
from sharing import senders, signs, switch
from sharing.models import ShareSwitch
from sharing.switch import Mode
from tests.digests.house import NOW
from tests.sharing.desk import MINUTE, WIDE, Desk, address


def sent(desk: Desk, count: int, **came_back: object) -> None:
    """Have that many mails to friends handed over, and all that were come back like this."""
    article = desk.article()
    for number in range(0, count, 3):
        friends = [f"f{number + one}@example.org" for one in range(min(3, count - number))]
        desk.post(desk.wish(article, *friends), desk.reader())
    desk.work()
    with desk.services_turn():
        mine = update(Delivery).where(Delivery.lane == Lane.SHARE)
        left = {"state": "sent", "epoch": 1, "attempts": 1, "address_sealed": None, "done_at": NOW, "dated_at": NOW}
        db.session.execute(mine.values(**left, intent_at=NOW + MINUTE, **came_back))


def told(desk: Desk) -> list[str]:
    db.session.rollback()
    return [one.text for one in alerts.standing(db.session.connection()) if one.key == switch.ALERT]


def test_a_complaint_turns_the_switch_back_and_operators_are_told(desk: Desk):
    sent(desk, 1, returned_as="complaint", returned_at=NOW)
    desk.post(desk.wish(desk.article(), "jo@example.org"), desk.reader())
    desk.work(at=NOW + 2 * MINUTE)
    assert switch.mode() is Mode.MAILTO
    assert [share.state for share in desk.shares()] == ["queued", "ended"]
    (text,) = told(desk)
    assert "A friend called such a mail spam." in text
    assert desk.all(ShareSwitch, "who") == ["Ada", ""]


def test_it_is_looked_at_anew_from_when_it_is_turned_on_again(desk: Desk):
    sent(desk, 1, returned_as="complaint", returned_at=NOW)
    desk.work(at=NOW + 2 * MINUTE)
    desk.turn(Mode.VERIFIED, at=NOW + 3 * MINUTE)
    desk.work(at=NOW + 4 * MINUTE)
    assert switch.mode() is Mode.VERIFIED
    assert told(desk) == []


@pytest.mark.parametrize(("count", "mode"), [(9, Mode.VERIFIED), (10, Mode.MAILTO)])
def test_ten_hard_bounces_of_the_last_two_hundred_turn_it_back(desk: Desk, count: int, mode: Mode):
    sent(desk, count, returned_as="hard", returned_at=NOW)
    desk.work(at=NOW + 2 * MINUTE)
    assert switch.mode() is mode


@pytest.mark.parametrize(("limit", "name"), [("burst", "sharing.burst"), ("stop_day", "sharing.stop_day")])
def test_more_friends_than_the_publisher_wants_turn_it_back(desk: Desk, limit: str, name: str):
    given, later = shares.read_shares({"sharing": asdict(WIDE) | {limit: 5}}), NOW + MINUTE
    for number in range(2):
        friends = [f"f{number}{one}@example.org" for one in range(3)]
        desk.post(desk.wish(desk.article(), *friends), desk.reader(), at=later)
    desk.work(given=given, at=later)
    assert switch.mode() is Mode.MAILTO and name in told(desk)[0]
    assert desk.mails() == []


@pytest.mark.parametrize(("limit", "name"), [("burst", "sharing.burst"), ("stop_day", "sharing.stop_day")])
def test_more_questions_than_the_publisher_wants_turn_it_back_though_nobody_confirms(desk: Desk, limit: str, name: str):
    given, later = shares.read_shares({"sharing": asdict(WIDE) | {limit: 5}}), NOW + MINUTE
    for number in range(6):
        stranger = senders.stranger(address(f"s{number}@example.org"))
        desk.post(desk.wish(desk.article(), "jo@example.org"), stranger, at=later)
    desk.work(given=given, at=later)
    assert switch.mode() is Mode.VERIFIED
    desk.work(given=given, at=later + MINUTE)
    assert switch.mode() is Mode.MAILTO and name in told(desk)[0] and "6 people were asked" in told(desk)[0]


def test_a_stop_of_the_post_office_turns_it_back(desk: Desk):
    stopped = alerts.trouble("stopped:share:bounces:2026-03-02", what="Too much mail of share", how_much="x", cure="y")
    with desk.services_turn():
        alerts.raise_alert(db.session.connection(), stopped, NOW)
    desk.work()
    assert switch.mode() is Mode.MAILTO


def test_without_signs_nothing_is_turned(desk: Desk):
    sent(desk, 3)
    desk.work(at=NOW + 2 * MINUTE)
    assert switch.mode() is Mode.VERIFIED and signs.look(now=NOW).mails == 3


def test_it_stands_at_mailto_until_somebody_turns_it_and_the_mails_know_of_it(house):
    desk = Desk(house)
    assert switch.standing() == switch.Standing(Mode.MAILTO, None, "", "", None)
    for mode in (Mode.VERIFIED, Mode.OFF, Mode.VERIFIED, Mode.MAILTO):
        desk.turn(mode)
        assert switch.mode() is mode
        assert byus.are_sent(db.session) is (mode is Mode.VERIFIED)
        db.session.rollback()
    assert [one.accepted for one in switch.turns(10)] == [None, switch.NOTICE_VERSION, None, switch.NOTICE_VERSION]


@pytest.mark.parametrize(
    ("who", "accepted"), [("", switch.NOTICE_VERSION), ("A\nB", switch.NOTICE_VERSION), ("Ada", None), ("Ada", "2020")]
)
def test_nobody_turns_it_to_verified_without_a_name_and_the_notice(one_desk: Desk, who: str, accepted: str | None):
    with pytest.raises(errors.Invalid):
        switch.turn(Mode.VERIFIED, who=who, accepted=accepted, now=NOW)
