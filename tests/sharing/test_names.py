"""The sender's name: honest ones of many languages pass, and nothing that carries a message does."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import characters, errors
from sharing import names
from tests.sharing.corpus import HONEST, REFUSED

TWO_NAMES = st.sampled_from([*HONEST.values()]).flatmap(
    lambda names: st.lists(st.sampled_from([*names]), min_size=1, max_size=2).map(" ".join)
)
"""Names of one language: most of them pass, as hardly a text of any characters does."""


@pytest.mark.parametrize("language", HONEST)
def test_honest_names_pass_as_they_were_typed(language):
    for name in HONEST[language]:
        assert names.checked(name) == unicodedata.normalize("NFC", name)


def test_the_corpus_has_a_hundred_honest_names_and_more_of_more_than_twenty_languages():
    assert sum(map(len, HONEST.values())) >= 100
    assert len(HONEST) >= 20


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_more_than_a_name_is_refused_with_what_to_do(kind):
    for name in REFUSED[kind]:
        with pytest.raises(errors.Invalid) as refused:
            names.checked(name)
            pytest.fail(f"{name!r} passes")
        assert refused.value.field == "name"
        assert "lease" in str(refused.value) or "At most" in str(refused.value)


def test_nobody_writes_in_the_name_of_the_publication():
    ours = ("The Monsoon Courier", "季风报", "Halo")
    for name in ("The Monsoon Courier", "Monsoon Courier", "Your Mónsoon Courier Team", "季风报", "Halo"):
        with pytest.raises(errors.Invalid, match="our name"):
            names.checked(name, ours=ours)
    for name in ("Mona Courier", "Halo Jones", "Courier Monsoon"):
        assert names.checked(name, ours=ours) == name


def test_a_name_is_never_cleaned_but_for_spaces_around_it():
    assert names.checked("  Anna Rossi ") == "Anna Rossi"
    assert names.checked("\u3000田中　太郎\u3000") == "田中　太郎"


def test_the_longest_names_are_counted_in_code_points_after_they_were_composed():
    assert names.checked("e\u0301" * 40) == "é" * 40
    assert names.checked("王" * 12)
    for name in ("e\u0301" * 41, "王" * 13, "Anna " + "王" * 8):
        with pytest.raises(errors.Invalid, match="too long"):
            names.checked(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", names.EMPTY),
        ("An\u202ena", names.HIDDEN),
        ("A" * 41, names.LONG),
        ("J.Smith", names.DOT),
        ("Anna 2", names.LETTERS),
        ("Anna http://a.example", names.LETTERS),
        ("раypal", names.MIXED),
        ("Best Casino", names.ADVERT),
    ],
)
def test_each_fault_has_a_message_of_its_own(name, message):
    with pytest.raises(errors.Invalid) as refused:
        names.checked(name)
    assert refused.value.message == message


@given(text=st.text(max_size=60) | TWO_NAMES)
def test_whatever_passes_is_one_short_line_of_letters_that_can_all_be_seen(text):
    try:
        name = names.checked(text)
    except errors.Invalid:
        return
    assert 1 <= len(name) <= 40
    assert not characters.has_controls(name)
    assert not any(char.isdigit() or char in '@/:\\<>"&;,=?%#$_|' for char in name)
    assert name == unicodedata.normalize("NFC", text).strip(" \u3000")
    assert names.checked(name) == name


@given(
    before=st.sampled_from([name for of in HONEST.values() for name in of]),
    sign=st.sampled_from("\r\n\x00\u202e\u2028\u200b@/:<>0٣"),
    at=st.integers(0, 40),
)
def test_one_bad_character_anywhere_spoils_the_best_name(before, sign, at):
    place = at % (len(before) + 1)
    with pytest.raises(errors.Invalid):
        names.checked(before[:place] + sign + before[place:])
