"""The dateline, "Seoul (Masthead) – ", taken off a story so that a page can set it apart, in many papers' forms."""

import html
import re
from functools import lru_cache

from babel.dates import get_month_names

from articles import cleaning

_GAP = r"(?:[\s\u200e\u200f\u061c]|&nbsp;|</?(?:strong|em)>){0,8}"
_AFTER = r"(?:\s|&nbsp;|</(?:strong|em)>){0,8}"
_DASH = r"(?:[–—―－]|-(?=\s|&nbsp;|<))"
_IN_BRACKETS = r"[(（](?P<agency>[^<>()（）]{1,60})[)）]"
_HAN, _SIGNS = r"[\u3400-\u4dbf\u4e00-\u9fff]", r"[\u3400-\u9fff·]"
_DAY = r"(?P<day>\d{1,2}(?:[.]|º|°)?[ \u00a0][^\W\d_]{3,12}[.]?|[^\W\d_]{3,12}[.]?[ \u00a0]\d{1,2})"
_FORMS = (
    # Seoul (Masthead) – …, and SEOUL, Feb 16 (Masthead) – …
    re.compile(
        rf"^<p>{_GAP}(?P<place>[^<>()（）]{{1,60}}?)(?:,{_GAP}{_DAY})?{_GAP}{_IN_BRACKETS}{_GAP}{_DASH}{_AFTER}"
    ),
    # ROMA, 16 feb – …: no agency, but then the day must be one.
    re.compile(rf"^<p>{_GAP}(?P<place>[^<>()（）,]{{1,60}}?),{_GAP}{_DAY}{_GAP}(?P<agency>){_DASH}{_AFTER}"),
    # (서울=마스트헤드) 홍길동 기자 = …
    re.compile(
        rf"^<p>{_GAP}[(（](?P<place>[^<>()（）=＝]{{1,30}})[=＝](?P<agency>[^<>()（）=＝]{{1,30}})[)）]{_GAP}"
        rf"(?:[\uac00-\ud7a3 ·]{{2,30}}(?:특파원|기자)[ ]?[=＝])?{_AFTER}"
    ),
    # 某社首尔2月16日电（记者张三）…, also in 【…】
    re.compile(
        rf"^<p>{_GAP}【?(?P<agency>{_SIGNS}{{1,12}}?(?:社|网|網|报|報|台))(?P<place>{_HAN}{{1,10}}?)"
        rf"(?:\d{{1,2}}月)?\d{{1,2}}日(?:电|電|讯|訊)】?"
        rf"(?:[（(](?:记者|記者|编译|編譯)[^<>（）()]{{1,30}}[)）])?{_AFTER}"
    ),
)
_NAME = re.compile(r"[^\W\d_](?:[^\W\d_]|[\s.,'’/&·-]|[\u0300-\u036f\u064b-\u0652])*")
_MOST = 60
_HEAD = 300
"""Where a dateline can stand. An endless row of spaces must not be walked again and again."""
_MONTHS_OF = ("en", "it", "es", "fr", "de", "pt", "nl", "tr", "pl", "ru", "uk", "id", "vi")
"""Languages whose months stand in datelines; Chinese and Japanese ones are numbers."""


def split(body: str) -> tuple[str, str, str]:
    """Return place, agency, and the clean HTML `body` without them; empty texts for what it does not have.

    "The bill (HB 12) – passed –" is none: a place's first and last word have a capital where the script has
    any, neither place nor agency has a digit, and a day has the name of a month.
    """
    for form in _FORMS:
        found = form.match(body[:_HEAD])
        if found and (taken := _taken(found)):
            return *taken, "<p>" + body[found.end() :]
    return "", "", body


def _taken(found: re.Match[str]) -> tuple[str, str] | None:
    """Return place and agency of something that looks like a dateline, if it is one."""
    place, agency = (cleaning.plain(html.unescape(found[name]), most=_MOST) for name in ("place", "agency"))
    text, day = found[0], found.groupdict().get("day")
    balanced = all(text.count(f"<{tag}>") == text.count(f"</{tag}>") for tag in ("strong", "em"))
    named = not agency or _NAME.fullmatch(agency)
    return (place, agency) if balanced and named and _is_place(place) and (day is None or _has_month(day)) else None


def _has_month(day: str) -> bool:
    words = re.findall(r"[^\W\d_]+", day.casefold())
    return any(word in _months() for word in words)


@lru_cache(maxsize=1)
def _months() -> frozenset[str]:
    """Return the names of months in many languages, whole and short, without their dots."""
    names = (
        name.casefold().rstrip(".")
        for locale in _MONTHS_OF
        for width in ("wide", "abbreviated")
        for context in ("format", "stand-alone")
        for name in get_month_names(width, context, locale).values()
    )
    return frozenset(name for name in names if name.isalpha())


def _is_place(name: str) -> bool:
    words = name.split()
    return (
        bool(_NAME.fullmatch(name)) and len(words) <= 6 and not any(word[0].islower() for word in (words[0], words[-1]))
    )
