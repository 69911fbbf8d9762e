"""The demo's own Atom files come in whole: every entry with date, topics, dateline, and its other language."""

import tomllib
from pathlib import Path

import pytest

from articles import ingest, shelf, topics
from core.settings import ROOT
from tests.articles import atom

NOW = atom.NOW.replace(year=2026)
DEMO = Path(ROOT) / "demo"
FEEDS = [("en", "english.atom"), ("ar", "arabic.atom"), ("en", "english-late.atom"), ("ar", "arabic-late.atom")]


OTHER = [FEEDS[place] for place in (1, 0, 3, 2)]


@pytest.fixture(params=[FEEDS, OTHER], ids=["English first", "Arabic first"])
def loaded(desk, request, events):
    topics.apply(tomllib.loads((DEMO / "topics.toml").read_text("utf-8"))["topic"])
    for language, name in request.param:
        feed = (DEMO / "feeds" / name).read_bytes()
        stored = ingest.store_entries(desk.feed_id(language), feed, NOW)
        assert stored == ingest.Ingested(feed.count(b"<entry>"), 0, 0, 0)
        again = ingest.store_entries(desk.feed_id(language), feed, NOW)
        assert again == ingest.Ingested(0, 0, feed.count(b"<entry>"), 0)
    assert {event["event"] for event in events} == {"feed stored"}
    return desk


def test_every_demo_story_is_complete(loaded):
    articles = [*loaded.articles("en"), *loaded.articles("ar")]
    placed = shelf.topics_of([article.id for article in articles])
    for article in articles:
        assert article.standfirst
        assert article.dateline_place
        assert article.dateline_agency
        assert article.body.startswith("<p>")
        assert {topic.kind for topic in placed[article.id]} == {"country", "theme"}
        assert article.published_at < NOW


def test_korea_and_cuba_is_one_story_in_two_languages(loaded):
    (english,) = [a for a in loaded.articles("en") if a.headline.startswith("South Korea and Cuba")]
    (arabic,) = shelf.versions(english)
    assert arabic.headline.startswith("كوريا الجنوبية وكوبا")
    assert {topic.key for topic in shelf.topics_of([english.id])[english.id]} >= {"kr", "cu", "diplomacy"}
