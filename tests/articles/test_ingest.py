"""Storing a feed: every entry once, oldest first, and each article follows its text."""

import random
import threading
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select

from articles import feeds, ingest, shelf
from articles.models import Article, ArticleIdentity, ArticleTopic, Story
from core import database, errors, fetch
from core.database import Base, db
from tests.articles import atom
from tests.articles.atom import NOW, SITE, entry
from tests.articles.conftest import application


def rows() -> dict[str, list]:
    """Return everything in the tables of articles."""
    tables = (table for name, table in Base.metadata.tables.items() if name in TABLES)
    return {table.name: sorted(map(repr, db.session.execute(select(table)))) for table in tables}


TABLES = {"articles", "stories", "article_identities", "article_topics", "topics", "feeds"}


def test_an_entry_becomes_an_article_of_a_story(desk):
    assert desk.take(entry(title="Korea’s “Cuba”: a café")) == ingest.Ingested(1, 0, 0, 0)
    (article,) = desk.articles()
    assert article.slug == "koreas-cuba-a-cafe"
    assert article.ref == f"{article.public_id}-koreas-cuba-a-cafe"
    assert len(article.public_id) == 10
    assert (article.language, article.revision, article.text_changed_at) == ("en", 1, None)
    assert (article.first_seen_at, article.minutes) == (NOW, 1)
    assert db.session.get_one(Story, article.story_id).created_at == NOW


def test_an_arabic_headline_makes_no_slug(desk):
    desk.take(entry(title="كوريا الجنوبية وكوبا"), language="ar")
    (article,) = desk.articles("ar")
    assert (article.slug, article.ref) == ("", article.public_id)


def test_the_same_bytes_again_change_nothing(desk):
    desk.define({"key": "kr", "kind": "country"})
    feed = [entry(name, terms=("KR",), versions={"ar": f"{SITE}/ar/{name}"}) for name in "abc"]
    desk.take(*feed)
    before = rows()
    assert desk.take(*feed, at=NOW + timedelta(hours=1)) == ingest.Ingested(0, 0, 3, 0)
    assert rows() == before


names = st.sampled_from("abcd")
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=30)
some_entries = st.builds(
    entry,
    names,
    title=st.sampled_from(["One", "Two"]) | words,
    guid=st.sampled_from(["", None, "https://news.example.org/?p=1", "http://news.example.org/?p=1"]),
    url=st.sampled_from(["", None, SITE, f"{SITE}/en/one?utm_source=rss", f"{SITE}/en/one#top"]),
    published=st.sampled_from([None, "2024-02-15T15:13:00Z", "2030-01-01T00:00:00Z", "soon"]),
    summary=st.none() | words,
    content=st.none() | st.just(f"<p>{atom.LONG}</p>") | words,
    versions=st.dictionaries(st.sampled_from(["ar", "en", "zh-Hans"]), names.map(lambda name: f"{SITE}/x/{name}")),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(some_entries, max_size=6), st.lists(some_entries, max_size=4))
def test_whatever_came_before_a_feed_that_comes_twice_changes_nothing_the_second_time(desk, before, feed):
    feed_id = desk.feed_id()
    try:
        ingest.store_entries(feed_id, atom.feed(*before), NOW)
        first = ingest.store_entries(feed_id, atom.feed(*feed), NOW)
        after = rows()
        second = ingest.store_entries(feed_id, atom.feed(*feed), NOW + timedelta(minutes=10))
        assert (second.new, second.changed, second.refused) == (0, 0, first.refused)
        assert sum(vars_of(second)) == len(feed)
        assert rows() == after
    finally:
        db.session.rollback()


def vars_of(ingested: ingest.Ingested) -> tuple[int, ...]:
    return (ingested.new, ingested.changed, ingested.known, ingested.refused)


@pytest.mark.parametrize(
    "again",
    [
        entry("one"),
        entry("one", title="Another headline"),
        entry("one", guid="urn:other", url=f"{SITE}/en/one?utm_source=rss#top"),
        entry("two", guid=None, url="http://NEWS.example.org:80/en/one?fbclid=1"),
        entry("two", guid=None, url=None),
    ],
    ids=["whole", "guid", "page", "page spelled otherwise", "text"],
)
def test_an_item_that_is_in_a_feed_twice_is_one_article(desk, again):
    assert desk.take(entry("one"), again) == ingest.Ingested(1, 0, 1, 0)
    assert desk.take(entry("one"), again) == ingest.Ingested(0, 0, 2, 0)
    assert desk.articles()[0].headline == "A headline"


