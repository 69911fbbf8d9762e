"""Send a story to a friend, from the reader's own mail program: a mailto link, so that no address reaches us."""

import unicodedata
from collections.abc import Iterator
from urllib.parse import quote

MAX_BYTES = 1500
"""How long the whole link may be. Windows hands a mail program about 2,000 characters; some take fewer."""
MAX_SUBJECT_BYTES = 450
"""How much of it may be the subject: 150 Latin letters and more, 75 Arabic ones, 50 Chinese ones."""
_NEW_LINE = "%0D%0A"
_ELLIPSIS = "…"
_JOINER = "\u200d"


def mailto(article_headline: str, standfirst: str, url: str) -> str:
    """Return a mailto link with headline, standfirst and address of a story (RFC 6068), at most 1,500 bytes long.

    Spaces are %20, since mail programs show a `+` as it is; lines end with %0D%0A (RFC 6068, section 5). What is
    too long is cut between characters, never inside one; the address of the story is never cut.
    """
    headline = _cut(_one_line(article_headline), MAX_SUBJECT_BYTES)
    link = f"mailto:?subject={_encoded(headline)}&body={_encoded(headline)}{_NEW_LINE}"
    end = _encoded(url)
    words = _cut(_one_line(standfirst), MAX_BYTES - len(link) - len(_NEW_LINE) - len(end))
    return link + (_encoded(words) + _NEW_LINE if words else "") + end


def _encoded(text: str) -> str:
    return quote(text, safe="")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cut(text: str, room: int) -> str:
    """Return as many whole characters as fit into `room` bytes when encoded, with an ellipsis if some are left out."""
    if len(_encoded(text)) <= room:
        return text
    room -= len(_encoded(_ELLIPSIS))
    kept = ""
    for character in _characters(text):
        room -= len(_encoded(character))
        if room < 0:
            break
        kept += character
    return kept.rstrip() + _ELLIPSIS if kept else ""


def _characters(text: str) -> Iterator[str]:
    """Yield letters together with the marks on them, and joined signs together, as a person sees characters."""
    character = ""
    for sign in text:
        joins = unicodedata.category(sign).startswith("M") or sign == _JOINER or character.endswith(_JOINER)
        if character and not joins:
            yield character
            character = ""
        character += sign
    if character:
        yield character
