"""Reading JSON Feed: strict about what makes the story, lenient about the rest, bounded before anything is built."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from articles import entries, jsonfeed, xmlcheck
from articles.entries import Entry, Link, Refused
from tests.articles.atom import LONG, SITE

VERSION = "https://jsonfeed.org/version/1.1"


def feed(*items: Any, **more: Any) -> bytes:
    return json.dumps({"version": VERSION, "title": "News", "items": items, **more}, ensure_ascii=False).encode()


def item(**more: Any) -> dict[str, Any]:
    return {"id": "one", "title": "A headline", "content_html": f"<p>{LONG}</p>", **more}


def read_one(document: bytes, *, alone: bool = False) -> Entry:
    (entry,) = entries.document(document, item=alone).entries
    assert isinstance(entry, Entry), entry
    return entry


def test_an_item_is_read_whole():
    entry = read_one(
        feed(
            item(
                url=f"{SITE}/en/one",
                external_url="https://elsewhere.example.net/what-it-is-about",
                title="Korea &amp; Cuba",
                content_html="<p>Seoul (AsiaNews) – It is <b>so</b>.</p><script>alert(1)</script>",
                content_text="Not this.",
                summary="What it is about.",
                date_published="2024-02-15T15:13:00+09:00",
                authors=[{"name": "Yoon Chae-rin"}, {"name": "desk@example.org"}],
                tags=["KR", "diplomacy", 7],
                language="en",
            )
        )
    )
    assert (entry.headline, entry.standfirst) == ("Korea &amp; Cuba", "What it is about."), "a title is no HTML"
    assert (entry.dateline_place, entry.body) == ("Seoul", "<p>It is <strong>so</strong>.</p>")
    assert entry.published_at == datetime(2024, 2, 15, 6, 13, tzinfo=UTC)
    assert entry.links == (Link(f"{SITE}/en/one", ""),), "the page that it is about is not its own"
    assert (entry.author, entry.terms, entry.language) == ("Yoon Chae-rin", ("KR", "diplomacy", "7"), "en")


def test_version_1_has_one_author_and_the_feed_s_stands_in_for_an_item_s():
    document = feed(item(), item(id="two", author={"name": "Him"}), version=VERSION[:-2], author={"name": "Her"})
    assert [entry.author for entry in entries.read(document) if isinstance(entry, Entry)] == ["Her", "Him"]


@pytest.mark.parametrize(
    ("text", "headline", "body"),
    [
        ("An earthquake has struck Tokyo.", "An earthquake has struck Tokyo", ""),
        ("An earthquake has struck Tokyo. No more is known.", "An earthquake has struck Tokyo", "<p>…</p>"),
        ("東京で強い地震がありました。詳しいことはまだ分かっていません。", "東京で強い地震がありました。", "<p>…</p>"),
        ("Word " * 40, ("Word " * 20).strip() + "…", "<p>…</p>"),
    ],
)
def test_an_item_without_a_title_is_called_by_its_own_words(text, headline, body):
    entry = read_one(feed({"id": "1", "content_text": text}))
    assert entry.headline.rstrip("。") == headline.rstrip("。")
    assert entry.body == body.replace("…", text.strip()), "a flash that is all headline is not said twice"


def test_an_id_that_is_a_number_is_the_number_as_it_stands():
    assert read_one(feed().replace(b"[]", b'[{"id": 1e400, "title": "x"}]')).guid == "1e400"
    assert read_one(feed().replace(b"[]", b'[{"id": %s, "title": "x"}]' % (b"7" * 9_000))).guid == "7" * 9_000


@pytest.mark.parametrize("name", ["title", "content_html", "content_text", "summary", "url", "id"])
@pytest.mark.parametrize("value", [["a"], {"a": "b"}, True])
def test_an_item_whose_text_is_no_text_is_refused_and_its_neighbours_are_read(name, value):
    found = entries.read(feed(item(), item(**{"id": "bad", name: value}), item(id="c")))
    assert [type(one) for one in found] == [Entry, Refused, Entry]
    assert isinstance(found[1], Refused)
    assert found[1].why == f"its {name} is no text"


@pytest.mark.parametrize("name", ["tags", "authors", "author", "date_published", "image", "attachments", "language"])
@pytest.mark.parametrize("value", [None, True, "x", ["x", None], {"name": ["x"]}, [{"url": {}, "name": []}]])
def test_what_does_not_make_the_story_may_be_anything(name, value):
    assert read_one(feed(item(**{name: value}))).headline == "A headline"


@pytest.mark.parametrize("one", [None, [], "text", {}, {"id": "1"}, {"title": " \u200b"}], ids=repr)
def test_an_item_without_anything_is_refused_and_the_good_ones_are_kept(one):
    assert [type(found) for found in entries.read(feed(one, item()))] == [Refused, Entry]


def test_a_name_that_stands_twice_spoils_its_item_alone():
    document = feed(item()).replace(b'"items": [', b'"items": [{"id": "x", "title": "One", "title": "Other"}, ')
    found = entries.read(document)
    assert found[0] == Refused("", "its title stands twice")
    assert isinstance(found[1], Entry)


DAMAGED = {
    "cut off": (feed(item())[:-9], "no well-formed JSON"),
    "a list": (b"[]", "no object"),
    "no version": (b'{"items": []}', "version"),
    "version 2": (feed(version="https://jsonfeed.org/version/2"), "version"),
    "another thing": (b'{"version": 1.1, "items": []}', "version"),
    "no items": (b'{"version": "%s"}' % VERSION.encode(), "list of items"),
    "items twice": (feed().replace(b'"items"', b'"items": [], "items"'), "items stands twice"),
    "not a number": (feed().replace(b"[]", b'[{"id": NaN}]'), "NaN"),
    "endless": (feed().replace(b"[]", b'[{"id": -Infinity}]'), "Infinity"),
    "deep": (b"[" * 100_000, "too deep"),
    "deep in a string's shadow": (b'{"a": "' + b"[" * 30 + b'", "b": ' + b'{"c":' * 30, "too deep"),
    "a million empty lists": (feed().replace(b"[]", b"[" + b"[]," * 1_000_000 + b"[]]"), "too many values"),
    "too many items": (feed(*[item()] * 501), "more than 500"),
    "too large": (feed(item(title="a" * 5_000_000)), "larger than"),
    "utf-16": (feed(item()).decode().encode("utf-16"), "UTF-8"),
    "utf-16 without a mark": (feed(item()).decode().encode("utf-16-be"), "UTF-8"),
    "latin": ('{"version": "é"}'.encode("latin-1"), "UTF-8"),
    "a surrogate alone": (b'{"version": "\\ud800', "well-formed"),
}


@pytest.mark.parametrize(("document", "why"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_document_is_refused_whole_and_at_once_with_one_clear_sentence(document, why):
    began = time.process_time()
    with pytest.raises(xmlcheck.Damaged, match=why):
        entries.read(document)
    assert time.process_time() - began < 1


def test_the_bytes_decide_and_a_mark_before_them_does_not_matter():
    assert entries.read(b"\xef\xbb\xbf\n " + feed(item()))[0] == entries.read(feed(item()))[0]


def test_five_hundred_items_are_read():
    assert len(entries.read(feed(*(item(id=str(n)) for n in range(500))))) == 500


def test_hubs_are_those_of_websub_and_the_topic_is_the_feed_s_own_address():
    hubs = [{"type": "WebSub", "url": "https://hub.example.org/"}, {"type": "rssCloud", "url": "https://x.test/"}, 3]
    document = entries.document(feed(hubs=hubs, feed_url=f"{SITE}/feed.json"))
    assert (document.hubs, document.topic) == (("https://hub.example.org/",), f"{SITE}/feed.json")


def test_one_item_alone_is_a_feed_of_one_where_it_was_pushed_and_no_feed_where_it_was_fetched():
    alone = json.dumps(item()).encode()
    assert read_one(alone, alone=True).headline == "A headline"
    with pytest.raises(xmlcheck.Damaged, match="version"):
        entries.read(alone)


def test_our_own_extension_says_what_the_format_cannot():
    told = {"story": "cuba-1", "breaking": True, "embargo_until": "2024-02-15T18:00:00Z", "slug": "seoul-havana"}
    entry = read_one(feed(item(_postrider=told)))
    assert (entry.story, entry.is_urgent, entry.slug) == ("cuba-1", True, "seoul-havana")
    assert entry.embargo_until == datetime(2024, 2, 15, 18, tzinfo=UTC)
    assert not read_one(feed(item(_postrider={"breaking": "no"}))).is_urgent
    assert read_one(feed(item(tags=["Breaking"]))).is_urgent


NAMES = ["id", "title", "url", "content_html", "content_text", "summary", "tags", "authors", "author", "name", "hubs"]
NAMES += ["items", "version", "date_published", "attachments", "image", "_postrider", "story", "language", "type"]
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.dictionaries(st.sampled_from(NAMES), JSON, max_size=6), st.binary(max_size=40))
def test_whatever_the_document_is_it_is_read_or_refused(anything, more, noise):
    for document in (feed(anything, item()), json.dumps({**item(), **more}).encode(), b"{" + noise, feed(**more)):
        for alone in (True, False):
            try:
                found = entries.document(document, item=alone).entries
            except xmlcheck.Damaged as error:
                assert str(error)
            else:
                assert all(one.headline for one in found if isinstance(one, Entry))


@given(st.lists(st.builds(item, id=st.text(), title=st.text(), content_text=st.text()), max_size=5))
def test_as_many_come_out_as_went_in_and_each_by_its_own_id(items):
    found = entries.read(feed(*items))
    assert [one.guid for one in found] == [one["id"].strip() for one in items]


@given(st.text())
def test_every_text_is_measured_as_one_string(text):
    jsonfeed._measure(json.dumps([text]).encode())
    jsonfeed._measure(json.dumps([text], ensure_ascii=False).encode())
