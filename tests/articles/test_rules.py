"""Rules for topics: what a feed's terms mean, which names are found in the text, and what is left to say."""

import shutil
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from articles import feeds, life, reshelving, rules, shelf, topics, unmapped
from articles.models import TopicRule, UnmappedTerm
from core import errors
from core.database import db
from tests.articles.atom import NOW, entry
from tests.articles.conftest import application

EVERYWHERE = ["headline", "dateline"]
COUNTRIES = [{"key": key, "kind": "country", "find_in": EVERYWHERE} for key in ("kr", "cu", "ge", "ne", "sd", "mm")]
WORLD = {"key": "world", "kind": "theme", "names": {"en": "World"}}
SEA = {"key": "sea", "kind": "theme", "names": {"en": "The sea", "it": "Il mare"}, "find_in": ["headline"]}


@pytest.fixture
def desk(desk_on_both):
    desk_on_both.define(*COUNTRIES, WORLD, SEA)
    return desk_on_both


def say(*definitions) -> None:
    rules.write(rules.read(definitions))
    db.session.commit()


def shelves(desk, language="en") -> dict[str, list[str]]:
    """Return the keys of the topics of every story, by its headline."""
    found = shelf.topics_of([article.id for article in desk.articles(language)])
    return {article.headline: sorted(topic.key for topic in found[article.id]) for article in desk.articles(language)}


def of(headline="", dateline="", terms=(), language="en") -> list[str]:
    """Return what a story would be about, in a feed that has no rules."""
    keys = {topic.id: topic.key for topic in topics.all_topics()}
    found = rules.meanings(None, language).shelves(terms, headline=headline, dateline=dateline)
    return [keys[topic_id] for topic_id in found]


def test_countries_are_found_by_their_names_in_the_language_of_the_story(desk):
    assert of("South Korea and Cuba exchange notes") == ["kr", "cu"]
    assert of("Corea del Sud e Cuba", language="it") == ["kr", "cu"]
    assert of("古巴与韩国建交", language="zh-Hans") == ["cu", "kr"]
    assert of("كوبا وكوريا الجنوبية", language="ar") == ["cu", "kr"]
    assert of("Corea del Sud") == [], "Italian, in an English headline"
    assert of(dateline="Cuba") == ["cu"]
    assert of("Burma and Myanmar") == ["mm"]


@pytest.mark.parametrize("headline", ["North Korea", "Nigeria", "South Sudan", "Georgia votes", "Northern Ireland"])
def test_what_is_another_countrys_name_or_another_places_too_is_not_found(desk, headline):
    assert of(headline) == []


def test_a_theme_is_found_by_its_name_only_where_it_says_so(desk):
    assert of("News from the sea") == ["sea"]
    assert of(dateline="The sea") == []
    assert of("The world goes on") == []
    assert of("Notizie: il mare", language="it") == ["sea"]


def test_a_rule_finds_capitals_and_peoples_and_says_that_georgia_is_the_country(desk):
    say(
        {"terms": ["Seoul", "South Korean"], "topics": ["kr"], "find_in": EVERYWHERE},
        {"terms": ["Georgia"], "topics": ["ge"], "find_in": ["headline"]},
        {"terms": ["Georgia Tech"], "topics": [], "find_in": ["headline"]},
        {"terms": ["Habana"], "topics": ["cu"], "find_in": ["dateline"], "language": "es"},
    )
    assert of("South Korean envoy", dateline="SEOUL") == ["kr"]
    assert of("Georgia votes") == ["ge"] and of("Georgia Tech wins") == []
    assert of(dateline="Georgia") == []
    assert of(dateline="La Habana", language="es") == ["cu"] and of(dateline="La Habana") == []


def test_a_feeds_own_rule_goes_before_the_general_one_and_that_before_a_name(desk):
    english = feeds.by_id(desk.feed_id())
    say(
        {"terms": ["Cuba", "Estero"], "topics": ["world"]},
        {"terms": ["estero"], "topics": ["sea", "kr"], "feed": english.url},
    )
    desk.take(entry("one", title="Here", terms=("ESTERO",)))
    assert shelves(desk)["Here"] == ["kr", "sea"]
    assert of(terms=["Estero"]) == of(terms=["cuba"]) == ["world"]


def test_a_term_that_means_nothing_is_on_no_shelf_and_on_no_list(desk):
    say({"terms": ["Homepage"], "topics": []})
    desk.take(entry("one", terms=("homepage", "Estero")))
    assert [one.term for one in unmapped.most_told(limit=9)] == ["Estero"]


