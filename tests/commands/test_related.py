"""`flask articles also` and `flask articles index`: picks by hand, and an index that is filled or made anew."""

import pytest

from articles import feeds, ingest, related, search, searchindex, shelf
from core import clock
from core.database import db
from tests.articles import atom
from tests.articles.atom import entry

URL = "https://publisher.example.org/feed.xml"


@pytest.fixture
def ids(app) -> dict[str, str]:
    """Three stories that came in by a feed, by headline."""
    feed = feeds.ensure(URL, language="en", now=clock.utc_now())
    titles = {"a": "Havana embassy", "b": "Embassy in Havana", "c": "Rome"}
    entries = [entry(name, title=title, content=None) for name, title in titles.items()]
    ingest.store_entries(feed.id, atom.feed(*entries), clock.utc_now())
    db.session.commit()
    return {article.headline: article.public_id for article in shelf.latest("en", limit=9)}


def test_picks_are_set_shown_and_taken_away(flask, ids):
    story, rome = ids["Havana embassy"], ids["Rome"]
    told = flask(f"articles also {story} {rome}").output
    assert "[picked]  Rome" in told and "shown." in told
    assert flask(f"articles also {story}").output == told
    assert "Rome" not in flask(f"articles also {story} --remove").output
    result = flask(f"articles also {story} {story}")
    assert (result.exit_code, "Please pick other stories" in result.output) == (1, True)
    assert flask(f"articles also {story} {rome} --remove").exit_code == 2
    assert "There is no such story" in flask(f"articles also {story} nothing").output


def test_an_index_that_lacks_stories_is_filled_and_one_that_is_whole_is_left_alone(flask, ids):
    searchindex.clear()
    db.session.commit()
    assert search.find("rome", "en").total == 0
    assert "3 stories taken into the index." in flask("articles index").output
    assert search.find("rome", "en").total == 1
    assert "0 stories taken into the index. See also worked out for 0." in flask("articles index").output
    assert "3 stories taken into the index." in flask("articles index --anew").output
    later = shelf.by_ref(ids["Embassy in Havana"]), shelf.by_ref(ids["Havana embassy"])
    assert sorted(len(related.see_also(article)) for article in later) == [0, 1]
