"""What machines read, read back by programs that are not ours: a feed reader, XML and JSON parsers."""

import io
import json
import re
from datetime import datetime, timedelta
from xml.etree import ElementTree

import feedparser
import pytest

from articles import life, pictures_placed, shelf, topics
from articles.models import Article
from core import clock, links, services
from core.database import db
from tests.installation import PUBLICATION
from tests.web import markup
from tests.web.readers import korea_and_cuba

SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
NEWS = "{http://www.google.com/schemas/sitemap-news/0.9}"


@pytest.fixture
def story(app) -> Article:
    return korea_and_cuba()


def absolute(article: Article) -> str:
    return services.current().links.to("story", language=article.language, story=article.ref)


def atom(client, path: str):
    answer = client.get(path)
    assert (answer.status_code, answer.mimetype) == (200, "application/atom+xml")
    told = {"content-type": answer.content_type}
    found = feedparser.parse(
        io.BytesIO(answer.data), response_headers=told, sanitize_html=False, resolve_relative_uris=False
    )
    assert (found.bozo, found.version) == (False, "atom10")
    return found


def xml(client, path: str) -> ElementTree.Element:
    return ElementTree.fromstring(client.get(path).data)  # noqa: S314 - our own answer


@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_feed_reader_reads_the_newest_stories(client, app, language):
    found = atom(client, f"/{language}/feed.atom")
    newest = shelf.latest(language, limit=30)
    assert [one.title for one in found.entries] == [article.headline for article in newest]
    assert [one.link for one in found.entries] == [absolute(article) for article in newest]
    assert found.feed.language == language
    assert len({one.id for one in found.entries}) == len(newest)
    for one, article in zip(found.entries, newest, strict=True):
        assert datetime.fromisoformat(one.published) == article.published_at.replace(microsecond=0)
        assert re.sub("<figure>.*?</figure>", "", one.content[0].value) == pictures_placed.without_places(article.body)
        assert {tag.term for tag in one.tags} == {topic.key for topic in shelf.topics_of([article.id])[article.id]}


def test_a_topic_has_a_feed_of_its_own(client, story):
    found = atom(client, "/en/topics/cu/feed.atom")
    assert [one.link for one in found.entries] and absolute(story) in {one.link for one in found.entries}
    assert "Cuba" in found.feed.title
    assert client.get("/en/topics/nowhere/feed.atom").status_code == 404


def test_an_id_stays_when_the_address_changes(client, story):
    before = {one.id for one in atom(client, "/en/feed.atom").entries}
    story.slug = "another-slug"
    db.session.commit()
    after = atom(client, "/en/feed.atom").entries
    assert {one.id for one in after} == before
    assert absolute(story) in {one.link for one in after}


def test_both_feeds_say_the_same(client, story):
    answer = client.get("/en/feed.json")
    assert answer.mimetype == "application/feed+json"
    found = json.loads(answer.data)
    entries = atom(client, "/en/feed.atom").entries
    assert found["version"] == "https://jsonfeed.org/version/1.1"
    assert [(one["id"], one["url"], one["title"]) for one in found["items"]] == [
        (one.id, one.link, one.title) for one in entries
    ]
    assert [one["content_html"] for one in found["items"]] == [one.content[0].value for one in entries]
    assert found["feed_url"].endswith("/en/feed.json")
    topic = json.loads(client.get("/en/topics/cu/feed.json").data)
    assert story.headline in {one["title"] for one in topic["items"]}


def test_what_was_withdrawn_or_is_held_is_in_no_feed_and_no_sitemap(client, story):
    life.withdraw(story, reason="Killed.")
    db.session.commit()
    for path in ("feed.atom", "feed.json", "sitemap.xml", "news-sitemap.xml", "topics/cu/feed.atom"):
        assert story.public_id not in client.get(f"/en/{path}").text, path


def test_a_feed_that_did_not_change_is_not_sent_again(client, app):
    for path in ("/en/feed.atom", "/en/feed.json", "/en/sitemap.xml"):
        first = client.get(path)
        again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")


def test_nasty_words_are_well_formed_everywhere(client, story):
    story.headline, story.author = "</title><script>alert(1)</script> & ]]> \"x'", "<b>A & B</b>"
    db.session.commit()
    assert story.headline in [one.title for one in atom(client, "/en/feed.atom").entries]
    assert story.headline in [one["title"] for one in json.loads(client.get("/en/feed.json").data)["items"]]
    xml(client, "/en/news-sitemap.xml")
    assert linked_data(client, story)["headline"] == story.headline


