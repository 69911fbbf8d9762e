"""Words in any script: how many there are to read, and into which terms a text is split for being found.

Words of scripts without spaces are found by their signs, two by two; so are Korean ones, since what a word is joined
with is written to it.
"""

import math
import re

from articles import folding

_IDEOGRAPHS = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_THAI_TO_KHMER = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_HANGUL = "\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff"
_IDEOGRAPH = re.compile(f"[{_IDEOGRAPHS}]")
_UNSPACED = re.compile(f"[{_THAI_TO_KHMER}]")
_ONE_BY_ONE = re.compile(f"[{_IDEOGRAPHS}{_THAI_TO_KHMER}]|[^\\s{_IDEOGRAPHS}{_THAI_TO_KHMER}]+")
_SIGNS = f"{_IDEOGRAPHS}{_THAI_TO_KHMER}{_HANGUL}"
_PARTS = re.compile(f"([{_SIGNS}]+)|[^ {_SIGNS}]+")
_SIGN = re.compile(f"[{_SIGNS}]")
_LONGEST = 64
"""Characters of a word that count. A longer one is an address, or noise."""

_COMMON = """
about after again against all also and any are because been before being between both but can could did does
during each for from had has have her here his how into its just like may more most new not now off one only
other our out over own said same say says she should since some such than that the their them then there
these they this those through too two under until very was were what when where which while who why will
with would year years yet you your
alla alle anche anni anno aveva avere che chi come con contro dal dalla dei del della delle dello degli dopo dove due
era essere fra gli ha hanno il la le lo loro ma mentre molto nel nella nelle negli non ogni oggi per perche piu poi
prima quando quello questa queste questi questo sono sua sue sui sul sulla suo suoi tra tutti tutto una uno
على إلى الى التي الذي الذين بعد قبل بين حتى خلال ضد عند عام كان كانت كما كل لم لن ما مع من منذ هذا هذه هو هي وقد
وقال قال أكثر أنه أنها بها به غير في قد عن أن إن لا تم ذلك تلك حول دون
"""
"""Words that say nothing of a subject, and that counting would not find out in a small archive."""


def count(text: str) -> int:
    """Return how many words there are to read; where no spaces part them, by the usual length of a word.

    That is taken as two signs of Han and kana, and five of Thai, Lao, Burmese and Khmer.
    """
    ideographs = len(_IDEOGRAPH.findall(text))
    unspaced = len(_UNSPACED.findall(text))
    spaced = _UNSPACED.sub(" ", _IDEOGRAPH.sub(" ", text)).split()
    words = sum(1 for word in spaced if any(map(str.isalnum, word)))
    return words + math.ceil(ideographs / 2) + math.ceil(unspaced / 5)


def in_order(text: str) -> list[str]:
    """Return all words in their order, folded; scripts without spaces come sign by sign."""
    return _ONE_BY_ONE.findall(folding.fold(text))


def terms(text: str) -> list[str]:
    """Return the terms of a text in their order, folded: its words, and of scripts without spaces each two signs.

    A sign that stands alone is a term, too.
    """
    folded = folding.fold(text)
    if folded.isascii():
        return [word[:_LONGEST] for word in folded.split(" ") if word]
    found: list[str] = []
    for part in _PARTS.finditer(folded):
        run = part[0]
        if part[1] is None or len(run) == 1:
            found.append(run[:_LONGEST])
        else:
            found.extend(run[at : at + 2] for at in range(len(run) - 1))
    return found


def signs(text: str) -> list[str]:
    """Return the signs of a text that stand in a row with others: who looks for one of them finds it, too."""
    if text.isascii():
        return []
    runs = (part[1] for part in _PARTS.finditer(folding.fold(text)))
    return [sign for run in runs if run is not None and len(run) > 1 for sign in run]


def tells(term: str) -> bool:
    """Say whether a term may tell what a text is about: no common word, no number, no single sign or letter."""
    least = 2 if _SIGN.match(term) else 3
    return len(term) >= least and not term.isdecimal() and term not in _FOLDED_COMMON


_FOLDED_COMMON = frozenset(folding.fold(_COMMON).split(" "))
