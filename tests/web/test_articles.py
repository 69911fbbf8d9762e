"""Front pages, topics, stories and paper."""

import re
from datetime import datetime

import pytest

from articles import shelf, topics
from articles.models import Article, ArticleIdentity, ArticleTopic, UnmappedTerm
from articles.pictures import Picture
from articles.searchtables import Related, RelatedDue, SearchDocument
from core import links
from core.database import db
from sharing import friend
from tests.installation import PUBLICATION
from tests.web import markup
from tests.web.readers import korea_and_cuba


@pytest.fixture
def story(app):
    return korea_and_cuba()


def address(article, page="story"):
    return links.path(page, language=article.language, story=article.ref)


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("ar-EG,ar;q=0.9,en;q=0.5", "ar"),
        ("en", "en"),
        ("fr,de;q=0.8", "en"),
        ("", "en"),
        ("*", "en"),
        ("x" * 999, "en"),
    ],
)
def test_the_first_page_leads_to_the_language_that_the_browser_asks_for(client, accept, language):
    answer = client.get("/", headers={"Accept-Language": accept})
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/{language}/")
    assert answer.headers["Vary"] == "Accept-Language"


def test_a_front_page_without_its_slash_moves_to_the_one_with_it(client):
    answer = client.get("/ar")
    assert (answer.status_code, answer.headers["Location"]) == (301, "/ar/")


def test_the_front_page_shows_the_newest_story_large_and_then_the_others(client):
    page = client.get("/en/").text
    shown = [element.text for element in markup.read(page).all("h2")]
    newest = [article.headline for article in shelf.latest("en", limit=13)]
    assert shown[:13] == newest
    assert page.count("teaser-lead") == 1


def test_the_front_page_leads_to_the_other_languages_in_their_own_names(client):
    others = [a for a in markup.read(client.get("/en/").text).all("a") if a.attrs.get("hreflang")]
    assert [other.attrs["hreflang"] for other in others] == [code for code in PUBLICATION.languages if code != "en"]
    assert others[0].attrs == {"href": "/ar/", "lang": "ar", "dir": "rtl", "hreflang": "ar"}
    assert others[0].text == "العربية"


def test_older_stories_follow_page_by_page_each_once(client):
    seen, pages = [], ["/en/"]
    for path in pages:
        page = client.get(path).text
        seen += re.findall(r'<h2><a href="([^"]+)"', page)
        pages += ["/en/" + older for older in re.findall(r'href="(\?before=[^"]+)"', page)]
    everything = shelf.latest("en", limit=500)
    assert len(everything) > 13
    assert seen == [address(article) for article in everything]


@pytest.mark.parametrize("before", ["", "yesterday", "20240230T000000.0Z", "0" * 5000, "\u202e"])
def test_a_page_before_no_time_at_all_is_not_found(client, before):
    assert client.get("/en/", query_string={"before": before}).status_code == 404


def test_a_topic_s_page_shows_the_stories_on_it_only(client):
    cuba = topics.by_key("cu")
    page = client.get("/en/topics/cu").text
    expected = [article.headline for article in shelf.latest("en", limit=50, topic=cuba)]
    headings = [element.text for element in markup.read(page).all("h2")]
    assert headings[: len(expected)] == expected
    assert "?topics=cu" in page
    assert "<h1" in page
    assert "Cuba</h1>" in page


def test_the_topics_are_listed_by_kind_with_how_many_stories_they_have(client):
    page = markup.read(client.get("/en/topics").text)
    listed = [element for element in page.all("a") if element.attrs["href"].startswith("/en/topics/")]
    counts = shelf.counts_by_topic("en")
    assert len(listed) == len(counts)
    assert [element.text for element in page.all("h2")] == ["Themes", "Countries"]


@pytest.mark.parametrize("topic", ["nothing", "cu%00", "CU", "%E2%80%AE", "x" * 5000])
def test_a_topic_that_there_is_not_is_not_found(client, topic):
    assert client.get(f"/en/topics/{topic}").status_code == 404


def test_a_story_s_page_has_its_parts_in_the_order_that_was_asked_for(client, story):
    page = client.get(address(story)).text
    main = page[page.index("<main") :]
    send = address(story, "share")
    parts = [
        f'<time datetime="{story.published_at.astimezone().astimezone(tz=None).year}',
        f'href="{send}"',
        f"<h1>{story.headline}</h1>",
        story.standfirst[:40],
        f"{story.dateline_place} ({story.dateline_agency}) –",
        story.body[3:40],
        f'href="{send}"',
        "Printable version",
        "See also",
        "<time",
        "Subscribe to The Monsoon Courier updates",
        "change your preferences",
        "Subscribe now",
        "News from Asia, carried to your door.",
    ]
    at = 0
    for part in parts:
        found = main.find(part, at)
        assert found >= 0, part
        at = found + len(part)


def test_a_story_says_its_date_with_time_and_zone(client, story):
    (time, *_others) = markup.read(client.get(address(story)).text).all("time")
    assert datetime.fromisoformat(time.attrs["datetime"]) == story.published_at.replace(second=0, microsecond=0)
    assert time.attrs["datetime"].endswith("+08:00")
    assert re.fullmatch(r"\d{1,2} \w+ 20\d\d, \d\d:\d\d GMT\+08:00", time.text)


def test_the_two_links_to_send_it_are_told_apart_by_ear(client, story):
    page = markup.read(client.get(address(story)).text)
    sends = [a for a in page.all("a") if a.attrs["href"] == address(story, "share")]
    assert [a.text for a in sends] == ["Send to a friend"] * 2
    names = [a.attrs["aria-label"] for a in sends]
    assert len(set(names)) == 2
    assert all(name.startswith("Send to a friend") for name in names)


