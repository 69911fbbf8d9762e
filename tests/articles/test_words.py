"""Words are counted, and split into terms, in any script."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from articles import words

SIGNS = st.sampled_from("首爾尔與古巴乾發한국과쿠바สวัสดีキューバ々")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("One two, three — four!", 4),
        ("fox's state-of-the-art 3", 3),
        ("كوريا الجنوبية وكوبا تقيمان علاقات", 5),
        ("हिन्दी में समाचार", 3),
        ("한국과 쿠바 수교", 3),
        ("首尔与古巴建立外交关系", 6),
        ("KBS 首尔 2024", 3),
        ("สวัสดีครับผม", 3),
    ],
)
def test_words_are_counted(text, count):
    assert words.count(text) == count


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("Fox's state-of-the-art Café!", ["fox", "s", "state", "of", "the", "art", "cafe"]),
        ("首尔与古巴", ["首尔", "尔与", "与古", "古巴"]),
        ("KBS首尔2024", ["kbs", "首尔", "2024"]),
        ("猫 and 犬", ["猫", "and", "犬"]),
        ("한국과 쿠바", ["한국", "국과", "쿠바"]),
        ("キューバ", ["キュ", "ュー", "ーバ"]),
        ("ครับ", ["คร", "รั", "ับ"]),
        ("x" * 1_000, ["x" * 64]),
    ],
)
def test_a_text_is_split_into_words_and_without_spaces_into_two_signs_each(text, terms):
    assert words.terms(text) == terms


@given(st.text(), st.text())
def test_whatever_stands_beside_a_word_its_terms_are_the_same(one, other):
    assert words.terms(f"{one} {other}") == words.terms(one) + words.terms(other)
    assert words.terms(f"{one}\n{other}") == words.terms(one) + words.terms(other)


@given(st.text(SIGNS), st.text(SIGNS, min_size=1), st.text(SIGNS))
def test_any_piece_of_a_text_without_spaces_is_found_in_it(before, piece, after):
    text = before + piece + after
    assert set(words.terms(piece)) <= {*words.terms(text), *words.signs(text)}


def test_single_signs_are_those_that_stand_with_others():
    assert words.signs("首尔 猫 KBS 쿠바") == ["首", "尔", "쿠", "바"]
    assert words.signs("Seoul, café") == []


@pytest.mark.parametrize("term", ["seoul", "古巴", "كوريا", "한국", "f16", "cuba"])
def test_what_tells_of_a_subject(term):
    assert words.tells(term)


@pytest.mark.parametrize("text", ["the", "which", "2024", "٢٠٢٤", "s", "尔", "perché", "الذي", "على", "ok", "anni"])
def test_common_words_numbers_and_single_signs_tell_nothing(text):
    (term,) = words.terms(text)
    assert not words.tells(term)
