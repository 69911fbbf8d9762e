"""The order of names in a reader's own alphabet: by base letters, with the letters that a language counts as its own.

Libraries with CLDR's whole collation are large and need a compiler. These few rules order what Postrider lists, names
of topics and countries: case and accents are ignored, and a letter such as the Swedish ö stands in its own place.
Chinese, Japanese and Korean names stand in the order of their code points; for Hangul and kana that is the right one.
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


def ordered(things: Iterable[T], language: str, *, name: Callable[[T], str]) -> list[T]:
    """Return things by their names, as a reader of this language looks them up."""
    own = {
        letter: (base, place)
        for base, letters in _OWN_LETTERS.get(language.partition("-")[0], {}).items()
        for place, letter in enumerate(letters, 1)
    }
    return sorted(things, key=lambda thing: _key(name(thing), own))


def _key(name: str, own: Mapping[str, tuple[str, int]]) -> tuple[list[tuple[str, int]], str]:
    folded = unicodedata.normalize("NFC", name.casefold())
    letters = [place for character in folded for place in _places(character, own)]
    return letters, name


def _places(character: str, own: Mapping[str, tuple[str, int]]) -> list[tuple[str, int]]:
    """Return where a character stands: a letter of the language's own in its place, any other at its base letter."""
    if character in own:
        return [own[character]]
    bases = unicodedata.normalize("NFKD", character)
    return [(base, 0) for base in bases if base.isalnum() or base.isspace()]
