"""Pages are fetched at the door and read by a process apart: over the network as it is, by the one who reads pages."""

import functools
import re
from datetime import timedelta

import pytest
import structlog

from articles import fulltext, life, shelf
from articles.models import Article, FullText
from core import apart, clock, database, fetch
from core.database import db
from tasks import feeds as feeds_task
from tasks import fulltext as task
from tests.articles import atom
from tests.core.web import serving

SITE = "http://feeds.example.org"
LEAD = "For years pupils slept across the water. A new timetable lets 38 of them go home."
PARAGRAPHS = (
    "Romblon (Courier) – The boat that leaves Banog at 5.40 in the morning is blue and, since Monday, on time. On "
    "board are 38 pupils, a crate of fish, two teachers and the girl who moved it.",
    "Banog has a primary school but no secondary school. The next one is 50 minutes away, across the water, so for "
    'years most pupils slept there. <a href="/timetable">The new timetable</a> lets them be home for supper.',
    "On the first evening the boat came back at twenty past five, in daylight, with all of them on board.",
)


def page(*paragraphs: str, head: str = "") -> bytes:
    """Return a story's page as publishers write them: much around it that is none of it."""
    told = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Ferry</title>{head}</head><body>'
        '<nav><ul><li><a href="/">Home</a></li><li><a href="/asia">Asia</a></li></ul></nav>'
        f"<main><article><h1>Islanders move the ferry</h1><p class='lead'>{LEAD}</p>{told}"
        "<script>alert(1)</script></article><aside><h3>Most read</h3><ul><li><a href='/x'>A lost horse</a></li></ul>"
        "</aside></main><footer>© The Courier. All rights reserved.</footer></body></html>"
    ).encode()


@pytest.fixture
def web(monkeypatch):
    """A little web that feeds and pages are fetched from."""
    with serving() as web:
        monkeypatch.setattr(fetch, "get", functools.partial(fetch.get, _network=web.network()))
        yield web


@pytest.fixture
def told(monkeypatch):
    """What was logged of texts that could not be had."""
    capture = structlog.testing.LogCapture()
    monkeypatch.setattr(fulltext, "log", structlog.wrap_logger(None, processors=[capture]))
    return capture.entries


@pytest.fixture
def read(app, web):
    """Serve a feed of teasers, have it read, and its pages after it."""
    app.test_cli_runner().invoke(args=["feeds", "add", f"{SITE}/feed", "--language", "en", "--full-text"])

    def look(*names: str) -> list[Article]:
        now = clock.utc_now().isoformat()
        headline = {name: f"Islanders move the ferry {name}".removesuffix(" one") for name in names}
        entries = (
            atom.entry(name, title=headline[name], url=f"{SITE}/{name}", summary=LEAD, content=None, published=now)
            for name in names
        )
        body = atom.feed(*entries)
        web.pages["/feed"] = lambda asked: asked.answer(200, body)
        feeds_task.fetch_due()
        task.fetch_due()
        db.session.rollback()
        return shelf.latest("en", limit=100)

    return look


def again() -> None:
    """Have what is to be tried again be due."""
    with database.write_turn():
        db.session.query(FullText).update({"next_try_at": clock.utc_now()})
        db.session.commit()
    task.fetch_due()


def test_a_teaser_becomes_the_whole_story_of_its_page_and_nothing_of_what_stands_around_it(read, web):
    web.pages["/one"] = lambda asked: asked.answer(200, page(*PARAGRAPHS), ETag='"1"')
    (article,) = read("one")
    assert (article.dateline_place, article.dateline_agency) == ("Romblon", "Courier")
    assert article.body.startswith("<p>The boat that leaves Banog")
    assert article.body.count("<p>") == 3
    assert f'<a href="{SITE}/timetable" rel="noopener noreferrer">The new timetable</a>' in article.body
    for other in ("alert", "Most read", "rights reserved", LEAD, "Islanders move"):
        assert other not in article.body
    assert web.hits[-1].headers["User-Agent"] == "Postrider"
    assert "text/html" in web.hits[-1].headers["Accept"]


def test_no_transaction_is_open_while_a_page_is_fetched_and_read(read, web, monkeypatch):
    seen = []

    def watched(real):
        def call(*asked):
            seen.append(db.session().in_transaction())
            return real(*asked)

        return call

    monkeypatch.setattr(fetch, "get", watched(fetch.get))
    monkeypatch.setattr(apart, "run", watched(apart.run))
    web.pages["/one"] = lambda asked: asked.answer(200, page(*PARAGRAPHS))
    assert len(read("one")) == 1
    assert seen == [False, False, False]


