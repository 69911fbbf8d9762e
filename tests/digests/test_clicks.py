"""Clicks: off by default, by story, edition and hour, alike for all readers, without scanners."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from articles import flash
from articles.models import Article
from core import database
from core.database import db
from core.errors import LinkDamaged, NotFound
from digests import clicks, numbers
from digests.clicks import Click, ClickCount
from subscribers import offer
from tests.digests import test_breaking as mailed
from tests.digests import test_recall as recalled
from tests.digests.house import ASIA, DUE, HOUR, NOW, House
from tests.digests.sender import Sender
from tests.digests.test_specials import draft, send

SECOND = timedelta(seconds=1)
LINK = re.compile(r"http://[^/]+/en/digests/([^/\s]+)/([^/\s]+)/([^/\s]+)/t/([a-z2-7]+)")


@pytest.fixture
def counted(house: House) -> House:
    with database.write_turn():
        clicks.choose(counted=True)
        db.session.commit()
    return house


def opened(house: House, link: tuple[str, ...]) -> Article:
    digest, edition, story, token = link
    return clicks.story_of(digest, edition, story, token, house.services.links)


def click(link: tuple[str, str, str, str], *, origin: str = "o", at=NOW) -> Click:
    return Click(at, origin, *link[:3])


def rows() -> list[tuple[int, int]]:
    db.session.rollback()
    return [(one.article_id, one.clicks) for one in db.session.scalars(select(ClickCount).order_by(ClickCount.clicks))]


def count(*found: Click) -> None:
    with database.write_turn():
        clicks.count(clicks.judged(found))
        db.session.commit()


def test_nobody_is_followed_as_long_as_nobody_has_said_so(house):
    house.reader()
    house.articles(2)
    (mail,) = house.go(DUE)
    assert clicks.answered() is None and not LINK.findall(mail.text)


def test_all_readers_of_an_edition_have_the_same_link_to_a_story_and_it_opens_that_story(counted):
    for name in ("one", "two"):
        counted.reader(f"{name}@example.org", most=1 if name == "one" else 12)
    counted.articles(2)
    one, two = sorted((LINK.findall(mail.text) for mail in counted.go(DUE)), key=len)
    assert len(one) == 1 and len(two) == 2 and one[0] in two
    assert opened(counted, one[0]).headline == "Story 2"
    (other,) = (link for link in two if link != one[0])
    for wrong in ((*one[0][:2], *other[2:3], one[0][3]), (*one[0][:1], "2026-03-04", *one[0][2:])):
        with pytest.raises(LinkDamaged):
            opened(counted, wrong)


def test_clicks_are_counted_by_story_edition_and_hour(counted):
    counted.reader()
    first, second = counted.articles(2)
    (mail,) = counted.go(DUE)
    by_story = dict(zip((second, first), LINK.findall(mail.text), strict=True))
    count(click(by_story[first]), click(by_story[first], origin="p"), click(by_story[second]))
    for seconds_ in (0, 60):
        count(click(by_story[second], at=NOW + HOUR + seconds_ * SECOND))
    hours = {(one.article_id, one.hour): one.clicks for one in db.session.scalars(select(ClickCount))}
    assert hours == {(first, NOW): 2, (second, NOW): 1, (second, NOW + HOUR): 2}
    daily = offer.by_key("asia-daily")
    assert [one.clicks for one in numbers.editions(daily, since=NOW)] == [5]
    stories = numbers.stories(daily, since=NOW)
    assert [(one.headline, one.clicks, one.busiest) for one in stories] == [
        ("Story 2", 3, NOW + HOUR),
        ("Story 1", 2, NOW),
    ]


def test_specials_and_first_editions_count_as_themselves(counted):
    counted.reader("first@example.org", first=NOW)
    counted.reader("special@example.org")
    story = counted.article("Story", at=NOW - HOUR)
    (first,) = counted.go(NOW)
    draft(counted, story)
    special = next(mail for mail in send(counted) if mail.to == "special@example.org")
    links = [LINK.findall(mail.text)[0] for mail in (first, special)]
    assert [link[1] for link in links] == ["first-2026-03-02", "special-vote"]
    count(*(click(link) for link in links))
    assert rows() == [(story, 1)] * 2


def test_a_breaking_mail_counts_as_itself_and_a_flash_leads_to_where_its_story_will_stand(counted):
    mailed.offers(ASIA)
    mailed.wants(counted)
    story = counted.article("Ferry aground")
    mailed.flag(story)
    (mail,) = mailed.go(counted)
    (link,) = LINK.findall(mail.text)
    assert link[:2] == ("asia-daily", "breaking-2026-03-02-1") and opened(counted, link).id == story
    count(click(link))
    assert rows() == [(story, 1)]
    (breaking_mail,) = (one for one in numbers.editions(offer.by_key("asia-daily"), since=NOW - HOUR) if one.clicks)
    assert breaking_mail.edition.startswith("breaking:asia-daily:")
    with database.write_turn():
        flash.issue("Quake", language="en", urgent=False, now=NOW)
        db.session.commit()
    (told,) = mailed.go(counted)
    assert "Quake" in told.text and not LINK.findall(told.text)


def test_a_story_that_leads_in_the_place_of_one_that_was_taken_back_is_counted_as_before(counted):
    counted.reader()
    story = counted.article("Story", at=NOW - HOUR)
    killed = counted.article("Killed", at=NOW)
    (mail,) = counted.go(DUE)
    recalled.take_back(killed)
    recalled.remake(counted)
    sender = Sender(counted.services)
    sender.go()
    (left,) = LINK.findall(sender.made["reader@example.org"])
    assert opened(counted, left).id == story and left in LINK.findall(mail.text)


@pytest.mark.parametrize("edition", ["breaking-2026-03-02-", "breaking-2026-03-02-²", "breaking-1", "breaking--1", "x"])
def test_an_edition_that_there_cannot_be_is_not_found(counted, edition):
    with pytest.raises(NotFound):
        clicks.count([Click(NOW, "o", "asia-daily", edition, "0123456789")])


@pytest.mark.parametrize(
    ("agent", "is_one"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", False),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148", False),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", True),
        ("Mozilla/5.0 (X11) HeadlessChrome/140.0.0.0 Safari/537.36", True),
        ("curl/8.5.0", True),
        ("", True),
    ],
)
def test_what_says_that_it_is_a_machine_is_believed(agent, is_one):
    assert clicks.is_scanner(agent) is is_one


seconds = st.integers(0, 20).map(lambda tenths: NOW + timedelta(seconds=tenths / 5))
noted = st.lists(
    st.builds(
        Click, seconds, st.sampled_from("ab"), st.just("asia-daily"), st.sampled_from("ef"), st.sampled_from("123")
    )
)


@given(noted)
def test_who_follows_three_stories_of_a_mail_in_two_seconds_counts_nothing_and_others_each_story_once(found):
    counted = clicks.judged(found)
    for origin, edition in {(one.origin, one.edition) for one in found}:
        theirs = [one for one in found if (one.origin, one.edition) == (origin, edition)]
        spans = [[two.story for two in theirs if timedelta(0) <= two.at - one.at <= 2 * SECOND] for one in theirs]
        stories = sorted(one.story for one in counted if (one.origin, one.edition) == (origin, edition))
        assert stories == ([] if any(len(set(span)) >= 3 for span in spans) else sorted({one.story for one in theirs}))
