"""Find names in a text: whole words in any script, without case and accents, the longest first."""

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

_MOST_READ = 1_000
"""Characters of a text: more than a headline has."""
_ACRONYM = 4
_HANGUL = re.compile("[\uac00-\ud7a3]+")
_ARABIC = re.compile("[\u0620-\u06ff]")
# Marks that a writer may leave out. Others, such as Thai and Hindi vowels or the voicing of kana, make another word.
_ACCENTS = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u0640]")
_KATAKANA = re.compile("[\u30a1-\u30fa\u30fc]")
_SIGN = re.compile(
    "[\u3041-\u3096\u3005\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Hiragana and Han
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]"  # Thai, Lao, Burmese, Khmer
)
_SAME_LETTERS = str.maketrans({"ى": "ي", "ة": "ه", "ٱ": "ا"})
_PREFIXES = "وفبلك"
"""What Arabic writes together with the word after it: and, so, in, for, like."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word without case and accents, and whether it stood in capitals."""

    folded: str
    is_upper: bool


@dataclass(slots=True)
class _Node:
    """Where some words lead: `meaning` is what they mean together, if they are a name; capitals may be asked for."""

    after: dict[str, "_Node"] = field(default_factory=dict)
    meaning: frozenset[int] | None = None
    is_acronym: bool = False


_NOWHERE = _Node()


class Finder:
    """Many names, each with what it means, ready to be found in many texts. A name that means nothing hides others."""

    def __init__(self, names: Iterable[tuple[str, frozenset[int]]]) -> None:
        """Take names with their meanings; of two that are spelled alike, the later one counts."""
        self._root = _Node()
        for name, meaning in names:
            spelled = words(name)
            node = self._root
            for word in spelled:
                node = node.after.setdefault(word.folded, _Node())
            if spelled:
                node.meaning = meaning
                node.is_acronym = len(spelled) == 1 and spelled[0].is_upper and len(name) <= _ACRONYM

    def found(self, text: str) -> list[int]:
        """Return what the names in a text mean, each once, in their order."""
        if not self._root.after:
            return []
        read = words(text[:_MOST_READ])
        # In a headline that is all in capitals, US may be us.
        shouted = len(read) > 1 and all(word.is_upper for word in read)
        meant: dict[int, None] = {}
        at = 0
        while at < len(read):
            length, meaning = self._longest(read, at, shouted)
            meant.update(dict.fromkeys(sorted(meaning)))
            at += max(length, 1)
        return list(meant)

    def _longest(self, read: Sequence[Word], at: int, shouted: bool) -> tuple[int, frozenset[int]]:
        """Return how many words the longest name has that begins here, and what it means; 0 where none begins."""
        best: tuple[int, frozenset[int]] = (0, frozenset())
        for first in _spellings(read[at].folded):
            node = self._root
            for length, word in enumerate(itertools.islice(read, at, None), 1):
                folded = word.folded if length > 1 else first
                in_capitals = word.is_upper and not shouted
                for beginning in _beginnings(folded):
                    name = node.after.get(beginning, _NOWHERE)
                    if name.meaning is not None and length > best[0] and (in_capitals or not name.is_acronym):
                        best = (length, name.meaning)
                node = node.after.get(folded, _NOWHERE)
                if not node.after:
                    break
        return best


def words(text: str) -> Sequence[Word]:
    """Return the words of a text in their order; scripts without spaces come sign by sign, Katakana word by word."""
    decomposed = _ACCENTS.sub("", unicodedata.normalize("NFKD", text))
    kept = unicodedata.normalize("NFC", "".join(map(_kept, decomposed)))
    return [Word(_folded(word), word.isupper()) for word in _split(kept)]


def key(term: str) -> str:
    """Return the form in which two spellings of a term meet: without case and accents, one space between words."""
    decomposed = _ACCENTS.sub("", unicodedata.normalize("NFKD", term.casefold()))
    return " ".join(unicodedata.normalize("NFC", decomposed).translate(_SAME_LETTERS).split())


def _split(text: str) -> Iterator[str]:
    """Return the words of a text. Marks are letters here: they were kept because they make another word."""
    for run in text.split():
        if run.isascii():
            yield run
        else:
            yield from (run[begin:end] for begin, end in _spans(run))


def _spans(run: str) -> Iterator[tuple[int, int]]:
    begin, before = 0, ""
    for at, char in enumerate(run):
        kind = _kind(char) or before
        if at and (kind != before or kind == "sign") and _kind(char):
            yield begin, at
            begin = at
        before = kind
    yield begin, len(run)


@lru_cache(maxsize=8192)
def _kind(char: str) -> str:
    """Return how a character goes with its neighbours; '' for a mark, which goes with the one before."""
    if unicodedata.category(char).startswith("M"):
        return ""
    if _KATAKANA.match(char):
        return "katakana"
    return "sign" if _SIGN.match(char) else "letter"


@lru_cache(maxsize=8192)
def _kept(char: str) -> str:
    category = unicodedata.category(char)
    if category == "Cf":
        return ""
    return char if char.isalnum() or category.startswith("M") else " "


def _folded(word: str) -> str:
    return word.casefold().translate(_SAME_LETTERS)


def _spellings(word: str) -> Iterator[str]:
    """Return a word, and what is left of an Arabic one without the little words that are written together with it."""
    yield word
    if _ARABIC.match(word):
        for taken in (1, 2):
            if len(word) - taken < 3 or any(letter not in _PREFIXES for letter in word[:taken]):
                break
            yield word[taken:]
            if word[taken - 1] == "ل" and word[taken] == "ل":
                yield "ال" + word[taken + 1 :]


def _beginnings(word: str) -> Iterator[str]:
    """Return a word, and the beginnings of a Korean one, longest first: particles are written together with it."""
    yield word
    if _HANGUL.match(word):
        for end in range(len(word) - 1, 0, -1):
            yield word[:end]
