"""Cleaning: whatever a feed wrote, what we keep is harmless, and cleaning it again changes nothing."""

import html
import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from articles import cleaning

BASE = "https://news.example.org/en/one"
ALLOWED = {"p", "br", "h2", "h3", "ul", "ol", "li", "blockquote", "em", "strong", "a"}

# From the usual collections: attributes, schemes, foreign content, and parsers that see two different documents.
VECTORS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<img src=x onerror=alert(1)>",
    "<p onclick='alert(1)' style='background:url(javascript:alert(1))' class=x id=y>a</p>",
    "<a href='javascript:alert(1)'>a</a>",
    "<a href=' &#14; javascript:alert(1)'>a</a>",
    "<a href='java&#10;script:alert(1)'>a</a>",
    "<a href='java\ue000script:alert(1)'>a</a>",
    "<a href='java\x00script:alert(1)'>a</a>",
    "<a href='JaVaScRiPt&colon;alert(1)'>a</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>a</a>",
    "<a href='vbscript:x'>a</a><a href='//evil.example/'>b</a><a href='\\\\evil.example'>c</a>",
    "<svg><script>alert(1)</script></svg><svg onload=alert(1)>",
    "<svg><style><a title='</style><img src=1 onerror=alert(1)>'>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe><object data=x></object><embed src=x>",
    "<form action=x><input autofocus onfocus=alert(1)><button formaction=javascript:alert(1)>b</form>",
    "<scr\ue000ipt>alert(1)</scr\ue001ipt>",
    "<sc<script>ript>alert(1)</sc</script>ript>",
    "<base href=//evil.example/><meta http-equiv=refresh content='0;url=javascript:alert(1)'><link rel=stylesheet>",
    "<b><div onmouseover=alert(1)>x</b></div><h1 onclick=x>t</h1>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "<?php <img src=x onerror=alert(1)> ?>",
    "<template><script>alert(1)</script></template><textarea></textarea><img src=x onerror=alert(1)>",
    "<a href='http://x/?a=\"><img src=x onerror=alert(1)>'>a</a>",
    "<a href='ftp://x/'>a</a><a href='tel:1'>b</a><a href='magnet:?x'>c</a><a href='/x'>d</a>",
    "<p title='</p><img src=x onerror=alert(1)>' lang=en>a</p>",
    "&#xE000;confirm&#xE001;<a href='http://x/&#xE000;confirm&#xE001;'>a</a>&#1;&#127;",
]


