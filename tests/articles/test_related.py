"""See also: what is alike and older, in the same language, and never the story itself."""

from datetime import timedelta

import pytest

from articles import related
from tests.articles.atom import NOW, SITE, entry


@pytest.fixture
def paper(desk):
    """Return a function that stores an English article `days` ago and returns it."""
    themes = [{"key": key, "kind": "theme", "names": {"en": key.title()}} for key in ("sea", "trade")]
    desk.define({"key": "kr", "kind": "country"}, *themes)

    def store(title, *, days=0, terms=(), language="en", summary="", **fields):
        published = (NOW - timedelta(days=days)).isoformat()
        fields |= {"title": title, "published": published, "terms": terms, "summary": summary, "content": None}
        desk.take(entry(f"{title} {days} {language}", url=None, **fields), language=language)
        return next(article for article in desk.articles(language) if article.headline == title)

    return store


def headlines(found):
    return [article.headline for article in found]


def test_shared_topics_and_words_bring_stories_together_and_a_country_more_than_a_theme(paper):
    for number in range(8):
        paper(f"Filler {chr(65 + number) * 6}", days=20 + number)
    paper("Nothing in common", days=1, terms=("trade",))
    paper("Ports reopen", days=2, terms=("sea",))
    paper("Ministers meet", days=3, terms=("kr",))
    paper("Cuban embassy opens", days=4, summary="In Havana")
    article = paper("Cuban embassy closes", terms=("kr", "sea"), summary="Havana regrets")
    assert headlines(related.see_also(article)) == ["Cuban embassy opens", "Ministers meet", "Ports reopen"]


def test_only_older_stories_of_the_same_language_are_shown(paper):
    paper("Newer", days=0, terms=("kr",))
    paper("عربي", days=9, terms=("kr",), language="ar")
    article = paper("Article", days=5, terms=("kr",))
    paper("Older", days=7, terms=("kr",))
    assert headlines(related.see_also(article)) == ["Older"]


def test_of_two_stories_of_the_same_minute_only_one_shows_the_other(paper):
    first, second = paper("First", terms=("kr",)), paper("Second", terms=("kr",))
    assert (headlines(related.see_also(first)), headlines(related.see_also(second))) == ([], ["First"])


def test_a_story_never_shows_itself_in_another_language(paper, desk):
    desk.take(entry("one", title="كوريا", url=f"{SITE}/ar/one", terms=("kr",)), language="ar")
    desk.take(entry("one", title="Korea", versions={"ar": f"{SITE}/ar/one"}, terms=("kr",)))
    assert related.see_also(desk.articles("en")[0]) == []
    assert related.see_also(desk.articles("ar")[0]) == []


def test_a_year_halves_what_two_stories_have_in_common(paper):
    paper("Long ago", days=400, terms=("kr", "sea"))
    paper("Of late", days=2, terms=("kr",))
    article = paper("Today", terms=("kr", "sea"))
    assert headlines(related.see_also(article)) == ["Of late", "Long ago"]


def test_arabic_and_chinese_stories_find_each_other_by_their_words(paper):
    for language, old, new in [
        ("ar", "كوبا تفتح سفارة في سيول", "السفارة في سيول وكوبا"),
        ("zh-Hans", "古巴在首尔设大使馆", "首尔与古巴建交"),
    ]:
        for number in range(6):
            paper("شيء آخر" * number + "x" if language == "ar" else "别的事" * number + "x", days=9, language=language)
        paper(old, days=3, language=language)
        assert headlines(related.see_also(paper(new, language=language)))[:1] == [old]


def test_no_more_than_asked_for_are_shown(paper):
    for day in range(1, 9):
        paper(f"Story {day}", days=day, terms=("kr",))
    article = paper("Today", terms=("kr",))
    assert len(related.see_also(article)) == 5
    assert headlines(related.see_also(article, limit=2)) == ["Story 1", "Story 2"]
