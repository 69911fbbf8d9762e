"""The reports that a real Postfix made are read again from a Maildir: each acts on its own mail, with its own code.

`make proof-mailbox` makes them anew; their tokens are signed with the tests' own key.
"""

import json

import pytest
from sqlalchemy import select

from core.database import db
from delivery.models import Delivery, DeliveryEvent
from delivery.states import State
from tests.delivery import mailings
from tests.proofs.mailbox import KEPT, RECIPIENTS

MAILS = json.loads((KEPT / "mails.json").read_text("utf-8"))


@pytest.fixture
def read(house):
    """An installation in which those mails were handed over, after it has read every report."""
    mailing = mailings.mailing()
    for number in MAILS.values():
        mailings.mails(mailing, {State.SENT: 1}, id=number)
    for file in KEPT.glob("*.eml"):
        house.put(file.read_bytes(), file.name)
    taken = house.read()
    return house, taken


def test_there_is_a_report_of_every_sort():
    there = {file.name.rpartition("-")[0] for file in KEPT.glob("*.eml")}
    assert there == {name for name, (_to, status, _code, _classes) in RECIPIENTS.items() if status}


def test_each_report_is_read_as_what_it_is_and_nobody_is_mailed(read):
    house, taken = read
    assert taken.kinds == {"bounce": len(RECIPIENTS) - 1, "delayed": 1}
    assert house.outgoing() == 0 and not house.files("new")


@pytest.mark.parametrize("name", RECIPIENTS)
def test_a_mail_came_back_as_what_its_own_report_says(read, name):
    _to, status, code, classes = RECIPIENTS[name]
    row = db.session.get_one(Delivery, MAILS[name])
    assert row.state == "sent", "it was handed over, and stays so"
    assert (row.returned_as in classes) if classes else row.returned_as is None
    events = db.session.execute(
        select(DeliveryEvent.code, DeliveryEvent.text).where(DeliveryEvent.delivery_id == row.id)
    ).all()
    assert bool(events) == bool(status)
    assert all(status in event.text for event in events)
    assert not code or events[0].code == code
    assert not any("ada@" in event.text or "かおる" in event.text or "δοκιμή" in event.text for event in events)