class Inspector(HTMLParser):
    """What a browser would find in a text: tags with their attributes."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.found = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def assert_harmless(cleaned):
    for tag, attributes in Inspector(cleaned).found:
        assert tag in ALLOWED
        assert attributes.keys() <= ({"href", "rel"} if tag == "a" else set())
        if "href" in attributes:
            assert re.match("(https?://|mailto:)", attributes["href"])
            assert attributes["rel"] == "noopener noreferrer"
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ue000\ue001]", html.unescape(cleaned))


def pieces():
    """Markup made of parts that fit together badly, and of noise."""
    words = ["a", "<b>", "</b>", "<p>", "</p>", "<div>", "</div>", "<h1>", "<li>", "<ul>", "</ul>", "<table>", "<td>"]
    odd = [
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "&lt;",
        "&#xE000;",
        "&#1;",
        "&nbsp;",
        "<",
        ">",
        '"',
        "'",
        "\ue000",
        "\x00",
    ]
    links = ["<a href=", "'/x'>", "javascript:", "'http://x/'>", "</a>", "<em>", "</em>", "<br>", "<blockquote>", "<i>"]
    parts = st.sampled_from([*words, *odd, *links, *VECTORS]) | st.text(max_size=8)
    return st.lists(parts, max_size=14).map("".join)


@pytest.mark.parametrize("vector", VECTORS)
def test_no_vector_comes_through(vector):
    cleaned = cleaning.body(f"<p>before {vector} after</p>", base=BASE)
    assert_harmless(cleaned)
    assert cleaning.body(cleaned, base=BASE) == cleaned


@given(pieces(), st.sampled_from([BASE, None, "http://[bad", "nonsense"]))
@example("<table><b><tr><td>a</table>", BASE)
@example("<p><ul><li><p></ul>", None)
def test_cleaning_lets_nothing_harmful_through_and_cleaning_again_changes_nothing(markup, base):
    cleaned = cleaning.body(markup, base=base)
    assert_harmless(cleaned)
    assert cleaning.body(cleaned, base=base) == cleaned
    assert cleaning.body(cleaned) == cleaned


@pytest.mark.parametrize(
    ("markup", "cleaned"),
    [
        (
            "<div>One</div><div>Two <b>bold</b> <i>thin</i></div>",
            "<p>One</p><p>Two <strong>bold</strong> <em>thin</em></p>",
        ),
        ("<div>One<ul><li>Two</li></ul>Three</div>", "<p>One</p><ul><li>Two</li></ul>Three"),
        ("<h1>Top</h1><h4>Low</h4>", "<h2>Top</h2><h3>Low</h3>"),
        ("<p></p><p>&nbsp;<br></p><p>Text</p>", "<p>Text</p>"),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "<p>a</p><p>b</p>"),
        ("<figure><img src=x><figcaption>Caption</figcaption></figure><p>Text</p>", "<p>Text</p>"),
        ("<p>A &amp; B &lt; C</p>", "<p>A &amp; B &lt; C</p>"),
        ("<a href='/two'>x</a>", '<a href="https://news.example.org/two" rel="noopener noreferrer">x</a>'),
        ("<p>one\r\ntwo\x07</p>", "<p>one\ntwo</p>"),
        ("", ""),
    ],
)
def test_what_a_story_is_made_of_stays(markup, cleaned):
    assert cleaning.body(markup, base=BASE) == cleaned
    assert cleaning.body(cleaned, base=BASE) == cleaned


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Two\r\nlines\tand\u2028three", "Two lines and three"),
        ("Bcc: x\r\n\r\nbody", "Bcc: x body"),
        ("invoice\u202etxt.exe\u2066\u2069", "invoicetxt.exe"),
        ("a\x00b\x07c\x9bd\ufeffe", "abcde"),
        ("\ue000confirm\ue001", "confirm"),
        ("  much \u3000 space ", "much space"),
        ("e\u0301", "é"),
        ("می\u200cخواهم 👨\u200d👩\u200d👧", "می\u200cخواهم 👨\u200d👩\u200d👧"),
    ],
)
def test_a_short_field_is_one_line_without_hidden_characters(text, clean):
    assert cleaning.plain(text, most=100) == clean


@given(st.text(max_size=200), st.integers(1, 60))
def test_a_plain_field_is_never_too_long_and_stays_as_it_is(text, most):
    plain = cleaning.plain(text, most=most)
    assert len(plain) <= most
    assert plain == cleaning.plain(plain, most=most)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ue000\ue001]", plain)


@pytest.mark.parametrize(
    ("text", "most", "cut"),
    [
        ("hello there world", 17, "hello there world"),
        ("hello there world", 16, "hello there…"),
        ("hello there world", 12, "hello there…"),
        ("hello, there world", 8, "hello…"),
        ("한국과쿠바가수교했다", 5, "한국과쿠…"),
        ("x" * 20, 6, "xxxxx…"),
    ],
)
def test_a_long_text_is_cut_at_a_word(text, most, cut):
    assert cleaning.cut(text, most=most) == cut


def test_a_letter_is_never_cut_from_its_mark():
    assert cleaning.cut("कि" * 10, most=4) == "कि…"


def test_the_text_of_html_has_its_entities_decoded_and_its_blocks_apart():
    markup = "<p>A &amp; B</p><p>C&lt;D</p><script>x()</script><!-- y --><b>E</b>F"
    assert cleaning.text_of(markup).split() == ["A", "&", "B", "C<D", "EF"]


def test_plain_text_becomes_paragraphs():
    assert cleaning.paragraphs("One <1>\nline\r\n\r\n\n Two") == "<p>One &lt;1&gt;<br>line</p><p>Two</p>"


def test_a_plain_field_loses_what_only_says_where_a_line_may_break_and_keeps_what_joins():
    assert cleaning.plain("in\u00advis\u200bi\u2060ble\ufeff", most=100) == "invisible"
    assert cleaning.plain("می\u200cخواهم 👩\u200d🚀", most=100) == "می\u200cخواهم 👩\u200d🚀"
