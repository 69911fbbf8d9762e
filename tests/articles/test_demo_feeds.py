"""The demo's own Atom files come in whole: every entry with date, topics, dateline, and its other language."""

import tomllib
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from articles import ingest, pictures, pictures_due, renditions, rules, shelf, topics, unmapped
from core.database import db
from core.settings import ROOT
from demo import publication
from tests.articles import atom

SCRIPTS = {"en": "LATIN", "it": "LATIN", "ar": "ARABIC", "zh-Hans": "CJK", "ko": "HANGUL"}
NOW = atom.NOW.replace(year=2026)
DEMO = Path(ROOT) / "demo"
FEEDS = [
    (language, f"{name}{late}.atom")
    for late in ("", "-late")
    for name, language in publication.FEEDS.items()
    if (DEMO / "feeds" / f"{name}{late}.atom").exists()
]
"""The files in the order of their arrival: those of the first days before those of the day after."""
OTHER = sorted(FEEDS, key=lambda feed: ("-late" in feed[1], -FEEDS.index(feed)))


@pytest.fixture(params=[FEEDS, OTHER], ids=["English first", "English last"])
def loaded(desk, request, events):
    told = tomllib.loads((DEMO / "topics.toml").read_text("utf-8"))
    topics.apply(told["topic"])
    rules.write(rules.read(told["rule"]))
    db.session.commit()
    for language, name in request.param:
        feed = (DEMO / "feeds" / name).read_bytes()
        stored = ingest.store_entries(desk.feed_id(language), feed, NOW)
        assert stored == ingest.Ingested(feed.count(b"<entry>"), 0, 0, 0)
        again = ingest.store_entries(desk.feed_id(language), feed, NOW)
        assert again == ingest.Ingested(0, 0, feed.count(b"<entry>"), 0)
    assert {event["event"] for event in events} == {"feed stored"}
    return desk


def test_every_demo_story_is_complete(loaded):
    articles = [article for language in publication.FEEDS.values() for article in loaded.articles(language)]
    placed = shelf.topics_of([article.id for article in articles])
    for article in articles:
        assert article.standfirst
        assert article.dateline_place
        assert article.dateline_agency
        assert article.body.startswith("<p>")
        assert {topic.kind for topic in placed[article.id]} == {"country", "theme"}
        assert article.published_at < NOW


def test_pictures_of_the_demo_are_here_small_and_described_in_the_language_of_their_story(loaded):
    listed = pictures.listed(missing=False)
    files = {publication.PICTURE.format(name=file.stem): file for file in (DEMO / "pictures").iterdir()}
    assert {one.source.url for one in listed} == files.keys(), "each is shown, and none is lacking"
    assert {one.article.language for one in listed} == set(publication.FEEDS.values())
    for file in files.values():
        with Image.open(file) as image:
            assert (image.size, image.format, image.mode) == (publication.PICTURE_SIZE, "JPEG", "RGB")
        assert file.stat().st_size <= renditions.MOST_BYTES
    for one in listed:
        assert one.picture.position == 0 and one.picture.alt and one.picture.caption
        assert unicodedata.name(one.picture.alt[0]).startswith(SCRIPTS[one.article.language])


def test_the_demo_shows_its_pictures_without_fetching_any(desk):
    publication.load(publication.read(), NOW)
    assert not pictures_due.anything(NOW)
    assert {one.source.state for one in pictures.listed()} == {"ready"}


def test_every_file_is_named_with_its_language():
    assert {(DEMO / "feeds" / name) for _language, name in FEEDS} == set((DEMO / "feeds").iterdir())
    spoken = tomllib.loads((DEMO / "postrider.toml").read_text("utf-8"))["publication"]
    assert sorted(publication.FEEDS.values()) == sorted(spoken["languages"])
    assert set(spoken["languages"]) == spoken["name"].keys() == spoken["motto"].keys()
    digests = tomllib.loads((DEMO / "digests.toml").read_text("utf-8"))["digest"]
    assert {digest["language"] for digest in digests} == set(spoken["languages"])


def test_every_theme_is_named_in_every_language():
    for topic in tomllib.loads((DEMO / "topics.toml").read_text("utf-8"))["topic"]:
        assert topic["kind"] == "country" or topic["names"].keys() >= set(publication.FEEDS.values()), topic["key"]


def test_korea_and_cuba_is_one_story_in_every_language(loaded):
    (english,) = [a for a in loaded.articles("en") if a.headline.startswith("South Korea and Cuba")]
    versions = {article.language: article for article in shelf.versions(english)}
    assert versions.keys() == set(publication.FEEDS.values()) - {"en"}
    assert versions["ar"].headline.startswith("كوريا الجنوبية وكوبا")
    for article in versions.values():
        assert {topic.key for topic in shelf.topics_of([article.id])[article.id]} == {"kr", "cu", "sy", "diplomacy"}
    assert {topic.key for topic in shelf.topics_of([english.id])[english.id]} >= {"kr", "cu", "diplomacy"}


def test_shelves_come_from_the_feeds_own_words_from_headlines_and_from_datelines(loaded):
    """Each of the three puts some story on a shelf that nothing else would have put it on; one word is left to say."""
    by_name = {article.url.rpartition("/")[2]: article for article in loaded.articles("en")}
    found = shelf.topics_of([article.id for article in by_name.values()])
    shelves = {name: {topic.key for topic in found[article.id]} for name, article in by_name.items()}
    ferry, letters = "ferry-that-leaves-with-the-school-bell", "sheets-for-letters-that-must-last"
    assert "Ferries" in (by_name[ferry].terms or ()) and shelves[ferry] >= {"ph", "sea", "education"}
    assert by_name[letters].dateline_place == "Wanju" and shelves[letters] >= {"kr"}
    assert not {"kr", "ph"} & {term.casefold() for name in (ferry, letters) for term in by_name[name].terms or ()}
    assert [one.term for one in unmapped.most_told(limit=9)] == ["Letters"]
    (amman,) = [one for one in loaded.articles("ar") if one.dateline_place == "عمّان"]
    assert {topic.key for topic in shelf.topics_of([amman.id])[amman.id]} >= {"jo"}
    assert "om" not in {topic.key for topic in shelf.topics_of([amman.id])[amman.id]}
