"""A story's life: what editors do to it holds, whatever its feed goes on to bring."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from articles import life, related, shelf, topics
from articles.models import Article, Story
from core import errors
from core.database import db
from tests.articles.atom import LONG, NOW, entry

HOUR = timedelta(hours=1)
KOREA = {"key": "kr", "kind": "country"}
SEA = {"key": "sea", "kind": "theme", "names": {"en": "The sea"}}


@pytest.fixture
def story(desk) -> Article:
    """A story of Korea that stands between an older and a newer one like it."""
    desk.define(KOREA, SEA)
    others = {"older": "2024-02-14T09:00:00Z", "newer": "2024-02-16T09:00:00Z"}
    entries = [entry(name, title=f"The {name} headline", terms=("kr",), published=at) for name, at in others.items()]
    desk.take(*entries, entry("one", terms=("kr",)))
    return desk.articles()[1]


def is_offered(article: Article) -> bool:
    """Say whether lists, digests and other stories lead to it; all of them agree."""
    newer = shelf.latest("en", limit=1)[0]
    found = {
        "listed": article in shelf.latest("en", limit=9),
        "counted": shelf.counts_by_topic("en")[topics.by_key("kr").id] == 3,
        "candidate": article.id in {one.article_id for one in shelf.candidates("en", since=None)},
        "seen also": article in related.see_also(newer),
    }
    assert len(set(found.values())) == 1, found
    return found["listed"]


def test_a_withdrawn_story_is_offered_nowhere_and_its_feed_does_not_bring_it_back(desk, story):
    assert is_offered(story)
    life.withdraw(story, reason="The agency has killed this story.")
    db.session.commit()
    assert not is_offered(story)
    desk.take(entry("one", title="A new headline", terms=("kr",)))
    assert (story.state, story.headline) == ("withdrawn", "A new headline")
    assert not is_offered(story)
    life.restore(story, now=NOW + HOUR)
    assert is_offered(story) and story.reason == ""


def test_a_held_story_is_new_when_it_is_released(story):
    life.hold(story, now=NOW)
    assert not is_offered(story)
    life.release(story, now=NOW + 5 * HOUR)
    assert is_offered(story)
    assert [one.article_id for one in shelf.candidates("en", since=NOW + 4 * HOUR)] == [story.id]


def test_an_embargo_ends_by_itself_and_not_before(story):
    life.hold(story, until=NOW + HOUR, now=NOW)
    assert not life.anything_due(NOW + HOUR - timedelta(seconds=1))
    assert not life.release_due(NOW + HOUR - timedelta(seconds=1)) and not is_offered(story)
    assert life.anything_due(NOW + HOUR)
    assert life.release_due(NOW + HOUR) == [story] and is_offered(story)
    assert (story.embargo_until, life.anything_due(NOW + 9 * HOUR)) == (None, False)


def test_a_story_held_without_an_end_stays_held(story):
    life.hold(story, now=NOW)
    assert not life.release_due(NOW + 9_999 * HOUR)


def test_a_withdrawn_story_is_not_published_by_its_embargo(story):
    life.hold(story, until=NOW + HOUR, now=NOW)
    life.withdraw(story, reason="Killed.")
    assert not life.release_due(NOW + 2 * HOUR) and story.state == "withdrawn"


@pytest.mark.parametrize(
    "act",
    [
        lambda story: life.restore(story, now=NOW),
        lambda story: life.release(story, now=NOW),
        lambda story: life.hold(story, until=NOW, now=NOW),
        lambda story: life.withdraw(story, reason=" \u200b "),
        lambda story: life.withdraw(story, reason="x" * 601),
        lambda story: life.correct(story, text="", now=NOW),
        lambda story: life.set_topics(story, ["kr", "nowhere"]),
    ],
    ids=["not withdrawn", "not held", "past", "no reason", "endless reason", "no text", "unknown topic"],
)
def test_what_cannot_be_is_refused_and_changes_nothing(story, act):
    before = {column.name: getattr(story, column.name) for column in Article.__table__.columns}
    with pytest.raises(errors.Invalid):
        act(story)
    assert {column.name: getattr(story, column.name) for column in Article.__table__.columns} == before


def test_a_withdrawn_story_is_withdrawn_once(story):
    life.withdraw(story, reason="Killed.")
    with pytest.raises(errors.Invalid, match="was withdrawn"):
        life.withdraw(story, reason="Once more.")
    assert story.reason == "Killed."


def test_a_correction_stands_beside_a_text_that_goes_on_to_follow_the_feed(desk, story):
    life.correct(story, text="On  Tuesday,\nnot on Monday.", now=NOW + HOUR)
    db.session.commit()
    assert (story.correction, story.corrected_at) == ("On Tuesday, not on Monday.", NOW + HOUR)
    desk.take(entry("one", content=f"<p>Tuesday. {LONG}</p>", terms=("kr",)))
    assert "Tuesday." in story.body and story.correction
    life.uncorrect(story)
    assert (story.correction, story.corrected_at) == ("", None)


def test_updated_is_the_later_of_the_feed_s_change_and_the_editor_s_mark(desk, story):
    assert story.updated_at is None
    desk.take(entry("one", title="Another", terms=("kr",)), at=NOW + HOUR)
    assert story.updated_at == NOW + HOUR
    life.mark_updated(story, now=NOW + 2 * HOUR)
    assert story.updated_at == NOW + 2 * HOUR


def test_every_text_that_a_story_had_is_kept(desk, story):
    for hour, headline in enumerate(("Second", "Third", "Third"), 1):
        desk.take(entry("one", title=headline, terms=("kr",)), at=NOW + hour * HOUR)
    kept = [(one.revision, one.headline, one.replaced_at) for one in life.revisions(story)]
    assert kept == [(2, "Second", NOW + 2 * HOUR), (1, "A headline", NOW + HOUR)]
    assert (story.revision, story.headline) == (3, "Third")


def test_shelves_set_by_hand_stay(desk, story):
    life.set_topics(story, ["sea"])
    db.session.commit()
    desk.take(entry("one", title="Another", terms=("kr",)))
    assert [topic.key for topic in shelf.topics_of([story.id])[story.id]] == ["sea"]
    life.set_topics(story, [])
    assert shelf.topics_of([story.id])[story.id] == []


def test_two_languages_are_joined_by_hand(desk, story):
    desk.take(entry("arabic", title="خبر"), language="ar")
    (arabic,) = desk.articles("ar")
    stories = set(db.session.scalars(select(Story.id)))
    left = arabic.story_id
    life.join(story, arabic)
    life.join(story, arabic)
    assert shelf.versions(story) == [arabic] and shelf.versions(arabic) == [story]
    assert set(db.session.scalars(select(Story.id))) == stories - {left}


def test_a_language_that_is_there_cannot_be_joined(desk, story):
    older = desk.articles()[2]
    with pytest.raises(errors.Invalid, match="a version in that language already"):
        life.join(story, older)
    assert older.story_id != story.story_id
