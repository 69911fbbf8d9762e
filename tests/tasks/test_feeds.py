"""Feeds are fetched at the door: over the network as it is, stored one by one."""

import functools
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from articles import feedhealth, feeds, ingest, life, shelf
from articles.models import Feed
from core import alerts, clock, database, fetch
from core.database import db
from tasks import feeds as task
from tests.articles import atom
from tests.core.web import serving


@pytest.fixture
def web(monkeypatch):
    """A little web that all feeds are fetched from."""
    with serving() as web:
        monkeypatch.setattr(fetch, "get", functools.partial(fetch.get, _network=web.network()))
        yield web


@pytest.fixture
def add(app, web):
    """Serve a feed and have it read from now on; return its id."""

    def publish(name: str, *entries: str, status: int = 200, body: bytes | None = None) -> int:
        feed = atom.feed(*entries) if body is None else body
        web.pages[f"/{name}"] = lambda asked: asked.answer(status, feed, ETag=f'"{name}"')
        with database.write_turn():
            url = f"http://feeds.example.org/{name}"
            feed_id = feeds.ensure(url, language="en", now=clock.utc_now() - timedelta(seconds=1)).id
            db.session.commit()
        return feed_id

    return publish


def headlines() -> set[str]:
    db.session.rollback()
    return {article.headline for article in shelf.latest("en", limit=100)}


def feed_of(feed_id: int) -> Feed:
    db.session.rollback()
    return feeds.by_id(feed_id)


def waits(feed_id: int) -> float:
    """Return for how many minutes a feed is left alone."""
    wanted = feed_of(feed_id).next_fetch_at
    assert wanted is not None
    return round((wanted - clock.utc_now()) / timedelta(minutes=1))


def test_the_feeds_that_are_due_are_fetched_and_stored(add, web):
    one = add("one", atom.entry("a", title="From one"))
    two = add("two", atom.entry("b", title="From two"))
    task.fetch_due()
    assert headlines() == {"From one", "From two"}
    assert [feed_of(one).etag, feed_of(two).etag] == ['"one"', '"two"']
    assert [waits(one), waits(two)] == [10, 10]
    task.fetch_due()
    assert len(web.hits) == 2, "nothing is due yet"


@pytest.mark.parametrize("broken", ["unreadable", "out of reach", "not found"])
def test_a_feed_that_cannot_be_read_waits_and_the_next_one_is_stored(add, web, broken):
    first = add("first", body=b"<rss", status=404 if broken == "not found" else 200)
    if broken == "out of reach":
        web.pages["/first"] = lambda asked: asked.raw(b"nonsense")
    add("second", atom.entry("b", title="From the second"))
    task.fetch_due()
    assert headlines() == {"From the second"}
    assert (feed_of(first).fails, waits(first)) == (1, 20)


