"""What holds for all of a reader's digests."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from core import errors
from core.database import db
from delivery import suppression
from delivery.models import Suppression
from subscribers import overall
from subscribers.changes import Change, PreferenceChange
from subscribers.models import Subscriber
from tests.subscribers import people
from tests.subscribers.people import NOW, joined

LANGUAGES = ["en", "ar", "it"]
DAY = timedelta(days=1)


@pytest.fixture
def subscriber(app, services) -> Subscriber:
    found = joined(services).subscriber
    db.session.commit()
    return found


def seen(subscriber: Subscriber) -> overall.Overall:
    return overall.view(subscriber, spoken=LANGUAGES, now=NOW)


def save(subscriber: Subscriber, *, version: int | None = None, **changed) -> list[Change]:
    wanted = replace(seen(subscriber), **changed)
    known = subscriber.version if version is None else version
    return overall.save(subscriber, wanted, spoken=LANGUAGES, version=known, now=NOW)


@pytest.mark.parametrize(
    "changed",
    [
        {"languages": ("ar", "it", "en")},
        {"paused_until": date(2026, 4, 1)},
        {"once": True},
        {"catch_up": True},
        {"friends": False},
        {"languages": ("it", "en", "ar"), "paused_until": date(2027, 3, 2), "catch_up": True, "friends": False},
    ],
    ids=str,
)
def test_what_was_saved_is_what_is_seen(subscriber, changed):
    wanted = replace(seen(subscriber), **changed)
    saved = save(subscriber, **changed)
    assert seen(subscriber) == wanted
    assert {one.field for one in saved} == {"pause" if name == "paused_until" else name for name in changed}
    assert people.count(PreferenceChange) == len(changed)


def test_at_first_mail_comes_from_friends_too_and_the_reader_s_language_is_the_first(subscriber):
    assert seen(subscriber) == overall.Overall(
        ("en", "ar", "it"), once=False, paused_until=None, catch_up=False, friends=True
    )


def test_saving_twice_is_saving_once(subscriber):
    assert save(subscriber, friends=False)
    assert save(subscriber, friends=False) == []
    assert (subscriber.version, people.count(PreferenceChange), people.count(Suppression)) == (2, 1, 1)


def test_saving_a_page_that_is_not_fresh_any_more_is_a_conflict(subscriber):
    save(subscriber, catch_up=True)
    with pytest.raises(errors.Conflict):
        save(subscriber, version=1, friends=False)
    assert seen(subscriber).friends


def test_the_first_language_is_that_of_pages_and_letters(subscriber):
    save(subscriber, languages=("ar",))
    assert (subscriber.languages, subscriber.language) == (["ar", "en", "it"], "ar")


@pytest.mark.parametrize(
    ("wanted", "order"),
    [((), "en ar it"), (("it", "it", "ar"), "it ar en"), (("xx", "ar"), "ar en it"), (("ar", "ar", "ar"), "ar en it")],
)
def test_an_order_of_languages_has_each_of_them_once(wanted, order):
    assert " ".join(overall.in_order(wanted, LANGUAGES)) == order


def test_friends_are_kept_out_by_the_row_that_their_own_links_make_and_let_in_again(subscriber):
    save(subscriber, friends=False)
    row = db.session.scalars(select(Suppression)).one()
    assert (row.addr_hash, row.scope, row.reason) == (subscriber.addr_hash, "share", "left")
    save(subscriber, friends=True)
    assert people.count(Suppression) == 0


def test_letting_friends_in_lifts_nothing_that_another_has_set(subscriber):
    suppression.suppress(subscriber.addr_hash, scope="share", reason="operator", source="test", now=NOW)
    assert not seen(subscriber).friends
    save(subscriber, friends=True)
    assert not seen(subscriber).friends


def test_a_pause_that_is_made_longer_still_began_when_it_began(subscriber):
    overall.pause(subscriber, date(2026, 3, 9), spoken=LANGUAGES, now=NOW)
    overall.pause(subscriber, date(2026, 3, 20), spoken=LANGUAGES, now=NOW + DAY)
    assert subscriber.paused_at == NOW
    overall.pause(subscriber, date(2026, 5, 1), spoken=LANGUAGES, now=NOW + 30 * DAY)
    assert subscriber.paused_at == NOW + 30 * DAY
