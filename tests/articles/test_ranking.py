"""What databases rank by is BM25 to the last bit, and looking through few stories first leaves none out."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import LargeBinary, literal, select

from articles import bm25, periods, ranking, search, topics
from articles.bm25 import Scale
from articles.models import Article
from articles.ranking import Only
from core.database import db
from tests.articles.atom import NOW

TERMS = st.integers(1, bm25.MOST_TERMS - 1)


@given(
    st.dictionaries(TERMS, st.integers(1, 300), max_size=30),
    st.integers(1, 5_000),
    st.dictionaries(TERMS, st.integers(1, 90_000), min_size=1, max_size=8),
    st.data(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_database_scores_a_story_just_as_the_formula_does(on_both, counts, length, having, data):
    if counts:  # Terms that the story has, besides others.
        having |= dict.fromkeys(data.draw(st.lists(st.sampled_from(sorted(counts)), max_size=4)), 7)
    scale = Scale(100_000, 411.7)
    weights = {term: scale.weight(stories) for term, stories in having.items()}
    often, score = ranking._arithmetic(db.engine.dialect.name, len(weights))
    story = select(literal(bm25.pack(counts), LargeBinary).label("counts"), literal(length).label("length")).subquery()
    counted = select(often).select_from(story).subquery()
    found = db.session.scalar(select(score).select_from(counted), ranking._values(weights, scale))
    packed = {term: min(count, bm25.MOST_OFTEN) for term, count in counts.items()}
    assert found == scale.score(packed, length, weights)


@pytest.fixture
def years(archive) -> list[Article]:
    """Five years of stories; nearly all have one word, half of them another, and some have both more than once."""
    chance, texts = random.Random(4), []
    for number in range(260):
        words = [*(["sea"] * chance.choice((0, 1, 1, 2, 5))), *(["port"] * chance.choice((0, 0, 1, 3))), f"n{number}"]
        texts.append((f"h{number}", "", f"<p>{' '.join(words)}</p>"))
    stories = archive.add_all(texts, hours_apart=7 * 24)
    topics.apply([{"key": "kr", "kind": "country"}])
    topics.place({story.id: [topics.by_key("kr").id] for story in stories[::9]})
    return stories


@pytest.mark.parametrize("newest", [False, True])
@pytest.mark.parametrize("most", [3, 10, 60])
def test_of_words_that_very_many_stories_have_the_newest_are_the_same_however_they_are_looked_for(
    years, monkeypatch, most, newest
):
    monkeypatch.setattr(search, "MOST", most)
    enough, asked = periods.enough, []

    def remembered(*how, **more):
        asked.append(enough(*how, **more))
        return asked[-1]

    korea = topics.by_key("kr").id
    begin, end = years[40].published_at, years[20].published_at
    narrowed = (Only(), Only(topic_id=korea), Only(begin=begin), Only(begin=begin, end=end), Only(end=end))
    queries = [(query, only) for query in ("sea", "port", "sea port", "sea atlantis") for only in narrowed]
    results = []
    for how in (remembered, lambda *_how, **_more: None):
        monkeypatch.setattr(periods, "enough", how)
        found = [search.find(query, "en", only=only, newest=newest, size=most) for query, only in queries]
        results.append([([one.headline for one in each.articles], each.total, each.loosely) for each in found])
    assert results[0] == results[1]
    assert any(headlines for headlines, _total, _loosely in results[0])
    if most < 60:
        assert any(recent is not None for recent in asked)


def test_a_story_has_a_week_and_a_quarter_and_few_of_them_are_asked_for_at_once(years):
    assert periods.tags(NOW) == [f"w{NOW.toordinal() // 7}", f"q{NOW.toordinal() // 91}"]
    few = periods.enough("en", stories=260, share=1, most=5, begin=None, before=None)
    many = periods.enough("en", stories=260, share=1, most=80, begin=None, before=None)
    assert few and len(few.tags) == 9 and few.tags[-1][0] == "w"
    assert many and len(many.tags) == 11 and many.tags[-1][0] == "q"
    assert periods.enough("en", stories=260, share=1, most=90, begin=None, before=None) is None
    assert periods.enough("it", stories=260, share=1, most=5, begin=None, before=None) is None
    since = periods.enough("en", stories=260, share=1, most=80, begin=years[2].published_at, before=None)
    assert since and since.is_all and len(since.tags) == 3
