"""Shared rhythms: who is due with them, and how they move."""

from datetime import UTC, date, datetime, timedelta

import pytest

from core.database import db
from subscribers import offer, overall, schedule, served, unsubscribe
from subscribers.duereaders import DueReader
from subscribers.models import Rhythm, Subscription
from tests.subscribers import people
from tests.subscribers.people import NOW, joined, only

TOMORROW = date(2026, 3, 3)
DUE_AT = datetime(2026, 3, 2, 22, 30, tzinfo=UTC)
"""07:00 in Hong Kong on 3 March, less the lead of 30 minutes."""


@pytest.fixture
def reader(app, services) -> Subscription:
    """A reader of Asia Daily who has had their first edition, so that regular ones come."""
    subscription = only(joined(services))
    served.first_empty(subscription.id)
    db.session.commit()
    return subscription


def due(**changes) -> list[DueReader]:
    values = {"slot": TOMORROW, "due_at": DUE_AT, "after_id": 0, "limit": 100, **changes}
    return schedule.readers_due(digest_id=people.asia().id, **values)


def test_readers_with_the_same_choice_share_one_row(app, services):
    first = only(joined(services, "one@example.org"))
    second = only(joined(services, "two@example.org"))
    assert first.rhythm_id == second.rhythm_id
    assert (first.rhythm.next_due_at, first.rhythm.slot) == (DUE_AT, TOMORROW)


def test_a_wave_is_due_from_its_instant_on_and_not_before(reader):
    assert schedule.due_waves(DUE_AT - timedelta(seconds=1)) == []
    assert schedule.due_waves(DUE_AT) == [schedule.DueWave(people.asia().id, TOMORROW, DUE_AT)]


def test_rhythms_due_at_one_instant_for_one_date_are_one_wave(reader, services):
    twin = only(joined(services, "two@example.org", zone="Asia/Singapore"))
    assert twin.rhythm_id != reader.rhythm_id
    assert len(schedule.due_waves(DUE_AT)) == 1


def test_a_rhythm_without_readers_makes_no_wave(reader):
    unsubscribe.leave(reader.subscriber, None, now=NOW)
    assert schedule.due_waves(DUE_AT) == []


def test_a_withdrawn_digest_makes_no_wave(reader):
    offer.apply([{**people.ASIA, "active": False}])
    assert schedule.due_waves(DUE_AT) == []


def test_a_rhythm_that_stood_still_starts_with_a_slot_to_come_for_its_next_reader(reader, services):
    unsubscribe.leave(reader.subscriber, None, now=NOW)
    month_later = NOW + timedelta(days=30)
    newcomer = only(joined(services, "new@example.org", at=month_later))
    assert newcomer.rhythm_id == reader.rhythm_id
    assert newcomer.rhythm.next_due_at > month_later
    assert newcomer.rhythm.slot == date(2026, 4, 2)


def test_a_newcomer_leaves_a_wave_that_is_due_where_it_is(reader, services):
    newcomer = only(joined(services, "new@example.org", at=DUE_AT + timedelta(minutes=1)))
    assert newcomer.rhythm_id == reader.rhythm_id
    assert newcomer.rhythm.next_due_at == DUE_AT


def test_moving_on_sets_the_next_date(reader):
    schedule.move_on(people.asia().id, TOMORROW, DUE_AT, now=DUE_AT + timedelta(minutes=2))
    assert (reader.rhythm.slot, reader.rhythm.next_due_at) == (date(2026, 3, 4), DUE_AT + timedelta(days=1))


def test_moving_on_twice_moves_once(reader):
    for _twice in range(2):
        schedule.move_on(people.asia().id, TOMORROW, DUE_AT, now=DUE_AT)
    assert reader.rhythm.slot == date(2026, 3, 4)


def test_moving_on_after_an_outage_leaves_the_missed_dates_out(reader):
    schedule.move_on(people.asia().id, TOMORROW, DUE_AT, now=DUE_AT + timedelta(days=3, hours=1))
    assert reader.rhythm.slot == date(2026, 3, 7)


def test_a_lead_made_shorter_meanwhile_does_not_bring_the_same_date_again(reader):
    offer.apply([{**people.ASIA, "lead_minutes": 5}])
    schedule.move_on(people.asia().id, TOMORROW, DUE_AT, now=DUE_AT + timedelta(minutes=1))
    assert reader.rhythm.slot == date(2026, 3, 4)


