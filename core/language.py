"""Languages: the catalogues, directions, dates, and the names that CLDR knows."""

import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError, get_locale_identifier, parse_locale
from babel.core import get_global
from babel.dates import format_date, format_time, get_timezone_gmt
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from core.settings import ROOT

SOURCE_LANGUAGE = "en"
"""The language in which messages stand in the code."""
_NO_COUNTRIES = frozenset(["XA", "XB", "ZZ"])
"""Codes of CLDR's for tests, and for what is not known."""
_IN_BRACKETS = re.compile(r"\s*[(（].*[)）]$")
CATALOGUES = ROOT / "translations"
_WEEKDAY_AND_DAY = {"ja": "M月d日EEEE", "ko": "M월 d일 EEEE", "zh": "M月d日EEEE"}
"""Patterns of a day with its weekday, of languages that put the month first; the others: `EEEE d MMMM`."""
_EAST_ASIAN = frozenset(["ja", "ko", "zh"])
_PARTS_OF_THE_WORLD = frozenset(
    ["Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"]
)


@lru_cache
def translations(language: str) -> NullTranslations:
    """Return the messages of `language`; the source language needs no catalogue."""
    path = CATALOGUES / language / "LC_MESSAGES" / "messages.po"
    if language == SOURCE_LANGUAGE or not path.is_file():
        return NullTranslations()
    with path.open("rb") as file:
        catalogue = read_po(file, locale=str(locale(language)))
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)


@lru_cache
def locale(language: str) -> Locale:
    """Return Babel's locale of a language code such as `en`, `ar` or `zh-Hant`; English for an unknown one."""
    try:
        return Locale.parse(language, sep="-")
    except (ValueError, UnknownLocaleError):
        return Locale(SOURCE_LANGUAGE)


def direction(language: str) -> str:
    """Return `rtl` or `ltr`, for HTML's `dir`."""
    return locale(language).text_direction


def is_upright(language: str) -> bool:
    """Say whether a language's script has no italics: a browser or a mail client would slant its signs by force."""
    return direction(language) == "rtl" or locale(language).language in _EAST_ASIAN


def best(preferred: Sequence[str], available: Sequence[str]) -> str:
    """Return the available language that suits a browser's list best, else the first available.

    `zh-CN`, `zh-SG` and `zh` are ours as `zh-Hans`. `zh-TW` and `zh-HK` are not: who reads Traditional signs gets
    `zh-Hant`, or else the next language of their list.
    """
    for wanted in preferred:
        for code in available:
            # As a browser spells it: `AR-sa` is ours as `ar`, `zh-Hant-TW` as `zh-Hant`.
            if f"{wanted.lower()}-".startswith(f"{code.lower()}-"):
                return code
        for code in available:
            if _written(wanted) == _written(code) is not None:
                return code
    return available[0]


def _written(tag: str) -> tuple[str, str | None] | None:
    """Return language and script of a tag, by CLDR's likely subtags: `zh` and `Hant` for `zh-TW`; None if it is bad."""
    likely = get_global("likely_subtags")
    try:
        language, territory, script, *_rest = parse_locale(tag, sep="-")
    except ValueError:
        return None
    for known in (get_locale_identifier((language, territory)), language):
        if script is None and known in likely:
            script = parse_locale(likely[known])[2]
    return language, script


def own_name(language: str) -> str:
    """Return a language's name in itself, such as `العربية`; `简体中文`, where CLDR has a name for its script."""
    own = locale(language)
    name = (own.languages.get(str(own)) if own.script else None) or own.get_display_name() or language
    return name[:1].upper() + name[1:]


def country_name(code: str, language: str) -> str:
    """Return the name of an ISO 3166 country (either case) in `language`, from CLDR; the code itself if unknown."""
    return str(locale(language).territories.get(code.upper(), code.upper()))


@lru_cache
def country_names(language: str) -> Mapping[str, Sequence[str]]:
    """Return the names of all countries in `language` by their ISO 3166 codes, lower-case, from CLDR.

    Myanmar (Burma) is Myanmar as well, unless another country would be, too; Bosnia & Herzegovina has an "and" as well.
    """
    known = locale(language).territories
    names = {code.lower(): str(name) for code, name in known.items() if len(code) == 2 and code not in _NO_COUNTRIES}
    short = {code: _IN_BRACKETS.sub("", name) for code, name in names.items()}
    shared = Counter(short.values())
    return {
        code: list(dict.fromkeys([name, *_alone(short[code], shared), *_with_and(name, language)]))
        for code, name in names.items()
    }


def _alone(name: str, shared: Counter[str]) -> list[str]:
    return [name] if shared[name] == 1 else []


def _with_and(name: str, language: str) -> list[str]:
    parts = name.split(" & ")
    return [format_list(parts, locale=locale(language))] if len(parts) > 1 else []


def number_text(number: int, language: str) -> str:
    """Return a number with the language's own marks between thousands: `61,204`."""
    return format_decimal(number, locale=locale(language))


def date_text(day: date, language: str) -> str:
    """Return a long date: `15 February 2024`."""
    return format_date(day, "long", locale=_dated(language))


def instant_text(at: datetime, language: str, zone: str) -> str:
    """Return date, time and zone: `15 February 2024, 15:13 GMT+09:00`."""
    local = at.astimezone(ZoneInfo(zone))
    zone_text = get_timezone_gmt(local, width="long", locale=_dated(language))
    return _joined(
        date_text(local.date(), language),
        f"{format_time(local, 'HH:mm', locale=_dated(language))} {zone_text}",
        language,
    )


def moment_text(at: datetime, language: str, zone: str) -> str:
    """Return date and time: `15 February 2024, 15:13`."""
    local = at.astimezone(ZoneInfo(zone))
    return _joined(date_text(local.date(), language), format_time(local, "HH:mm", locale=_dated(language)), language)


def weekday_instant_text(at: datetime, language: str, zone: str) -> str:
    """Return when something comes, in words: `Tuesday 24 November, 07:00`."""
    local = at.astimezone(ZoneInfo(zone))
    pattern = _WEEKDAY_AND_DAY.get(locale(language).language, "EEEE d MMMM")
    day = format_date(local.date(), pattern, locale=_dated(language))
    return _joined(day, format_time(local, "HH:mm", locale=_dated(language)), language)


def _joined(day: str, moment: str, language: str) -> str:
    """Return date and time with the comma, or whatever else, that the language puts between them (CLDR)."""
    return str(_dated(language).datetime_formats["medium"]).replace("{1}", day).replace("{0}", moment)


def minute_text(minute: int, language: str) -> str:
    """Return a minute of the day (0 to 1439) as a time: `07:15`."""
    return format_time(time(minute // 60, minute % 60), "HH:mm", locale=_dated(language))


def is_place(zone: str) -> bool:
    """Say whether a time zone is named after a place, as `Asia/Tokyo` is; `US/Pacific` and `Etc/GMT+12` are not."""
    part, slash, _city = zone.partition("/")
    return bool(slash) and part in _PARTS_OF_THE_WORLD


def zone_city(zone: str, language: str) -> str:
    """Return the city that stands for a time zone: `Rome` for Europe/Rome, from CLDR where it knows one.

    A zone that is not named after a place is called by its own name: "Pacific" would be read as another one.
    """
    if not is_place(zone):
        return zone
    known = locale(language).time_zones.get(zone, {}).get("city")
    return known or zone.rpartition("/")[2].replace("_", " ")


def _dated(language: str) -> Locale:
    """English dates are written day first, as most of the world's English papers do."""
    return locale("en-GB" if language == "en" else language)