def test_unmapped_terms_are_counted_once_a_story_and_leave_the_list_when_they_are_mapped(desk):
    desk.take(entry("one", terms=("Estero", "estero", "Cuba")))
    desk.take(entry("one", terms=("Estero",)), entry("two", title="Two", terms=("ESTERO", "Cronaca")))
    desk.take(entry("x", terms=("Estero",)), language="it")
    found = unmapped.most_told(feeds.by_id(desk.feed_id()), limit=9)
    assert [(one.term, one.count) for one in found] == [("ESTERO", 2), ("Cronaca", 1)]
    assert found[0].article_id == next(one.id for one in desk.articles() if one.headline == "Two")
    say({"terms": ["Estero"], "topics": ["world"], "feed": feeds.by_id(desk.feed_id()).url})
    assert [(one.term, one.feed_id) for one in unmapped.most_told(limit=9)] == [
        ("Cronaca", desk.feed_id()),
        ("Estero", desk.feed_id("it")),
    ]


def test_a_feed_of_ever_new_terms_pushes_out_its_rarest_and_not_those_that_come_again(desk):
    for name in ("one", "two"):
        desk.take(entry(name, title=name, terms=("Estero",)))
    for number in range(12):
        hostile = tuple(f"word {number} {one}" for one in range(50))
        desk.take(entry(f"h{number}", title=f"H {number}", terms=hostile), at=NOW + timedelta(minutes=number))
    count = db.session.scalar(select(func.count()).select_from(UnmappedTerm))
    assert count == unmapped.MOST
    assert unmapped.most_told(limit=1)[0].term == "Estero"


def test_rules_are_applied_to_the_stories_that_are_here_but_not_to_those_set_by_hand(desk):
    desk.take(entry("one", title="One", terms=("Estero",)), entry("two", title="Two", terms=("Estero",)))
    by_headline = {article.headline: article for article in desk.articles()}
    life.set_topics(by_headline["Two"], ["cu"])
    db.session.commit()
    say({"terms": ["Estero"], "topics": ["world"]})
    assert shelves(desk) == {"One": [], "Two": ["cu"]}
    assert [(step.looked_at, step.changed) for step in reshelving.steps()] == [(2, 1)]
    assert shelves(desk) == {"One": ["world"], "Two": ["cu"]}
    assert [(step.looked_at, step.changed) for step in reshelving.steps()] == [(2, 0)]
    assert list(reshelving.steps(NOW)) == [] and reshelving.count(NOW) == 0 and reshelving.count(None) == 2


def test_a_story_whose_terms_were_not_kept_loses_no_shelf(desk):
    desk.take(entry("one", title="One in Cuba", terms=("kr",)))
    (article,) = desk.articles()
    article.terms = None
    db.session.commit()
    list(reshelving.steps())
    assert shelves(desk) == {"One in Cuba": ["cu", "kr"]}


def test_a_long_archive_is_gone_through_step_by_step(desk, monkeypatch):
    monkeypatch.setattr(reshelving, "_AT_ONCE", 2)
    desk.take(*(entry(str(number), title=f"Story {number} of the sea") for number in range(5)))
    assert [step.looked_at for step in reshelving.steps()] == [2, 2, 1]


def test_writing_a_rule_again_replaces_it_and_the_same_again_changes_nothing(desk):
    seoul = {"terms": ["Seoul"], "topics": ["kr"], "find_in": EVERYWHERE}
    say(seoul)
    assert rules.changed(rules.read([seoul])) == []
    ((rule, before),) = rules.changed(rules.read([{"terms": ["SEOUL"], "topics": ["kr", "world"]}]))
    assert before is not None and before.meanings.keys() == set(EVERYWHERE)
    rules.write([rule])
    assert [(one.term, sorted(one.meanings)) for one in rules.every()] == [("SEOUL", ["terms"])]
    assert rules.remove("seoul", feed=None) == 1 and rules.remove("seoul", feed=None) == 0
    assert db.session.scalar(select(func.count()).select_from(TopicRule)) == 0


def test_a_feed_that_is_removed_takes_its_rules_and_terms_with_it(desk):
    feed = feeds.by_id(desk.feed_id())
    say({"terms": ["Estero"], "topics": ["world"], "feed": feed.url}, {"terms": ["Seoul"], "topics": ["kr"]})
    desk.take(entry("one", terms=("Cronaca",)))
    feeds.remove(feed)
    db.session.commit()
    assert [rule.term for rule in rules.every()] == ["Seoul"] and unmapped.most_told(limit=9) == []


