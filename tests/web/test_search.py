"""The search page finds the demo's stories, says clearly what it cannot find, and takes whatever is typed."""

import re
from urllib.parse import quote

import pytest

from articles import searchindex, shelf
from articles.models import Article, Story
from core.database import db
from tests.articles.test_search import HOSTILE
from tests.web import markup


def found(text: str) -> list[str]:
    """Return the headlines that a page shows as found."""
    main = text[text.index("<main") :]
    return re.findall(r"<h3><a [^>]*>([^<]+)</a>", main)


@pytest.fixture
def look(client):
    """Ask for a search page, which must be sound."""

    def ask(language="en", **asked):
        path = f"/{language}/search?" + "&".join(f"{name}={quote(value)}" for name, value in asked.items())
        answer = client.get(path.replace("begin=", "from="))
        assert answer.status_code == 200
        assert markup.problems(markup.read(answer.text)) == []
        assert answer.headers["Cache-Control"] == "no-store"
        assert '<meta name="robots" content="noindex">' in answer.text
        return answer.text

    return ask


def test_stories_are_found_with_their_standfirst_date_and_topics(look):
    page = look(q="cuba korea")
    assert found(page)[0] == "South Korea and Cuba establish diplomatic relations"
    story = next(one for one in shelf.latest("en", limit=99) if one.headline == found(page)[0])
    main = page[page.index("<main") :]
    assert story.standfirst in main and "/en/topics/kr" in main and "<time" in main


@pytest.mark.parametrize(
    ("language", "query"), [("ar", "العلاقات"), ("zh-Hans", "韓國"), ("ko", "쿠바"), ("it", "CUBA")]
)
def test_stories_are_found_in_each_language(look, language, query):
    assert found(look(language, q=query))


def test_every_page_leads_to_the_search(client):
    for path in ("/en/", "/en/topics", "/en/subscribe", "/en/nothing"):
        assert 'href="/en/search"' in client.get(path).text


def test_topic_dates_and_order_narrow_what_is_found_and_stay_in_the_form(look):
    everything = found(look(q="korean"))
    newest = [one.headline for one in shelf.latest("en", limit=99) if one.headline in everything]
    assert found(look(q="korean", order="newest")) == newest
    korea = look(q="korean", topic="cu")
    assert 0 < len(found(korea)) < len(everything)
    assert '<option value="cu" selected>' in korea
    days = sorted(one.published_at for one in shelf.latest("en", limit=99) if one.headline in everything)
    old = look(q="korean", to=days[0].date().isoformat(), begin="1990-01-01")
    assert 0 < len(found(old)) < len(everything)
    assert 'name="from" value="1990-01-01"' in old


def test_what_was_found_comes_in_pages(look, client):
    copies = shelf.latest("en", limit=1)[0]
    for number in range(45):
        add(copies, number)
    db.session.commit()
    first = look(q="paginated")
    assert "45 stories" in first and "Page 1 of 3" in first and len(found(first)) == 20
    (following,) = re.findall(r'rel="next" href="([^"]+)"', first)
    second = client.get("/en/search" + following.replace("&amp;", "&")).text
    assert "Page 2 of 3" in second and len(found(second)) == 20
    assert len(found(look(q="paginated", page="3"))) == 5
    for beyond in ("4", "99999999", "1000000000000000"):
        assert "Nothing was found" not in look(q="paginated", page=beyond)
    for wrong in ("0", "-1", "x", "", "²"):
        assert found(look(q="paginated", page=wrong)) == found(first)


def add(like, number):
    values = {column.key: getattr(like, column.key) for column in like.__table__.columns if column.key != "id"}
    story = Story(public_id=f"p{number}", created_at=like.published_at)
    db.session.add(story)
    db.session.flush()
    own = {"story_id": story.id, "public_id": f"{number:a>10}", "headline": f"Paginated {number}"}
    article = Article(**values | own)
    db.session.add(article)
    searchindex.refresh([article])


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "Write one word or more."),
        ({"q": "   "}, "Write one word or more."),
        ({"q": "…—!? *"}, "There is no word in it that could be looked for."),
        ({"q": "x" * 10_000}, "This is too long: at most 200 characters."),
        ({"q": "atlantis"}, "Try other or fewer words"),
        ({"q": "korea atlantis"}, "No story has all of these words."),
        ({"q": "korea", "topic": "nothing"}, "One of these topics is not on offer."),
        ({"q": "korea", "to": "31/03/2026"}, "31/03/2026 is no day."),
        ({"q": "korea", "to": "9999-12-31"}, "9999-12-31 is no day."),
        ({"q": "korea", "begin": "2026-03-02", "to": "2026-03-01"}, "The last day is before the first."),
        ({"q": "atlantis", "topic": "kr"}, "Search in all topics and at all times"),
    ],
)
def test_what_cannot_be_found_is_said_in_words(look, asked, words):
    assert words in look(**asked)


def test_whatever_is_typed_is_answered(look):
    for query in (*HOSTILE, "<script>alert(1)</script>", "<b>Korea</b>", "{{ 7 * 7 }}", "\u202egnp.exe"):
        page = look(q=query.encode("utf-8", "replace").decode()[:2_000])
        assert "<script>alert" not in page and "\x00" not in page and "\u202e" not in page


def test_only_the_page_s_language_is_searched(look):
    assert found(look("ar", q="diplomatic")) == []
