"""Names found in texts: whole words in any script, the longest first, whatever their case and accents."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from articles import finding
from articles.finding import Finder

KR, KP, CU, NE, NG, CI, IR, IN, ID, OM, CN, ML, US, TH, GH = range(1, 16)
NAMES = {
    "South Korea": KR,
    "North Korea": KP,
    "Cuba": CU,
    "Niger": NE,
    "Nigeria": NG,
    "Côte d’Ivoire": CI,
    "US": US,
    "한국": KR,
    "이란": IR,
    "인도": IN,
    "인도네시아": ID,
    "عُمان": OM,
    "الصين": CN,
    "كوريا الجنوبية": KR,
    "マリ": ML,
    "ガーナ": GH,
    "キューバ": CU,
    "韩国": KR,
    "印度": IN,
    "印度尼西亚": ID,
    "ไทย": TH,
    "भारत": IN,
}
FINDER = Finder((name, frozenset([meant])) for name, meant in NAMES.items())


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Cuba and South Korea's envoys meet", [CU, KR]),
        ("SOUTH KOREA: talks", [KR]),
        ("Korea, South", []),
        ("North Korea", [KP]),
        ("Nigeria", [NG]),
        ("Nigerian", []),
        ("cote d'ivoire; Co\u0302te d'Ivoire", [CI]),
        ("Cote d'Ivoire", [CI]),
        ("Anti-Cuba rally", [CU]),
        ("한국은 인도네시아에 갔다", [KR, ID]),
        ("사랑이란 무엇인가", []),
        ("이란과 인도의 회담", [IR, IN]),
        ("وبالصين وعُمان", [CN, OM]),
        ("والصين وعمان", [CN, OM]),
        ("زيارة للصين", [CN]),
        ("وكوريا الجنوبية", [KR]),
        ("マリリン・モンロー", []),
        ("マリ・ガーナ首脳会談", [ML, GH]),
        ("キューバ危機", [CU]),
        ("韩国外交部", [KR]),
        ("印度尼西亚总统访问印度", [ID, IN]),
        ("คนไทยในโซล", [TH]),
        ("भारत में", [IN]),
        ("US envoy", [US]),
        ("Help us", []),
        ("HELP US NOW", []),
        ("", []),
        (" - …", []),
    ],
)
def test_names_are_found_whole_and_the_longest_first(text, meant):
    assert FINDER.found(text) == meant


def test_a_name_that_means_nothing_hides_what_is_in_it():
    finder = Finder([("Mexico", frozenset([1])), ("New Mexico", frozenset())])
    assert finder.found("New Mexico") == []
    assert finder.found("Mexico and New Mexico") == [1]


def test_of_two_names_that_are_spelled_alike_the_later_one_counts():
    assert Finder([("Georgia", frozenset()), ("GEORGIA", frozenset([1]))]).found("Georgia votes") == [1]


LETTERS = st.text(st.characters(categories=["Lu", "Ll"], max_codepoint=0x24F), min_size=1, max_size=8)


@given(LETTERS, LETTERS)
def test_a_word_is_found_beside_anything_but_letters_and_never_inside_another(name, other):
    finder = Finder([(name + "é", frozenset([1]))])
    word = name + "é"
    assert finder.found(f"«{word}», {word}") == [1]
    for glued in (other + word, word + other):
        if len(finding.words(glued)) == 1:  # "Ŀ" brings a dot of its own.
            assert finder.found(glued) == []


@given(st.text(max_size=60))
def test_case_accents_and_composition_make_no_difference(text):
    shapes = {finding.key(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")}
    assert len(shapes) == 1
    for found in (finding.key(text), finding.key(finding.key(text))):
        assert finding.key(found) == finding.key(text)


@given(st.text(max_size=80))
def test_any_text_can_be_a_name_and_finds_itself(text):
    spelled = finding.words(text)
    found = Finder([(text, frozenset([1]))]).found(text)
    is_found = bool(spelled) and not (len(spelled) == 1 and not spelled[0].folded)
    assert found == ([1] if is_found else [])


def test_a_headline_without_end_is_read_up_to_a_bound():
    assert FINDER.found("x" * 100_000 + " Cuba") == []
    assert FINDER.found("한" * 100_000) == []
