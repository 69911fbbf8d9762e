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
