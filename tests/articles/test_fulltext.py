"""Stories whose feed has only a teaser get the text of their page: kept back for minutes at most, each a revision."""

from datetime import timedelta

import pytest
import structlog

from articles import feeds, fulltext, ingest, life, shelf
from articles.arriving import Manner
from articles.fulltext import AGAIN, HOLD, LONGEST, TEASER_WORDS, Missing
from articles.models import Article, FullText
from articles.pagetext import PageText
from core import database, fetch
from core.database import db
from tests.articles import atom
from tests.articles.atom import LONG, NOW, entry

TEASER = "Two countries exchanged notes."
PAGE = fetch.Fetched(
    200, "https://news.example.org/en/one", b"", etag='"1"', last_modified="Thu, 15 Feb 2024 06:13:00 GMT"
)
SAME = fetch.Fetched(304, "https://news.example.org/en/one")
TEXT = PageText(f"<p>{LONG * 3}</p>", "Seoul", "Agency", 120)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def desk(desk_on_both):
    """A desk whose English feed says that texts may be taken from its pages."""
    feeds.by_id(desk_on_both.feed_id()).full_text = True
    db.session.commit()
    return desk_on_both


@pytest.fixture
def told(monkeypatch):
    """What was logged of texts that could not be had."""
    capture = structlog.testing.LogCapture()
    monkeypatch.setattr(fulltext, "log", structlog.wrap_logger(None, processors=[capture]))
    return capture.entries


def teaser(name: str = "one", **more) -> str:
    return entry(name, **{"summary": TEASER, "content": None, **more})


def story(name: str = "one") -> Article:
    db.session.expire_all()
    return db.session.query(Article).filter_by(url=f"https://news.example.org/en/{name}").one()


def due(at, limit: int = 9) -> list[int]:
    found = fulltext.take(at, limit)
    db.session.commit()
    return found


def arrives(article: Article, text: PageText | None = TEXT, page: fetch.Fetched = PAGE, *, at=NOW) -> None:
    fulltext.note_text(article.id, page, text, now=at)
    db.session.commit()


def fails(article: Article, missing: Missing, *, at) -> None:
    fulltext.note_failure(article.id, missing, now=at)
    db.session.commit()


def test_news_waits_for_its_text_and_goes_out_with_it_as_fresh_as_on_its_arrival(desk):
    desk.take(teaser())
    assert desk.articles() == [] and story().state == "held"
    assert due(NOW) == [story().id]
    arrives(story(), at=NOW + MINUTE)
    (article,) = desk.articles()
    assert (article.body, article.words, article.revision) == (TEXT.body, 120, 2)
    assert (article.dateline_place, article.dateline_agency) == ("Seoul", "Agency")
    assert (article.first_seen_at, article.text_changed_at) == (NOW + MINUTE, None)
    assert [one.body for one in life.revisions(article)] == [""]
    assert due(NOW + timedelta(days=9)) == []


def test_a_story_waits_ten_minutes_at_most_and_a_text_that_comes_later_makes_it_no_updated_one(desk):
    desk.take(teaser())
    assert len(life.release_due(NOW + HOLD - MINUTE)) == 0
    assert len(life.release_due(NOW + HOLD)) == 1
    db.session.commit()
    assert [article.body for article in desk.articles()] == [""]
    arrives(story(), at=NOW + 2 * HOLD)
    (article,) = desk.articles()
    assert (article.body, article.revision, article.updated_at) == (TEXT.body, 2, None)
    assert article.first_seen_at == NOW + HOLD


@pytest.mark.parametrize("content", [None, f"<p>{TEASER} More follows.</p>"], ids=["no text", "a beginning"])
def test_a_feed_that_goes_on_to_bring_its_teaser_does_not_take_the_text_away(desk, content):
    desk.take(teaser(content=content))
    arrives(story())
    assert desk.take(teaser(content=content)).changed == 0
    assert story().body == TEXT.body
    assert due(NOW + HOLD) == [], "the page is not asked again for the same teaser"


