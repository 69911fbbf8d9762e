"""A sample of the proof of pages (tests/proofs/pages.py): what other programs read on the site is what is stored."""

import pytest
from html5lib.html5parser import ParseError

from articles import life, shelf
from articles.models import Article
from core import clock, links, services
from core.database import db
from tests.proofs import pages, reading
from tests.web.readers import korea_and_cuba


def row(article: Article) -> reading.Row:
    """Return a story as it is stored."""
    texts = (article.headline, article.standfirst, article.body, article.author)
    shelves = shelf.topics_of([article.id])[article.id]
    return reading.Row(
        article.ref, article.language, *texts, article.published_at, frozenset(topic.key for topic in shelves)
    )


@pytest.mark.parametrize("language", ["en", "ar", "zh-Hans"])
def test_a_story_s_head_linked_data_and_text_say_what_is_stored(client, app, language):
    article = shelf.latest(language, limit=1)[0]
    life.correct(article, text='It was <Tuesday> & not "Monday".', now=clock.utc_now())
    db.session.commit()
    answer = client.get(links.path("story", language=language, story=article.ref))
    assert pages.story_faults(answer.data, row(article), services.current().links.base_url) == []


def test_a_wrong_word_in_the_linked_data_is_seen(client, app):
    article = korea_and_cuba()
    answer = client.get(links.path("story", language="en", story=article.ref)).data
    base = services.current().links.base_url
    for right, wrong in ((b'"headline"', b'"headlines"'), (b'"inLanguage": "en"', b'"inLanguage": "ar"')):
        assert right in answer
        assert pages.story_faults(answer.replace(right, wrong), row(article), base) != []


@pytest.mark.parametrize("path", ["/en/feed.atom", "/en/feed.json", "/ar/feed.atom", "/en/topics/cu/feed.json"])
def test_a_second_feed_reader_finds_what_is_stored(client, app, path):
    on = [row(article) for article in shelf.latest(path.split("/")[1], limit=pages.FEED)]
    wanted = [one for one in on if "topics" not in path or "cu" in one.topics]
    assert wanted
    assert reading.feed_faults(client.get(path).data, wanted, services.current().links.base_url) == []


def test_a_parser_of_the_standard_has_nothing_to_mend(client, app):
    article = korea_and_cuba()
    paths = [links.path(page, language="en", story=article.ref) for page in ("story", "print", "share")]
    paths += ["/en/", "/ar/", "/en/topics", "/en/topics/cu", "/en/subscribe", "/en/nothing-here", "/en/search?q=Cuba"]
    assert reading.misread({path: client.get(path).data for path in paths}) == []
    with pytest.raises(ParseError):
        reading.strictly(b"<!doctype html><title>x</title><p><div></p>")
