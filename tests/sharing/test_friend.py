"""The mailto link of "Send to a friend"."""

from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharing.friend import MAX_BYTES, mailto

URL = "https://news.example.org/en/abcdefghij-seoul-and-havana"


def parts(link: str) -> tuple[str, str]:
    """Return subject and body as a mail program reads them: `+` is a plus sign to it (RFC 6068, section 5)."""
    query = parse_qs(urlsplit(link).query.replace("+", "%2B"), strict_parsing=True)
    assert set(query) == {"subject", "body"}
    return query["subject"][0], query["body"][0]


def test_the_link_holds_headline_standfirst_and_address_on_lines_of_their_own():
    subject, body = parts(mailto("Seoul and Havana", "Two old strangers shake hands.", URL))
    assert subject == "Seoul and Havana"
    assert body == f"Seoul and Havana\r\nTwo old strangers shake hands.\r\n{URL}"


def test_it_names_no_recipient():
    assert mailto("Headline", "", URL).startswith("mailto:?subject=")


def test_a_story_without_a_standfirst_leaves_no_empty_line():
    assert parts(mailto("Headline", "", URL))[1] == f"Headline\r\n{URL}"


def test_spaces_are_percent_encoded_and_lines_end_with_cr_lf():
    link = mailto("a b", "c d", URL)
    assert "+" not in link
    assert "subject=a%20b&body=a%20b%0D%0Ac%20d%0D%0A" in link


@pytest.mark.parametrize("sign", ["&", "=", "?", "#", "%", "+", '"', "<", "/", "é", "한", "م"])
def test_a_sign_with_a_meaning_arrives_as_itself(sign):
    assert parts(mailto(f"a{sign}b", f"c{sign}d", URL)) == (f"a{sign}b", f"a{sign}b\r\nc{sign}d\r\n{URL}")


def test_a_line_break_in_a_headline_starts_no_line():
    subject, body = parts(mailto("Headline\r\nBcc: everybody@example.org", "", URL))
    assert subject == "Headline Bcc: everybody@example.org"
    assert body.count("\r\n") == 1


@pytest.mark.parametrize("letter", ["x", "م", "한", "👩‍👩‍👧", "é"])
def test_a_long_story_is_cut_to_size_and_keeps_its_address(letter):
    link = mailto(f"{letter} " * 2000, f"{letter} " * 2000, URL)
    subject, body = parts(link)
    assert len(link) <= MAX_BYTES
    assert subject.endswith("…")
    assert body.endswith(f"…\r\n{URL}")


def test_a_cut_leaves_whole_characters():
    family = "👩‍👩‍👧"
    subject, body = parts(mailto(family * 300, "e\u0301" * 900, URL))
    headline, standfirst, _url = body.split("\r\n")
    assert subject == headline
    assert headline.removesuffix("…") == family * (len(headline) // len(family))
    assert set(standfirst.removesuffix("…")[0::2]) == {"e"}
    assert set(standfirst.removesuffix("…")[1::2]) == {"\u0301"}


@given(headline=st.text(max_size=700), standfirst=st.text(max_size=2000))
def test_any_text_makes_a_short_ascii_link_of_two_fields(headline, standfirst):
    link = mailto(headline, standfirst, URL)
    assert len(link.encode("ascii")) <= MAX_BYTES
    assert link.count("&") == 1
    assert unquote(link).endswith(URL)
