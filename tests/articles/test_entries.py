"""Reading a feed's bytes: Atom and RSS as they come, and everything that is refused."""

import contextlib
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from articles import entries, xmlcheck
from articles.entries import Entry, Link, Refused
from tests.articles import atom


def read_one(feed: bytes) -> Entry:
    (entry,) = entries.read(feed)
    assert isinstance(entry, Entry)
    return entry


def test_an_atom_entry_is_read_whole():
    entry = read_one(
        atom.feed(
            atom.entry(
                title="Korea &amp; Cuba",
                content="<p>Seoul (AsiaNews) – It is <b>so</b>.</p>",
                versions={"AR": f"{atom.SITE}/ar/one"},
                terms=("KR", "diplomacy"),
                more="<author><name>Yoon Chae-rin</name><email>yoon@example.org</email></author>",
            )
        )
    )
    assert entry.headline == "Korea &amp; Cuba"  # A title of type text is not HTML (RFC 4287, section 3.1.1.1).
    assert (entry.standfirst, entry.author) == ("What it is about.", "Yoon Chae-rin")
    assert (entry.dateline_place, entry.dateline_agency) == ("Seoul", "AsiaNews")
    assert entry.body == "<p>It is <strong>so</strong>.</p>"
    assert entry.words == 3
    assert entry.published_at == datetime(2024, 2, 15, 6, 13, tzinfo=UTC)
    assert entry.links == (Link(f"{atom.SITE}/en/one", ""), Link(f"{atom.SITE}/ar/one", "ar"))
    assert entry.terms == ("KR", "diplomacy")


def test_an_rss_item_is_read_whole():
    entry = read_one(
        atom.rss(
            "<item><title>A &amp;amp; B</title><guid>https://news.example.org/?p=1</guid>"
            "<pubDate>Thu, 15 Feb 2024 15:13:00 +0900</pubDate><category>Diplomacy</category>"
            "<description>&lt;p&gt;What it is &lt;b&gt;about&lt;/b&gt;.&lt;/p&gt;</description>"
            "<content:encoded>&lt;p&gt;It is so.&lt;/p&gt;</content:encoded></item>"
        )
    )
    assert (entry.headline, entry.standfirst, entry.body) == ("A & B", "What it is about.", "<p>It is so.</p>")
    assert entry.published_at == datetime(2024, 2, 15, 6, 13, tzinfo=UTC)
    assert (entry.terms, entry.links) == (("Diplomacy",), (Link("https://news.example.org/?p=1", ""),))


def test_xhtml_content_is_read_too():
    xhtml = '<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>It <b>is</b>.</p></div></content>'
    assert read_one(atom.feed(atom.entry(content=None, more=xhtml))).body == "<p>It <strong>is</strong>.</p>"


def test_a_short_summary_alone_is_a_standfirst_and_a_long_one_is_the_story_as_well():
    assert read_one(atom.feed(atom.entry(content=None))).body == ""
    long = read_one(atom.feed(atom.entry(content=None, summary="A word or two. " * 60)))
    assert len(long.standfirst) <= 600
    assert long.standfirst.endswith("…")
    assert long.body == "<p>" + ("A word or two. " * 60).strip() + "</p>"


def test_fields_of_ten_kilobytes_are_cut_at_a_word():
    entry = read_one(atom.feed(atom.entry(title="word " * 2_000, summary="word " * 2_000, terms=("t" * 10_000,))))
    assert len(entry.headline) <= 300
    assert len(entry.standfirst) <= 600
    assert len(entry.terms[0]) <= 100
    assert entry.headline.endswith("word…")


@pytest.mark.parametrize("field", ["title", "summary", "author", "category"])
def test_no_field_brings_in_line_breaks_controls_or_bidi_overrides(field):
    nasty = "One\r\nBcc: two\u202e\u2066\u2028\ue000confirm\ue001\x81\x7f"
    fields: dict[str, Any] = {
        "title": {"title": nasty},
        "summary": {"summary": nasty},
        "author": {"more": f"<author><name>{nasty}</name></author>"},
        "category": {"more": f'<category term="{nasty}"/>'},
    }
    entry = read_one(atom.feed(atom.entry(**fields[field])))
    value = {"title": entry.headline, "summary": entry.standfirst, "author": entry.author, "category": entry.terms}
    assert value[field] in ("One Bcc: two confirm", ("One Bcc: two confirm",))


@pytest.mark.parametrize(
    "title",
    [
        None,
        "",
        " \n ",
        "\u202e\ue000",
        "\u200b",
        "\u2060\u00ad",
        "\u200d",
        "\u200c \u200e",
        "\u00a0\u3000",
        "\U000e0041",
    ],
    ids=ascii,
)
def test_an_entry_without_a_title_is_refused_and_its_neighbours_are_read(title):
    found = entries.read(atom.feed(atom.entry("a"), atom.entry("b", title=title), atom.entry("c")))
    assert [type(entry) for entry in found] == [Entry, Refused, Entry]
    assert found[1] == Refused("tag:news.example.org,2024:b", "no title")


