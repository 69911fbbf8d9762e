"""What readers see of a story that was withdrawn, held, corrected, or may not be passed on."""

import json
import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from articles import breaking, flash, life, shelf
from core import clock, links, services
from core.database import db
from digests import corrections
from digests.models import Correction
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


def test_its_page_and_the_archive_say_how_many_readers_were_told(client, story):
    now = clock.utc_now()
    life.correct(story, text="The notes were exchanged in New York.", now=now)
    corrections.begin(story, tell="next", now=now).told = 61_204
    db.session.commit()
    day = story.published_at.astimezone(ZoneInfo(services.current().publication.zone)).date()
    for path in (address(story), address(story, "print"), links.path("day", language="en", day=day.isoformat())):
        answer = client.get(path)
        assert "; we told the 61,204 readers who had it" in answer.text
        assert markup.problems(markup.read(answer.text)) == []
    db.session.query(Correction).update({"told": 1})
    db.session.commit()
    assert "; we told the 1 reader who had it" in client.get(address(story)).text


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


def test_of_a_teaser_no_page_and_no_feed_of_ours_shows_the_text(client, story):
    story.url = "https://www.example.org/korea?a=1&b=2"
    text = story.body[3:60]
    pages = [address(story), address(story, "print"), "/en/feed.atom", "/en/feed.json", "/en/topics/kr/feed.atom"]
    assert all(text in client.get(page).text for page in pages)
    life.let(story, teaser_only=True)
    db.session.commit()
    for page in pages:
        shown = client.get(page).text
        assert story.standfirst[:40] in shown and text not in shown
    page = client.get(address(story))
    assert markup.problems(markup.read(page.text)) == []
    assert (
        '<a href="https://www.example.org/korea?a=1&amp;b=2" rel="external">Read the whole story at example.org</a>'
        in (page.text)
    )
    assert "See also" in page.text


def test_a_teaser_whose_page_is_not_known_leads_nowhere(client, story):
    story.url = ""
    life.let(story, teaser_only=True)
    db.session.commit()
    page = client.get(address(story))
    assert page.status_code == 200 and "Read the whole story" not in page.text


def test_a_story_that_is_read_at_its_publishers_is_known_by_that_address(client, story):
    theirs = "https://www.example.org/korea"
    story.url = theirs
    here = links_of(client, story)
    assert theirs not in here.values() and len(set(here.values())) == 1
    life.let(story, read_at="publisher")
    db.session.commit()
    assert set(links_of(client, story).values()) == {theirs}
    for sitemap in ("/en/sitemap.xml", "/en/news-sitemap.xml"):
        assert address(story) not in client.get(sitemap).text


def links_of(client, article) -> dict[str, str]:
    """Return the addresses by which a story's page and its printable version name it for machines."""
    page, paper = client.get(address(article)).text, client.get(address(article, "print")).text
    (linked,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page)
    (canonical,) = re.findall('<link rel="canonical" href="(.*?)">', page)
    (on_paper,) = re.findall('<link rel="canonical" href="(.*?)">', paper)
    (shared,) = re.findall('<meta property="og:url" content="(.*?)">', page)
    return {
        "canonical": canonical,
        "on paper": on_paper,
        "og:url": shared,
        "linked data": json.loads(linked)["mainEntityOfPage"],
    }


def test_a_flash_stands_above_the_lists_until_its_story_is_there(client, story, monkeypatch):
    issued = flash.issue("Ferry aground", language="en", topic_keys=["kr"], urgent=False, now=clock.utc_now())
    db.session.commit()
    for page in ("/en/", "/en/topics/kr"):
        assert "Ferry aground" in client.get(page).text
    assert "Ferry aground" not in client.get("/en/topics/cu").text + client.get("/it/").text
    flash.attach(issued, story)
    db.session.commit()
    assert "Ferry aground" not in client.get("/en/").text


def test_breaking_news_says_so_on_its_page_and_in_lists_for_a_day(client, story, monkeypatch):
    assert "Breaking" not in client.get(address(story)).text
    breaking.flag(story, now=clock.utc_now(), however_old=True)
    db.session.commit()
    for page in (address(story), "/en/", "/en/topics/kr"):
        assert '<strong class="breaking">Breaking</strong>' in client.get(page).text
    later = clock.utc_now() + timedelta(hours=24)
    monkeypatch.setattr(clock, "utc_now", lambda: later)
    assert "Breaking" not in client.get(address(story)).text
