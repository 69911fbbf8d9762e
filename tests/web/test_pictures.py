"""Pictures on pages: ours alone, with their sizes and words, and never the publisher's original."""

import io
import json
import re
import xml.etree.ElementTree as ET

import feedparser
import pytest

from articles import ingest, life, pictures, pictures_due, renditions, shelf
from articles.models import Article
from articles.pictures import Picture, PictureSource
from core import clock, links
from core.database import db
from tests.articles import atom
from tests.articles.images import halves, packed
from tests.web import markup

SITE = "https://publisher.example.org"
TEXT = f"<p>Busan (Masthead) – {atom.LONG}</p>"
CONTENT = (
    f"<figure><img src={SITE}/lead.jpg alt='A harbour &amp; &lt;ships&gt;'>"
    "<figcaption>The harbour</figcaption></figure>"
    f"{TEXT}<p>One.</p><img src={SITE}/plain.jpg><p>Two.</p><img src={SITE}/rule.jpg alt=''><p>Three.</p>"
    f"<figure><img src={SITE}/told.jpg><figcaption>A map of it</figcaption></figure><img src={SITE}/late.jpg>"
)


@pytest.fixture
def story(app) -> Article:
    """A story with five pictures, four of which are there."""
    feed = shelf.latest("en", limit=1)[0].feed_id
    assert feed
    ingest.store_entries(
        feed, atom.feed(atom.entry("pictured", title="Ships come in", content=CONTENT)), clock.utc_now()
    )
    ours = db.session.query(PictureSource).filter(PictureSource.url.startswith(SITE))
    for number, source in enumerate(ours.order_by(PictureSource.id)):
        if not source.url.endswith("late.jpg"):
            made = renditions.make(packed(halves(800, 450 + number)))
            pictures_due.note_made(source.id, made, clock.utc_now())
    db.session.commit()
    return next(one for one in shelf.latest("en", limit=99) if one.headline == "Ships come in")


def page(client, story, name="story") -> str:
    answer = client.get(links.path(name, language="en", story=story.ref))
    assert answer.status_code == 200
    return answer.text


def url_of(story, position: int) -> str:
    return links.path("picture", picture=pictures.of_article(story.id)[position].public_id)


@pytest.mark.parametrize("name", ["story", "print"])
def test_a_page_shows_our_pictures_with_their_sizes_and_words(client, story, name):
    text = page(client, story, name)
    read = markup.read(text)
    assert markup.problems(read) == []
    images = [image.attrs for image in read.all("img")]
    assert [image["src"] for image in images] == [url_of(story, position) for position in (0, 1, 2, 3)]
    assert [image["alt"] for image in images] == ["A harbour & <ships>", "Picture: Ships come in", "", ""]
    for image in images:
        assert int(image["width"]) / int(image["height"]) == pytest.approx(16 / 9, rel=0.02)
        assert image["loading"] == ("eager" if name == "print" or image is images[0] else "lazy")
    captions = [re.sub(r"\s+", " ", caption.text).strip() for caption in read.all("figcaption")]
    assert captions == ["The harbour", "A map of it"]
    assert SITE not in text, "nobody is led to the original"
    assert text.index("One.") < text.index(url_of(story, 1)) < text.index("Two.") < text.index(url_of(story, 2))
    assert "Busan (Masthead) –" in text and "data-picture" not in text


def test_nothing_is_shown_that_is_not_there_and_nothing_from_elsewhere_may_be(client, story):
    assert "late.jpg" not in page(client, story)
    policy = client.get("/en/").headers["Content-Security-Policy"]
    assert "img-src 'self';" in policy