LARGE = {
    "long": "a" * 200_001,
    "tags": "<br>" * 10_001,
    "lists in lists": "<ul><li>" * 4_000,
    "quotes in quotes": "<blockquote></b>" * 4_000,
    "links that open links": "<dd><a href=http://x/>x<li>" * 3_000,
    "formats without end": "".join(f"<b id={n}></x>" for n in range(3_000)) + "<p>x" * 3_000,
}


@pytest.mark.parametrize("content", LARGE.values(), ids=LARGE)
def test_an_entry_that_is_too_large_or_too_deep_is_refused_at_once(content):
    began = time.process_time()
    (refused,) = entries.read(atom.feed(atom.entry(content=content)))
    assert isinstance(refused, Refused)
    assert refused.why.startswith("too ")
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "content",
    [
        "<ul><li>" * 49 + "a" + "<p>" * 9_000,
        "".join(f"<b id={n}>" for n in range(50)) + "<p>x" * 9_000,
        "<p>" * 9_900,
        "<a href=x><table>" * 50 + "<td>x" * 9_000,
    ],
)
def test_the_most_that_is_taken_is_cleaned_in_a_few_seconds(content):
    began = time.process_time()
    assert isinstance(entries.read(atom.feed(atom.entry(content=content)))[0], Entry)
    assert time.process_time() - began < 3


@pytest.mark.parametrize("date", [None, "", "yesterday", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z"])
def test_a_date_that_is_missing_or_senseless_is_none(date):
    assert read_one(atom.feed(atom.entry(published=date))).published_at is None


DAMAGED = {
    "nothing": b"",
    "text": b"Not found",
    "html": b"<html><body><p>Not found<br></body></html>",
    "xhtml": b"<html><body><p>Not found</p></body></html>",
    "cut off in its first entry": atom.feed(atom.entry("a"))[:-30],
    "cut in a character": atom.feed(atom.entry(title="é"))[:-200] + b"\xc3",
    "not utf-8": atom.feed(atom.entry(title="x")).replace(b">x<", b">\xff\xfe<"),
    "tags crossed": b"<rss version='2.0'><channel><item><title>a</item></title></channel></rss>",
    "undefined entity": atom.rss("<item><title>&nobody;</title></item>"),
    "undeclared prefix": atom.rss("<item><media:title>a</media:title></item>"),
    "file name": b"/etc/passwd",
    "unknown encoding": b"<?xml version='1.0' encoding='klingon'?><rss/>",
    "codec that is none": b"<?xml version='1.0' encoding='punycode'?><rss/>",
    "doctype": b"<!DOCTYPE rss><rss version='2.0'/>",
    "doctype in utf-16": "<?xml version='1.0'?><!DOCTYPE rss><rss version='2.0'/>".encode("utf-16"),
    "doctype in utf-16 without a mark": "<?xml version='1.0'?><!DOCTYPE rss><rss/>".encode("utf-16-be"),
    "billion laughs": b'<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><rss version="2.0">&b;</rss>',
    "external entity": b'<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]><rss version="2.0">&a;</rss>',
    "too many entries": atom.rss("<item/>" * 501),
    "a million items": atom.rss("<item/>" * 600_000),
    "too many elements": atom.rss("<item>" + "<a/>" * 100_000 + "</item>"),
    "too deep": atom.rss("<item>" + "<a>" * 300 + "</a>" * 300 + "</item>"),
    "too large": atom.rss("<item><title>" + "a" * 5_000_000 + "</title></item>"),
}


@pytest.mark.parametrize("feed", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_feed_is_refused_whole_and_at_once(feed):
    began = time.process_time()
    with pytest.raises(xmlcheck.Damaged):
        entries.read(feed)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "rest",
    [
        *("", "<entry><title>half", "<entry><title>a</entry></title></entry></feed>", "<entry>&nobody;</entry></feed>"),
        *("<entry a=1/></feed>", "<x:y/></feed>", "<entry>1 < 2</entry></feed>", "</feed><p>rubbish"),
    ],
)
def test_of_a_feed_that_goes_wrong_the_entries_before_that_are_kept(rest):
    feed = atom.feed(atom.entry("a", title="First"), atom.entry("b", title="Second")).removesuffix(b"</feed>")
    read = entries.document(feed + rest.encode())
    assert [entry.headline for entry in read.entries if isinstance(entry, Entry)] == ["First", "Second"]
    assert read.damage.startswith("it is not well-formed XML")


def test_what_is_cut_is_closed_again_by_the_names_that_are_written():
    feed = b'<a:feed xmlns:a="http://www.w3.org/2005/Atom"><a:entry><a:title>Kept</a:title></a:entry><a:entry>'
    assert [entry.headline for entry in entries.read(feed) if isinstance(entry, Entry)] == ["Kept"]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Caf&eacute;&nbsp;bar", "Café bar"),
        ("Salt & pepper", "Salt & pepper"),
        ("nothing&#0; and&#x1F; nothing&#xD800;", "nothing and nothing"),
        ("a&#99999999;b", "a&#99999999;b"),
        ("&nbsp;<![CDATA[R&D &amp; more]]>", "R&D &amp; more"),
        ("&nvlt; &lt; &LT;", "<⃒ < <"),
    ],
)
def test_what_an_ampersand_must_have_meant_is_read(written, read):
    feed = atom.feed(atom.entry(title="TITLE")).replace(b"TITLE", written.encode())
    assert read_one(feed).headline == read