@pytest.mark.parametrize(
    ("definition", "why"),
    [
        ({"topics": ["kr"]}, "terms is a list"),
        ({"terms": "Seoul", "topics": ["kr"]}, "terms is a list"),
        ({"terms": [""], "topics": ["kr"]}, "terms is a list"),
        ({"terms": ["x" * 101], "topics": ["kr"]}, "terms is a list"),
        ({"terms": ["a\nb"], "topics": ["kr"]}, "terms is a list"),
        ({"terms": ["…"], "topics": ["kr"]}, "no letter"),
        ({"terms": ["Seoul"]}, "topics is a list"),
        ({"terms": ["Seoul"], "topics": "kr"}, "topics is a list"),
        ({"terms": ["Seoul"], "topics": ["zz"]}, "no topic zz"),
        ({"terms": ["Seoul"], "topics": ["kr"], "find_in": ["body"]}, "find_in is"),
        ({"terms": ["Seoul"], "topics": ["kr"], "feed": "https://nowhere.example.org/"}, "no feed"),
        ({"terms": ["Seoul"], "topics": ["kr"], "feed": 1}, "feed is"),
        ({"terms": ["Seoul"], "topics": ["kr"], "language": 1}, "language is"),
        ({"terms": ["Seoul"], "topics": ["kr"], "were": ["headline"]}, "no field were"),
        ({"terms": ["Seoul", "SEOUL"], "topics": ["kr"]}, "has a rule already"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_number_and_what_is_wrong(app, definition, why):
    topics.apply([*COUNTRIES])
    with pytest.raises(errors.Invalid) as caught:
        rules.read([{"terms": ["Havana"], "topics": ["cu"]}, definition])
    assert "Rule 2: " in str(caught.value) and why in str(caught.value)


def test_rules_are_put_together_once_for_each_change(desk):
    english, italian = feeds.by_id(desk.feed_id()), feeds.by_id(desk.feed_id("it"))
    kept = rules.meanings(english.id, "en")
    assert rules.meanings(english.id, "en") is kept is rules.meanings(italian.id, "en")
    assert rules.meanings(english.id, "it") is not kept
    say({"terms": ["Estero"], "topics": ["world"], "feed": italian.url})
    assert rules.meanings(english.id, "en") is not kept, "something was changed"
    assert rules.meanings(italian.id, "en").terms.keys() - rules.meanings(english.id, "en").terms.keys() == {"estero"}


@pytest.mark.parametrize("change", ["a rule", "a rule that goes", "a topic", "a feed that goes"])
def test_whatever_changes_is_seen_by_the_next_story(desk, change):
    italian = feeds.by_id(desk.feed_id("it"))
    say({"terms": ["Estero"], "topics": ["world"], "feed": italian.url}, {"terms": ["Cronaca"], "topics": ["world"]})
    before = rules.meanings(italian.id, "it")
    if change == "a rule":
        say({"terms": ["Cronaca"], "topics": []})
    elif change == "a rule that goes":
        rules.remove("cronaca", feed=None)
    elif change == "a topic":
        desk.define({**WORLD, "names": {"en": "World", "it": "Cronaca"}}, SEA | {"find_in": []})
    else:
        feeds.remove(italian)
    after = rules.meanings(italian.id, "it")
    assert (before.terms != after.terms) or before.headline.found("Notizie: il mare") != after.headline.found("il mare")


def test_a_change_that_is_taken_back_was_never_kept(desk):
    rules.write(rules.read([{"terms": ["Estero"], "topics": ["world"]}]))
    assert "estero" in rules.meanings(None, "en").terms
    db.session.rollback()
    assert "estero" not in rules.meanings(None, "en").terms


def test_another_database_has_rules_of_its_own(app, tmp_path, empty_file):
    topics.apply([WORLD])
    say({"terms": ["Estero"], "topics": ["world"]})
    assert "estero" in rules.meanings(None, "en").terms
    with application(f"sqlite:///{shutil.copy(empty_file, tmp_path / 'other.db')}"):
        assert "estero" not in rules.meanings(None, "en").terms
        topics.apply([WORLD])
        assert "estero" not in rules.meanings(None, "en").terms
    assert "estero" in rules.meanings(None, "en").terms
