"""Readers' rows follow what came of their mail: once, with proof, and for the reader whose mail it was."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert, select

from core import addresses
from core.database import Mark, db
from delivery import outcomes, suppression
from delivery.models import Mailing, Outcome
from subscribers import address, joining, linkchanges, notices, returned, signup, unsubscribe
from subscribers.models import ConsentEntry, ConsentParticulars, Subscriber
from subscribers.trail import AddressChange
from tests.subscribers.people import NOW, answered, joined, left_streams

LATER = NOW + timedelta(hours=3)


@pytest.fixture
def subscriber(app, services) -> Subscriber:
    """A reader of both digests."""
    found = joined(services, digests=["asia-daily", "asia-arabic"]).subscriber
    db.session.commit()
    return found


def came(
    kind: str,
    subscriber: Subscriber,
    stream: str = "digest:asia-daily",
    *,
    by_key: bool = True,
    at: datetime = LATER,
) -> None:
    """Let the post office say something of a reader's mail."""
    mailing = (
        db.session.scalar(select(Mailing.id).filter_by(stream=stream))
        or db.session.execute(
            insert(Mailing)
            .values(
                key=f"of {stream}",
                lane=30,
                stream=stream,
                sender_name="The Masthead",
                sender="news@postrider.example",
                feedback="a:b:c:postrider",
                state="running",
                doubt_policy="resend",
                revision=1,
                created_at=NOW,
            )
            .returning(Mailing.id)
        ).scalar_one()
    )
    key = subscriber.public_id if by_key else bytes(16)
    values = {"mailing_id": mailing, "reader_key": key, "addr_hash": subscriber.addr_hash}
    db.session.execute(insert(Outcome).values(at=at, kind=kind, **values))


def read(limit: int = 100) -> int:
    return returned.record_outcomes(outcomes.newest(), limit=limit, now=LATER)


def states(subscriber: Subscriber) -> dict[str, str]:
    return {one.digest.key: one.state for one in joining.subscriptions_of(subscriber).values()}


def opt_outs() -> list[tuple[object, str]]:
    wanted = select(ConsentEntry.at, ConsentParticulars.form).join(ConsentParticulars)
    return [(row.at, row.form) for row in db.session.execute(wanted.where(ConsentEntry.kind == "opt_out"))]


@pytest.mark.parametrize("by_key", [True, False], ids=["by the reader's key", "by the address"])
def test_who_left_by_mail_has_left_that_digest_with_proof(subscriber, by_key):
    came("left_by_mail", subscriber, by_key=by_key)
    assert read() == 1
    assert states(subscriber) == {"asia-daily": "off", "asia-arabic": "on"}
    assert opt_outs() == [(LATER, "mail")] and left_streams(subscriber) == {"digest:asia-daily"}


def test_who_left_by_mail_is_told_can_take_it_back_and_reads_it_in_the_next_mail(subscriber):
    hashed, stream = subscriber.addr_hash, "digest:asia-daily"
    suppression.suppress(hashed, scope=stream, reason="left", source="mail", now=LATER)
    came("left_by_mail", subscriber)
    read()
    (change,) = linkchanges.lately(subscriber, since=NOW)
    assert (change.kind, change.streams) == ("left", [stream])
    assert subscriber.left_by_click_id == change.digest_id
    assert subscriber.id in notices.waiting(10, now=change.tell_at)
    linkchanges.undo(change, now=LATER + timedelta(hours=1))
    assert states(subscriber) == {"asia-daily": "on", "asia-arabic": "on"}
    assert not suppression.is_suppressed(hashed, [stream], now=LATER + timedelta(hours=1))
    assert subscriber.left_by_click_id is None


def test_who_complained_is_let_alone(subscriber):
    came("complaint", subscriber)
    read()
    assert linkchanges.lately(subscriber, since=NOW) == []


def test_who_complained_has_left_every_digest_with_proof(subscriber):
    came("complaint", subscriber)
    assert read() == 1
    assert set(states(subscriber).values()) == {"off"} and subscriber.state == "left"
    assert opt_outs() == [(LATER, "complaint")] * 2


def test_a_complaint_about_system_mail_is_one_about_everything(subscriber):
    came("complaint", subscriber, "system", by_key=False)
    read()
    assert subscriber.state == "left"