def test_guids_that_move_to_https_bring_nothing_new(desk):
    desk.take(entry("one", guid="http://news.example.org/?p=1", url=None))
    moved = entry("one", guid="https://News.example.org/?p=1", url=None)
    assert desk.take(moved) == ingest.Ingested(0, 0, 1, 0)


def test_entries_of_a_live_blog_share_their_page_and_stay_apart(desk):
    blog = [entry(str(hour), url=f"{SITE}/live", title=f"{hour} o'clock", content=None) for hour in (1, 2, 3)]
    assert desk.take(*blog).new == 3
    assert desk.take(*blog) == ingest.Ingested(0, 0, 3, 0)


def test_entries_that_link_to_the_front_page_stay_apart(desk):
    for number in (1, 2):
        desk.take(entry(str(number), url=f"{SITE}/", title=f"Number {number}", content=None))
    assert len(desk.articles()) == 2


def test_short_texts_may_come_again_on_purpose(desk):
    briefing = [entry(name, title="Briefing", summary="Today.", content=None) for name in ("mon", "tue")]
    assert desk.take(*briefing).new == 2


def test_a_page_that_moved_on_to_another_guid_does_not_take_the_article_of_the_first(desk):
    desk.take(entry("a", title="First", url=f"{SITE}/en/page"))
    later = entry("b", title="Second", url=f"{SITE}/en/page", content=None, published="2024-02-01T00:00:00Z")
    kept = entry("a", title="First", url=f"{SITE}/en/moved")
    assert desk.take(later, kept) == ingest.Ingested(1, 0, 1, 0)
    assert desk.take(later, kept) == ingest.Ingested(0, 0, 2, 0)
    assert {article.headline for article in desk.articles()} == {"First", "Second"}


def test_an_item_torn_in_two_does_not_become_a_new_article_at_every_fetch(desk):
    desk.take(entry("a", content=None))
    torn = [entry("a", url=None, content=None), entry("a", guid=None, content=None)]
    for _ in range(3):
        assert desk.take(*torn) == ingest.Ingested(0, 0, 2, 0)


def test_a_changed_text_is_a_revision_and_its_address_and_dates_stay(desk):
    desk.take(entry(title="First"))
    (before,) = desk.articles()
    ref, published = before.ref, before.published_at
    later = NOW + timedelta(hours=2)
    changed = entry(title="Second", content="<p>Seoul (AN) – New.</p>", published="2024-02-16T11:00:00Z")
    assert desk.take(changed, at=later) == ingest.Ingested(0, 1, 0, 0)
    (article,) = desk.articles()
    assert (article.headline, article.body, article.dateline_place) == ("Second", "<p>New.</p>", "Seoul")
    assert (article.revision, article.text_changed_at, article.words) == (2, later, 1)
    assert (article.ref, article.published_at, article.first_seen_at) == (ref, published, NOW)
    assert desk.take(changed, at=later) == ingest.Ingested(0, 0, 1, 0)


def test_a_feed_that_loses_its_bodies_takes_none_from_us(desk):
    desk.take(entry())
    assert desk.take(entry(content=None)) == ingest.Ingested(0, 0, 1, 0)
    assert atom.LONG.strip() in desk.articles()[0].body


def test_a_new_by_line_is_no_new_text(desk):
    desk.take(entry())
    assert desk.take(entry(more="<author><name>Yoon</name></author>")) == ingest.Ingested(0, 0, 1, 0)
    assert (desk.articles()[0].author, desk.articles()[0].revision) == ("Yoon", 1)


def test_entries_are_stored_oldest_first(desk):
    dates = {"new": "2024-02-16T10:00:00Z", "old": "2024-02-14T10:00:00Z", "mid": "2024-02-15T10:00:00Z"}
    desk.take(*(entry(name, title=name, content=None, published=date) for name, date in dates.items()))
    stored = db.session.scalars(select(Article.headline).order_by(Article.id))
    assert list(stored) == ["old", "mid", "new"]


def test_of_entries_with_one_date_the_last_in_the_feed_is_the_oldest(desk):
    desk.take(*(entry(name, title=name, content=None) for name in ("newer", "older")))
    assert [article.headline for article in desk.articles()] == ["newer", "older"]


