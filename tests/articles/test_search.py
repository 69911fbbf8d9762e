"""Search finds what has the words, the best first, alike on both databases, and takes nothing for an operator."""

import math
import random
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from articles import bm25, life, search, searchindex, topics
from articles.models import Article
from articles.ranking import Only
from articles.searchtables import SearchDocument, SearchTerm, SearchTotal
from core.database import db
from tests.articles.atom import NOW, entry

HOSTILE = [
    '"', "'", '"seoul', "seoul*", "seoul AND", "NOT seoul", "seoul OR", "NEAR(seoul cuba)", "terms:seoul", "^seoul",
    "seoul + cuba", "(seoul", "seoul)", "-seoul", "{seoul}", "seoul & | ! <-> cuba", "seoul:*", "'seoul' <2> 'cuba'",
    "'; DROP TABLE articles; --", "seoul\x00cuba", "\x00", "%", "_", "\\", "seoul\\", "\ud800", "?", ":name", "%(x)s",
    "…—!?", "", " \n\t", "seoul " * 1_700, "s" * 10_000, " ".join(f"w{number}" for number in range(2_000)),
    "\u202eseoul", "🙂", "NULL", "0", "1 OR 1=1", "首" * 10_000,
]  # fmt: skip


def found(query: str, **how) -> list[str]:
    """Return the headlines that are found."""
    return [article.headline for article in search.find(query, how.pop("language", "en"), **how).articles]


def own_scores(query: list[str], stories: dict[str, list[str]]) -> dict[str, float]:
    """Return BM25 by the book (k1 1.2, b 0.75), of stories that have all the words."""
    average = sum(map(len, stories.values())) / len(stories)
    scores = {}
    for name, words in stories.items():
        if not set(query) <= set(words):
            continue
        scores[name] = 0.0
        for word in query:
            having = sum(word in others for others in stories.values())
            often = words.count(word)
            rarity = math.log(1 + (len(stories) - having + 0.5) / (having + 0.5))
            scores[name] += rarity * often * 2.2 / (often + 1.2 * (0.25 + 0.75 * len(words) / average))
    return scores


def some_stories(count: int, seed: int) -> list[tuple[str, str, str]]:
    """Return made-up stories; each headline is a word that no other has."""
    chance = random.Random(seed)
    words = [f"w{number}" for number in range(40)]
    shares = [1 / (1 + number) for number in range(40)]

    def text(most: int) -> str:
        return " ".join(chance.choices(words, shares, k=chance.randint(1, most)))

    return [(f"h{number} {text(4)}", text(8), f"<p>{text(60)}</p>") for number in range(count)]


def test_stories_are_ranked_by_bm25_with_headline_and_standfirst_counting_more(archive):
    texts = some_stories(60, seed=6)
    archive.add_all(texts)
    archive.add_all(some_stories(30, seed=7), language="it")
    stories = {h: 3 * h.split() + 2 * s.split() + b[3:-4].split() for h, s, b in texts}
    for query in ("w1", "w7", "w3 w9", "w0 w1 w2", "w12 w5 w20"):
        scores = own_scores(query.split(), stories)
        ranked = found(query, size=60)
        assert ranked and set(ranked) == set(scores), query
        assert [scores[name] for name in ranked] == pytest.approx(sorted(scores.values(), reverse=True)), query


def test_what_is_as_good_comes_newest_first_and_newest_first_can_be_asked_for(archive):
    archive.add_all([("Seoul a", "", ""), ("Seoul b", "", ""), ("Seoul Seoul", "", ""), ("Cuba", "", "")])
    assert found("seoul") == ["Seoul Seoul", "Seoul a", "Seoul b"]
    assert found("seoul", newest=True) == ["Seoul a", "Seoul b", "Seoul Seoul"]


