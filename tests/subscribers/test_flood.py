"""What the form can be made to send: to one inbox, to one domain, in all; and what it cannot."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from core import addresses, alerts
from core.database import db
from core.signups import SignupSettings
from delivery.models import Delivery
from subscribers import answers, breaker, flood, mails, signup
from subscribers.models import SignupRequest
from tests.subscribers import people
from tests.subscribers.people import NOW, answered, joined, note, note_fresh_link, queued

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
LIMITS = SignupSettings(most_unconfirmed=5, per_domain_hour=3)


def sent() -> int:
    return db.session.scalar(select(func.count()).select_from(Delivery)) or 0


def states(services, *, at, email="reader@example.org", **form) -> str:
    return answered(services, email, at=at, **form).state


def test_an_inbox_gets_one_confirmation_in_a_day_whatever_is_asked_for(app, services):
    asked: list[dict[str, Any]] = [{}, {"topics": ["kr"]}, {"digests": ["asia-arabic"]}, {"language": "ar"}]
    assert [states(services, at=NOW + place * MINUTE, **form) for place, form in enumerate(asked)] == [
        "answered",
        *["dropped"] * 3,
    ]
    assert states(services, at=NOW + DAY - MINUTE) == "dropped"
    assert states(services, at=NOW + DAY) == "answered"
    assert sent() == 2


def test_an_inbox_gets_three_confirmations_in_thirty_days(app, services):
    days = [states(services, at=NOW + place * DAY) for place in range(32)]
    assert [place for place, state in enumerate(days) if state == "answered"] == [0, 1, 2, 30, 31]


def test_a_wish_that_is_dropped_leaves_no_address_behind(app, services):
    answered(services)
    request = answered(services)
    assert (request.state, request.address) == ("dropped", None)


@pytest.mark.parametrize(
    ("first", "second", "one_inbox"),
    [
        ("reader@example.org", "Reader+news@EXAMPLE.org", True),
        ("reader+a@example.org", "reader+b+c@example.org", True),
        ("rea.der@gmail.com", "r.e.a.d.e.r+x@googlemail.com", True),
        ("rea.der@example.org", "reader@example.org", False),
        ("reader@example.org", "reader@example.com", False),
        ("+tag@example.org", "+other@example.org", False),
    ],
)
def test_tags_and_dots_of_one_inbox_share_its_budget_and_nothing_else(app, services, first, second, one_inbox):
    assert states(services, at=NOW, email=first) == "answered"
    assert states(services, at=NOW, email=second) == ("dropped" if one_inbox else "answered")
    hashes = {services.keyring.hash(addresses.parse(email)) for email in (first, second)}
    assert len(hashes) == 2


def test_whoever_has_confirmed_can_ask_for_another_digest_on_the_same_day(app, services):
    joined(services)
    second = answered(services, digests=["asia-arabic"])
    assert second.state == "answered"
    people.confirm(second, services=services, now=NOW)
    assert sent() == 2


def test_a_confirmation_that_is_sent_again_counts_like_any_other(app, services):
    answered(services)
    again = note_fresh_link(services, at=NOW + MINUTE)
    people.answer(again.id, services=services, now=NOW + MINUTE)
    assert (again.state, sent()) == ("dropped", 1)


def test_a_reader_gets_a_fresh_link_every_two_minutes_and_three_in_a_day(app, services):
    joined(services)
    states = []
    for minute in (0, 1, 2, 4, 6):
        request = note_fresh_link(services, at=NOW + minute * MINUTE)
        people.answer(request.id, services=services, now=NOW + minute * MINUTE)
        states.append(request.state)
    assert states == ["answered", "dropped", "answered", "answered", "dropped"]


def corrected(services, first: bytes, second: bytes):
    """Ask twice within the day, from these forms; return the first request as it is then."""
    asked = answered(services, topics=["kr"], person=signup.Person(first, "one"))
    answered(services, topics=["cu"], digests=["asia-arabic"], rhythm="weekly", person=signup.Person(second, "two"))
    return asked


def test_whoever_goes_back_and_corrects_the_form_finds_it_corrected_behind_the_mail_they_have(app, services):
    request = corrected(services, b"f" * 16, b"f" * 16)
    assert (request.topics, request.digests, request.rhythm) == (["cu"], ["asia-arabic"], "weekly")
    assert (request.state, sent()) == ("answered", 1)
    assert signup.is_same_browser(request, "two")
    assert [one.digest.key for one in signup.confirm(request, now=NOW).subscriptions] == ["asia-arabic"]


def test_nobody_else_changes_what_the_owner_of_an_address_finds_behind_the_button(app, services):
    request = corrected(services, b"f" * 16, b"g" * 16)
    assert (request.topics, request.digests) == (["kr"], ["asia-daily"])
    assert signup.is_same_browser(request, "one")
    assert not signup.is_same_browser(request, "two")


def test_a_correction_that_comes_after_the_button_changes_nothing(app, services):
    person = signup.Person(b"f" * 16, "one")
    people.confirm(answered(services, topics=["kr"], person=person), services=services, now=NOW)
    late = answered(services, topics=["cu"], digests=["asia-arabic"], person=person)
    assert late.state == "answered", "it is a request of its own"


def answer(request, services, now, limits=LIMITS) -> None:
    decision = answers.decide(request.id, services=services, now=now)
    assert decision is not None
    made = mails.make(decision.letter, services) if decision.letter else None
    assert answers.write(decision, made, services=services, now=now, limits=limits)


def test_a_domain_over_its_budget_gets_the_rest_later_and_loses_none(app, services):
    waiting = [note(services, f"r{number}@example.org") for number in range(5)]
    other = note(services, "r@example.com")
    for request in [*waiting, other]:
        answer(request, services, NOW)
    assert [request.state for request in waiting] == ["answered"] * 3 + ["new"] * 2
    assert other.state == "answered"
    assert answers.waiting(10, now=NOW) == []
    later = NOW + timedelta(hours=1)
    assert answers.waiting(10, now=later) == [request.id for request in waiting[3:]]
    for request in waiting[3:]:
        answer(request, services, later)
    assert [request.state for request in waiting] == ["answered"] * 5


def test_a_domain_without_a_limit_gets_all_at_once(app, services):
    for number in range(5):
        request = note(services, f"r{number}@example.org")
        answer(request, services, NOW, replace(LIMITS, per_domain_hour=0))
        assert request.state == "answered"


def test_a_waiting_request_of_a_full_domain_has_not_used_up_its_inbox_s_budget(app, services):
    for number in range(3):
        answer(note(services, f"r{number}@example.org"), services, NOW)
    request = note(services, "late@example.org")
    answer(request, services, NOW)
    answer(request, services, NOW + timedelta(hours=1))
    assert request.state == "answered"


# --- the breaker ------------------------------------------------------------------------------------------------


def trips(now) -> bool:
    return breaker.judge(now=now, limits=LIMITS).trips


def test_confirmations_that_nobody_uses_trip_the_breaker_once_they_had_time(app, services):
    for number in range(6):
        answered(services, f"r{number}@example.org")
    assert not trips(NOW + timedelta(minutes=9))
    assert trips(NOW + timedelta(minutes=10))


def test_a_rush_trips_it_at_once(app, services):
    for number in range(20):
        answered(services, f"r{number}@example.org")
    assert not trips(NOW)
    answered(services, "one-more@example.org")
    assert trips(NOW)


def test_people_who_confirm_keep_it_closed(app, services):
    for number in range(8):
        request = answered(services, f"r{number}@example.org")
        if number % 4 == 0:
            signup.confirm(request, now=NOW)
    assert not trips(NOW + timedelta(minutes=30))


def test_an_open_breaker_is_told_and_stands_until_somebody_releases_it(app, services):
    for number in range(6):
        answered(services, f"r{number}@example.org")
    later = NOW + timedelta(minutes=30)
    breaker.trip(breaker.judge(now=later, limits=LIMITS), now=later)
    assert alerts.open_keys(db.session.connection()) == {breaker.ALERT}
    waiting, wish = note(services, "late@example.org", at=later), note_fresh_link(services, at=later)
    assert answers.waiting(10, now=later, signups=False) == [wish.id]
    judged = breaker.judge(now=later + 2 * DAY, limits=LIMITS)
    assert (judged.stopped, judged.trips) == (True, False)
    assert breaker.release(now=later, drop=False) == 1
    assert breaker.stopped_since() is None
    assert alerts.open_keys(db.session.connection()) == set()
    assert waiting.id in answers.waiting(10, now=later)
    assert not trips(later + MINUTE), "what went out before is not held against it again"


def test_what_waits_can_be_dropped_with_its_addresses(app, services):
    breaker.trip(breaker.judge(now=NOW, limits=LIMITS), now=NOW)
    request = note(services)
    assert breaker.release(now=NOW, drop=True) == 1
    db.session.refresh(request)
    assert (request.state, request.address) == ("dropped", None)


# --- many at once -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [200])
def test_hundreds_of_sign_ups_for_one_address_are_one_mail(app, services, count):
    """A sample; the whole of it, 10,000 from 10,000 origins, is tests/proofs/flood.py."""
    for number in range(count):
        answered(services, f"rea.der+{number}@gmail.com")
    assert sent() == 1
    assert db.session.scalar(select(func.count()).where(SignupRequest.address.is_not(None))) == 1
    assert len(queued(services)) == 1


def test_budgets_name_nobody(app, services):
    charges = [
        *flood.confirmation(addresses.parse("reader@example.org"), services.keyring),
        *flood.fresh_link(addresses.parse("reader@example.org"), services.keyring),
        flood.form("192.0.2.7", services.keyring, per_day=1),
        *flood.without_proof("192.0.2.7", services.keyring),
    ]
    assert len({charge.key_hash for charge in charges}) == 5
    assert all(len(charge.key_hash) == 16 for charge in charges)
    assert services.keyring.hash(addresses.parse("reader@example.org")) not in {one.key_hash for one in charges}