def test_a_story_s_head_names_its_one_address_and_its_other_languages(client, story):
    page = markup.read(client.get(address(story)).text)
    hosted = "http://127.0.0.1:8000"
    linked = {(link.attrs["rel"], link.attrs.get("hreflang")): link.attrs["href"] for link in page.all("link")}
    arabic = shelf.versions(story)[0]
    assert linked["canonical", None] == hosted + address(story)
    assert linked["alternate", "en"] == hosted + address(story)
    assert linked["alternate", "ar"] == hosted + address(arabic)
    said = {
        meta.attrs.get("property", meta.attrs.get("name")): meta.attrs.get("content", "") for meta in page.all("meta")
    }
    assert said["og:title"] == story.headline
    assert said["og:url"] == hosted + address(story)
    assert 0 < len(said["description"]) <= 201
    (switch,) = [a for a in page.all("a") if a.attrs.get("hreflang") == "ar"]
    assert switch.attrs["href"] == address(arabic)


def test_see_also_shows_older_stories_of_the_same_language_with_their_dates(client, story):
    page = client.get(address(story)).text
    aside = page[page.index("<aside") : page.index("</aside>")]
    shown = re.findall(r'<a href="/en/([^"]+)"[^>]*>([^<]+)</a>\s*.*?<time datetime="([^"]+)"', aside, re.DOTALL)
    assert [headline for _ref, headline, _at in shown] == [
        "In a Korean paper village, sheets for letters that must last",
        "In a Cuban port town, a Korean class outgrows the sitting room",
        "In Tashkent, the cellar that keeps a Korean winter",
        "Rice cakes reach Havana in a suitcase, in time for the New Year",
    ]
    for ref, _headline, at in shown:
        assert datetime.fromisoformat(at) == shelf.by_ref(ref).published_at < story.published_at


def test_subscribe_now_proposes_the_story_s_topics(client, story):
    keys = ",".join(topic.key for topic in shelf.topics_of([story.id])[story.id])
    assert f'href="/en/subscribe?topics={keys}"' in client.get(address(story)).text


@pytest.mark.parametrize("page", ["story", "print", "share"])
def test_a_wrong_slug_or_language_moves_to_the_right_address(client, story, page):
    right = address(story, page)
    for wrong in (
        right.replace(story.ref, story.public_id),
        right.replace(story.ref, f"{story.public_id}-other-Words"),
    ):
        answer = client.get(wrong)
        assert (answer.status_code, answer.headers["Location"]) == (301, right)
    answer = client.get(right.replace("/en/", "/ar/"))
    assert (answer.status_code, answer.headers["Location"]) == (301, right)


@pytest.mark.parametrize(
    "ref", ["aaaaaaaaaa", "aaaaaaaaaa-x", "x%00", "%F0%9F%92%A9", "-", "a" * 3000, "..%2F..%2Fetc"]
)
def test_a_story_that_there_is_not_is_not_found(client, ref):
    answer = client.get(f"/en/{ref}")
    assert answer.status_code == 404
    assert 'lang="en"' in answer.text


@pytest.mark.parametrize("path", ["/fr/", "/EN/", "/xx/topics", "/fr/subscribe", "/%00/", "/health/live/"])
def test_a_language_that_is_not_ours_is_not_found(client, path):
    answer = client.get(path, headers={"Accept-Language": "ar"})
    assert answer.status_code == 404
    assert '<html lang="ar" dir="rtl">' in answer.text


def test_markup_in_a_headline_stays_text(client, story):
    story.headline = '<script>alert("1")</script> & more'
    story.standfirst = '"><img src=x onerror=alert(1)>'
    db.session.commit()
    for page in ("story", "print", "share"):
        read = markup.read(client.get(address(story, page)).text)
        assert markup.problems(read) == []
        spoken = [script for script in read.all("script") if "alert" in script.text]
        assert {script.attrs.get("type") for script in spoken} <= {"application/ld+json"}
        assert not any("<" in script.text for script in spoken), "data, and nothing that could end it"
        assert not read.all("img")
    assert markup.problems(markup.read(client.get("/en/").text)) == []


def test_paper_has_the_story_and_its_address_and_nothing_to_click(client, story):
    page = client.get(address(story, "print")).text
    read = markup.read(page)
    assert story.body[3:200] in page
    assert f"{story.dateline_place} ({story.dateline_agency}) –" in page
    assert not read.all("nav")
    assert not read.all("form")
    assert [a.text for a in read.all("a") if not a.parents.count("article")] == [
        f"http://127.0.0.1:8000{address(story)}"
    ]
    assert '<meta name="robots" content="noindex">' in page
    assert {link.attrs["href"].partition("?")[0] for link in read.all("link")} >= {"/static/print.css"}


def test_the_page_to_send_a_story_has_a_mail_link_and_the_address_to_copy(client, story):
    read = markup.read(client.get(address(story, "share")).text)
    canonical = f"http://127.0.0.1:8000{address(story)}"
    (mail,) = [a for a in read.all("a") if a.attrs["href"].startswith("mailto:?")]
    assert mail.attrs["href"] == friend.mailto(story.headline, story.standfirst, canonical)
    (field,) = read.all("input")
    assert field.attrs["value"] == canonical
    assert "readonly" in field.attrs
    assert not read.all("form")
    assert all("hidden" in button.attrs for button in read.all("button")), "these need a script"


def test_an_empty_publication_says_so(client, app):
    for table in (Picture, UnmappedTerm, ArticleIdentity, ArticleTopic, SearchDocument, Related, RelatedDue, Article):
        db.session.query(table).delete()
    db.session.commit()
    for path in ("/en/", "/en/topics"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "No story has come in yet." in answer.text
        assert markup.problems(markup.read(answer.text)) == []
