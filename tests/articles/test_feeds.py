"""When a feed is asked for, what for, and how long it is left alone after a failure."""

from datetime import timedelta

import pytest

from articles import feeds
from core import errors, fetch
from tests.articles.atom import NOW

URL = "https://news.example.org/en.atom"
GOOD = fetch.Fetched(200, URL, b"<feed/>", etag='"1"', last_modified="Thu, 15 Feb 2024 06:13:00 GMT")


@pytest.fixture
def feed(desk):
    return feeds.add(URL, language="en", now=NOW)


def wait(feed) -> timedelta:
    return feed.next_fetch_at - NOW


def test_a_feed_is_due_as_soon_as_it_is_added(feed):
    assert feeds.due(NOW, 10) == [feed.id]
    assert feeds.request_for(feed.id) == fetch.FetchRequest(URL, None, None)


def test_a_feed_whose_bytes_are_handed_to_us_is_never_due(desk):
    handed = feeds.ensure("https://news.example.org/demo.atom", language="en", now=NOW, fetched=False)
    assert feeds.due(NOW + timedelta(days=9), 10) == []
    assert feeds.ensure("https://news.example.org/demo.atom", language="ar", now=NOW) is handed


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "http://127.1/", "https://a:b@example.org/", "http://x:22/"])
def test_an_address_that_is_never_fetched_is_no_feed(desk, url):
    for make in (feeds.add, feeds.ensure):
        with pytest.raises(errors.Invalid) as caught:
            make(url, language="en", now=NOW)
        assert caught.value.field == "url"


def test_a_feed_is_added_once(feed):
    with pytest.raises(errors.Invalid, match="already"):
        feeds.add(URL, language="en", now=NOW)
    assert feeds.ensure(URL, language="en", now=NOW) is feed


def test_what_was_read_is_asked_for_again_in_ten_minutes_if_it_has_changed(feed):
    feeds.note_result(feed.id, GOOD, NOW)
    assert feeds.due(NOW + timedelta(minutes=9), 10) == []
    assert feeds.due(NOW + timedelta(minutes=10), 10) == [feed.id]
    assert feeds.request_for(feed.id) == fetch.FetchRequest(URL, '"1"', "Thu, 15 Feb 2024 06:13:00 GMT")


def test_not_modified_is_a_success_and_the_validators_stay(feed):
    feeds.note_result(feed.id, GOOD, NOW)
    feeds.note_result(feed.id, fetch.FetchFailed("down"), NOW)
    feeds.note_result(feed.id, fetch.Fetched(304, URL), NOW)
    assert (feed.fails, feed.etag, feed.last_success_at, wait(feed)) == (0, '"1"', NOW, feeds.INTERVAL)


@pytest.mark.parametrize(
    "failure",
    [
        fetch.FetchFailed("the host cannot be reached"),
        fetch.FetchRefused("it is larger than 5000000 bytes"),
        fetch.Fetched(404, URL),
        fetch.Fetched(500, URL, etag='"error page"'),
        fetch.Fetched(204, URL),
        errors.Invalid("feed", "This feed cannot be read."),
    ],
)
def test_each_failure_doubles_the_wait_up_to_six_hours_and_one_success_ends_it(feed, failure):
    feeds.note_result(feed.id, GOOD, NOW)
    waits = []
    for _ in range(40):
        feeds.note_result(feed.id, failure, NOW)
        waits.append(wait(feed) / timedelta(minutes=1))
    assert waits[:7] == [20, 40, 80, 160, 320, 360, 360]
    assert waits[-1] == 360
    # What could not be read is asked for in full: a 304 would hide it for ever.
    assert feeds.request_for(feed.id).etag == '"1"'
    feeds.note_result(feed.id, GOOD, NOW)
    assert (feed.fails, wait(feed)) == (0, feeds.INTERVAL)


def test_a_server_that_asks_for_a_longer_wait_gets_it(feed):
    feeds.note_result(feed.id, fetch.Fetched(429, URL, retry_after=7_200), NOW)
    assert wait(feed) == timedelta(hours=2)
    feeds.note_result(feed.id, fetch.Fetched(503, URL, retry_after=1), NOW)
    assert wait(feed) == timedelta(minutes=40)


def test_a_feed_that_is_gone_is_never_asked_for_again(feed, events):
    feeds.note_result(feed.id, fetch.Fetched(410, URL), NOW)
    assert feeds.due(NOW + timedelta(days=99), 10) == []
    assert [event["event"] for event in events] == ["feed gone"]


def test_a_failed_fetch_is_one_log_line_and_a_damaged_feed_none_since_ingest_told_it(feed, events):
    feeds.note_result(feed.id, fetch.FetchFailed("down"), NOW)
    feeds.note_result(feed.id, errors.Invalid("feed", "This feed cannot be read."), NOW)
    assert [(event["event"], event["why"]) for event in events] == [("feed not read", "down")]


def test_the_longest_due_come_first_and_no_more_than_asked_for(desk):
    added = [feeds.add(f"{URL}?{n}", language="en", now=NOW - timedelta(minutes=n)).id for n in range(4)]
    assert feeds.due(NOW, 3) == added[:0:-1]


def test_a_feed_that_is_not_there_is_not_found(desk):
    with pytest.raises(errors.NotFound):
        feeds.request_for(99)
