"""Breaking news: what may be flagged, what it brings, and that it ends."""

from datetime import timedelta

import pytest

from articles import breaking, life
from core import errors
from core.database import db
from tests.articles.atom import NOW, entry

HOUR = timedelta(hours=1)


@pytest.fixture
def story(desk_on_both):
    """A story of an hour ago, on either database."""
    desk_on_both.take(entry("one", published="2024-02-16T11:00:00Z"))
    return desk_on_both.articles()[0]


def test_a_flagged_story_is_listed_from_then_on_and_shown_as_breaking_for_a_day(story):
    breaking.flag(story, now=NOW)
    db.session.commit()
    assert breaking.since(NOW - HOUR) == breaking.since(NOW - HOUR, language="en") == [story]
    assert breaking.since(NOW) == breaking.since(NOW - HOUR, language="ar") == []
    assert [breaking.is_shown(story, NOW + hours * HOUR) for hours in (0, 23, 24)] == [True, True, False]


def test_flagged_again_it_is_not_breaking_anew(story):
    breaking.flag(story, now=NOW)
    breaking.flag(story, now=NOW + HOUR)
    assert story.breaking_at == NOW


def test_the_flag_is_taken_back(story):
    breaking.flag(story, now=NOW)
    breaking.unflag(story)
    assert breaking.since(NOW - HOUR) == [] and not breaking.is_shown(story, NOW)


def test_what_is_old_is_flagged_on_purpose_only(story):
    later = story.published_at + timedelta(hours=24, seconds=1)
    with pytest.raises(errors.Invalid, match="older than a day"):
        breaking.flag(story, now=later)
    assert story.breaking_at is None
    breaking.flag(story, now=later, however_old=True)
    assert story.breaking_at == later


def test_only_what_readers_see_can_be_breaking(story):
    breaking.flag(story, now=NOW)
    life.withdraw(story, reason="The agency has killed this story.")
    assert breaking.since(NOW - HOUR) == []
    breaking.unflag(story)
    with pytest.raises(errors.Invalid, match="Only a published story"):
        breaking.flag(story, now=NOW, however_old=True)
