"""The note of a sender to their friends: a few words of plain text, without a link, an address or a number to call.

It is off unless the publisher turns it on. What must not be in it is refused, never taken out.
"""

import re
import unicodedata

from core import characters, errors
from core.errors import _
from sharing import adverts, scripts

LONGEST = 140
"""Code points in the composed form, line breaks among them. Settings may allow fewer, never more."""
MOST_LINE_BREAKS = 2
_OF_EMOJI = "\u200d\ufe0e\ufe0f"
_LINK = re.compile(
    r"[@\\]|://|\b(?:https?|hxxps?|ftp|mailto|tel)\s*:|\bwww\b|\bxn--"
    r"|[^\W_](?:\s?[.\u3002\u2024]|\s[.\u3002\u2024]\s)(?:com|net|org|info|biz|ru|cn|xyz|online|site|shop|club|vip|app)\b"
    r"|[^\W_]\.[^\W\d_]{2,}|[\[(]\s*(?:at|dot|\.)\s*[\])]"
)
"""In the form that compatible characters are the same in (NFKC), small letters."""
_NUMBER = re.compile(r"\+?\d[\d\s().\-/_·•–—]{5,}\d")
_DAY = r"\d{1,4}[./\-]\s?\d{1,2}[./\-]\s?\d{1,4}"
_DATE = re.compile(rf"(?:(?:{_DAY}|\d{{1,2}}\.?)\s?[-–—]\s?)?{_DAY}|(?:19|20)\d\d\s?[-–—/]\s?(?:19|20)\d\d")
_FEWEST_DIGITS = 7

HIDDEN = _("There is a hidden character in this note. Please type it again.")
LONG = _("This note is too long. At most %(limit)s characters can be taken.")
LINES = _("This note has too many lines. At most three can be taken.")
LINK = _(
    "A note can have no links, no addresses and no telephone numbers. Your friend gets the link to the story anyway."
)
MIXED = _("A word of this note mixes letters of different alphabets. Please type it in one.")


def checked(text: str, *, field: str = "note", longest: int = LONGEST) -> str:
    """Return the note that a sender typed, composed (NFC), its lines ended by `\\n`; it may be empty. Raises Invalid.

    `longest` is in code points, at most 140.
    """
    limit = min(longest, LONGEST)
    if len(text) > 10 * LONGEST:
        raise errors.Invalid(field, LONG, limit=limit)  # before anything is computed with it
    # A browser ends the lines of a form by CR LF (HTML, 4.10.21.4): one line break, not two.
    note = unicodedata.normalize("NFC", text.replace("\r\n", "\n")).strip(" \n")
    if any(map(_is_hidden, note, " " + note[:-1])):
        raise errors.Invalid(field, HIDDEN)
    if len(note) > limit:
        raise errors.Invalid(field, LONG, limit=limit)
    if note.count("\n") > MOST_LINE_BREAKS:
        raise errors.Invalid(field, LINES)
    if _has_link(note):
        raise errors.Invalid(field, LINK)
    if scripts.has_heaped_marks(_without_emoji(note)) or scripts.is_mixed(note):
        raise errors.Invalid(field, MIXED)
    return note


def _is_hidden(char: str, before: str) -> bool:
    if char in "\n \u00a0\u202f\u3000":
        return False
    if char in _OF_EMOJI or char in scripts.JOINERS:
        of_emoji = char in _OF_EMOJI and unicodedata.category(before) in ("So", "Sk", "Mn", "Sm", "Po")
        return not of_emoji and not scripts.joins(char, before)
    return characters.is_hidden(char) or scripts.is_invisible(char)


def _has_link(note: str) -> bool:
    plain = unicodedata.normalize("NFKC", note).lower()
    readings = (plain, *scripts.readings(note))
    numbers = (found for found in _NUMBER.findall(plain) if not _DATE.fullmatch(found.strip()))
    return (
        any(map(_LINK.search, readings))
        or adverts.spells_address(note)
        or any(sum(map(str.isdigit, number)) >= _FEWEST_DIGITS for number in numbers)
    )


def _without_emoji(note: str) -> str:
    return "".join(char for char in note if char not in _OF_EMOJI)
