"""Which alphabet a word is written in, and which letters look like those of another one.

A word in two alphabets is how one name is made to look like another, or a domain like a name (Unicode TR 39). Names in
two alphabets are honest, words hardly ever: only Japanese and Korean write several in one word.
"""

import unicodedata
from functools import lru_cache

_OTHER_NAMES = {"CJK": "HAN", "IDEOGRAPHIC": "HAN", "KATAKANA-HIRAGANA": "KANA", "HIRAGANA": "KANA", "KATAKANA": "KANA"}
_OF_TEXTS = frozenset(
    ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "GEORGIAN", "HEBREW", "ARABIC", "SYRIAC", "THAANA", "NKO", "ETHIOPIC")
    + ("DEVANAGARI", "BENGALI", "GURMUKHI", "GUJARATI", "ORIYA", "TAMIL", "TELUGU", "KANNADA", "MALAYALAM", "SINHALA")
    + ("THAI", "LAO", "TIBETAN", "MYANMAR", "KHMER", "HANGUL", "HAN", "KANA", "BOPOMOFO")
)
"""The alphabets in which people write today (Unicode TR 31, table 5), with Syriac and N'Ko. Cherokee and Lisu, whose
letters look like Latin ones, are not among them.
"""
EAST_ASIAN = frozenset(("HAN", "KANA", "HANGUL", "BOPOMOFO"))
LOOK_ALIKES = dict(
    zip(
        # Cyrillic, Greek, Armenian; each above the Latin letter that it looks like.
        "АВЕЅІЈКМНОРСТУХҮаеѕіјорсухһԁԛԝӏӀ" + "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧονρυικ" + "օոսհցգզաՕՍՏԼ",
        "abesijkmhopctyxyaesijopcyxhdqwll" + "abezhikmnoptyxovpuik" + "onuhgqqwousl",
        strict=True,
    )
)
"""What a letter of another alphabet is taken for by whoever reads Latin, in small letters."""
_EXOTIC = ((0x01C0, 0x01C3), (0x1D00, 0x1DBF), (0x2C60, 0x2C7F), (0xA720, 0xA7FF), (0xAB30, 0xAB6F))
"""Latin letters of no name: clicks that look like | and !, those of phonetics, and those of medieval books."""
_PHONETIC = (0x0250, 0x02AF)
_OF_ORTHOGRAPHIES = "ɓɔɖɗəɛɠɣɩɨɲɵʃʊʋʌʒ"
"""Phonetic letters in which languages of Africa and Asia are written, too."""
JOINERS = "\u200c\u200d"
_INVISIBLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0" + "".join(map(chr, (*range(0xFE00, 0xFE10), *range(0x180B, 0x1810))))
)
"""Letters and marks that show nothing, though their category does not say so."""
_VARIANTS = range(0xE0100, 0xE01F0)
"""They choose among the shapes of a Han sign, as families write theirs (Unicode TS 37)."""
_VIRAMA = 9
_MOST_MARKS = 5
_MOST_SHARED_MARKS = 2
"""How many marks a letter can have, of its own script and of those that all scripts share."""


@lru_cache(maxsize=4096)
def script(char: str) -> str:
    """Return the alphabet of a letter; empty for a sign that all share, `?` for a letter of no word of today."""
    first, _space, rest = unicodedata.name(char, "?").partition(" ")
    found = _OTHER_NAMES.get(first, first)
    if found in _OF_TEXTS:
        return "?" if found == "LATIN" and _is_exotic(char) else found
    if unicodedata.category(char) == "Lm" and first in ("MODIFIER", "IDEOGRAPHIC", "VERTICAL"):
        # Letters such as the Hawaiian okina; the small raised ones are no letters of names.
        return "" if "APOSTROPHE" in rest or "COMMA" in rest else "?"
    if first in ("FEMININE", "MASCULINE"):
        return "LATIN"  # Mª is Spanish for María.
    return "" if not char.isalpha() else "?"


def _is_exotic(char: str) -> bool:
    code = ord(char)
    if _PHONETIC[0] <= code <= _PHONETIC[1]:
        return char not in _OF_ORTHOGRAPHIES
    return any(first <= code <= last for first, last in _EXOTIC)


def scripts(word: str) -> frozenset[str]:
    """Return the alphabets of a word's letters."""
    return frozenset(script(char) for char in word if char.isalpha()) - {""}


def is_mixed(text: str) -> bool:
    """Say whether a word is in more than one alphabet, or looks Latin beside Latin words without being so."""
    found = [scripts(word) for word in _words(text)]
    if any("?" in one or (len(one) > 1 and not one <= EAST_ASIAN) for one in found):
        return True
    return frozenset(("LATIN",)) in found and any(map(is_look_alike, _words(text)))


def is_look_alike(word: str) -> bool:
    """Say whether each letter of a word looks like a Latin one and is none."""
    letters = [char for char in word if char.isalpha()]
    return bool(letters) and all(char in LOOK_ALIKES for char in letters)


def skeleton(text: str) -> str:
    """Return a text in small letters without accents. The Spanish ñ stays: Casiño is a family, casino is not."""
    spelt = unicodedata.normalize("NFKD", text).casefold().replace("n\u0303", "ñ")
    return "".join(char for char in spelt if unicodedata.category(char) != "Mn")


def readings(text: str) -> tuple[str, str]:
    """Return a text's skeleton as it is, and as whoever reads Latin may take it."""
    return skeleton(text), skeleton("".join(LOOK_ALIKES.get(char, char) for char in text))


def has_heaped_marks(text: str) -> bool:
    """Say whether a letter carries more marks than any orthography heaps on one, or a mark stands on no letter."""
    own = shared = 0
    may_carry = False
    for char in text:
        if unicodedata.category(char) in ("Mn", "Mc"):
            own, shared = own + 1, shared + _is_accent(char)
            if not may_carry or own > _MOST_MARKS or shared > _MOST_SHARED_MARKS:
                return True
        else:
            own = shared = 0
            may_carry = char.isalpha()
    return False


def is_invisible(char: str, before: str = " ") -> bool:
    """Say whether a letter or mark shows nothing where it stands."""
    if ord(char) in _VARIANTS:
        return script(before) != "HAN"
    return char in _INVISIBLE


def joins(char: str, before: str, after: str = "") -> bool:
    """Say whether a joiner shapes the letters around it: behind a virama, or between Arabic letters (RFC 5892, A.1)."""
    if unicodedata.combining(before) == _VIRAMA:
        return True
    return char == JOINERS[0] and script(before) == "ARABIC" and (not after or script(after) == "ARABIC")


def _is_accent(char: str) -> bool:
    return "\u0300" <= char <= "\u036f"


def _words(text: str) -> list[str]:
    """Return the words of a text: what stands between spaces, hyphens, dots and other signs."""
    return "".join(char if is_of_word(char) else " " for char in text).split()


def is_of_word(char: str) -> bool:
    """Say whether a character goes on with a word: a letter, a mark, a digit, an apostrophe or a joiner."""
    return char.isalnum() or unicodedata.category(char)[0] == "M" or char in "'’‘" + JOINERS
