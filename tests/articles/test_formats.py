"""The formats of the web's feeds from 1999 on, one after the other; and web pages, which are none."""

from datetime import UTC, datetime

import pytest

from articles import entries, webpage, xmlcheck
from articles.entries import Entry
from tests.articles import atom

AT = datetime(2024, 2, 15, 6, 13, tzinfo=UTC)
PAGE = f"{atom.SITE}/en/one"
NETSCAPE = (
    '<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN"\n'
    '  "http://my.netscape.com/publish/formats/rss-0.91.dtd">'
)
ITEM = f"<item><title>A headline</title><link>{PAGE}</link><description>What it is about.</description></item>"
RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
FORMATS = {
    "rss 0.90": f'<rdf:RDF {RDF} xmlns="http://my.netscape.com/rdf/simple/0.9/"><channel><title>News</title></channel>'
    f"{ITEM}</rdf:RDF>",
    "rss 0.91 of Netscape": f'{NETSCAPE}<rss version="0.91"><channel><title>News</title>{ITEM}</channel></rss>',
    "rss 0.91": f'<rss version="0.91"><channel><title>News</title>{ITEM}</channel></rss>',
    "rss 0.92": f'<rss version="0.92"><channel>{ITEM}</channel></rss>',
    "rss 0.94": f'<rss version="0.94"><channel>{ITEM}</channel></rss>',
    "rss 1.0": f'<rdf:RDF {RDF} xmlns="http://purl.org/rss/1.0/"><channel rdf:about="x"><title>News</title></channel>'
    + ITEM.replace("<item>", f'<item rdf:about="{PAGE}">')
    + "</rdf:RDF>",
    "rss 2.0": f'<rss version="2.0"><channel>{ITEM}</channel></rss>',
    "atom 0.3": '<feed version="0.3" xmlns="http://purl.org/atom/ns#"><title>News</title><entry>'
    f'<title>A headline</title><link rel="alternate" type="text/html" href="{PAGE}"/>'
    "<summary>What it is about.</summary></entry></feed>",
    "json feed 1": '{"version": "https://jsonfeed.org/version/1", "items": [{"id": "1", "title": "A headline", '
    f'"url": "{PAGE}", "summary": "What it is about."}}]}}',
}


def read_one(feed: bytes) -> Entry:
    (entry,) = entries.read(feed)
    assert isinstance(entry, Entry)
    return entry


@pytest.mark.parametrize("feed", FORMATS.values(), ids=FORMATS)
def test_every_format_says_the_same(feed):
    entry = read_one(feed.encode())
    assert (entry.headline, entry.standfirst) == ("A headline", "What it is about.")
    assert [link.url for link in entry.links] == [PAGE]


def test_rdf_brings_its_modules():
    entry = read_one(
        (
            f'<rdf:RDF {RDF} xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
            ' xmlns:content="http://purl.org/rss/1.0/modules/content/"'
            ' xmlns:sy="http://purl.org/rss/1.0/modules/syndication/">'
            '<channel rdf:about="x"><title>News</title><sy:updatePeriod>hourly</sy:updatePeriod></channel>'
            f'<item rdf:about="{PAGE}"><title>A headline</title><link>{PAGE}</link><description>Short.</description>'
            "<dc:date>2024-02-15T15:13:00+09:00</dc:date><dc:creator>Yoon</dc:creator><dc:subject>KR</dc:subject>"
            "<content:encoded>&lt;p&gt;It is so.&lt;/p&gt;</content:encoded></item></rdf:RDF>"
        ).encode()
    )
    assert (entry.body, entry.author, entry.terms) == ("<p>It is so.</p>", "Yoon", ("KR",))
    assert entry.published_at == AT


