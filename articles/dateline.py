"""The dateline, "Seoul (Masthead) – ", taken off a story so that a page can set it apart."""

import html
import re

from articles import cleaning

_GAP = r"(?:[\s\u200e\u200f\u061c]|&nbsp;|</?(?:strong|em)>)*"
_DATELINE = re.compile(
    rf"^<p>{_GAP}(?P<place>[^<>()（）]{{1,60}}?){_GAP}[(（](?P<agency>[^<>()（）]{{1,60}})[)）]{_GAP}"
    r"(?:[–—―－]|-(?=\s|&nbsp;|<))(?:\s|&nbsp;|</(?:strong|em)>)*"
)
_NAME = re.compile(r"[^\W\d_](?:[^\W\d_]|[\s.,'’/&·-]|[\u0300-\u036f\u064b-\u0652])*")
_MOST = 60


def split(body: str) -> tuple[str, str, str]:
    """Return place, agency, and the clean HTML `body` without them; two empty texts if it has no dateline.

    "The bill (HB 12) – passed –" is none: a place's first and last word have a capital where the script has
    any, and neither place nor agency has a digit.
    """
    found = _DATELINE.match(body)
    if not found:
        return "", "", body
    place, agency = (cleaning.plain(html.unescape(found[name]), most=_MOST) for name in ("place", "agency"))
    taken = found[0]
    balanced = all(taken.count(f"<{tag}>") == taken.count(f"</{tag}>") for tag in ("strong", "em"))
    if not (balanced and _is_place(place) and _NAME.fullmatch(agency)):
        return "", "", body
    return place, agency, "<p>" + body[found.end() :]


def _is_place(name: str) -> bool:
    words = name.split()
    return (
        bool(_NAME.fullmatch(name)) and len(words) <= 6 and not any(word[0].islower() for word in (words[0], words[-1]))
    )
