"""Links: every page can be linked to, and no link holds an address or a token where it would be logged."""

import re
from dataclasses import astuple
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import links, tokens
from core.links import PATHS, Links
from core.tokens import Purpose, Tokens

TOKENS = Tokens(b"one secret of an installation!!!")
LINKS = Links("https://news.example.org", TOKENS)
KEY = bytes(range(16))
NOT_PERSONAL = ("choices", "view", "click")
"""Pages behind a token that no link of a mail to one reader alone leads to."""
PERSONAL = sorted(page for page in PATHS if PATHS[page].endswith("/t/<token>") and page not in NOT_PERSONAL)


def names_in(pattern: str) -> list[str]:
    return re.findall(r"<(\w+)>", pattern)


@pytest.mark.parametrize("page", PATHS)
def test_every_page_can_be_linked_to(page):
    values = {name: f"the-{name}" for name in names_in(PATHS[page])}
    url = LINKS.to(page, **values)
    assert url.startswith("https://news.example.org/") and "<" not in url and ">" not in url
    assert [part for part in url.split("/") if part.startswith("the-")] == list(values.values())


@pytest.mark.parametrize("page", PATHS)
def test_a_link_without_one_of_its_values_is_an_error(page):
    for missing in names_in(PATHS[page]):
        values = {name: "x" for name in names_in(PATHS[page]) if name != missing}
        with pytest.raises(KeyError):
            LINKS.to(page, **values)


def test_an_unknown_page_is_an_error():
    with pytest.raises(KeyError):
        LINKS.to("the-moon")


@pytest.mark.parametrize("page", PATHS)
def test_a_token_stands_last_after_t_and_nowhere_else(page):
    # The logs mask what follows /t/: a token that stood elsewhere would be written down.
    parts = PATHS[page].split("/")
    if "<token>" in parts:
        assert parts[-2:] == ["t", "<token>"] and parts.count("<token>") == 1
    else:
        assert "t" not in parts


def test_no_two_pages_can_be_mistaken_for_one_another():
    assert len({re.sub(r"<\w+>", "<>", pattern) for pattern in PATHS.values()}) == len(PATHS)


@given(st.sampled_from(sorted(PATHS)), st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_no_value_leaves_its_segment_and_no_link_holds_an_at_sign(page, value):
    pattern = PATHS[page]
    url = LINKS.to(page, **dict.fromkeys(names_in(pattern), value))
    assert "@" not in url and url.isascii() and not re.search(r"[\s<>\"'\\^`{|}]", url)
    path = urlsplit(url).path
    assert path.count("/") == pattern.count("/") and not urlsplit(url).query and not urlsplit(url).fragment
    for given_part, part in zip(pattern.split("/"), path.split("/"), strict=True):
        assert unquote(part) == (value if given_part.startswith("<") else given_part)


def test_a_readers_links_open_the_readers_own_doors_and_no_others():
    made = LINKS.reader(KEY, digest="asia-daily", version=2, day=7)
    assert made.preferences.startswith("https://news.example.org/preferences/t/")
    assert made.unsubscribe.startswith("https://news.example.org/unsubscribe/asia-daily/t/")
    preferences, why, unsubscribe = (link.rpartition("/")[2] for link in astuple(made))
    assert made.why == f"https://news.example.org/why/t/{preferences}" and why == preferences
    assert TOKENS.read(Purpose.PREFERENCES, preferences) == tokens.Token(KEY, 2, 7)
    assert TOKENS.read(Purpose.UNSUBSCRIBE, unsubscribe, scope="asia-daily") == tokens.Token(KEY, 2, 7)


def test_the_link_that_leaves_all_digests_names_none():
    link = LINKS.unsubscribe(KEY, digest="", version=2, day=7)
    assert link.startswith("https://news.example.org/unsubscribe/t/")
    assert TOKENS.read(Purpose.UNSUBSCRIBE, link.rpartition("/")[2]).key == KEY


def test_a_confirmation_link_names_the_request_and_its_day():
    link = LINKS.confirm(KEY, day=7)
    assert link.startswith("https://news.example.org/confirm/t/")
    assert TOKENS.read(Purpose.CONFIRM, link.rpartition("/")[2]) == tokens.Token(KEY, 0, 7)


def test_the_links_that_were_sent_stay_what_they_were():
    made = LINKS.reader(KEY, digest="asia-daily", version=2, day=7)
    token = "aaaqeayeaudaocajbifqydiob4baab"
    assert made.preferences == f"https://news.example.org/preferences/t/{token}7xyhalsyviwyv4bmi"
    assert made.unsubscribe == f"https://news.example.org/unsubscribe/asia-daily/t/{token}7mxgblcktaxfgq5xq"
    assert LINKS.unsubscribe(KEY, digest="", version=2, day=7) == (
        f"https://news.example.org/unsubscribe/t/{token}6xpnf5innhangwbti"
    )
    assert LINKS.unsubscribe(KEY, digest="a b/ü", version=2, day=7) == (
        f"https://news.example.org/unsubscribe/a%20b%2F%C3%BC/t/{token}3liilghg7h5o4pwra"
    )
    confirm = "https://news.example.org/confirm/t/aaaqeayeaudaocajbifqydiob4aaabzmgvaxxvot627i4gq"
    assert LINKS.confirm(KEY, day=7) == confirm


@given(st.sampled_from(PERSONAL), st.text(min_size=1, max_size=20))
def test_a_personal_link_is_the_page_of_its_name(page, digest):
    digest = digest.encode(errors="ignore").decode() or "x"
    made = {
        "preferences": lambda: LINKS.preferences(KEY, version=2, day=7),
        "unsubscribe": lambda: LINKS.unsubscribe(KEY, digest=digest, version=2, day=7),
        "unsubscribe_all": lambda: LINKS.unsubscribe(KEY, digest="", version=2, day=7),
        "confirm": lambda: LINKS.confirm(KEY, day=7),
        "why": lambda: LINKS.reader(KEY, digest="x", version=2, day=7).why,
        "undo": lambda: LINKS.undo(KEY, version=2, day=7),
        "undo_one": lambda: LINKS.undo(KEY, version=2, day=7, change="0a" * 16),
        "not_me": lambda: LINKS.not_me(KEY, version=2, day=7),
        "address": lambda: LINKS.address(KEY, version=2, day=7),
        "confirm_address": lambda: LINKS.confirm_address(KEY, day=7),
        "share_as": lambda: LINKS.share_as(KEY, language="en", story=digest, version=2, day=7),
        "share_confirm": lambda: LINKS.share_confirm(KEY, day=7),
        "share_opt_out": lambda: LINKS.share_opt_out(KEY, day=7),
        "share_not_me": lambda: LINKS.share_not_me(KEY, day=7),
    }[page]()
    named = {"digest": digest, "change": "0a" * 16, "language": "en", "story": digest}
    assert made == LINKS.to(page, **named, token=made.rpartition("/")[2])


def test_a_personal_link_fits_on_a_line_of_a_mail_program():
    longest = max(map(len, astuple(LINKS.reader(KEY, digest="a" * 40, version=2, day=7))))
    assert longest - len(LINKS.base_url) < 120


def test_a_path_is_a_link_without_its_host():
    assert links.path("story", language="en", story="abc-ü/x") == "/en/abc-%C3%BC%2Fx"