@pytest.mark.parametrize(("ahead", "stays"), [(timedelta(minutes=9), True), (timedelta(minutes=11), False)])
def test_a_date_to_come_is_now_unless_it_is_a_clock_that_runs_a_little_fast(desk, ahead, stays):
    desk.take(entry(published=(NOW + ahead).isoformat()))
    assert desk.articles()[0].published_at == (NOW + ahead if stays else NOW)


def test_an_entry_without_a_date_gets_the_time_we_saw_it_and_one_log_line(desk, events):
    for hours in (0, 1):
        desk.take(entry(published=None), at=NOW + timedelta(hours=hours))
    assert desk.articles()[0].published_at == NOW
    assert [event["event"] for event in events].count("entry mended") == 1


def test_an_entry_without_a_title_is_one_log_line_and_nothing_else(desk, events):
    assert desk.take(entry("a"), entry("b", title=None)) == ingest.Ingested(1, 0, 0, 1)
    refused = [event for event in events if event["event"] == "entry refused"]
    assert [(event["why"], event["guid"]) for event in refused] == [("no title", "tag:news.example.org,2024:b")]


def test_a_damaged_feed_is_one_log_line_and_nothing_is_written(desk, events):
    desk.take(entry("a"))
    before = rows()
    events.clear()
    damaged = atom.feed(entry("b"))[:-40]
    with pytest.raises(errors.Invalid, match="cannot be read: it is not well-formed XML") as caught:
        desk.take_bytes(damaged)
    assert caught.value.field == "feed"
    assert [(event["event"], event["log_level"]) for event in events] == [("feed refused", "warning")]
    assert rows() == before


def test_of_a_feed_that_is_cut_off_the_good_items_are_kept_with_one_log_line(desk, events):
    events.clear()
    assert desk.take_bytes(atom.feed(entry("b"), entry("c"))[:-40]).new == 1
    (told,) = (event for event in events if event["log_level"] == "warning")
    assert (told["event"], told["kept"], "its publisher must mend it" in told["cure"]) == ("feed damaged", 1, True)


def test_what_was_fetched_can_be_read_before_the_transaction(desk):
    feed_id = desk.feed_id()
    read = ingest.read_entries(
        feed_id, fetch.Fetched(200, f"{SITE}/en.atom", atom.feed(entry(), entry("b", title=None)))
    )
    assert ingest.store_entries(feed_id, read, NOW) == ingest.Ingested(1, 0, 0, 1)


NAMES = [f"word{number}" for number in range(400)]


def test_a_feed_of_many_new_stories_asks_no_more_questions_than_one_of_few(desk_on_both):
    said: list[str] = []
    counts: list[int] = []
    event.listen(db.engine, "before_cursor_execute", lambda _c, _cursor, statement, *_more: said.append(statement))
    chance = random.Random(2)
    for count in (10, 40):
        texts = [" ".join(chance.choices(NAMES, k=80)) for _number in range(count)]
        new = [
            entry(f"{count}-{at}", title=f"New {count} {at}", published=NOW.isoformat(), content=f"<p>{one}</p>")
            for at, one in enumerate(texts)
        ]
        said.clear()
        desk_on_both.take(*new)
        counts.append(sum(statement.startswith("SELECT") for statement in said))
    assert counts[1] <= counts[0]
    assert len(desk_on_both.articles()) == 50


def test_an_answer_without_a_body_stores_nothing(desk):
    unchanged = fetch.Fetched(304, f"{SITE}/en.atom")
    assert ingest.store_entries(desk.feed_id(), unchanged, NOW) == ingest.Ingested(0, 0, 0, 0)


def test_topics_come_from_the_feeds_terms_and_follow_them(desk):
    desk.define(
        {"key": "kr", "kind": "country"},
        {"key": "diplomacy", "kind": "theme", "names": {"en": "Diplomacy", "ar": "الدبلوماسية"}},
        {"key": "sea", "kind": "theme", "names": {"en": "The sea"}},
    )
    desk.take(entry(terms=("KR", "DIPLOMACY", "unheard of")))
    (article,) = desk.articles()
    assert [topic.key for topic in shelf.topics_of([article.id])[article.id]] == ["kr", "diplomacy"]
    assert desk.take(entry(terms=("south  korea", "the Sea"))) == ingest.Ingested(0, 0, 1, 0)
    assert [topic.key for topic in shelf.topics_of([article.id])[article.id]] == ["kr", "sea"]


