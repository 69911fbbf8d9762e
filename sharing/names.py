"""The name that a sender gives: a person's, in whatever alphabet, and nothing that carries a message.

The abuse of such forms came in by this field: an advertisement or a web address as a name. So what is not plainly a
name is refused, with what to do; it is never cleaned, since what a cleaner leaves is what its author tried for.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence

from core import characters, errors
from core.errors import _
from sharing import adverts, scripts

LONGEST = 40
"""Code points in the composed form (NFC)."""
LONGEST_EAST_ASIAN = 12
"""The same with a Han, Kana or Hangul sign among them: as much is said by fewer."""
_SPACES = " \u3000"
_APOSTROPHES = "'’‘\u05f3"
_HYPHENS = "-\u2010\u05be"
_DOTS = "."
_MIDDLE_DOTS = "·\u30fb\u2027"
_SYLLABLE_MARK = "\u0f0b"
"""It stands between the syllables of Tibetan names."""
_BETWEEN = _SPACES + _APOSTROPHES + _HYPHENS + _DOTS + _MIDDLE_DOTS + _SYLLABLE_MARK
_PAIRS = (".-", "-'", "-’", ". ", "' ", "’ ", "\u05f3 ")
"""The only signs that stand beside each other: `J.-P.`, `J. R.`, `Ben-'Ami`."""
_LOOKS_LIKE_DOMAIN = re.compile(r"[^\W\d_]\.[^\W\d_][^\W\d_]")
_WITH_MIDDLE_DOT = (frozenset("l"), frozenset("nh"), frozenset("sh"))
"""The letters between which Catalan and Occitan words have a middle dot."""
_DRESSED = (
    "<font>",
    "<circle>",
    "<wide>",
    "<narrow>",
    "<square>",
    "<small>",
    "<sub>",
    "<initial>",
    "<medial>",
    "<final>",
    "<isolated>",
)
"""Letters that are others in a costume: bold ones of mathematics, circled and wide ones (Unicode TR 15)."""

EMPTY = _("Please give your name, so that your friend knows who this comes from.")
HIDDEN = _("There is a line break or a hidden character in this. Please type it again.")
LONG = _("This is too long for a name. At most %(limit)s characters can be taken.")
LETTERS = _(
    "Please give just your name, in letters. Only spaces, apostrophes, hyphens and dots may stand between them."
)
DOT = _("A letter stands right behind a dot here, as in a web address. Please put a space between them.")
MIXED = _(
    "A word here mixes letters of different alphabets, or letters that look like others. Please type just your name."
)
ADVERT = _("This reads like an advertisement, an address or a number. Please give just your name.")
OURS = _("This is our name. Please give your own.")


def checked(text: str, *, field: str = "name", ours: Iterable[str] = ()) -> str:
    """Return the name that a sender typed, composed (NFC) and without spaces around it. Raises Invalid.

    `ours` are the names of the publication: nobody writes to a friend in those.
    """
    if len(text) > 10 * LONGEST:
        raise errors.Invalid(field, LONG, limit=LONGEST)  # before anything is computed with it
    name = unicodedata.normalize("NFC", text).strip(_SPACES)
    limit = LONGEST_EAST_ASIAN if scripts.scripts(name) & scripts.EAST_ASIAN else LONGEST
    for is_wrong, message in _RULES:
        if is_wrong(name, limit):
            raise errors.Invalid(field, message, **({"limit": limit} if message == LONG else {}))
    if any(_speaks_for(masthead, name) for masthead in ours):
        raise errors.Invalid(field, OURS)
    return name


def _speaks_for(masthead: str, name: str) -> bool:
    """Say whether a name is a publication's, or holds it; of a masthead of one word only that alone, since a person may
    be called like it.
    """
    article, _space, rest = scripts.skeleton(masthead).partition(" ")
    ours = rest if article == "the" and rest else scripts.skeleton(masthead)
    return any(ours in reading if " " in ours else ours == reading for reading in scripts.readings(name))


def _has_hidden(name: str, _limit: int) -> bool:
    return characters.has_controls(name) or any(map(_is_hidden, name, _before(name), _after(name)))


def _before(name: str) -> str:
    return " " + name[:-1]


def _after(name: str) -> str:
    return name[1:] + " "


def _is_hidden(char: str, before: str, after: str) -> bool:
    """Say whether a character shows nothing where it stands."""
    if char in scripts.JOINERS:
        return not scripts.joins(char, before, after)
    if scripts.is_invisible(char, before):
        return True
    return characters.is_hidden(char) and char not in _SPACES


def _is_of_letters(name: str) -> bool:
    """Say whether there are letters, with single signs between them as names have."""
    return (
        any(map(str.isalpha, name))
        and not scripts.has_heaped_marks(name)
        and all(map(_is_fit, name, _before(name), _after(name)))
    )


def _is_fit(char: str, before: str, after: str) -> bool:
    """Say whether a character of a name stands where it may."""
    if char in _MIDDLE_DOTS:
        return _is_middle(before, after)
    if char in _BETWEEN:
        return _stands_well(char, before, after)
    return unicodedata.category(char) in ("Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc") or char in scripts.JOINERS


def _stands_well(sign: str, before: str, after: str) -> bool:
    """Say whether a sign is beside a letter, and beside no other sign but as in `J.-P.`."""
    if before != " " and before in _BETWEEN and before + sign not in _PAIRS:
        return False
    if sign in _SPACES:
        return before not in _SPACES
    if sign in _DOTS:
        return before.isalpha() or unicodedata.category(before)[0] == "M"
    return before not in _SPACES or (sign in _APOSTROPHES and after.isalpha())


def _is_middle(before: str, after: str) -> bool:
    if scripts.script(before) in scripts.EAST_ASIAN and scripts.script(after) in scripts.EAST_ASIAN:
        return True
    return frozenset((before + after).lower()) in _WITH_MIDDLE_DOT


def _is_dressed(char: str) -> bool:
    return char not in _SPACES and unicodedata.decomposition(char).startswith(_DRESSED)


_RULES: Sequence[tuple[Callable[[str, int], bool], str]] = (
    (lambda name, _limit: not name, EMPTY),
    (_has_hidden, HIDDEN),
    (lambda name, limit: len(name) > limit, LONG),
    (lambda name, _limit: not _is_of_letters(name), LETTERS),
    (lambda name, _limit: bool(_LOOKS_LIKE_DOMAIN.search(name)), DOT),
    (lambda name, _limit: scripts.is_mixed(name) or any(map(_is_dressed, name)), MIXED),
    (lambda name, _limit: adverts.is_advert(name), ADVERT),
)
"""What may be wrong with a name of at most so many characters, and what its sender is told; the first one counts."""
