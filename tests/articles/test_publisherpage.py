"""A story's page at its publisher: cleaned of tracking, and on the publisher's own site or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from articles import publisherpage

OURS = "https://feeds.example.org/all.atom"


@pytest.mark.parametrize(
    ("url", "cleaned"),
    [
        ("https://news.example.org/a", "https://news.example.org/a"),
        ("http://NEWS.example.org:80/a?utm_source=x&b=2&fbclid=9#top", "http://news.example.org/a?b=2"),
        ("https://news.example.org/a?utm_source=x", "https://news.example.org/a"),
        (
            "https://news.example.org/%E9%A6%96/首尔?q=é",
            "https://news.example.org/%E9%A6%96/%E9%A6%96%E5%B0%94?q=%C3%A9",
        ),
        ("https://bücher.example.org/", "https://xn--bcher-kva.example.org/"),
        ("https://news.example.org/\ue000preferences\ue001", "https://news.example.org/%EE%80%80preferences%EE%80%81"),
        ("javascript:alert(1)", ""),
        ("https://user@news.example.org/a", ""),
        ("https://news.example.org:8443/a", ""),
        ("https://news.example.org/a b", ""),
        ("https://news.example.org/" + "a" * 1_000, ""),
        ("https://[::1", ""),
        ("", ""),
    ],
)
def test_an_address_is_cleaned_or_none(url, cleaned):
    assert publisherpage.cleaned(url) == cleaned
    assert publisherpage.cleaned(cleaned) == cleaned


@given(st.text(max_size=40).map(lambda text: f"https://news.example.org/{text}"))
def test_whatever_a_feed_writes_the_address_has_no_spaces_and_no_places_for_personal_values(url):
    found = publisherpage.cleaned(url)
    assert found == "" or (found.isascii() and not set(found) & set(' \r\n<>"\\'))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://www.example.org/a", "https://feeds.example.org/b", True),
        ("https://example.org/a", "http://EXAMPLE.org./b", True),
        ("https://example.org/a", "https://example.net/", False),
        ("https://one.co.uk/", "https://two.co.uk/", False),
        ("https://news.one.co.uk/", "https://one.co.uk/", True),
        ("https://1.2.3.4/", "https://9.8.3.4/", False),
    ],
)
def test_a_site_is_what_was_registered(one, other, same):
    assert (publisherpage.site(one) == publisherpage.site(other)) is same


@pytest.mark.parametrize("url", ["", "example.org", "https://localhost/", "https://co.uk/", "https://[::1"])
def test_what_has_no_site_is_on_none(url):
    assert publisherpage.site(url) == ""