def test_what_mends_a_feed_brings_no_markup_in():
    feed = atom.feed(atom.entry("a"), atom.entry("b", title="TITLE")).replace(b"TITLE", b"&LT;/title>&nvlt;&QUOT;")
    assert len(entries.read(feed)) == 2


def test_mending_takes_no_time_whatever_is_in_a_feed():
    began = time.process_time()
    for noise in (
        b"<![CDATA[" * 300_000,
        b"<!--" * 900_000,
        b"&" * 2_000_000,
        b"<item></item>" * 500 + b"&;" * 500_000,
    ):
        with contextlib.suppress(xmlcheck.Damaged):
            entries.read(b"<rss><channel>" + noise)
    assert time.process_time() - began < 8


def test_the_encoding_that_a_server_states_counts_where_the_feed_states_none():
    feed = atom.rss("<item><title>Été</title></item>").decode().encode("latin-1")
    (entry,) = entries.document(feed, charset="iso-8859-1").entries
    assert isinstance(entry, Entry)
    assert entry.headline == "Été"
    for charset in ("", "utf-8", "punycode", "nobody"):
        with pytest.raises(xmlcheck.Damaged, match="not in the encoding utf-8"):
            entries.document(feed, charset=charset)


def test_five_hundred_entries_are_read():
    assert len(entries.read(atom.rss("<item><title>a</title></item>" * 500))) == 500


def test_bytes_are_never_taken_for_the_name_of_a_file(monkeypatch):
    monkeypatch.setattr("builtins.open", lambda *_: pytest.fail("a file was opened"))
    read_one(atom.feed(atom.entry()))


def test_an_empty_feed_is_no_damage():
    assert entries.read(atom.feed()) == []


@pytest.mark.parametrize(
    ("declared", "encoded"),
    [
        ("", "utf-8"),
        ("", "utf-8-sig"),
        ("", "utf-16"),
        ("utf-16", "utf-16"),
        ("utf-16", "utf-8"),
        ("gb2312", "gb18030"),
        ("Shift_JIS", "shift_jis"),
        ("big5", "big5"),
        ("EUC-KR", "euc-kr"),
        ("windows-1256", "cp1256"),
        ("iso-8859-1", "iso-8859-1"),
    ],
)
def test_a_feed_may_come_in_any_encoding_that_feeds_have(declared, encoded):
    title = {"euc-kr": "한국", "cp1256": "كوبا", "iso-8859-1": "Café"}.get(encoded, "日本")
    declaration = f"<?xml version='1.0' encoding='{declared}'?>" if declared else "<?xml version='1.0'?>"
    text = atom.feed(atom.entry(title=title)).decode().partition("?>")[2]
    assert read_one((declaration + text).encode(encoded)).headline == title


def test_characters_that_xml_forbids_cost_no_feed():
    assert read_one(atom.feed(atom.entry(title="a\x00b\x08c\ufffe"))).headline == "abc"


def test_relative_links_are_of_the_page_of_the_entry():
    entry = read_one(atom.feed(atom.entry(content='<p><a href="two">Two</a></p>')))
    assert f'href="{atom.SITE}/en/two"' in entry.body


def test_a_page_that_is_no_web_page_is_no_link():
    for url in ("javascript:alert(1)", "file:///etc/passwd", "https://user@example.org/", "//x", "tag:a"):
        assert read_one(atom.feed(atom.entry(url=url))).links == ()


@given(st.text(st.sampled_from("<>/&;![]\"'= aeioux-?#0\n"), max_size=60), st.binary(max_size=60))
def test_whatever_the_bytes_are_they_are_read_or_refused(text, noise):
    for feed in (noise, text.encode(), atom.rss(f"<item><title>a</title>{text}</item>"), atom.feed(text)):
        try:
            entries.read(feed)
        except xmlcheck.Damaged as error:
            assert str(error)
