"""Two spellings of a word meet, in any script, and what is folded stays as it is."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from articles.folding import fold

WIDE = st.text(st.characters(codec="utf-8"))
ARABIC = st.text(st.sampled_from("ابتلكوفأإآىيةهمنر ـ\u064e\u0651\u0654ٱء"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("首爾", "首尔"),
        ("外交關係", "外交关系"),
        ("頭髮", "头发"),
        ("乾", "干"),
        ("CAFÉ", "cafe"),
        ("Straße", "STRASSE"),
        ("Łódź", "lodz"),
        ("København", "kobenhavn"),
        ("İstanbul", "istanbul"),
        ("Кёльн", "кельн"),
        ("Ἀθῆναι", "αθηναι"),
        ("ＫＢＳ２４", "kbs24"),
        ("ﾄﾞｲﾂ", "ドイツ"),
        ("한국", "\u1112\u1161\u11ab\u1100\u116e\u11a8"),
        ("أحمد", "احمد"),
        ("إسلام", "اسلام"),
        ("آسيا", "اسيا"),
        ("ٱلله", "الله"),
        ("مسؤول", "مسوول"),
        ("مصطفى", "مصطفي"),
        ("مدرسة", "مدرسه"),
        ("مُدَرِّسَة", "مدرسة"),
        ("مـــصر", "مصر"),
        ("٢٠٢٤", "2024"),
        ("co\u00adoperate", "cooperate"),
    ],
)
def test_spellings_of_one_word_meet(one, other):
    assert fold(one) == fold(other) != ""


@pytest.mark.parametrize("prefix", ["ال", "وال", "بال", "كال", "فال", "لل", "وبال", "ولل"])
def test_the_arabic_article_is_no_part_of_a_word_also_after_and_in_as_and_to(prefix):
    assert fold(f"{prefix}كتاب") == "كتاب"
    assert fold(f"قال {prefix}كتاب") == "قال كتاب"


@pytest.mark.parametrize("word", ["الله", "والد", "بالغ", "كوريا", "لكن", "وقد"])
def test_what_only_looks_like_the_article_stays(word):
    assert fold(word) == word


def test_a_german_and_the_german_meet():
    assert fold("ألماني") == fold("الألماني")


@pytest.mark.parametrize(("one", "other"), [("バス", "ハス"), ("हिन्दी", "हन्द"), ("ดี", "ดา"), ("首尔", "首都")])
def test_marks_that_make_another_word_are_kept(one, other):
    assert fold(one) != fold(other)


def test_what_is_no_letter_parts_words():
    assert fold("  l’Italia—oggi;\n\0 “fox's”…☺ ") == "l italia oggi fox s"
    assert fold("\ud800 \x00 ―!?") == ""


@given(st.one_of(st.text(), WIDE, ARABIC))
@example("㎏ ™ ﷺ ͅ ẞ 薴")
@example("الالالالكتاب ولللبنان")
def test_folding_again_changes_nothing(text):
    assert fold(fold(text)) == fold(text)


@given(WIDE, WIDE)
def test_words_are_folded_one_by_one(one, other):
    assert fold(f"{one} {other}") == f"{fold(one)} {fold(other)}".strip()
