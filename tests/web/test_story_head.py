"""What a story's page says of itself to search engines and messengers, and what it says of time."""

import re
from datetime import timedelta

import pytest

from articles import breaking, life, related, shelf, topics
from articles.models import Article
from core import clock, language, links, services
from core.database import db
from tests.web import markup
from tests.web.readers import korea_and_cuba


@pytest.fixture
def story(app) -> Article:
    return korea_and_cuba()


def address(article: Article, page: str = "story") -> str:
    return links.path(page, language=article.language, story=article.ref)


def metas(client, article: Article) -> dict[str, list[str]]:
    """Return what the head of a story's page says, by name."""
    found: dict[str, list[str]] = {}
    for meta in markup.read(client.get(address(article)).text).all("meta"):
        name = meta.attrs.get("property") or meta.attrs.get("name") or ""
        found.setdefault(name, []).append(meta.attrs.get("content", ""))
    return found


def test_who_speaks_none_of_the_languages_is_led_to_the_publications_first(client, story):
    base = services.current().links.base_url
    for version in (story, *shelf.versions(story)):
        page = markup.read(client.get(address(version)).text)
        leads = {link.attrs["hreflang"]: link.attrs["href"] for link in page.all("link") if "hreflang" in link.attrs}
        assert leads["x-default"] == leads["en"] == base + address(story)
        assert len(leads) == 2 + len(shelf.versions(story))
    life.withdraw(story, reason="Killed.")
    db.session.commit()
    (other, *_more) = shelf.versions(story)
    page = client.get(address(other)).text
    assert f'hreflang="x-default" href="{base}{address(other)}"' in page


def test_topics_are_its_section_and_its_tags(client, story):
    said = metas(client, story)
    names = [topics.name(topic, "en") for topic in shelf.topics_of([story.id])[story.id]]
    assert said["article:section"] == names[:1] and said["article:tag"] == names
    assert said["twitter:card"] == ["summary"]


def test_a_headline_without_end_is_cut_for_machines_and_whole_for_readers(client, story):
    story.headline = "A word " * 40
    db.session.commit()
    page = client.get(address(story)).text
    (title,) = re.findall("<title>(.*?) – The Monsoon Courier</title>", page)
    assert len(title) <= 110 and title.endswith("…") and metas(client, story)["og:title"] == [title]
    assert f"<h1>{story.headline}</h1>" in page


def test_the_article_says_its_language_and_direction_on_screen_and_on_paper(client, story):
    (arabic,) = [one for one in shelf.versions(story) if one.language == "ar"]
    for article, said in ((story, 'lang="en" dir="ltr"'), (arabic, 'lang="ar" dir="rtl"')):
        for page in ("story", "print"):
            assert f'<article class="story" {said}>' in client.get(address(article, page)).text


def test_of_older_stories_the_hour_is_told_for_30_days(client, story):
    other = related.see_also(story)[0]
    day = language.date_text(clock.utc_now().date(), "en")
    told = {}
    for days in (29, 31):
        other.published_at = story.published_at = clock.utc_now() - timedelta(days=days)
        story.published_at += timedelta(minutes=1)
        db.session.commit()
        page = client.get(address(story)).text
        aside = page[page.index("<aside") : page.index("</aside>")]
        (told[days],) = re.findall(rf"{re.escape(other.headline)}</a>.*?<time[^>]*>(.*?)</time>", aside, re.DOTALL)
    assert re.fullmatch(r"\d{1,2} \w+ 20\d\d, \d\d:\d\d", told[29])
    assert re.fullmatch(r"\d{1,2} \w+ 20\d\d", told[31]) and day.split()[-1] in (told[29][-11:-7], told[31][-4:])


def test_paper_names_the_older_stories_without_leading_there(client, story):
    page = client.get(address(story, "print")).text
    aside = page[page.index("<aside") : page.index("</aside>")]
    assert related.see_also(story)[0].headline in aside
    assert "<a " not in aside
    assert markup.problems(markup.read(page)) == []


def test_a_page_that_calls_a_story_breaking_is_not_kept_longer_than_it_is(client, story, monkeypatch):
    now = clock.utc_now().replace(hour=12)
    monkeypatch.setattr(clock, "utc_now", lambda: now - timedelta(hours=23, minutes=59))
    breaking.flag(story, now=clock.utc_now(), however_old=True)
    db.session.commit()
    monkeypatch.setattr(clock, "utc_now", lambda: now)
    assert "Breaking" in client.get(address(story)).text
    monkeypatch.setattr(clock, "utc_now", lambda: now + timedelta(minutes=1))
    assert "Breaking" not in client.get(address(story)).text
