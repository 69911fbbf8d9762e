"""Topics: what is defined, what they are called, and which ones a feed means."""

import pytest

from articles import rules, topics
from core import errors

THEMES = [
    {"key": "diplomacy", "kind": "theme", "names": {"en": "Diplomacy", "ar": "الدبلوماسية"}},
    {"key": "sea", "kind": "theme", "names": {"en": "The sea"}},
]
COUNTRIES = [{"key": "kr", "kind": "country"}, {"key": "cu", "kind": "country"}]


@pytest.fixture
def shelf(app):
    topics.apply([*COUNTRIES, *THEMES])


def keys(found):
    return [topic.key for topic in found]


def test_topics_are_in_the_order_of_their_definition_and_defining_them_again_adds_none(shelf):
    topics.apply([*THEMES, *COUNTRIES])
    assert keys(topics.all_topics()) == ["kr", "cu", "diplomacy", "sea"]


def test_a_definition_that_changed_changes_the_topic(shelf):
    topics.apply([{"key": "sea", "kind": "theme", "names": {"en": "Oceans"}}])
    assert topics.name(topics.by_key("sea"), "en") == "Oceans"


@pytest.mark.parametrize(
    ("key", "language", "name"),
    [
        ("kr", "en", "South Korea"),
        ("kr", "ar", "كوريا الجنوبية"),
        ("kr", "xx", "South Korea"),
        ("diplomacy", "ar", "الدبلوماسية"),
        ("sea", "ar", "The sea"),
    ],
)
def test_a_topic_has_a_name_in_every_language(shelf, key, language, name):
    assert topics.name(topics.by_key(key), language) == name


def test_a_country_goes_by_the_name_that_it_was_given_and_else_by_its_own(shelf):
    topics.apply([{"key": "hk", "kind": "country", "names": {"en": "Hong Kong"}}])
    hong_kong = topics.by_key("hk")
    assert (topics.name(hong_kong, "en"), topics.name(hong_kong, "it")) == ("Hong Kong", "RAS di Hong Kong")


@pytest.mark.parametrize(
    ("terms", "meant"),
    [
        (["KR"], ["kr"]),
        (["south korea", "Kr", "KR"], ["kr"]),
        (["كوبا", "THE SEA", "الدبلوماسية"], ["cu", "sea", "diplomacy"]),
        ([" the   sea "], ["sea"]),
        (["", "sport", "k"], []),
        ([], []),
    ],
)
def test_a_feeds_terms_mean_topics_by_key_or_any_name_in_either_case(shelf, terms, meant):
    by_id = {topic.id: topic.key for topic in topics.all_topics()}
    found = rules.meanings(None, "en").shelves(terms, headline="", dateline="")
    assert [by_id[topic_id] for topic_id in found] == meant


def test_topics_are_chosen_by_their_keys_in_the_order_given(shelf):
    assert keys(topics.by_keys(["sea", "kr", "sea"])) == ["sea", "kr"]
    assert topics.by_keys([]) == []


@pytest.mark.parametrize("key", ["sport", "KR", "", "kr\r\n", "k" * 10_000])
def test_an_unknown_key_is_refused_with_its_field(shelf, key):
    with pytest.raises(errors.Invalid) as caught:
        topics.by_keys(["kr", key])
    assert caught.value.field == "topics"
    with pytest.raises(errors.NotFound):
        topics.by_key(key)


@pytest.mark.parametrize(
    ("definition", "field"),
    [
        ({"kind": "theme", "names": {"en": "A"}}, "key"),
        ({"key": "No Key", "kind": "theme", "names": {"en": "A"}}, "key"),
        ({"key": "k" * 41, "kind": "theme", "names": {"en": "A"}}, "key"),
        ({"key": "xx", "kind": "country"}, "key"),
        ({"key": "001", "kind": "country"}, "key"),
        ({"key": "a", "kind": "segment"}, "kind"),
        ({"key": "a", "kind": "theme"}, "names"),
        ({"key": "a", "kind": "theme", "names": {"ar": "ا"}}, "names"),
        ({"key": "a", "kind": "theme", "names": {"en": " "}}, "names"),
        ({"key": "a", "kind": "theme", "names": {"en": "A\r\nB"}}, "names"),
        ({"key": "a", "kind": "theme", "names": {"en": "A\u202eB"}}, "names"),
        ({"key": "a", "kind": "theme", "names": {"en": "A" * 61}}, "names"),
        ({"key": "a", "kind": "theme", "names": ["A"]}, "names"),
    ],
)
def test_a_wrong_definition_is_refused_with_its_field_and_nothing_is_written(app, definition, field):
    with pytest.raises(errors.Invalid) as caught:
        topics.apply([*COUNTRIES, definition])
    assert caught.value.field == field
    assert topics.all_topics() == []