@pytest.mark.parametrize("place", ["read_entries", "store_entries"])
def test_a_feed_that_fails_in_an_unforeseen_way_waits_and_the_next_one_is_stored(add, monkeypatch, place):
    first = add("first", atom.entry("a", title="From the first"))
    second = add("second", atom.entry("b", title="From the second"))
    real = getattr(ingest, place)

    def failing(feed_id, *rest, **more):
        if feed_id == first:
            raise RuntimeError("damaged")
        return real(feed_id, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(ingest, place, failing)
        task.fetch_due()
    assert headlines() == {"From the second"}
    assert (feed_of(first).fails, waits(first), feed_of(first).etag) == (1, 20, None)
    assert (feed_of(second).fails, waits(second)) == (0, 10)


def test_a_date_without_a_zone_is_one_of_the_publisher(add):
    add("one", atom.entry("a", published="2024-02-15T15:13:00"))
    task.fetch_due()
    db.session.rollback()
    (article,) = shelf.latest("en", limit=1)
    assert article.published_at == datetime(2024, 2, 15, 7, 13, tzinfo=UTC)


def test_no_transaction_is_open_while_a_feed_is_fetched(add, monkeypatch):
    add("one", atom.entry("a"))
    get, seen = fetch.get, []

    def watched(request):
        seen.append(db.session().in_transaction())
        return get(request)

    monkeypatch.setattr(fetch, "get", watched)
    task.fetch_due()
    assert seen == [False]


def test_when_time_is_up_the_rest_is_left_for_the_next_look(add, web, monkeypatch):
    add("one", atom.entry("a", title="One"))
    add("two", atom.entry("b", title="Two"))
    monkeypatch.setattr(task, "LONGEST_S", -1.0)
    task.fetch_due()
    assert len(web.hits) == 1
    task.fetch_due()
    assert headlines() == {"One", "Two"}


def due(feed_id: int) -> None:
    """Have a feed be due again."""
    with database.write_turn():
        feeds.by_id(feed_id).next_fetch_at = clock.utc_now()
        db.session.commit()


def moves(web, name: str, *statuses: int) -> None:
    """Have a feed lead elsewhere, over so many redirects, the last of them to `new`."""
    for number, status in enumerate(statuses):
        place = name if number == 0 else f"{name}-{number}"
        to = "new" if number == len(statuses) - 1 else f"{name}-{number + 1}"
        web.pages[f"/{place}"] = lambda asked, status=status, to=to: asked.answer(status, b"", Location=f"/{to}")
    feed = atom.feed(atom.entry("a"))
    web.pages["/new"] = lambda asked: asked.answer(200, feed)


@pytest.mark.parametrize(
    ("statuses", "follows"),
    [((301,), True), ((308, 301), True), ((302,), False), ((301, 302), False), ((307, 308), False)],
    ids=str,
)
def test_a_feed_that_says_twice_that_it_has_moved_for_good_is_read_there(add, web, statuses, follows):
    one = add("one")
    moves(web, "one", *statuses)
    task.fetch_due()
    assert feed_of(one).url == "http://feeds.example.org/one", "said once, it may be a slip"
    due(one)
    task.fetch_due()
    assert feed_of(one).url == f"http://feeds.example.org/{'new' if follows else 'one'}"
    assert headlines() == {"A headline"}, "wherever it was read, its stories are the same"


def test_a_feed_that_takes_it_back_stays_where_it_is(add, web):
    one = add("one", atom.entry("a"))
    home = web.pages["/one"]
    for moved in (True, False, True):
        moves(web, "one", 301) if moved else web.pages.update({"/one": home})
        due(one)
        task.fetch_due()
    assert feed_of(one).url == "http://feeds.example.org/one"


def test_a_feed_does_not_move_to_where_another_one_is(add, web):
    one = add("one")
    moves(web, "one", 301)
    other = add("new", atom.entry("a"))
    for _time in range(3):
        due(one)
        task.fetch_due()
    assert (feed_of(one).url, feed_of(other).url) == ("http://feeds.example.org/one", "http://feeds.example.org/new")


def told() -> dict[str, str]:
    """Return the first line of each alert that stands, by its key."""
    db.session.rollback()
    standing = alerts.standing(db.session.connection())
    return {one.key: one.text.partition("\n")[0] for one in standing}


def test_operators_are_told_of_a_feed_that_is_gone_until_it_is_back(add, web):
    one = add("one", atom.entry("a"), status=410)
    task.fetch_due()
    assert told() == {f"feed:{one}": "The feed http://feeds.example.org/one is gone: its server answers 410."}
    assert (feed_of(one).state, feed_of(one).next_fetch_at) == ("gone", None)
    web.pages["/one"] = lambda asked: asked.answer(200, atom.feed(atom.entry("a")))
    with database.write_turn():
        feeds.resume(feeds.by_id(one), now=clock.utc_now())
        db.session.commit()
    task.fetch_due()
    assert told() == {}
    assert headlines() == {"A headline"}


def test_operators_are_told_of_a_feed_that_fails_again_and_again(add, web):
    one = add("one", status=500)
    for time in range(feedhealth.FAILS):
        assert told() == {}, time
        due(one)
        task.fetch_due()
    assert list(told()) == [f"feed:{one}"]


def test_operators_are_told_of_a_feed_that_falls_silent_for_longer_than_it_ever_does(add, web):
    names = iter("abcdefg")
    one = add("one")
    start = clock.utc_now()

    def after(hours: float, *, new: bool) -> dict[str, str]:
        body = atom.feed(*(atom.entry(name, title=f"Story {name}") for name in ([next(names)] if new else [])))
        web.pages["/one"] = lambda asked: asked.answer(200, body)
        with time_machine.travel(start + timedelta(hours=hours), tick=False):
            due(one)
            task.fetch_due()
        return told()

    for hours in (0, 1, 11, 12):
        assert after(hours, new=True) == {}
    assert after(12 + 19.9, new=False) == {}, "ten hours without anything are usual here"
    assert "10 hours are usual" in after(12 + 20.5, new=False)[f"feed:{one}"]
    assert after(33, new=True) == {}


def test_nobody_is_woken_for_a_feed_whose_stories_come_minutes_apart(add, web):
    feed = Feed(usual_gap_s=600, state="on")
    assert feedhealth.silent_after(feed) == feedhealth.SILENT_AT_LEAST
    assert feedhealth.silent_after(Feed(usual_gap_s=0)) is None, "its habits are not known yet"


def test_what_was_held_until_now_is_published(add, web):
    add("one", atom.entry("one"), atom.entry("two", title="Another"))
    task.fetch_due()
    held = {article.headline: article for article in shelf.latest("en", limit=9)}
    now = clock.utc_now()
    life.hold(held["A headline"], until=now + timedelta(milliseconds=1), now=now)
    life.hold(held["Another"], until=now + timedelta(days=1), now=now)
    db.session.commit()
    assert headlines() == set()
    task.release_due()
    assert headlines() == {"A headline"}
