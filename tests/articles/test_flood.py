"""What a feed brings far too much of, or old as new, waits for an editor; and a guid used again is another story."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from articles import feedhealth, feeds, flood, life, shelf
from articles.models import Article
from core.database import db
from tests.articles.atom import NOW, entry

DAY = timedelta(days=1)


def item(name: str, *, at: datetime = NOW, **values: object) -> str:
    return entry(name, title=f"Story {name}", content=None, published=at.isoformat(), **values)  # type: ignore[arg-type]


def items(count: int, prefix: str = "n", **values) -> list[str]:
    return [item(f"{prefix}{number}", **values) for number in range(count)]


@pytest.fixture
def read_before(desk):
    """A feed that was read yesterday."""
    desk.take(item("first", at=NOW - DAY), at=NOW - DAY)
    return desk


def states(desk) -> list[str]:
    db.session.rollback()
    found = db.session.scalars(select(Article).order_by(Article.id))
    return [article.state for article in found][1:]


@pytest.mark.parametrize("count", [flood.MOST_NEW, flood.MOST_NEW + 1])
def test_more_than_fifty_new_stories_at_once_are_held(read_before, count):
    read_before.take(*items(count))
    assert set(states(read_before)) == {"held" if count > flood.MOST_NEW else "published"}


@pytest.mark.parametrize("count", [flood.MOST_OLD, flood.MOST_OLD + 1])
def test_old_stories_that_come_as_new_are_held_and_the_new_ones_are_not(read_before, count):
    read_before.take(*items(count, "old", at=NOW - 3 * DAY), *items(5))
    held = states(read_before).count("held")
    assert held == (count if count > flood.MOST_OLD else 0)
    assert len(read_before.articles()) == 1 + count + 5 - held


def test_guids_that_all_change_on_one_day_fill_no_inbox(desk):
    """Their texts are too short to be known again by, as in many feeds of teasers."""
    published = [NOW - number * DAY / 2 for number in range(30)]
    first = [item(f"a{n}", at=at, url=f"https://old.example.org/{n}") for n, at in enumerate(published)]
    desk.take(*first, at=NOW)
    before = len(desk.articles())
    again = [
        item(f"b{n}", at=at, url=f"https://new.example.org/{n}", summary="Other words.")
        for n, at in enumerate(published)
    ]
    desk.take(*again, at=NOW + timedelta(hours=1))
    fresh = {one.article_id for one in shelf.candidates("en", since=NOW)}
    assert len(fresh) <= 3, "those of the last day"
    assert len(desk.articles()) == before + len(fresh)


def test_a_feed_that_is_read_for_the_first_time_is_shown_and_its_archive_is_not_news(desk):
    desk.take(*items(60, "archive", at=NOW - 5 * DAY), *items(3))
    assert len(desk.articles()) == 63
    assert len(shelf.candidates("en", since=NOW - DAY)) == 3


def test_operators_are_told_until_an_editor_has_looked(read_before):
    read_before.take(*items(60))
    feed = feeds.every()[0]
    (told,) = feedhealth.troubles(NOW)
    assert told.key == f"flood:{feed.id}" and "60 stories" in told.text
    assert life.release_guarded(feed.id, now=NOW + DAY) == 60
    assert feedhealth.troubles(NOW) == []
    assert len(shelf.candidates("en", since=NOW)) == 60, "new from the release on"


def test_what_an_editor_holds_is_no_trouble_and_is_not_released_with_the_rest(read_before):
    read_before.take(*items(60))
    feed = feeds.every()[0]
    mine = db.session.scalars(select(Article).filter_by(state="held").limit(1)).one()
    life.hold(mine, now=NOW)
    assert "59 stories" in feedhealth.troubles(NOW)[0].text
    assert life.release_guarded(feed.id, now=NOW + DAY) == 59
    assert mine.state == "held"


def test_a_guid_that_is_used_again_for_another_story_brings_that(desk):
    desk.take(entry("one", title="South Korea and Cuba establish relations", content=None))
    later = NOW + 40 * DAY
    again = entry("one", title="Typhoon season begins early", content=None, published=later.isoformat())
    desk.take(again, at=later)
    newest, oldest = desk.articles()
    assert (newest.headline, oldest.headline) == (
        "Typhoon season begins early",
        "South Korea and Cuba establish relations",
    )
    desk.take(again, at=later)
    assert len(desk.articles()) == 2, "from then on the guid is the new one's"


@pytest.mark.parametrize(
    ("title", "days"),
    [("South Korea and Cuba open embassies", 40), ("Typhoon season begins early", 20)],
    ids=["much the same headline", "not long after"],
)
def test_a_guid_that_comes_again_is_the_same_story_otherwise(desk, title, days):
    desk.take(entry("one", title="South Korea and Cuba establish relations", content=None))
    later = NOW + days * DAY
    desk.take(entry("one", title=title, content=None, published=later.isoformat()), at=later)
    (article,) = desk.articles()
    assert article.headline == title


def fresh(since: datetime) -> list[str]:
    """Return the headlines of what digests may bring."""
    found = [one.article_id for one in shelf.candidates("en", since=since)]
    return list(db.session.scalars(select(Article.headline).where(Article.id.in_(found))))


FIRST = NOW + timedelta(hours=9)
"""In hours ahead of us: another zone's clock."""


@pytest.mark.parametrize(("count", "is_news"), [(3, True), (4, False)])
@pytest.mark.parametrize("date", [None, FIRST.isoformat()])
def test_what_a_feed_has_without_dates_when_it_is_read_first_is_news_only_when_it_is_little(desk, count, is_news, date):
    desk.take(*(entry(str(n), title=f"Undated {n}", published=date, content=f"<p>{n}</p>") for n in range(count)))
    assert [article.first_seen_at == NOW for article in desk.articles()] == [is_news] * count
    desk.take(entry("later", title="Undated and later", published=date, content="<p>x</p>"), at=NOW + DAY)
    assert NOW + DAY in {article.first_seen_at for article in desk.articles()}


@pytest.mark.parametrize("count", [1, 3, 4])
@pytest.mark.parametrize("date", ["2099-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z"])
def test_what_a_feed_has_with_dates_that_cannot_be_when_it_is_read_first_is_shown_and_never_mailed(desk, count, date):
    misdated = [entry(str(n), title=f"Misdated {n}", published=date, content=f"<p>{n}</p>") for n in range(count)]
    desk.take(*misdated, item("today"))
    assert len(desk.articles()) == count + 1
    assert fresh(NOW - timedelta(days=60)) == ["Story today"]
    desk.take(*misdated, entry("later", title="Later", published=date, content="<p>x</p>"), at=NOW + DAY)
    assert fresh(NOW + DAY / 2) == ["Later"]