ELSEWHERE = page(*PARAGRAPHS)
BAD_PAGES = {
    "a wall": ((200, page(PARAGRAPHS[0], "Subscribe to continue reading.", *PARAGRAPHS[1:]), {}), "asks for something"),
    "it says that it is not free": (
        (
            200,
            page(*PARAGRAPHS, head='<script type="application/ld+json">{"isAccessibleForFree": "False"}</script>'),
            {},
        ),
        "for subscribers",
    ),
    "no more than the teaser": ((200, page(), {}), "no more than the feed|no text of a story"),
    "a PDF": ((200, b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(range(256)) * 40, {}), "no more|no text|another text"),
    "too large": ((200, b"<p>" + b"a" * 3_100_000, {}), "larger than"),
    "the front page": ((302, b"", {"Location": "/"}), "front page"),
    "another site": ((302, b"", {"Location": "http://consent.example.net/ask"}), "another site"),
    "a private place": ((302, b"", {"Location": "http://10.0.0.5/"}), "not on the public internet"),
}


@pytest.mark.parametrize("bad", BAD_PAGES)
def test_what_is_not_the_story_leaves_its_teaser_at_once_and_is_named(read, web, told, bad):
    (status, body, headers), why = BAD_PAGES[bad]
    web.pages |= {"/one": lambda asked: asked.answer(status, body, **headers)}
    web.pages |= dict.fromkeys(("/", "/ask"), lambda asked: asked.answer(200, ELSEWHERE))
    (article,) = read("one")
    assert (article.body, article.state, article.revision) == ("", "published", 1)
    (line,) = told
    assert re.search(why, line["why"]), line["why"]
    assert line["url"] == f"{SITE}/feed" and "--full-text on" in line["cure"]


def test_a_page_that_cannot_be_had_is_tried_again_and_then_the_story_has_its_text(read, web, told):
    web.pages["/one"] = lambda asked: asked.answer(404)
    assert read("one") == [], "it waits for its text"
    web.pages["/one"] = lambda asked: asked.answer(200, page(*PARAGRAPHS))
    again()
    assert [article.words for article in shelf.latest("en", limit=9)] == [89] and told == []


def test_a_server_that_has_enough_is_left_alone_with_all_its_pages(read, web):
    for name in ("/one", "/two"):
        web.pages[name] = lambda asked: asked.answer(429, Retry_After="600")
    assert read("one", "two") == []
    assert [asked.path for asked in web.hits][0] == "/feed" and len(web.hits) == 2
    with database.write_turn():
        assert len(life.release_due(clock.utc_now() + timedelta(minutes=10))) == 2
        db.session.commit()


def test_a_page_that_hangs_whoever_reads_it_is_cut_off_and_the_next_one_is_read(read, web, monkeypatch):
    web.pages["/one"] = lambda asked: asked.answer(200, page(*PARAGRAPHS) + b"<!-- deep -->" + b"<div>" * 500_000)
    web.pages["/two"] = lambda asked: asked.answer(200, page(*PARAGRAPHS))
    monkeypatch.setattr(apart, "WALL_S", 20.0)
    headlines = {article.headline for article in read("one", "two")}
    assert "Islanders move the ferry two" in headlines


def test_an_unchanged_page_is_asked_for_with_what_it_said_before_and_keeps_its_text(read, web):
    web.pages["/one"] = lambda asked: asked.answer(
        304 if asked.headers["If-None-Match"] else 200, page(*PARAGRAPHS), ETag='"1"'
    )
    (article,) = read("one")
    before = (article.body, article.revision)
    again()
    assert web.hits[-1].headers["If-None-Match"] == '"1"'
    (article,) = shelf.latest("en", limit=9)
    assert (article.body, article.revision) == before


def test_at_a_terminal_the_texts_of_a_feed_are_fetched_with_it_and_what_is_missing_is_said(app, web):
    def flask(*words: str) -> str:
        return app.test_cli_runner().invoke(args=["feeds", *words]).output

    now = clock.utc_now().isoformat()
    entries = [
        atom.entry(name, title=f"A ferry {name}", url=f"{SITE}/{name}", summary=LEAD, content=None, published=now)
        for name in ("one", "two")
    ]
    web.pages["/feed"] = lambda asked: asked.answer(200, atom.feed(*entries))
    web.pages["/one"] = lambda asked: asked.answer(200, page(*PARAGRAPHS))
    web.pages["/two"] = lambda asked: asked.answer(404)
    flask("add", f"{SITE}/feed", "--language", "en")
    assert "cannot both be on" in flask("set", f"{SITE}/feed", "--full-text", "on", "--teaser-only", "on")
    assert "holds from now on" in flask("set", f"{SITE}/feed", "--full-text", "on")
    said = flask("fetch", f"{SITE}/feed")
    assert "2 new, 0 changed" in said and "Texts taken from their pages: 1." in said
    assert "Stories that have the feed's teaser: 1, since the server answered 404 for its page." in said
