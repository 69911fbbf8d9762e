"""A friend calls a mail spam: such mails end, at once, and the digests that they asked for themselves go on."""

import pytest

from core.database import db
from delivery import outcomes, reports, suppression, verp
from delivery.models import Delivery, Lane
from delivery.signals import Kind, Signal
from subscribers import returned
from subscribers.models import Subscription
from tests.digests.house import NOW
from tests.sharing.desk import MINUTE, SENDER, Desk

JO = "jo@example.org"


def tell(desk: Desk, kind: Kind, **values: object) -> bytes:
    """Have somebody tell what came of the mail to the friend; return the hash of the friend's address."""
    db.session.rollback()
    mail = db.session.query(Delivery).filter(Delivery.lane == Lane.SHARE).one()
    prefix = verp.LEAVE_PREFIX if kind is Kind.LEAVE else verp.PREFIX
    token = verp.token(mail.id, tokens=desk.services.links.tokens, prefix=prefix)
    signal = Signal(kind, token, "arf", **values)  # type: ignore[arg-type]
    number, addr_hash = mail.id, mail.addr_hash
    at = mail.intent_at + MINUTE if mail.intent_at else NOW
    with desk.services_turn():
        (applied,) = reports.apply([signal], tokens=desk.services.links.tokens, now=at)
        assert applied.delivery_id == number
    with desk.services_turn():
        returned.record_outcomes(outcomes.newest(), limit=10, now=at)
    return addr_hash


@pytest.fixture
def sent(desk: Desk) -> Desk:
    """A friend who reads a digest, and got a story from a friend."""
    desk.house.reader(JO)
    desk.post(desk.wish(desk.article(), JO), desk.reader())
    desk.work()
    assert desk.send() == [JO, SENDER]
    return desk


def scopes(addr_hash: bytes) -> set[tuple[str, str]]:
    return {(one.scope, one.reason) for one in suppression.of(addr_hash, now=NOW)}


def test_a_complaint_ends_mails_from_friends_and_nothing_else(sent: Desk):
    addr_hash = tell(sent, Kind.COMPLAINT)
    assert scopes(addr_hash) == {("share", "complaint")}
    assert set(sent.all(Subscription, "state")) == {"on"}


def test_leaving_by_mail_does_so_too(sent: Desk):
    addr_hash = tell(sent, Kind.LEAVE)
    assert scopes(addr_hash) == {("share", "left")}
    assert set(sent.all(Subscription, "state")) == {"on"}


def test_an_address_without_a_reader_gets_no_bulk_mail_at_all(sent: Desk):
    addr_hash = tell(sent, Kind.BOUNCE, code=550, status="5.1.1", text="no such user")
    assert ("bulk", "hard") in scopes(addr_hash)
