"""Characters that nobody sees, by what they do."""

import pytest

from core import characters


@pytest.mark.parametrize(
    "char", ["\0", "\t", "\n", "\r", "\x7f", "\x85", "\u2028", "\u2029", "\ud800", "\u202e", "\u2066"]
)
def test_a_line_end_a_control_or_a_bidi_control_may_not_stand_in_a_header(char):
    assert characters.has_controls(f"a{char}b")
    assert characters.has_hidden(f"a{char}b")


@pytest.mark.parametrize(
    "char", ["\u200b", "\u200c", "\u200d", "\u200e", "\u2060", "\u00ad", "\ufeff", "\ue000", "\uffff"]
)
def test_what_cannot_be_seen_is_hidden_and_harmless_in_a_header(char):
    assert not characters.has_controls(f"a{char}b")
    assert characters.has_hidden(f"a{char}b")


@pytest.mark.parametrize("text", ["", "plain", "São Paulo 名 عربي नमस्ते", "two words", "no\u00a0break", "🙂"])
def test_what_can_be_seen_is_let_through(text):
    assert not characters.has_controls(text)
    assert not characters.has_hidden(text)


def test_a_space_shows_nothing_and_a_letter_or_its_mark_does():
    assert all(map(characters.is_hidden, " \u00a0\u3000\u200d\u202e\u00ad"))
    assert not any(map(characters.is_hidden, "aم名\u0301-🙂"))