def test_all_words_are_wanted_and_any_when_no_story_has_all(archive):
    archive.add_all([("Seoul and Cuba", "", ""), ("Seoul", "", ""), ("Havana", "", ""), ("Rome", "", "")])
    assert found("Cuba Seoul") == ["Seoul and Cuba"]
    loose = search.find("Seoul Havana", "en")
    assert (loose.loosely, loose.total) == (True, 3)
    assert {article.headline for article in loose.articles} == {"Seoul", "Havana", "Seoul and Cuba"}
    assert found("Seoul atlantis") == ["Seoul", "Seoul and Cuba"]
    assert search.find("Seoul Cuba", "en").loosely is False
    assert search.find("atlantis", "en") == search.NOTHING


@pytest.mark.parametrize(
    ("language", "headline", "queries"),
    [
        ("zh-Hans", "韩国与古巴在首尔建交", ["首爾", "首尔", "古巴", "韓國", "爾"]),
        ("zh-Hant", "韓國與古巴在首爾建交", ["首尔", "首爾", "韩国"]),
        ("ko", "한국과 쿠바가 수교했다", ["한국", "쿠바", "수교"]),
        ("th", "เกาหลีใต้และคิวบา", ["คิวบา", "เกาหลี"]),
        ("ja", "ソウルとキューバの国交", ["キューバ", "ｷｭｰﾊﾞ", "国"]),
        ("ar", "العلاقات بين كوريا وألمانيا في المدرسة", ["علاقات", "والعلاقات", "المانيا", "مدرسه", "كُوريا"]),
        ("it", "Perché l’Italia è a Città di Castello", ["italia", "PERCHE", "citta"]),
    ],
)
def test_stories_are_found_in_any_script_and_spelling(archive, language, headline, queries):
    archive.add(headline, language=language)
    archive.add("Seoul x", language=language)
    for query in queries:
        expected = [headline] if query != "والمانيا" else []
        assert found(query, language=language) == expected, query


def test_only_stories_of_the_language_and_of_now_are_found(archive):
    story = archive.add("Seoul", body="<p>old</p>")
    archive.add("Seoul italiano", language="it")
    assert found("seoul") == ["Seoul"]
    story.body = "<p>new</p>"
    searchindex.refresh([story])
    assert (found("old"), found("new")) == ([], ["Seoul"])
    life.withdraw(story, reason="Killed.")
    assert found("new") == []
    life.restore(story, now=NOW)
    assert found("new") == ["Seoul"]
    life.hold(story, now=NOW)
    assert found("new") == []
    life.release(story, now=NOW)
    assert found("new") == ["Seoul"]


def test_shelf_and_dates_narrow_what_is_found_and_pages_part_it(archive):
    topics.apply([{"key": "kr", "kind": "country"}, {"key": "cu", "kind": "country"}])
    stories = archive.add_all([(f"Seoul {letter}", "", "") for letter in "abcde"])
    topics.place({story.id: [topics.by_key("kr").id] for story in stories[1:4]})
    korea, cuba = topics.by_key("kr").id, topics.by_key("cu").id
    assert found("seoul", only=Only(topic_id=korea)) == ["Seoul b", "Seoul c", "Seoul d"]
    assert found("seoul", only=Only(topic_id=cuba)) == []
    begin, end = stories[2].published_at, stories[1].published_at
    assert found("seoul", only=Only(begin=begin)) == ["Seoul a", "Seoul b", "Seoul c"]
    assert found("seoul", only=Only(begin=begin, end=end)) == ["Seoul c"]
    assert found("seoul", only=Only(topic_id=korea, begin=begin, end=end + timedelta(seconds=1)), newest=True) == [
        "Seoul b",
        "Seoul c",
    ]
    pages = [search.find("seoul", "en", page=number, size=2) for number in (1, 2, 3, 4)]
    assert [[article.headline[-1] for article in page.articles] for page in pages] == [
        ["a", "b"],
        ["c", "d"],
        ["e"],
        [],
    ]
    assert {page.total for page in pages} == {5}


