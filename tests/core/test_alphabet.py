"""Names stand where a reader of the language looks for them."""

import pytest

from core import alphabet


@pytest.mark.parametrize(
    ("language", "names"),
    [
        ("en", ["Åland Islands", "Bangladesh", "Côte d’Ivoire", "Cuba", "economy", "Élysée", "Zimbabwe"]),
        ("sv", ["Bangladesh", "Zimbabwe", "Åland", "Ästad", "Österrike"]),
        ("da", ["Bangladesh", "Zimbabwe", "Ægypten", "Østrig", "Åland"]),
        ("de", ["Afrika", "Ägypten", "Albanien", "Österreich", "Osttimor", "Zypern"]),
        ("es", ["Nueva Zelanda", "Ñu", "Omán", "Óscar"]),
        ("pl", ["Lubin", "Luksemburg", "Łotwa", "Malta"]),
        ("ar", ["أرمينيا", "إيطاليا", "بنغلاديش", "سوريا", "كوبا"]),
        ("en", ["South Korea", "SOUTH SUDAN", "Spain"]),
        (
            "zh-Hans",
            ["IT", "阿曼", "朝鲜", "斐济", "韩国", "缅甸", "瑙鲁", "尼泊尔", "印度", "印度尼西亚", "中国", "鱻"],
        ),
        ("zh-Hant", ["不丹", "中國", "日本", "北韓", "南韓", "美國", "緬甸", "蘇丹"]),
        ("ko", ["대한민국", "미얀마", "쿠바", "필리핀"]),
    ],
)
def test_names_stand_in_the_order_of_their_alphabet(language, names):
    for shuffled in (names[::-1], sorted(names), names):
        assert alphabet.ordered(shuffled, language, name=str) == names


def test_an_alef_is_an_alef_with_or_without_its_hamza():
    names = ["أذربيجان", "أرمينيا", "الأردن", "إندونيسيا", "إيران", "بنغلاديش"]
    assert alphabet.ordered(sorted(names), "ar", name=str) == names


def test_names_that_differ_in_an_accent_only_have_one_order():
    assert alphabet.ordered(["Omán", "Oman"], "en", name=str) == alphabet.ordered(["Oman", "Omán"], "en", name=str)