def test_a_picture_is_served_as_what_it_is_and_kept_for_ever(client, story):
    answer = client.get(url_of(story, 0))
    assert (answer.status_code, answer.mimetype) == (200, "image/jpeg")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "Set-Cookie" not in answer.headers
    assert len(answer.data) <= 150_000 and answer.data.startswith(b"\xff\xd8\xff")
    again = client.get(url_of(story, 0), headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("name", ["", "x", "1", "a" * 26, "A" * 26, "..%2F..%2Fetc", "%00", "a" * 3_000])
def test_a_picture_that_there_is_not_is_not_found(client, story, name):
    assert client.get(f"/pictures/{name}").status_code == 404


def test_the_pictures_of_a_withdrawn_story_are_gone_with_it(client, story):
    url = url_of(story, 0)
    life.withdraw(story, reason="The photographer asked for it.")
    db.session.commit()
    answer = client.get(url)
    assert answer.status_code == 404 and "immutable" not in answer.headers["Cache-Control"]


def test_machines_are_told_of_the_picture_that_leads(client, story):
    read = markup.read(page(client, story))
    meta = {one.attrs.get("property"): one.attrs["content"] for one in read.all("meta") if "content" in one.attrs}
    address, shown = "http://127.0.0.1:8000" + url_of(story, 0), pictures.of_article(story.id)[0]
    assert meta["og:image"] == address
    assert (meta["og:image:width"], meta["og:image:height"]) == ("800", str(shown.height))
    assert meta["og:image:alt"] == "A harbour & <ships>"
    script = next(one.text for one in read.all("script") if one.attrs.get("type") == "application/ld+json")
    image = json.loads(script)["image"]
    assert image == {
        "@type": "ImageObject",
        "url": address,
        "width": 800,
        "height": shown.height,
        "caption": "The harbour",
    }


def test_feeds_carry_the_pictures_with_our_addresses(client, story):
    found = feedparser.parse(io.BytesIO(client.get("/en/feed.atom").data), sanitize_html=False)
    assert not found.bozo
    content = next(one.content[0].value for one in found.entries if one.title == "Ships come in")
    sources = re.findall('<img [^>]*src="([^"]*)"', content)
    assert sources == ["http://127.0.0.1:8000" + url_of(story, position) for position in (0, 1, 3)]
    ET.fromstring(f"<div>{content}</div>")  # noqa: S314 - our own
    assert SITE not in content and "data-picture" not in content
    item = next(one for one in client.get("/en/feed.json").json["items"] if one["title"] == "Ships come in")
    assert re.findall('<img src="([^"]*)"', item["content_html"]) == sources
    assert item["image"] == sources[0]


def test_words_of_a_picture_never_become_markup(client, story):
    for row in db.session.query(Picture).filter_by(article_id=story.id):
        row.alt, row.caption, row.credit, row.is_decorative = '"><script>alert(1)</script>', "<b>x", "</figure>&", False
    db.session.commit()
    for text in (page(client, story), page(client, story, "print")):
        assert markup.problems(markup.read(text)) == []
        assert "<script>alert" not in text and "<b>x" not in text
    for item in client.get("/en/feed.json").json["items"]:
        assert "<script" not in item.get("content_html", "") and "<b>x" not in item.get("content_html", "")


@pytest.mark.xdist_group("browser")
@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (1280, "light")])
def test_everybody_can_use_a_page_with_pictures_and_nothing_on_it_moves(
    served, client, story, new_page, assert_accessible, width, scheme
):
    browser = new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    violations = []
    browser.on("console", lambda message: violations.append(message.text) if message.type == "error" else None)
    asked = []
    browser.on("request", lambda request: asked.append(request.url))
    browser.add_init_script(
        "window.moved = 0; new PerformanceObserver(list => list.getEntries().forEach(one => window.moved += one.value))"
        ".observe({type: 'layout-shift', buffered: true})"
    )
    browser.goto(served + links.path("story", language="en", story=story.ref))
    for image in browser.locator("figure img").all():
        image.scroll_into_view_if_needed()
        browser.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=image.element_handle())
    assert browser.evaluate("window.moved") == 0
    assert browser.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert all(url.startswith(served) for url in asked)
    assert violations == []
    assert_accessible(browser)
