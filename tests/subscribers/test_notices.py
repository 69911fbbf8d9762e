"""Readers are told what their links changed: one short mail for all of some minutes, and who it goes to."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from core import addresses
from core.database import db
from delivery import suppression
from subscribers import address, addressing, leaving, linkchanges, mails, notices, overall, preferences, snapshots
from subscribers.trail import AddressChange, LinkChange
from tests.subscribers import people
from tests.subscribers.people import NOW, joined, queued

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def reader(app, services):
    """A reader of both digests, whose sign-up mails are in the ledger."""
    found = joined(services, digests=["asia-daily", "asia-arabic"]).subscriber
    db.session.commit()
    return found


def tell(services, *, at):
    """Do what tasks.notices does, in one transaction."""
    for subscriber_id in notices.waiting(10, now=at):
        decision = notices.decide(subscriber_id, services=services, now=at)
        assert decision is not None
        made = mails.make(decision.letter, services) if decision.letter else None
        assert notices.write(decision, made, services=services, now=at)
    db.session.commit()


def told(services):
    return [mail for mail in queued(services) if mail.mailing.startswith(("system:changed", "system:address-ch"))]


def pause(reader, *, days=10, at=NOW):
    before = snapshots.of(reader)
    overall.pause(reader, NOW.date() + timedelta(days=days), spoken=("en", "ar"), now=at)
    return linkchanges.note(reader, "saved", digest=None, before=before, now=at)


def save(reader, *, at=NOW, **wanted):
    subscription = next(one.subscription for one in preferences.view(reader, at) if one.digest.key == "asia-daily")
    before = snapshots.of(reader)
    chosen = replace(preferences.of(subscription, at).chosen, **wanted)
    preferences.save(subscription, chosen, version=subscription.version, now=at)
    return linkchanges.note(reader, "saved", digest=subscription.digest, before=before, now=at)


def test_a_change_is_told_five_minutes_later(reader, services):
    leaving.leave(reader, people.asia(), now=NOW)
    tell(services, at=NOW + 4 * MINUTE)
    assert told(services) == []
    tell(services, at=NOW + 5 * MINUTE)
    (mail,) = told(services)
    assert mail.to == "reader@example.org"
    assert mail.subject == "Your choices were changed"
    assert "Asia Daily was stopped." in mail.text
    assert "Asia Daily was stopped." in mail.html
    assert mail.places == {"preferences", "undo", "not_me"}
    assert mail.reader_key == reader.public_id


def test_what_is_changed_within_minutes_is_one_mail(reader, services):
    leaving.leave(reader, people.asia(), now=NOW)
    pause(reader, at=NOW + MINUTE)
    save_arabic = leaving.leave(reader, None, now=NOW + 2 * MINUTE)
    assert save_arabic is not None
    tell(services, at=NOW + 5 * MINUTE)
    tell(services, at=NOW + 10 * MINUTE)
    (mail,) = told(services)
    for sentence in ("Asia Daily was stopped.", "All mail was paused; it comes again", "All digests were stopped."):
        assert sentence in mail.text


def test_the_next_mail_comes_an_hour_after_the_last_at_the_earliest(reader, services):
    for minutes in range(0, 115, 6):
        pause(reader, days=10 + minutes, at=NOW + minutes * MINUTE)
        tell(services, at=NOW + (minutes + 5) * MINUTE)
    assert len(told(services)) == 2
    tell(services, at=NOW + 4 * HOUR)
    assert len(told(services)) == 3
    assert db.session.scalars(select(LinkChange).where(LinkChange.told_at.is_(None))).all() == []


def test_nothing_changed_is_nothing_told(reader, services):
    assert save(reader) is None
    assert leaving.leave(reader, people.asia(), now=NOW) is not None
    assert leaving.leave(reader, people.asia(), now=NOW) is None


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"rhythm": "weekly", "weekday": 2}, "It now comes once a week, on Wednesday, by 07:00 (Hong Kong)."),
        ({"minute": 18 * 60}, "It now comes every day by 18:00 (Hong Kong)."),
        ({"rhythm": "weekdays"}, "It now comes from Monday to Friday by 07:00 (Hong Kong)."),
        ({"topics": ["economy"]}, "What it brings was chosen anew."),
    ],
)
def test_a_mail_says_in_words_what_was_chosen(reader, services, wanted, says):
    save(reader, **wanted)
    tell(services, at=NOW + 5 * MINUTE)
    (mail,) = told(services)
    text = " ".join(mail.text.split())
    assert f"The choices for Asia Daily were changed. {says} (2 March 2026" in text


def test_taking_back_is_told_too(reader, services):
    change = leaving.leave(reader, people.asia(), now=NOW)
    assert change is not None
    linkchanges.undo(change, now=NOW + MINUTE)
    tell(services, at=NOW + 5 * MINUTE)
    (mail,) = told(services)
    assert "Asia Daily was stopped." in mail.text
    assert "A change to Asia Daily was taken back." in mail.text


@pytest.mark.parametrize("scope", ["all", "bulk"])
def test_an_address_that_gets_no_mail_is_told_nothing(reader, services, scope):
    suppression.suppress(reader.addr_hash, scope=scope, reason="hard", source="test", now=NOW)
    leaving.leave(reader, people.asia(), now=NOW)
    tell(services, at=NOW + 5 * MINUTE)
    assert told(services) == []
    assert notices.waiting(10, now=NOW + HOUR) == []


def moved(reader, services, *, at):
    to = "thief@example.net"
    typed = addresses.parse(to)
    address.note(reader, typed, public_id=bytes(range(16)), now=at, keyring=services.keyring)
    change = db.session.scalars(select(AddressChange)).one()
    decision = addressing.decide(change.id, services=services, now=at)
    assert decision is not None and decision.letter is not None
    addressing.write(decision, mails.make(decision.letter, services), services=services, now=at)
    address.confirm(change, now=at)
    db.session.commit()
    return change


def test_what_was_changed_just_before_the_address_is_told_to_the_old_one(reader, services):
    old_key = reader.public_id
    pause(reader)
    moved(reader, services, at=NOW + MINUTE)
    tell(services, at=NOW + MINUTE)
    (mail,) = told(services)
    assert (mail.to, mail.reader_key, mail.places) == ("reader@example.org", old_key, {"undo"})
    assert "All mail was paused" in mail.text
    assert "thief" not in mail.text + mail.html + mail.subject


def test_what_is_changed_after_the_address_is_told_to_the_new_one(reader, services):
    moved(reader, services, at=NOW)
    tell(services, at=NOW)
    pause(reader, at=NOW + 2 * HOUR)
    tell(services, at=NOW + 3 * HOUR)
    assert [mail.to for mail in told(services)] == ["reader@example.org", "thief@example.net"]


def test_the_mail_that_asks_at_the_new_address_names_nobody(reader, services):
    moved(reader, services, at=NOW)
    mail = queued(services)[-1]
    assert mail.mailing == "system:new-address:en"
    assert mail.places == {"confirm_address"}
    assert "reader@example.org" not in mail.text + mail.html and "r***@" not in mail.text + mail.html


def test_a_decision_that_does_not_hold_any_more_writes_nothing(reader, services):
    leaving.leave(reader, people.asia(), now=NOW)
    at = NOW + 5 * MINUTE
    decision = notices.decide(reader.id, services=services, now=at)
    assert decision is not None and decision.letter is not None
    made = mails.make(decision.letter, services)
    pause(reader, at=at)
    assert not notices.write(decision, made, services=services, now=at)
    assert told(services) == []


def test_changes_are_forgotten_after_a_month_when_they_were_told(reader, services):
    leaving.leave(reader, people.asia(), now=NOW)
    assert linkchanges.forget(NOW + timedelta(days=31)) == 0
    tell(services, at=NOW + HOUR)
    assert linkchanges.forget(NOW + timedelta(days=29)) == 0
    assert linkchanges.forget(NOW + timedelta(days=30)) == 1
