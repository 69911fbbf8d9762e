"""See also: an editor's picks, then what is alike and older, in the same language; it stays as it was stored."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from articles import life, related, searchindex, topics
from articles.models import Article
from articles.searchtables import Related, RelatedDue
from core import errors
from core.database import db
from tests.articles.atom import NOW, SITE, entry

DAY = timedelta(days=1)
FILLER = [(f"Filler {chr(97 + number) * 5}", f"Nothing {chr(97 + number) * 4} at all", "") for number in range(12)]


@pytest.fixture
def paper(archive):
    """An archive with a dozen stories that have nothing in common with others."""
    archive.add_all(FILLER, days=40)
    return archive


def also(article: Article, now=NOW) -> list[str]:
    """Return the headlines to which a story leads, once what is due is worked out."""
    while related.compute_due(now, 100):
        pass
    return [other.headline for other in related.see_also(article)]


def on(article: Article, *keys: str) -> Article:
    topics.place({article.id: [topic.id for topic in topics.by_keys(keys)]})
    return article


@pytest.fixture
def shelves(on_both) -> None:
    """Themes and countries."""
    themes = [{"key": key, "kind": "theme", "names": {"en": key.title()}} for key in ("sea", "trade")]
    countries = [{"key": key, "kind": "country"} for key in ("kr", "cu")]
    topics.apply([*themes, *countries])


def test_the_more_telling_words_two_stories_share_the_earlier_one_stands(paper):
    paper.add("Embassy closes", "In Havana", days=3)
    paper.add("Havana embassy opens", "Diplomats arrive", days=2)
    paper.add("Festival of jazz", "All the world", days=1)
    assert also(paper.add("Embassy in Havana", "Diplomats at work")) == ["Havana embassy opens", "Embassy closes"]


def test_a_word_of_the_headline_weighs_more_than_one_of_the_text(paper):
    paper.add("Port opens", body="<p>A walk through the lively harbour and embassy of Havana at night</p>", days=2)
    paper.add("Embassy opens", body="<p>A walk through the lively harbour and port of Havana at night</p>", days=2)
    assert also(paper.add("Embassy", body="<p>A port opens</p>"))[0] == "Embassy opens"


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        ({"Embassy b": ["sea"]}, "Embassy b"),
        ({"Embassy b": ["sea"], "Embassy a": ["kr"]}, "Embassy b"),
        ({"Embassy b": ["sea"], "Embassy a": ["kr", "sea"]}, "Embassy a"),
        ({"Embassy b": ["trade", "cu"]}, "Embassy a"),
    ],
)
def test_a_shared_theme_counts_and_a_shared_country_a_little_less(shelves, paper, theirs, expected):
    stories = paper.add_all([("Embassy a", "", ""), ("Embassy b", "", "")], days=2)
    for story in stories:
        on(story, *theirs.get(story.headline, []))
    assert also(on(paper.add("Embassy"), "kr", "sea"))[0] == expected


def test_a_shared_topic_alone_is_not_enough(shelves, paper):
    on(paper.add("Ministers meet", days=2), "kr", "sea")
    assert also(on(paper.add("Ports reopen"), "kr", "sea")) == []


def test_a_year_halves_what_two_stories_have_in_common(paper):
    paper.add("Embassy in Havana", days=500)
    paper.add("Embassy in Seoul", days=1)
    assert also(paper.add("Embassy, Havana")) == ["Embassy in Seoul", "Embassy in Havana"]


def test_only_older_published_stories_of_the_same_language_are_shown(paper):
    story = paper.add("Havana embassy", days=5)
    paper.add("Havana embassy tomorrow", days=-1)
    paper.add("Havana embassy oggi", days=6, language="it")
    paper.add_all([("Havana embassy held", "", "")], days=6, state="held")
    withdrawn = paper.add("Havana embassy killed", days=7)
    paper.add("Havana embassy before", days=8)
    assert also(story) == ["Havana embassy killed", "Havana embassy before"]
    life.withdraw(withdrawn, reason="Killed.")
    assert also(story) == ["Havana embassy before"]


def test_five_are_shown_at_most_and_of_two_of_the_same_minute_one_shows_the_other(paper):
    for number in range(8):
        paper.add(f"Havana embassy {number}", days=9 - number)
    story = paper.add("Havana embassy")
    twin = paper.add("Havana embassy twin")
    assert len(also(story)) == 5
    assert "Havana embassy twin" not in also(story) and "Havana embassy" in also(twin)


def test_a_story_never_shows_itself_in_another_language(desk):
    desk.take(entry("one", title="كوريا", url=f"{SITE}/ar/one"), language="ar")
    desk.take(entry("one", title="Korea", versions={"ar": f"{SITE}/ar/one"}))
    assert also(desk.articles("en")[0]) == also(desk.articles("ar")[0]) == []


@pytest.mark.parametrize(
    ("language", "old", "new"),
    [
        ("ar", "كوبا تفتح سفارة في سيول", "السفارة في سيول وكوبا"),
        ("zh-Hans", "古巴在首尔设大使馆", "明天首爾有雨"),
        ("ko", "쿠바 대사관이 문을 열다", "서울의 쿠바인들"),
        ("th", "สถานทูตคิวบา", "ข่าวจากคิวบา"),
    ],
)
def test_stories_find_each_other_by_a_shared_word_of_two_signs_and_by_words_in_arabic(archive, language, old, new):
    archive.add_all([(f"{one} x", "", "") for one in "东西南北春夏秋冬"], days=9, language=language)
    archive.add(old, days=3, language=language)
    assert also(archive.add(new, language=language)) == [old]


def test_it_is_worked_out_once_more_after_a_week_and_then_stays(paper):
    story = paper.add("Havana embassy")
    assert also(story) == []
    paper.add("Havana embassy, late", days=3)
    assert also(story, NOW + 7 * DAY - timedelta(seconds=1)) == []
    assert related.anything_due(NOW + 7 * DAY)
    assert also(story, NOW + 7 * DAY) == ["Havana embassy, late"]
    paper.add("Havana embassy, later", days=3)
    assert also(story, NOW + 900 * DAY) == ["Havana embassy, late"]
    assert not related.anything_due(NOW + 9_000 * DAY)


def test_a_text_that_changes_leaves_it_and_a_story_withdrawn_before_has_none(paper):
    paper.add("Havana embassy, old", days=3)
    story, gone = paper.add("Havana embassy"), paper.add("Havana embassy, gone")
    life.withdraw(gone, reason="Killed.")
    assert also(story) == ["Havana embassy, old"]
    story.headline = "Rome"
    searchindex.refresh([story])
    assert also(story) == ["Havana embassy, old"]
    assert db.session.get(Related, (gone.id, 0)) is None


def test_an_editors_picks_stand_first_and_stay_when_the_rest_is_worked_out_again(paper):
    rome, milan = paper.add("Rome", days=1), paper.add("Milan", days=-1)
    paper.add("Havana embassy opens", days=2)
    story = paper.add("Havana embassy")
    related.pick(story, [milan, rome, milan])
    assert also(story, NOW + 8 * DAY) == ["Milan", "Rome", "Havana embassy opens"]
    assert related.picks_of(story) == [milan, rome]
    related.pick(story, [])
    assert also(story) == ["Havana embassy opens"]


def test_what_was_picked_and_is_alike_stands_there_once(paper):
    opens = paper.add("Havana embassy opens", days=2)
    story = paper.add("Havana embassy")
    related.pick(story, [opens])
    assert also(story) == ["Havana embassy opens"]


def test_a_story_that_is_held_can_be_given_its_picks(paper):
    (story,) = paper.add_all([("Held", "", "")], state="held")
    related.pick(story, [paper.add("Rome")])
    assert also(story) == ["Rome"]


def test_only_other_stories_of_the_language_can_be_picked_and_five_at_most(paper):
    story, others = paper.add("Story"), paper.add_all([(f"Other {number}", "", "") for number in range(6)])
    for picks in ([story], [paper.add("Italiano", language="it")], others):
        with pytest.raises(errors.Invalid):
            related.pick(story, picks)
    assert db.session.scalar(select(func.count()).select_from(Related)) == 0


def test_few_stories_have_it_at_once_when_they_are_stored_and_many_a_little_later(desk):
    desk.take(entry("old", title="Havana embassy", published="2024-02-01T00:00:00Z"))
    desk.take(entry("new", title="Havana embassy again", published="2024-02-15T00:00:00Z"))
    newest = desk.articles()[0]
    assert [other.headline for other in related.see_also(newest)] == ["Havana embassy"]
    many = [entry(f"m{number}", title=f"Havana {number}", content=None) for number in range(20)]
    desk.take(*many, language="it")
    due = select(func.count()).select_from(RelatedDue).where(RelatedDue.due_at <= NOW)
    assert db.session.scalar(due) == 20
    assert related.compute_due(NOW, 100) == 20
    assert db.session.scalar(due) == 0