def test_atom_0_3_is_read_whole():
    entry = read_one(
        b'<feed version="0.3" xmlns="http://purl.org/atom/ns#"><title>News</title><entry><title>A headline</title>'
        b"<id>tag:x</id><issued>2024-02-15T15:13:00+09:00</issued><author><name>Yoon</name></author>"
        b'<content type="text/html" mode="escaped">&lt;p&gt;It is so.&lt;/p&gt;</content></entry></feed>'
    )
    assert (entry.guid, entry.body, entry.author, entry.published_at) == ("tag:x", "<p>It is so.</p>", "Yoon", AT)


def test_the_letters_that_netscape_s_document_type_names_are_read_without_it():
    feed = f'<?xml version="1.0"?><!-- x -->{NETSCAPE}<rss version="0.91"><channel><item><title>Caf&eacute; &amp; bar'
    assert read_one(f"{feed}</title></item></channel></rss>".encode()).headline == "Café & bar"


@pytest.mark.parametrize(
    "doctype",
    [
        NETSCAPE.replace(">", ' [<!ENTITY a "b">]>'),
        NETSCAPE + NETSCAPE,
        NETSCAPE.replace("0.91", "0.92"),
        NETSCAPE.replace("http:", "file:"),
        NETSCAPE.replace("DOCTYPE rss", "DOCTYPE feed"),
        '<!DOCTYPE rss SYSTEM "http://my.netscape.com/publish/formats/rss-0.91.dtd">',
        "<!DOCTYPE rss>",
    ],
)
def test_any_other_document_type_is_refused_and_the_cure_is_named(doctype):
    with pytest.raises(xmlcheck.Damaged, match="without its DOCTYPE it would be read"):
        entries.read(f"{doctype}<rss version='0.91'><channel/></rss>".encode())


def test_an_endless_row_of_comments_before_a_document_type_takes_no_time():
    with pytest.raises(xmlcheck.Damaged):
        entries.read(b"<!-- a -->" * 400_000 + b"<!DOCTYPE x>")


HEAD = "<!DOCTYPE html><html><head><link rel=stylesheet href=x.css>{}</head><body><p>Welcome<br></body></html>"


@pytest.mark.parametrize(
    ("link", "found"),
    [
        ('<link rel="alternate" type="application/rss+xml" href="/feed.xml">', "https://news.example.org/feed.xml"),
        ("<LINK REL='Alternate home' TYPE=application/atom+xml HREF=a.atom>", "https://news.example.org/en/a.atom"),
        ('<link rel=alternate type="application/feed+json" href="https://x.test/f?a&amp;b">', "https://x.test/f?a&b"),
    ],
)
def test_a_web_page_is_called_one_and_the_feed_that_it_names_is_said(link, found):
    with pytest.raises(xmlcheck.Damaged, match="it is a web page; its feed may be at ") as refused:
        entries.document(HEAD.format(link).encode(), url="https://news.example.org/en/")
    assert str(refused.value).endswith(found)


@pytest.mark.parametrize(
    "page",
    [
        HEAD.format(""),
        HEAD.format('<link rel="alternate" hreflang="ar" href="/ar/">'),
        HEAD.format('<link rel="alternate" type="application/rss+xml" href="javascript:alert(1)">'),
        HEAD.format('<link rel="alternate" type="application/rss+xml" href="http://[::">'),
        '<?xml version="1.0"?>\n<!-- x -->\n<html xmlns="http://www.w3.org/1999/xhtml"><body><p>x</p></body></html>',
        "<html><body>Not found",
    ],
)
def test_a_web_page_that_names_no_feed_is_still_called_one(page):
    with pytest.raises(xmlcheck.Damaged, match="it is a web page, and names no feed"):
        entries.document(page.encode(), url="https://news.example.org/en/")


def test_a_page_without_end_is_looked_at_in_no_time():
    assert webpage.told(b"<!--" + b"-" * 5_000_000, url="") == ""
    assert webpage.told(b"<!-- -->" * 500_000 + b"<html>", url="") == ""
    assert "web page" in webpage.told(b"<html>" + b"<link rel=alternate " * 200_000, url="")
