"""`flask articles pictures` and `picture`: what an editor types, and what it says."""

import functools
import json

import pytest

from articles import feeds, ingest, pictures_due, shelf
from articles.pictures import PictureSource
from articles.renditions import Made
from core import clock, fetch
from core.database import db
from tests.articles import atom
from tests.articles.images import photo
from tests.core.web import serving

SITE = "http://publisher.example.org"


@pytest.fixture
def story(app) -> str:
    """A story with three pictures: one shown, one never, one that waits."""
    feed = feeds.ensure(f"{SITE}/feed", language="en", now=clock.utc_now())
    content = f"<img src={SITE}/a.jpg><p>{atom.LONG}</p><img src={SITE}/b.jpg><img src={SITE}/c.jpg alt=Map>"
    ingest.store_entries(feed.id, atom.feed(atom.entry(content=content)), clock.utc_now())
    by_name = {source.url[-5]: source.id for source in db.session.query(PictureSource)}
    pictures_due.note_made(by_name["a"], Made(600, 400, b"jpeg"), clock.utc_now())
    pictures_due.note_failure(by_name["b"], "it is damaged", clock.utc_now(), for_good=True)
    db.session.commit()
    return shelf.latest("en", limit=1)[0].public_id


def test_the_pictures_of_a_story_are_listed_with_what_became_of_them(flask, story):
    told = flask(f"articles pictures {story}").output
    assert f"0  shown  [no alt text]  {SITE}/a.jpg" in told
    assert f"1  never shown: it is damaged  [no alt text]  {SITE}/b.jpg" in told
    assert f"2  waits to be fetched  Map  {SITE}/c.jpg" in told
    found = json.loads(flask(f"articles pictures {story} --json").output)
    assert [(one["number"], one["state"], one["alt"]) for one in found] == [
        (0, "ready", None),
        (1, "refused", None),
        (2, "waiting", "Map"),
    ]


def test_what_was_given_up_is_fetched_again_at_a_word(flask, story, monkeypatch):
    with serving() as web:
        monkeypatch.setattr(fetch, "get", functools.partial(fetch.get, _network=web.network()))
        web.pages["/b.jpg"] = lambda asked: asked.answer(200, photo(800, 600))
        web.pages["/c.jpg"] = lambda asked: asked.answer(404)
        result = flask(f"articles fetch-pictures {story}")
        assert result.exit_code == 1 and "Traceback" not in result.output
        assert f"1  shown  [no alt text]  {SITE}/b.jpg" in result.output
        assert f"2  not shown yet: its server answers 404  Map  {SITE}/c.jpg" in result.output
        assert "1 of 3 pictures could not be had." in result.output
        assert [hit.path for hit in web.hits] == ["/b.jpg", "/c.jpg"], "what is there is not fetched again"
        web.pages["/c.jpg"] = lambda asked: asked.answer(200, photo(800, 601))
        result = flask(f"articles fetch-pictures {story}")
        assert (result.exit_code, "3 listed." in result.output) == (0, True)


def test_what_nobody_has_described_is_found_and_described(flask, story):
    assert f"{story}  0  shown  [no alt text]" in flask("articles pictures --missing").output
    result = flask(f"articles picture {story} 0 --alt 'Two ministers before a map.'")
    assert (result.exit_code, result.output) == (0, "Its page says so from now on.\n")
    assert flask("articles pictures --missing").output == "0 listed.\n"
    assert "Two ministers before a map." in flask(f"articles pictures {story}").output
    assert flask(f"articles picture {story} 0 --decorative").exit_code == 0
    assert "[decorative]" in flask(f"articles pictures {story}").output


def test_what_cannot_be_is_said_in_one_sentence(flask, story):
    for line, status, words in (
        ("pictures", 2, "Name a story"),
        (f"picture {story} 0", 2, "either --alt or --decorative"),
        (f"picture {story} 0 --alt x --decorative", 2, "either --alt or --decorative"),
        (f"picture {story} 9 --alt x", 1, "no picture with this number"),
        (f"picture {story} 0 --alt ' '", 1, "in a few words"),
        ("pictures nothing", 1, "no such story"),
    ):
        result = flask(f"articles {line}")
        assert (result.exit_code, words in result.output) == (status, True), line
        assert "Traceback" not in result.output
