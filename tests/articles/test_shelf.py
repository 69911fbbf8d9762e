"""Finding articles again: by path, newest first, by topic, and for a digest to choose from."""

from datetime import timedelta
from typing import Any

import pytest

from articles import shelf, topics
from core import errors
from tests.articles.atom import NOW, SITE, entry

HOUR = timedelta(hours=1)


@pytest.fixture
def stories(desk):
    """Four English articles a to d, an hour apart, d the newest, first seen as published; a and c in Arabic, too."""
    desk.define({"key": "kr", "kind": "country"}, {"key": "sea", "kind": "theme", "names": {"en": "The sea"}})
    terms = {"a": ("kr", "sea"), "b": ("sea",), "c": ("kr",), "d": ()}
    for hour, name in enumerate("abcd"):
        at = NOW + hour * HOUR
        pages = {"ar": f"{SITE}/ar/{name}"}
        fields: dict[str, Any] = {"title": name, "published": at.isoformat(), "content": None, "terms": terms[name]}
        desk.take(entry(name, versions=pages, **fields), at=at)
        if name in "ac":
            desk.take(entry(f"{name}-ar", url=pages["ar"], **fields), language="ar", at=at)
    return {article.headline: article for article in desk.articles()}


def headlines(articles):
    return "".join(article.headline for article in articles)


def test_the_id_in_a_path_decides_and_the_slug_does_not(stories):
    article = stories["a"]
    for ref in (article.ref, article.public_id, f"{article.public_id}-other-slug", article.ref.upper()):
        assert shelf.by_ref(ref) is article


@pytest.mark.parametrize("ref", ["", "a", "zzzzzzzzzz", "zzzzzzzzzz-a", "é" * 10, "a" * 10_000, "a\x00b", "../../etc"])
def test_a_path_that_names_nothing_is_not_found(stories, ref):
    with pytest.raises(errors.NotFound):
        shelf.by_ref(ref)


def test_an_id_must_end_where_the_slug_begins(stories):
    with pytest.raises(errors.NotFound):
        shelf.by_ref(stories["a"].public_id + "x")


def test_the_newest_come_first_in_one_language_on_one_shelf_and_page_by_page(stories):
    assert headlines(shelf.latest("en", limit=9)) == "dcba"
    assert headlines(shelf.latest("en", limit=2)) == "dc"
    assert headlines(shelf.latest("en", limit=2, before=stories["c"])) == "ba"
    assert headlines(shelf.latest("en", limit=9, topic=topics.by_key("kr"))) == "ca"
    assert headlines(shelf.latest("ar", limit=9)) == "ca"
    assert shelf.latest("xx", limit=9) == []


def test_articles_come_in_the_order_of_their_ids(stories):
    ids = [stories[name].id for name in "cad"]
    assert headlines(shelf.by_ids([*ids, 99_999])) == "cad"
    assert shelf.by_ids([]) == []


def test_the_other_languages_of_a_story_are_its_versions(stories):
    (arabic,) = shelf.versions(stories["a"])
    assert (arabic.language, arabic.story_id) == ("ar", stories["a"].story_id)
    assert shelf.versions(arabic) == [stories["a"]]
    assert shelf.versions(stories["b"]) == []


def test_every_article_has_its_topics_or_an_empty_list(stories):
    found = shelf.topics_of([stories["a"].id, stories["d"].id])
    assert {article_id: [topic.key for topic in theirs] for article_id, theirs in found.items()} == {
        stories["a"].id: ["kr", "sea"],
        stories["d"].id: [],
    }
    assert shelf.topics_of([]) == {}


def test_shelves_are_counted_by_language(stories):
    korea, sea = topics.by_key("kr").id, topics.by_key("sea").id
    assert shelf.counts_by_topic("en") == {korea: 2, sea: 2}
    assert shelf.counts_by_topic("ar") == {korea: 2, sea: 1}
    assert shelf.counts_by_topic("xx") == {}


def test_a_digest_chooses_from_what_was_first_seen_after_a_time(stories):
    candidates = shelf.candidates("en", since=stories["b"].first_seen_at)
    assert [candidate.article_id for candidate in candidates] == [stories["d"].id, stories["c"].id]
    assert candidates[1] == shelf.Candidate(
        article_id=stories["c"].id,
        story_id=stories["c"].story_id,
        topic_ids=frozenset({topics.by_key("kr").id}),
        published_at=NOW + 2 * HOUR,
        first_seen_at=NOW + 2 * HOUR,
    )
    assert len(shelf.candidates("en", since=None)) == 4


def test_a_rare_topic_is_not_cut_off_by_the_limit(stories, monkeypatch):
    monkeypatch.setattr(shelf, "_MOST_CANDIDATES", 1)
    sea, korea = topics.by_key("sea").id, topics.by_key("kr").id

    def chosen(*topic_ids):
        return [one.article_id for one in shelf.candidates("en", since=None, topic_ids=frozenset(topic_ids))]

    assert [one.article_id for one in shelf.candidates("en", since=None)] == [stories["d"].id]
    assert chosen(sea) == [shelf.latest("en", limit=1, topic=topics.by_key("sea"))[0].id] != [stories["d"].id]
    monkeypatch.setattr(shelf, "_MOST_CANDIDATES", 10)
    assert len(chosen(sea, korea)) == len(set(chosen(sea, korea))) == 3
    assert chosen() == []