def linked_data(client, article: Article) -> dict[str, object]:
    text = client.get(links.path("story", language=article.language, story=article.ref)).text
    (found,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', text, re.S)
    data: dict[str, object] = json.loads(found)
    return data


def test_a_story_tells_search_engines_what_it_is(client, story):
    found = linked_data(client, story)
    assert (found["@context"], found["@type"]) == ("https://schema.org", "NewsArticle")
    assert (found["headline"], found["mainEntityOfPage"]) == (story.headline, absolute(story))
    assert datetime.fromisoformat(str(found["datePublished"])) == story.published_at.replace(microsecond=0)
    assert found["inLanguage"] == "en"
    assert "Cuba" in {thing["name"] for thing in found["about"]}  # type: ignore[attr-defined]
    assert "correction" not in found
    life.correct(story, text="On Tuesday.", now=clock.utc_now())
    db.session.commit()
    assert linked_data(client, story)["correction"] == "On Tuesday."


def test_the_sitemaps_lead_to_every_story(client, app):
    index = xml(client, "/sitemap.xml")
    places = [one.text or "" for one in index.iter(f"{SITEMAP}loc")]
    assert len(places) == 2 * len(PUBLICATION.languages)
    base = services.current().links.base_url
    assert all(client.get(place.removeprefix(base)).status_code == 200 for place in places)
    listed = xml(client, "/en/sitemap.xml")
    wanted = {absolute(article) for article in shelf.latest("en", limit=999)}
    assert {one.text for one in listed.iter(f"{SITEMAP}loc")} == wanted


def test_the_sitemap_of_news_has_what_is_not_two_days_old(client, app):
    now = clock.utc_now()
    newest, oldest = shelf.latest("en", limit=999)[0], shelf.latest("en", limit=999)[-1]
    newest.published_at, oldest.published_at = now - timedelta(hours=1), now - timedelta(days=3)
    db.session.commit()
    found = xml(client, "/en/news-sitemap.xml")
    titles = {one.text for one in found.iter(f"{NEWS}title")}
    assert newest.headline in titles and oldest.headline not in titles


def test_robots_are_kept_from_what_is_one_reader_s(client, app):
    text = client.get("/robots.txt").text
    assert "Disallow: /*/t/" in text
    assert f"Sitemap: {services.current().links.base_url}/sitemap.xml" in text


@pytest.mark.parametrize("topic", ["", "kr", "diplomacy"])
def test_every_story_is_in_the_archive_on_its_day_and_the_days_lead_to_each_other(client, app, topic):
    seen: set[str] = set()
    of = f"/topics/{topic}" if topic else ""
    answer = client.get(f"/en{of}/archive")
    assert answer.status_code == 302
    path = answer.headers["Location"]
    for _day in range(400):
        text = client.get(path).text
        seen |= set(re.findall(r'<h2><a href="([^"]+)"', text))
        assert f'<link rel="canonical" href="{services.current().links.base_url}{path}">' in text
        earlier = re.search(r'rel="prev" href="([^"]+)"', text)
        if earlier is None:
            break
        path = earlier[1]
    told = shelf.latest("en", limit=999, topic=topics.by_key(topic) if topic else None)
    wanted = {links.path("story", language="en", story=article.ref) for article in told}
    assert len(wanted) > 1
    assert seen == wanted


def test_a_topics_page_leads_to_its_archive_and_back(client, app):
    assert "/en/topics/kr/archive" in client.get("/en/topics/kr").text
    page = client.get("/en/topics/kr/archive", follow_redirects=True)
    assert '<h1 id="day">South Korea – ' in page.text and 'href="/en/topics/kr">All about South Korea</a>' in page.text
    assert markup.problems(markup.read(page.text)) == []
    for path in ("/en/topics/nowhere/archive", "/en/topics/nowhere/archive/2026-01-01", "/en/topics/kr/archive/today"):
        assert client.get(path).status_code == 404


@pytest.mark.parametrize("day", ["2026-13-01", "20260101", "2026-1-1", "today", "0001-01-01", "9999-12-31", "x" * 5000])
def test_a_day_that_is_none_is_not_found(client, app, day):
    assert client.get(f"/en/archive/{day}").status_code == 404


def test_a_day_without_stories_says_so(client, app):
    answer = client.get("/en/archive/2001-02-03")
    assert "Nothing was published on this day." in answer.text
    assert markup.problems(markup.read(answer.text)) == []
