"""Operators are told when what comes back is not read any more, and when it is again."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine

from core import alerts, clock
from core.database import db
from core.mailboxes import Mailbox, ReturnSettings
from returns import arrivals, troubles
from tasks import mailbox
from tests.delivery.certificates import Authority
from tests.returns.conftest import House, letter
from tests.returns.imapserver import PASSWORD, USER, ImapServer


@pytest.fixture
def server(tmp_path) -> Iterator[ImapServer]:
    with ImapServer(Authority(tmp_path, "ca").server("127.0.0.1")) as running:
        yield running


def boxes(house: House, *found: Mailbox) -> None:
    """Have the installation read these mailboxes."""
    house.settings = replace(house.settings, returns=ReturnSettings(found, house.settings.returns.desk))
    house.app.extensions["postrider settings"] = house.settings


def look(minutes: float) -> dict[str, str]:
    """Have the task look so many minutes from now; return the alerts that stand."""
    with time_machine.travel(clock.utc_now() + timedelta(minutes=minutes), tick=False):
        mailbox.read()
    db.session.rollback()
    return {one.key: one.text for one in alerts.standing(db.session.connection())}


def test_a_wrong_password_is_told_after_ten_minutes_and_is_over_when_it_is_right(house, server, tmp_path):
    ca_file = str(tmp_path / "ca.pem")
    right = Mailbox(host="127.0.0.1", port=server.port, username=USER, password=PASSWORD, ca_file=ca_file)
    boxes(house, replace(right, password="not this one"))
    assert look(0) == {} and look(9) == {}
    ((key, text),) = look(11).items()
    assert key == f"mailbox:{right.name}"
    what, how_much, cure = text.splitlines()
    assert "is not read" in what and "Look at user, password" in what and "not this one" not in text
    assert how_much.startswith("Since ") and "flask mailbox read" in cure
    boxes(house, right)
    assert look(12) == {}
    boxes(house, replace(right, password="not this one"))
    assert look(13) == {}, "it begins anew"


def test_of_a_mailbox_that_is_not_named_any_more_nothing_is_told(house, tmp_path):
    boxes(house, Mailbox(path=tmp_path / "nowhere"))
    look(0)
    assert look(11)
    boxes(house)
    assert look(12) == {}


def test_many_mails_that_are_kept_aside_are_told_until_they_are_a_day_old(house):
    boxes(house, *house.settings.returns.mailboxes)
    for number in range(troubles.MOST_UNREAD - 1):
        house.put(f"\0 no mail {number}")
    assert look(0) == {}
    house.put("\0 one more")
    assert "20 mails" in look(1)["unread:mailbox"]
    assert look(24 * 60 + 2) == {}


def test_who_writes_more_letters_than_are_passed_on_wakes_nobody(house):
    boxes(house, *house.settings.returns.mailboxes)
    for number in range(10 + troubles.MOST_UNREAD):
        house.put(letter(f"{number}"))
    assert look(0) == {} and arrivals.unread() == troubles.MOST_UNREAD
