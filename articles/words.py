"""Words in any script: how many there are to read, and which of them tell what a text is about."""

import math
import re
import unicodedata
from functools import lru_cache

_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_THAI_TO_KHMER = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_IDEOGRAPH = re.compile(f"[{_IDEOGRAPHS}]")
_UNSPACED = re.compile(f"[{_THAI_TO_KHMER}]")
_RUN = re.compile(f"[{_IDEOGRAPHS}{_THAI_TO_KHMER}]+")
_PARTS = re.compile(f"[{_IDEOGRAPHS}{_THAI_TO_KHMER}]+|[^\\s{_IDEOGRAPHS}{_THAI_TO_KHMER}]+")
_ARABIC_ARTICLE = re.compile("^(?:وال|بال|ال)(?=\\w{3})")

_COMMON = """
about after again against all also and any are because been before being between both but can could did does
during each for from had has have her here his how into its just like may more most new not now off one only
other our out over own said same say says she should since some such than that the their them then there
these they this those through too two under until very was were what when where which while who why will
with would year years yet you your على إلى الى التي الذي الذين بعد قبل بين حتى خلال ضد عند عام كان كانت كما
كل لم لن ما مع من منذ هذا هذه هو هي وقد وقال قال أكثر أنه أنها بها به غير في قد عن أن إن لا تم ذلك تلك حول
دون
"""
"""Words that say nothing of a subject, and that counting would not find out in a small shelf."""


def count(text: str) -> int:
    """Return how many words there are to read; where no spaces part them, by the usual length of a word.

    That is taken as two signs of Han and kana, and five of Thai, Lao, Burmese and Khmer.
    """
    ideographs = len(_IDEOGRAPH.findall(text))
    unspaced = len(_UNSPACED.findall(text))
    spaced = _UNSPACED.sub(" ", _IDEOGRAPH.sub(" ", text)).split()
    words = sum(1 for word in spaced if any(map(str.isalnum, word)))
    return words + math.ceil(ideographs / 2) + math.ceil(unspaced / 5)


@lru_cache(maxsize=4096)
def telling(text: str) -> frozenset[str]:
    """Return the words that may tell two texts are about the same: without case, accents and common words.

    Scripts without spaces come as overlapping pairs of signs; the Arabic article is taken off.
    """
    folded = _fold(text)
    found = {_ARABIC_ARTICLE.sub("", word) for word in _RUN.sub(" ", folded).split() if len(word) > 2}
    for run in _RUN.findall(folded):
        found.update(run[at : at + 2] for at in range(len(run) - 1))
    return frozenset(found - _FOLDED_COMMON)


def in_order(text: str) -> list[str]:
    """Return all words in their order, without case and accents; scripts without spaces come sign by sign."""
    folded = _fold(text)
    return [part for run in _PARTS.findall(folded) for part in (run if _RUN.fullmatch(run) else [run])]


def _fold(text: str) -> str:
    return "".join(map(_kept, unicodedata.normalize("NFKD", text.casefold())))


def _kept(char: str) -> str:
    """Return what stays of a character: letters and spacing marks stay, accents go, the rest parts words."""
    if char.isalnum():
        return char
    category = unicodedata.category(char)
    return "" if category in ("Mn", "Cf") else char if category == "Mc" else " "


_FOLDED_COMMON = frozenset(_ARABIC_ARTICLE.sub("", word) for word in _fold(_COMMON).split())