def test_no_more_than_the_newest_are_ranked(archive, monkeypatch):
    monkeypatch.setattr(search, "MOST", 3)
    archive.add_all([("Seoul", "", "")] * 4 + [("Seoul Seoul", "", "")])
    assert (found("seoul"), search.find("seoul", "en").total) == (["Seoul"] * 3, 3)


def test_looking_for_any_word_begins_at_the_rarest(monkeypatch):
    monkeypatch.setattr(search, "MOST_HAVING", 10)
    assert search.rarest({1: 9, 2: 100, 3: 1}) == {3: 1, 1: 9}
    assert search.rarest({2: 100}) == {2: 100}


def test_whatever_is_typed_is_words_and_never_an_operator(archive):
    archive.add_all([("Seoul", "", ""), ("Cuba", "", ""), ("Seoul or Cuba", "", "")])
    for query in HOSTILE:
        result = search.find(query, "en")
        assert result.total <= 3, query
    assert found('"seoul"') == found("seoul*") == found("^SEOUL:") == ["Seoul", "Seoul or Cuba"]
    assert found("NOT seoul") == ["Seoul", "Seoul or Cuba"]


@given(st.text(max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_can_be_looked_for(archive, query):
    assert search.find(query, "en") == search.NOTHING


def test_the_numbers_of_stories_are_those_of_an_index_made_anew(archive):
    stories = archive.add_all(some_stories(30, seed=1))
    for number, story in enumerate(stories):
        if number % 3 == 0:
            story.body = f"<p>w{number} again</p>"
        elif number % 3 == 1:
            story.state = "held"
    searchindex.refresh(stories)
    db.session.commit()
    kept = everything()
    searchindex.clear()
    assert search.find("w1", "en") == search.NOTHING
    assert searchindex.missing() == 20
    assert [searchindex.catch_up(15) for _time in range(3)] == [15, 5, 0]
    assert everything() == kept


def everything() -> dict[str, object]:
    """Return what the index holds, with terms by their names."""
    terms = {term.id: term for term in db.session.scalars(select(SearchTerm))}
    documents = db.session.execute(
        select(Article.headline, SearchDocument.length, SearchDocument.counts).join_from(SearchDocument, Article)
    )
    totals = db.session.execute(select(SearchTotal.language, SearchTotal.stories, SearchTotal.length))
    return {
        "terms": {term.term: term.stories for term in terms.values() if term.stories},
        "documents": {
            headline: (length, {terms[one].term: count for one, count in bm25.unpack(counts).items()})
            for headline, length, counts in documents
        },
        "totals": sorted(map(tuple, totals)),
    }


def test_a_story_is_found_from_the_moment_its_feed_is_stored_and_as_it_reads_then(desk):
    desk.take(entry("one", title="Seoul calls"), entry("two", title="Cuba answers"))
    assert found("seoul") == ["Seoul calls"]
    desk.take(entry("one", title="Havana calls"))
    assert (found("seoul"), found("havana")) == ([], ["Havana calls"])
    before = db.session.scalar(select(func.count()).select_from(SearchDocument))
    desk.take(entry("one", title="Havana calls"))
    assert db.session.scalar(select(func.count()).select_from(SearchDocument)) == before == 2


IDS = st.integers(1, bm25.MOST_TERMS - 1)


@given(st.dictionaries(IDS, st.integers(1, 600)), IDS)
def test_counts_come_back_as_they_were_packed_and_each_key_is_met_in_its_own_place_only(counts, other):
    packed = bm25.pack(counts)
    assert bm25.unpack(packed) == {term: min(count, bm25.MOST_OFTEN) for term, count in counts.items()}
    for term in (*counts, other):
        at = packed.find(bm25.key(term))
        assert (packed[at + bm25.KEY] if at >= 0 else 0) == min(counts.get(term, 0), bm25.MOST_OFTEN)