def test_a_due_reader_brings_all_that_composing_needs(reader):
    subscriber = reader.subscriber
    (found,) = due()
    assert (found.subscription_id, found.subscriber_id) == (reader.id, subscriber.id)
    assert (found.reader_key, found.link_version) == (subscriber.public_id, 1)
    assert (found.address.mailbox, found.addr_hash) == ("reader@example.org", subscriber.addr_hash)
    assert (found.taste, found.fresh_from) == (reader.taste, NOW - timedelta(days=1))
    assert (found.rhythm, found.zone) == ("daily", "Asia/Hong_Kong")


def test_readers_come_in_pages_by_subscription(app, services):
    subscriptions = [only(joined(services, f"r{number}@example.org")) for number in range(5)]
    for subscription in subscriptions:
        served.first_empty(subscription.id)
    seen: list[int] = []
    while page := due(after_id=seen[-1] if seen else 0, limit=2):
        assert len(page) <= 2
        seen += [reader.subscription_id for reader in page]
    assert seen == sorted(subscription.id for subscription in subscriptions)


@pytest.mark.parametrize("elsewhere", [{"slot": date(2026, 3, 4)}, {"due_at": DUE_AT + timedelta(hours=1)}])
def test_a_reader_of_another_wave_is_not_due(reader, elsewhere):
    assert due(**elsewhere) == []


def test_whoever_waits_for_a_first_edition_is_not_due_for_a_regular_one(app, services):
    subscription = only(joined(services))
    assert subscription.first_due_at == NOW
    assert due() == []


def test_whoever_left_is_not_due(reader):
    unsubscribe.leave(reader.subscriber, people.asia(), now=NOW)
    assert due() == []


@pytest.mark.parametrize(("until", "comes"), [(TOMORROW, True), (date(2026, 3, 4), False)])
def test_a_pause_holds_until_its_date(reader, until, comes):
    overall.pause(reader.subscriber, until, spoken=["en"], now=NOW)
    assert bool(due()) is comes


def test_a_first_edition_is_owed_until_it_was_sent(app, services):
    subscription = only(joined(services))
    assert schedule.due_first(NOW) == [people.asia().id]
    assert [found.subscription_id for found in first()] == [subscription.id]
    served.first_sent(subscription.id, slot=NOW.date(), fresh_from=NOW)
    assert schedule.due_first(NOW) == []
    assert first() == []


def test_a_withdrawn_digest_owes_no_first_edition_until_it_is_back(app, services):
    joined(services)
    offer.apply([{**people.ASIA, "active": False}])
    assert schedule.due_first(NOW) == []
    offer.apply([people.ASIA])
    assert schedule.due_first(NOW) == [people.asia().id]


def first(due_at: datetime = NOW) -> list[DueReader]:
    return schedule.readers_first(digest_id=people.asia().id, due_at=due_at, after_id=0, limit=100)


def test_a_first_edition_is_not_owed_before_its_instant(app, services):
    joined(services)
    assert schedule.due_first(NOW - timedelta(seconds=1)) == []
    assert first(NOW - timedelta(seconds=1)) == []


def test_a_first_edition_stands_for_the_regular_one_of_its_date(app, services):
    subscription = only(joined(services))
    served.first_sent(subscription.id, slot=TOMORROW, fresh_from=NOW - timedelta(minutes=1))
    assert subscription.not_before_slot == date(2026, 3, 4)
    assert subscription.fresh_from == NOW - timedelta(minutes=1)
    assert due() == []
    schedule.move_on(people.asia().id, TOMORROW, DUE_AT, now=DUE_AT)
    assert due(slot=date(2026, 3, 4), due_at=DUE_AT + timedelta(days=1)) != []


def test_an_empty_first_edition_leaves_the_regular_one_of_its_date(app, services):
    subscription = only(joined(services))
    served.first_empty(subscription.id)
    assert subscription.not_before_slot is None
    assert [found.subscription_id for found in due()] == [subscription.id]


def test_a_pause_does_not_hold_back_the_first_edition_that_was_just_asked_for(app, services):
    subscription = only(joined(services))
    overall.pause(subscription.subscriber, date(2026, 3, 20), spoken=["en"], now=NOW)
    assert len(first()) == 1


def test_whoever_leaves_at_once_is_owed_no_first_edition(app, services):
    subscription = only(joined(services))
    unsubscribe.leave(subscription.subscriber, None, now=NOW)
    assert schedule.due_first(NOW) == []
    assert first() == []


def test_one_digests_readers_are_not_anothers(app, services):
    joined(services, digests=["asia-arabic"])
    assert first() == []
    assert schedule.due_first(NOW) == [offer.by_key("asia-arabic").id]


def test_every_reader_of_a_shared_rhythm_moves_in_one_row(app, services):
    for number in range(3):
        joined(services, f"r{number}@example.org")
    assert people.count(Rhythm) == 1
    assert people.count(Subscription) == 3
