"""What readers see of a story that was withdrawn, held, corrected, or may not be passed on."""

import pytest

from articles import life, shelf
from core import clock, links
from core.database import db
from tests.web import markup
from tests.web.readers import korea_and_cuba


@pytest.fixture
def story(app):
    return korea_and_cuba()


def address(article, page="story"):
    return links.path(page, language=article.language, story=article.ref)


PAGES = ("story", "print", "share")


def test_a_withdrawn_story_is_gone_and_says_why(client, story):
    life.withdraw(story, reason="The agency has <killed> this story.")
    db.session.commit()
    for page in PAGES:
        answer = client.get(address(story, page))
        assert answer.status_code == 410
        assert "The agency has &lt;killed&gt; this story." in answer.text
        assert story.headline not in answer.text
        assert markup.problems(markup.read(answer.text)) == []
    assert address(story) not in client.get("/en/").text
    arabic = shelf.versions(story)[0]
    assert address(story) not in client.get(address(arabic)).text


def test_a_held_story_is_not_there(client, story):
    life.hold(story, now=clock.utc_now())
    db.session.commit()
    assert [client.get(address(story, page)).status_code for page in PAGES] == [404] * 3


def test_a_correction_stands_on_the_page_and_on_paper_with_its_date(client, story):
    life.correct(story, text="The notes were exchanged in New York, not in Geneva.", now=clock.utc_now())
    db.session.commit()
    for page in ("story", "print"):
        answer = client.get(address(story, page))
        assert "not in Geneva." in answer.text
        assert "Corrected" in answer.text
        assert markup.problems(markup.read(answer.text)) == []
    assert "Corrected" not in client.get(address(shelf.versions(story)[0])).text


@pytest.mark.parametrize(
    ("may", "gone"), [({"share": False}, "share"), ({"to_print": False}, "print")], ids=["not shared", "not printed"]
)
def test_what_is_not_allowed_is_not_offered_and_not_there(client, story, may, gone):
    assert address(story, gone) in client.get(address(story)).text
    life.let(story, **may)
    db.session.commit()
    assert client.get(address(story, gone)).status_code == 404
    page = client.get(address(story))
    assert address(story, gone) not in page.text
    assert markup.problems(markup.read(page.text)) == []
    (other,) = {"share", "print"} - {gone}
    assert client.get(address(story, other)).status_code == 200


def test_marked_as_updated_shows_on_its_page(client, story):
    assert "Updated" not in client.get(address(story)).text
    life.mark_updated(story, now=clock.utc_now())
    db.session.commit()
    assert "Updated" in client.get(address(story)).text
