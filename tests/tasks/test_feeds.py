"""Feeds are fetched at the door: over the network as it is, stored one by one."""

import functools
from datetime import timedelta

import pytest

from articles import feeds, ingest, life, shelf
from articles.models import Feed
from core import clock, database, fetch
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

    def failing(feed_id, *rest):
        if feed_id == first:
            raise RuntimeError("damaged")
        return real(feed_id, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(ingest, place, failing)
        task.fetch_due()
    assert headlines() == {"From the second"}
    assert (feed_of(first).fails, waits(first), feed_of(first).etag) == (1, 20, None)
    assert (feed_of(second).fails, waits(second)) == (0, 10)


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