def story_of(desk, language):
    return {article.story_id for article in desk.articles(language)}


@pytest.mark.parametrize("first", ["en", "ar"])
@pytest.mark.parametrize("naming", [("en", "ar"), ("en",), ("ar",)])
def test_languages_of_a_story_find_each_other_whichever_comes_first_and_names_the_other(desk, first, naming):
    for code in (first, "ar" if first == "en" else "en"):
        pages = {other: f"{SITE}/{other}/one" for other in ("en", "ar")} if code in naming else {}
        title = {"en": "Korea", "ar": "كوريا"}[code]
        desk.take(entry(guid=f"urn:{code}", title=title, url=f"{SITE}/{code}/one", versions=pages), language=code)
    assert story_of(desk, "en") == story_of(desk, "ar")
    assert [article.language for article in shelf.versions(desk.articles("en")[0])] == ["ar"]


def test_two_languages_that_name_the_same_third_are_one_story(desk):
    for code in ("en", "ar"):
        pages = {"zh-Hans": f"{SITE}/zh/one"}
        desk.take(entry(guid=f"urn:{code}", url=f"{SITE}/{code}/one", versions=pages), language=code)
    assert story_of(desk, "en") == story_of(desk, "ar")


def test_a_story_has_one_article_a_language(desk):
    for name in ("one", "two"):
        pages = {"ar": f"{SITE}/ar/one"}
        desk.take(entry(name, title=name, versions=pages, content=None))
    desk.take(entry("one", url=f"{SITE}/ar/one"), language="ar")
    assert len(story_of(desk, "en")) == 2
    assert story_of(desk, "ar") < story_of(desk, "en")


def at_once(app, *fetched: tuple[str, bytes]) -> list[ingest.Ingested | Exception]:
    """Store feeds, by language, at the same time: each in a thread and a session of its own, as the task does."""
    with database.write_turn():
        ids = {code: feeds.ensure(f"{SITE}/{code}.atom", language=code, now=NOW).id for code, _ in fetched}
        db.session.commit()
    stored: list[ingest.Ingested | Exception] = []
    start = threading.Barrier(len(fetched))

    def store(feed_id: int, body: bytes) -> None:
        with app.app_context():
            start.wait()
            try:
                with database.write_turn():
                    feeds.note_result(feed_id, fetch.Fetched(200, SITE, body), NOW)
                    db.session.flush()
                    result = ingest.store_entries(feed_id, body, NOW)
                    db.session.commit()
                stored.append(result)
            except Exception as error:  # noqa: BLE001 - the test looks at it
                stored.append(error)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=store, args=(ids[code], body)) for code, body in fetched]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return stored


def assert_stored_once(app):
    body = atom.feed(*(entry(str(n), title=f"Story {n}", content=None) for n in range(20)))
    stored = at_once(app, *[("en", body)] * 4)
    assert sorted(map(repr, stored)) == sorted(
        map(repr, [ingest.Ingested(20, 0, 0, 0), *[ingest.Ingested(0, 0, 20, 0)] * 3])
    )
    assert db.session.scalar(select(func.count(Article.id))) == 20


def test_the_same_bytes_at_the_same_time_are_stored_once_on_sqlite(desk, app):
    assert_stored_once(app)


def test_the_same_bytes_at_the_same_time_are_stored_once_on_postgresql(postgres_database):
    with application(postgres_database) as app:
        assert_stored_once(app)
        article = shelf.latest("en", limit=1)[0]
        assert shelf.by_ref(article.ref) is article
        assert len(shelf.candidates("en", since=None)) == 20
        assert db.session.scalar(select(func.count()).select_from(ArticleIdentity)) == 40
        assert db.session.scalar(select(func.count()).select_from(ArticleTopic)) == 0


def test_languages_that_come_in_at_the_same_time_find_each_other_and_never_lock_each_other_out(postgres_database):
    codes = ("en", "ar", "zh-Hans", "it")
    with application(postgres_database) as app:
        for turn in range(5):
            pages = {code: f"{SITE}/{code}/{turn}" for code in codes}
            versions = {code: entry(f"{code} {turn}", url=pages[code], versions=pages, content=None) for code in codes}
            stored = at_once(app, *((code, atom.feed(versions[code])) for code in codes))
            assert stored == [ingest.Ingested(1, 0, 0, 0)] * 4
        assert db.session.scalar(select(func.count(Story.id))) == 5
