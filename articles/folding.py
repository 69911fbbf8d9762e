"""Fold a text, so that two spellings of a word meet: case, accents, widths, and what scripts have of their own.

One character is folded whatever stands beside it, but for the Arabic article: so a word is the same in a story and in
a query. What is folded stays as it is when it is folded again.
"""

import re
import unicodedata

import opencc

_ACCENTS = ("COMBINING ", "ARABIC ", "HEBREW ", "SYRIAC ", "VARIATION SELECTOR", "MONGOLIAN FREE VARIATION")
_VOICING = "COMBINING KATAKANA-HIRAGANA"
"""Accents may be left out. Marks of other scripts, and those that make ba of ha in Japanese, make another word."""
_SPELT = {
    "ı": "i",
    "ø": "o",
    "ł": "l",
    "đ": "d",
    "ħ": "h",
    "ŧ": "t",
    "ð": "d",
    "þ": "th",
    "æ": "ae",
    "œ": "oe",
    # Alef with wasla, alef maqsura, Persian ya and kaf, ta marbuta, tatweel; hamza over and under is an accent.
    "ٱ": "ا",
    "ى": "ي",
    "ی": "ي",
    "ک": "ك",
    "ة": "ه",
    "ـ": "",
}
_ARTICLE = re.compile(r"\b(?:(?:[وف]?[بك]?ال|[وف]?لل)(?=\w{3}))+")
"""The Arabic article, also after wa, fa, bi, ka and li, and again where what is left looks like one: else a German
(almani) and the German (alalmani) would not meet."""


class _Signs(dict[int, str]):
    """What each character becomes once case and composition are undone; looked up when it first comes."""

    def __missing__(self, code: int) -> str:
        self[code] = found = _folded(chr(code))
        return found


def fold(text: str) -> str:
    """Return the words of a text, folded, with one space between them; whatever is no letter or digit parts them."""
    if text.isascii():
        return " ".join(text.lower().translate(_SIGNS).split())
    # Signs such as the one for kilograms come apart only then, and some of their parts are capitals.
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    whole = unicodedata.normalize("NFC", apart.translate(_SIGNS))
    return " ".join(_ARTICLE.sub("", whole).split())


def _folded(char: str) -> str:
    if char in _SPELT:
        return _SPELT[char]
    category = unicodedata.category(char)
    if category == "Mn":
        name = unicodedata.name(char, "")
        return "" if name.startswith(_ACCENTS) and not name.startswith(_VOICING) else char
    if category in ("Cf", "Me"):
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(char))
    if char.isalnum():
        return _simplified(char)
    return char if category == "Mc" else " "


def _simplified(char: str) -> str:
    """Return the simplified form of a Chinese sign, and any other character as it is."""
    simpler: str = _TO_SIMPLIFIED.convert(char)
    return char if simpler == char else _simplified(simpler)


_TO_SIMPLIFIED = opencc.OpenCC("t2s")
_SIGNS = _Signs()
