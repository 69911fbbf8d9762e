"""The order of names in a reader's own alphabet: by base letters, with the letters that a language counts as its own.

Libraries with CLDR's whole collation are large and need a compiler. These few rules order what Postrider lists, names
of topics and countries: case and accents are ignored, and a letter such as the Swedish ö stands in its own place.
Chinese names stand by their sounds (pinyin) in Simplified signs and by their strokes in Traditional ones, as the old
national tables of signs do. Japanese and Korean names stand in the order of their code points; for Hangul and kana that
is the right one.
"""

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")

_OWN_LETTERS: Mapping[str, Mapping[str, str]] = {
    "cs": {"c": "č", "r": "ř", "s": "š", "z": "ž"},
    "da": {"z": "æøå"},
    "es": {"n": "ñ"},
    "fi": {"z": "åäö"},
    "nb": {"z": "æøå"},
    "nn": {"z": "æøå"},
    "no": {"z": "æøå"},
    "pl": {"a": "ą", "c": "ć", "e": "ę", "l": "ł", "n": "ń", "o": "ó", "s": "ś", "z": "źż"},
    "sv": {"z": "åäö"},
    "tr": {"c": "ç", "g": "ğ", "h": "ı", "o": "ö", "s": "ş", "u": "ü"},
}
"""The letters that a language sorts behind another, not with it: in Spanish ñ comes after all of n."""
_TABLES = {"zh-hant": "big5", "zh": "gb2312"}
"""The tables of Han signs. The 3,755 most common signs of GB 2312 stand by pinyin, those of Big5 by strokes."""
_SOUNDS = str.maketrans("斐梵汶珀瑙", "非凡问破脑")
"""Signs in names of countries that GB 2312 has among its rarer ones, by radicals, and common signs of their sound."""
_FIRST_HAN = "\u4e00"


def ordered(things: Iterable[T], language: str, *, name: Callable[[T], str]) -> list[T]:
    """Return things by their names, as a reader of this language looks them up."""
    own = {
        letter: (base, place)
        for base, letters in _OWN_LETTERS.get(language.partition("-")[0], {}).items()
        for place, letter in enumerate(letters, 1)
    }
    table = next((table for code, table in _TABLES.items() if f"{language.lower()}-".startswith(f"{code}-")), "")
    return sorted(things, key=lambda thing: _key(name(thing), own, table))


def _key(name: str, own: Mapping[str, tuple[str, int]], table: str) -> tuple[list[tuple[str, int]], str]:
    folded = unicodedata.normalize("NFC", name.casefold())
    letters = [place for character in folded for place in _places(character, own, table)]
    return letters, name


def _places(character: str, own: Mapping[str, tuple[str, int]], table: str) -> list[tuple[str, int]]:
    """Return where a character stands: a letter of the language's own in its place, any other at its base letter."""
    if character in own:
        return [own[character]]
    if table and character >= _FIRST_HAN:
        sign = character.translate(_SOUNDS) if table == "gb2312" else character
        placed = sign.encode(table, "ignore").decode("latin-1")
        # Behind the letters of other scripts, and before the signs that the table does not have.
        return [(_FIRST_HAN + placed if placed else character, 0)] if character.isalnum() else []
    bases = unicodedata.normalize("NFKD", character)
    return [(base, 0) for base in bases if base.isalnum() or base.isspace()]