def test_a_teaser_that_changes_has_the_page_asked_again_and_another_text_there_is_an_update(desk):
    desk.take(teaser())
    arrives(story())
    later = NOW + timedelta(hours=1)
    assert desk.take(teaser(title="Another headline"), at=later).changed == 1
    assert (story().headline, story().body) == ("Another headline", TEXT.body)
    assert due(later) == [story().id]
    request, own = fulltext.request_for(story().id)
    assert (request.etag, request.last_modified) == ('"1"', PAGE.last_modified)
    assert own.body == "", "its own text is not what it is compared with"
    arrives(story(), None, SAME, at=later)
    assert (story().body, story().revision) == (TEXT.body, 2 + 1)
    desk.take(teaser(title="A third headline"), at=later)
    arrives(story(), PageText("<p>New</p>", "", "", 200), at=later + MINUTE)
    assert (story().body, story().updated_at, story().dateline_place) == ("<p>New</p>", later + MINUTE, "Seoul")


def test_a_feed_that_brings_the_whole_text_itself_goes_before_the_page(desk):
    whole = "<p>" + "A story of many words. " * (TEASER_WORDS // 4) + "</p>"
    desk.take(entry("whole", content=whole))
    assert (story("whole").state, due(NOW)) == ("published", [])
    desk.take(teaser())
    arrives(story())
    desk.take(entry("one", content=whole))
    assert "A story of many words" in story().body


@pytest.mark.parametrize("off", ["no switch", "teaser only"])
def test_no_page_is_asked_where_nobody_said_so_or_nobody_would_see_the_text(desk, off):
    feed = feeds.by_id(desk.feed_id())
    feed.full_text, feed.teaser_only = off != "no switch", off == "teaser only"
    db.session.commit()
    desk.take(teaser())
    assert (due(NOW), len(desk.articles())) == ([], 1)


def test_what_is_archive_when_its_feed_is_first_read_gets_its_text_and_is_not_kept_back(desk):
    desk.take(teaser(published="2024-01-01T00:00:00Z"))
    (article,) = desk.articles()
    seen = article.first_seen_at
    assert due(NOW) == [article.id]
    arrives(article)
    assert (story().body, story().first_seen_at) == (TEXT.body, seen)


def test_what_the_flood_guard_holds_stays_held_when_its_text_comes(desk):
    desk.take(teaser("first"))
    desk.take(*(teaser(str(number), title=f"Story {number}") for number in range(60)))
    assert story("7").reason == "flood guard"
    arrives(story("7"))
    assert (story("7").state, story("7").body) == ("held", TEXT.body)
    assert len(life.release_due(NOW + timedelta(days=1))) == 1, "the first one alone"


def test_what_an_editor_holds_or_releases_meanwhile_is_the_editors(desk):
    desk.take(teaser("held"), teaser("released", title="Two"), teaser("withdrawn", title="Three"))
    life.hold(story("held"), now=NOW)
    life.release(story("released"), now=NOW)
    life.withdraw(story("withdrawn"), reason="It is wrong.")
    db.session.commit()
    for name in ("held", "released", "withdrawn"):
        arrives(story(name))
    assert [story(name).state for name in ("held", "released", "withdrawn")] == ["held", "published", "withdrawn"]
    assert story("withdrawn").body == ""


def test_breaking_news_does_not_wait_and_its_text_comes_behind_it(desk):
    feeds.by_id(desk.feed_id()).may_break = True
    db.session.commit()
    with database.write_turn():
        pushed = atom.feed(teaser(terms=("urgent",), published=NOW.isoformat()))
        ingest.store_entries(desk.feed_id(), pushed, NOW, manner=Manner.PUSHED)
        db.session.commit()
    (article,) = desk.articles()
    assert (article.breaking_at, due(NOW)) == (NOW, [article.id])
    arrives(article, at=NOW + MINUTE)
    assert (story().body, story().first_seen_at, story().breaking_at) == (TEXT.body, NOW, NOW)


def test_what_has_an_embargo_has_its_page_asked_when_that_ends(desk):
    ends = NOW + timedelta(hours=3)
    embargo = '{"items":[{"id":"x","url":"https://news.example.org/en/one","title":"T","content_text":"A teaser.",'
    embargo += (
        f'"_postrider":{{"embargo_until":"{ends.isoformat()}"}}}}],"version":"https://jsonfeed.org/version/1.1"}}'
    )
    desk.take_bytes(embargo.encode())
    assert (story().state, due(ends - MINUTE)) == ("held", [])
    assert (due(ends), len(life.release_due(ends))) == ([story().id], 0)
    arrives(story(), at=ends + MINUTE)
    assert (story().state, story().first_seen_at) == ("published", ends + MINUTE)


def test_a_failure_is_tried_again_ever_later_and_then_given_up_with_one_line_that_names_feed_and_cure(desk, told):
    desk.take(teaser())
    at = NOW
    for wait in AGAIN:
        assert due(at) == [story().id]
        fails(story(), Missing("the host cannot be reached"), at=at)
        assert due(at + wait - timedelta(seconds=1)) == []
        at += wait
        assert told == []
    assert due(at) == [story().id]
    fails(story(), Missing("the host cannot be reached"), at=at)
    assert due(at + timedelta(days=9)) == []
    assert (story().state, story().body) == ("published", "")
    (line,) = told
    assert (line["event"], line["article"]) == ("full text not read", story().public_id)
    assert line["url"] == "https://news.example.org/en.atom" and line["url"] in line["cure"]
    assert fulltext.missing_by_feed() == {desk.feed_id(): 1}


def test_a_story_behind_a_wall_goes_out_at_once_with_its_teaser(desk, told):
    desk.take(teaser())
    due(NOW)
    fails(story(), Missing("a wall", for_good=True), at=NOW + MINUTE)
    assert [article.first_seen_at for article in desk.articles()] == [NOW + MINUTE]
    assert [line["why"] for line in told] == ["a wall"]


def test_a_server_that_fails_is_left_alone_by_all_stories_of_the_feed_and_by_them_only(desk):
    feeds.by_id(desk.feed_id("it")).full_text = True
    db.session.commit()
    desk.take(teaser("one"), teaser("two", title="Two"))
    desk.take(teaser("tre", title="Tre"), language="it", at=NOW + timedelta(seconds=1))
    (first,) = due(NOW, limit=1)
    fails(db.session.get_one(Article, first), Missing("503", wait_s=1800, of_server=True), at=NOW)
    assert due(NOW + timedelta(minutes=29)) == [story("tre").id]
    assert sorted(due(NOW + timedelta(minutes=30))) == sorted([story("one").id, story("two").id])


def test_a_text_that_could_not_be_had_for_hours_is_given_up_however_seldom_it_was_tried(desk, told):
    desk.take(teaser())
    due(NOW + LONGEST + MINUTE)
    fails(story(), Missing("503", of_server=True), at=NOW + LONGEST + MINUTE)
    assert len(told) == 1 and due(NOW + timedelta(days=9)) == []


def test_a_page_that_ends_whoever_reads_it_is_not_tried_for_ever(desk, told):
    desk.take(teaser())
    at = NOW
    for _time in range(len(AGAIN) + 1):
        assert due(at) == [story().id]
        at += fulltext.TAKEN
    assert due(at) == [] and len(told) == 1
    assert story().state == "published"


def test_switched_off_what_waits_goes_out_and_switched_on_again_what_is_missing_is_tried_again(desk):
    desk.take(teaser("one"), teaser("two", title="Two"))
    arrives(story("one"))
    feed = feeds.by_id(desk.feed_id())
    fulltext.set_wanted(feed, wanted=False, now=NOW)
    db.session.commit()
    assert (len(desk.articles()), due(NOW)) == (2, [])
    desk.take(teaser("one"), teaser("two", title="Two"))
    assert story("one").body == TEXT.body, "texts that are here stay"
    fulltext.set_wanted(feeds.by_id(desk.feed_id()), wanted=True, now=NOW)
    assert due(NOW) == [story("two").id]


def test_a_story_without_a_page_on_its_publishers_site_is_named_and_not_kept_back(desk, told):
    desk.take(teaser("away", url="https://other.example.net/story", guid="tag:x"))
    assert [article.state for article in desk.articles()] == ["published"]
    assert [line["why"] for line in told] == ["the feed names no page for it on its publisher's own site"]


def test_the_text_of_a_page_is_found_and_puts_its_story_on_the_shelf_of_its_dateline(desk):
    desk.define({"key": "kr", "kind": "country", "find_in": ["dateline"]})
    desk.take(teaser(), at=NOW)
    arrives(story(), PageText(TEXT.body, "South Korea", "Agency", 120))
    assert [topic.key for topic in shelf.topics_of([story().id])[story().id]] == ["kr"]


def test_a_feed_that_is_removed_leaves_its_stories_and_asks_for_no_more_texts(desk):
    desk.take(teaser())
    feeds.remove(feeds.by_id(desk.feed_id()))
    db.session.commit()
    assert db.session.query(FullText).count() == 0
    assert len(life.release_due(NOW + HOLD)) == 1
