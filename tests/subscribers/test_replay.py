"""Bringing back who left: as it was, once, and never more than the journal says."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from core.database import db
from core.journal import Change, Line
from delivery import suppression
from delivery.models import Suppression
from subscribers import joining, offer, replay, unsubscribe
from subscribers.models import ConsentEntry, Subscriber
from tests.subscribers import people
from tests.subscribers.people import NOW, joined

NOBODY = bytes(16)
LATER = NOW + timedelta(hours=3)


@pytest.fixture
def subscriber(app, services) -> Subscriber:
    """A reader of both digests."""
    found = joined(services, digests=["asia-daily", "asia-arabic"]).subscriber
    db.session.commit()
    return found


def line(addr_hash: bytes, scope: str = "digest:asia-daily", reason: str = "left", *, at=LATER) -> Line:
    return Line(at, Change("suppress", addr_hash, scope, reason, "unsubscribe"), "host", "key")


def opt_outs() -> list[object]:
    return list(db.session.scalars(select(ConsentEntry.at).where(ConsentEntry.kind == "opt_out")))


def states(subscriber: Subscriber) -> dict[str, str]:
    return {one.digest.key: one.state for one in joining.subscriptions_of(subscriber).values()}


def test_a_reader_who_left_has_left_again_as_of_then(subscriber):
    assert replay.bring_back([line(subscriber.addr_hash)]) == 1
    assert states(subscriber) == {"asia-daily": "off", "asia-arabic": "on"}
    assert people.left_streams(subscriber) == {"digest:asia-daily"}
    assert opt_outs() == [LATER]
    (row,) = db.session.scalars(select(Suppression))
    assert (row.created_at, row.source) == (LATER, "unsubscribe")


def test_who_left_everything_has_left(subscriber):
    lines = [line(subscriber.addr_hash, f"digest:{key}") for key in ("asia-arabic", "asia-daily")]
    assert replay.bring_back(lines) == 2
    assert subscriber.state == "left"


def test_what_the_database_knows_is_left_alone(subscriber):
    unsubscribe.leave(subscriber, people.asia(), now=NOW)
    assert replay.bring_back([line(subscriber.addr_hash)]) == 0
    assert opt_outs() == [NOW]


def test_it_may_run_again(subscriber):
    found = [line(subscriber.addr_hash), line(NOBODY)]
    assert [replay.bring_back(found), replay.bring_back(found)] == [2, 0]


def test_a_complaint_suppresses_and_turns_nothing_off(subscriber):
    complaints = [line(subscriber.addr_hash, scope, "complaint") for scope in ("all", "digest:asia-daily")]
    assert replay.bring_back(complaints) == 2
    assert suppression.is_suppressed(subscriber.addr_hash, ["all"], now=NOW)
    assert states(subscriber)["asia-daily"] == "on" and opt_outs() == []


def test_another_reason_of_the_same_scope_is_another_suppression(subscriber):
    unsubscribe.leave(subscriber, people.asia(), now=NOW)
    assert replay.bring_back([line(subscriber.addr_hash, reason="complaint")]) == 1


def test_a_reader_whom_the_backup_does_not_know_is_suppressed_all_the_same(app):
    assert replay.bring_back([line(NOBODY)]) == 1
    assert suppression.is_suppressed(NOBODY, ["digest:asia-daily"], now=NOW)


def test_a_digest_that_is_gone_is_suppressed_all_the_same(subscriber):
    assert replay.bring_back([line(subscriber.addr_hash, "digest:gone")]) == 1
    assert suppression.is_suppressed(subscriber.addr_hash, ["digest:gone"], now=NOW)
    assert set(states(subscriber).values()) == {"on"}


def test_leaving_by_hash_says_whether_there_is_such_a_reader(subscriber):
    leave = unsubscribe.leave_by_hash
    assert leave(subscriber.addr_hash, offer.by_key("asia-arabic").stream, now=NOW, form="unsubscribe")
    assert not leave(NOBODY, "digest:asia-daily", now=NOW, form="unsubscribe")
    assert not leave(subscriber.addr_hash, "system", now=NOW, form="unsubscribe")
    assert states(subscriber) == {"asia-daily": "on", "asia-arabic": "off"}


def full(addr_hash: bytes, days: int | None) -> Line:
    until = None if days is None else LATER + timedelta(days=days)
    return Line(LATER, Change("suppress", addr_hash, "bulk", "full", "dsn", until), "host", "key")


def test_a_suppression_comes_back_with_its_end(subscriber):
    assert replay.bring_back([full(subscriber.addr_hash, 90)]) == 1
    assert db.session.scalar(select(Suppression.expires_at)) == LATER + timedelta(days=90)


@pytest.mark.parametrize(
    ("known", "told", "brought_back"), [(90, 30, 0), (90, 90, 0), (None, 90, 0), (30, 90, 1), (30, None, 1)]
)
def test_what_holds_longer_stands(subscriber, known, told, brought_back):
    replay.bring_back([full(subscriber.addr_hash, known)])
    assert replay.bring_back([full(subscriber.addr_hash, told)]) == brought_back
    latest = None if None in (known, told) else LATER + timedelta(days=max(known, told))
    assert db.session.scalar(select(Suppression.expires_at)) == latest


def test_a_new_opt_in_lifts_what_came_back_and_nothing_else(subscriber, services):
    reasons = [*suppression.RETURNED, "desk"]
    for reason in reasons:
        suppression.suppress(subscriber.addr_hash, scope="bulk", reason=reason, source="dsn", now=NOW)
    unsubscribe.leave(subscriber, None, now=NOW, form="complaint")
    joined(services, digests=["asia-daily"], at=LATER)
    stands = {(row.scope, row.reason) for row in db.session.scalars(select(Suppression))}
    assert stands == {("bulk", "desk"), ("digest:asia-arabic", "left")}
