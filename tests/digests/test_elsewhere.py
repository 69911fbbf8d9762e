"""Whoever wants each story once gets it in the first of their languages, whichever digest comes first."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from articles.models import Article
from core import database
from core.database import db
from digests import editions, preview
from subscribers.models import Digest, Subscriber, Subscription
from tests.digests.house import DAY, DUE, HOUR, MINUTE, NOW, House
from tests.digests.test_preview import CHOSEN

FIRST, SECOND = "سيول وهافانا", "Seoul and Havana"


def both_versions(house: House, *topics: str, arabic_topics: tuple[str, ...] | None = None, at=NOW - HOUR) -> None:
    """Let one story come in in both languages."""
    english = house.article(SECOND, *topics, at=at)
    story = db.session.get_one(Article, english).story_id
    house.article(FIRST, *(topics if arabic_topics is None else arabic_topics), at=at, language="ar", story=story)


def read_both(
    house: House,
    *,
    languages: tuple[str, ...] = ("ar", "en"),
    once: bool = True,
    arabic: dict[str, object] | None = None,
) -> int:
    """Have a reader of the English and the Arabic daily; return the English subscription."""
    english = house.reader()
    house.reader(digest="asia-arabic", **(arabic or {}))  # type: ignore[arg-type]
    subscriber = house.subscriber()
    with database.write_turn():
        reader = db.session.get_one(Subscriber, subscriber)
        reader.languages, reader.once_over_digests = list(languages), once
        db.session.commit()
    return english


def headlines(house: House, at=DUE + MINUTE) -> list[str]:
    return sorted(headline for mail in house.go(at) for headline in mail.headlines)


@pytest.mark.parametrize(
    ("languages", "comes"), [(("ar", "en"), FIRST), (("en", "ar"), SECOND)], ids=["Arabic first", "English first"]
)
def test_a_story_in_two_languages_comes_once_in_the_first_of_them(house, languages, comes):
    read_both(house, languages=languages)
    both_versions(house)
    assert headlines(house) == [comes]


def test_who_did_not_ask_for_it_gets_each_version(house):
    read_both(house, once=False)
    both_versions(house)
    assert headlines(house) == sorted([FIRST, SECOND])


def test_a_story_that_is_in_one_language_only_comes_in_that(house):
    read_both(house)
    house.article("Only in English")
    both_versions(house)
    assert headlines(house) == sorted(["Only in English", FIRST])


def test_what_was_had_in_one_language_does_not_come_again_when_the_better_one_is_there(house):
    read_both(house)
    english = house.article(SECOND)
    assert headlines(house) == [SECOND]
    story = db.session.get_one(Article, english).story_id
    house.article(FIRST, at=DUE + HOUR, language="ar", story=story)
    assert headlines(house, DUE + DAY + MINUTE) == []


@pytest.mark.parametrize(
    "arabic",
    [
        {"topics": ("economy",)},
        {"fresh_from": NOW},
    ],
    ids=["another topic is wanted there", "it is too old for there"],
)
def test_what_the_better_digest_does_not_bring_comes_here(house, arabic):
    read_both(house, arabic=arabic)
    both_versions(house, "diplomacy", at=NOW - 2 * HOUR)
    assert headlines(house) == [SECOND]


def test_what_is_not_on_the_shelves_of_the_better_digest_comes_here(house):
    read_both(house)
    arabic = db.session.scalars(select(Digest).filter_by(key="asia-arabic")).one()
    arabic.selection = ["economy"]
    db.session.commit()
    try:
        both_versions(house, "diplomacy")
        assert headlines(house) == [SECOND]
    finally:
        arabic.selection = []
        db.session.commit()


def test_a_better_digest_that_was_stopped_keeps_nothing_away(house):
    read_both(house)
    both_versions(house)
    stopped = db.session.scalars(select(Subscription).join(Digest).where(Digest.key == "asia-arabic")).one()
    stopped.state = "off"
    db.session.commit()
    assert headlines(house) == [SECOND]


def test_a_first_edition_leaves_to_the_better_one_what_it_brings(house):
    english = read_both(house, arabic={"first": NOW})
    both_versions(house, at=NOW - 30 * DAY)
    subscription = house.subscription(english)
    assert not editions.anything_for(subscription, now=NOW, services=house.services)
    subscription.subscriber.once_over_digests = False
    assert editions.anything_for(subscription, now=NOW, services=house.services)
    db.session.rollback()
    house.subscription(english).first_due_at = NOW
    db.session.commit()
    assert headlines(house, NOW + MINUTE) == [FIRST]


def test_readers_of_one_taste_are_told_apart_by_what_they_asked_for(house):
    read_both(house)
    for mailbox in ("both@example.org", "english@example.org"):
        house.reader(mailbox)
    house.reader("both@example.org", digest="asia-arabic")
    both_versions(house)
    mails = {(mail.to, *mail.headlines) for mail in house.go(DUE + MINUTE)}
    assert mails == {
        ("reader@example.org", FIRST),
        ("both@example.org", FIRST),
        ("both@example.org", SECOND),
        ("english@example.org", SECOND),
    }


def test_the_preview_leaves_it_out_too(one_house):
    english = read_both(one_house)
    both_versions(one_house)
    one_house.article("Only in English", at=NOW - timedelta(minutes=30))
    found = preview.of(one_house.subscription(english), CHOSEN, now=NOW, services=one_house.services)
    assert [story.headline for story in found.stories] == ["Only in English"]
