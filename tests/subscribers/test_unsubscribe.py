"""Leaving: at once, completely, and as often as the button is pressed."""

import pytest
from sqlalchemy import select

from core import errors, tokens
from core.database import db
from subscribers import joining, offer, schedule, unsubscribe
from subscribers.models import ConsentEntry, Digest, Subscriber
from tests.subscribers import people
from tests.subscribers.people import NOW, joined


@pytest.fixture
def subscriber(app, services) -> Subscriber:
    """A reader of both digests."""
    found = joined(services, digests=["asia-daily", "asia-arabic"]).subscriber
    db.session.commit()
    return found


def states(subscriber: Subscriber) -> dict[str, str]:
    return {one.digest.key: one.state for one in joining.subscriptions_of(subscriber).values()}


def proofs() -> list[tuple[str, str]]:
    rows = select(ConsentEntry.kind, Digest.key).join(Digest, Digest.id == ConsentEntry.digest_id)
    found = db.session.execute(rows.filter(ConsentEntry.kind == "opt_out").order_by(ConsentEntry.id))
    return [(kind, key) for kind, key in found]


def test_leaving_one_digest_leaves_the_other(subscriber):
    unsubscribe.leave(subscriber, people.asia(), now=NOW)
    assert states(subscriber) == {"asia-daily": "off", "asia-arabic": "on"}
    assert people.left_streams(subscriber) == {"digest:asia-daily"}
    assert subscriber.state == "active"


def test_leaving_the_last_one_is_leaving(subscriber):
    unsubscribe.leave(subscriber, people.asia(), now=NOW)
    unsubscribe.leave(subscriber, offer.by_key("asia-arabic"), now=NOW)
    assert subscriber.state == "left"


def test_leaving_all_leaves_all(subscriber):
    unsubscribe.leave(subscriber, None, now=NOW)
    assert set(states(subscriber).values()) == {"off"}
    assert people.left_streams(subscriber) == {"digest:asia-daily", "digest:asia-arabic"}
    assert subscriber.state == "left"


def test_leaving_twice_is_leaving_once(subscriber):
    for _twice in range(2):
        unsubscribe.leave(subscriber, people.asia(), now=NOW)
    assert proofs() == [("opt_out", "asia-daily")]
    assert people.left_streams(subscriber) == {"digest:asia-daily"}
    unsubscribe.leave(subscriber, None, now=NOW)
    assert proofs() == [("opt_out", "asia-daily"), ("opt_out", "asia-arabic")]


def test_leaving_a_digest_one_never_had_changes_nothing_but_keeps_it_away(app, services):
    subscriber = joined(services).subscriber
    unsubscribe.leave(subscriber, offer.by_key("asia-arabic"), now=NOW)
    assert (states(subscriber), subscriber.state, proofs()) == ({"asia-daily": "on"}, "active", [])
    assert people.left_streams(subscriber) == {"digest:asia-arabic"}


def test_leaving_a_withdrawn_digest_works(subscriber):
    offer.apply([{**people.ASIA, "active": False}])
    unsubscribe.leave(subscriber, people.asia(), now=NOW)
    assert states(subscriber)["asia-daily"] == "off"


def test_leaving_takes_back_the_first_edition_that_is_owed(subscriber):
    assert schedule.due_first(NOW) != []
    unsubscribe.leave(subscriber, people.asia(), now=NOW)
    assert schedule.due_first(NOW) == []


def test_a_link_that_only_stops_mail_works_for_ever(subscriber):
    subscriber.link_version = 9
    assert unsubscribe.by_token(tokens.Token(subscriber.public_id, 1, 0)) is subscriber


def test_a_link_to_nobody_is_damaged(app):
    with pytest.raises(errors.LinkDamaged):
        unsubscribe.by_token(tokens.Token(bytes(16), 1, 0))