@pytest.mark.parametrize(("kind", "told"), [("hard_bounce", 1), ("soft_bounce", 1), ("ended_unsent", 0)])
def test_what_did_not_arrive_leaves_the_readers_choice_alone(subscriber, kind, told):
    came(kind, subscriber)
    assert read() == told, "that a mail ended unsent says nothing of its reader"
    assert set(states(subscriber).values()) == {"on"} and opt_outs() == []


def test_a_stream_that_is_no_digest_and_a_reader_who_is_not_there_change_nothing(subscriber):
    came("left_by_mail", subscriber, "share")
    came("complaint", Subscriber(public_id=b"n" * 16, addr_hash=b"n" * 16))
    assert read() == 2
    assert set(states(subscriber).values()) == {"on"} and opt_outs() == []


def test_each_outcome_is_read_once_and_some_at_a_time(subscriber):
    for _ in range(5):
        came("soft_bounce", subscriber)
    came("complaint", subscriber)
    assert [read(2), read(2), read(2), read(2)] == [2, 2, 2, 0]
    assert len(opt_outs()) == 2 and returned.cursor() == outcomes.newest()
    marks = list(db.session.scalars(select(Mark.name)))
    assert len([name for name in marks if not name.endswith("changed")]) == 1, "one cursor, however often it is moved"


def test_after_a_complaint_a_new_opt_in_counts_and_the_old_complaint_does_not_come_back(subscriber, services):
    suppression.suppress(subscriber.addr_hash, scope="bulk", reason="complaint", source="arf", now=NOW)
    came("complaint", subscriber)
    read()
    joined(services, digests=["asia-daily"], at=LATER)
    assert read() == 0 and states(subscriber)["asia-daily"] == "on"
    assert not suppression.is_suppressed(subscriber.addr_hash, ["bulk", "digest:asia-daily"], now=LATER)


def complained_before(subscriber: Subscriber) -> None:
    """Let the post office have heard of a complaint some time ago, and act on it itself at once, as it does."""
    at = NOW + timedelta(minutes=30)
    suppression.suppress(subscriber.addr_hash, scope="bulk", reason="complaint", source="arf", now=at)
    came("complaint", subscriber, at=at)


def test_a_complaint_that_is_read_late_does_not_undo_a_newer_opt_in(subscriber, services):
    complained_before(subscriber)
    joined(services, digests=["asia-daily", "asia-arabic"], at=NOW + timedelta(hours=1))
    assert read() == 1
    assert set(states(subscriber).values()) == {"on"} and subscriber.state == "active"
    assert opt_outs() == [] and left_streams(subscriber) == set()


def test_a_leave_by_mail_that_is_read_late_does_not_undo_a_newer_opt_in(subscriber, services):
    came("left_by_mail", subscriber, at=NOW + timedelta(minutes=30))
    unsubscribe.leave(subscriber, None, now=NOW + timedelta(minutes=40))
    joined(services, digests=["asia-daily"], at=NOW + timedelta(hours=1))
    assert read() == 1
    assert states(subscriber)["asia-daily"] == "on" and "digest:asia-daily" not in left_streams(subscriber)


def test_what_was_not_asked_for_again_is_left(subscriber, services):
    complained_before(subscriber)
    joined(services, digests=["asia-daily"], at=NOW + timedelta(hours=1))
    read()
    assert states(subscriber) == {"asia-daily": "on", "asia-arabic": "off"} and subscriber.state == "active"


def test_an_opt_in_counts_from_when_it_is_confirmed_not_from_when_it_was_asked_for(subscriber, services):
    complained_before(subscriber)
    asked = answered(services, digests=["asia-daily", "asia-arabic"], at=NOW + timedelta(minutes=40))
    came("complaint", subscriber, at=NOW + timedelta(hours=1))
    signup.confirm(asked, now=NOW + timedelta(hours=2))
    assert read() == 2 and set(states(subscriber).values()) == {"on"}


@pytest.mark.parametrize(("at", "left"), [(LATER, True), (LATER + timedelta(hours=2), False)], ids=["before", "after"])
def test_what_happened_at_an_address_counts_for_its_reader_while_it_was_theirs(subscriber, services, at, left):
    came("complaint", subscriber, at=at)
    moved = LATER + timedelta(hours=1)
    address.note(
        subscriber, addresses.parse("new@example.org"), public_id=bytes(16), now=moved, keyring=services.keyring
    )
    change = db.session.scalars(select(AddressChange)).one()
    change.state = "answered"
    address.confirm(change, now=moved)
    read()
    assert (subscriber.state == "left") == left
