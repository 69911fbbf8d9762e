"""Words are counted, and told apart, in any script."""

import pytest

from articles import words


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
    ("one", "other", "shared"),
    [
        ("The Café opened", "a CAFE in Seoul", {"cafe"}),
        ("with the and from", "with the and from", set()),
        ("علاقات كوريا", "العلاقات مع كُوريا", {"علاقات", "كوريا"}),
        ("首尔与古巴", "古巴", {"古巴"}),
        ("ソウルとキューバ", "キューバ", {"キュ", "ュー", "ーハ"}),
    ],
)
def test_telling_words_meet_without_case_accents_and_common_words(one, other, shared):
    assert words.telling(one) & words.telling(other) == shared
