"""Languages: which one a reader gets, which way it runs, and how it writes dates, numbers and countries."""

from datetime import UTC, date, datetime

import pytest

from core import language

AT = datetime(2024, 2, 14, 22, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("code", "direction"),
    [
        *(("en", "ltr"), ("ar", "rtl"), ("he", "rtl"), ("fa", "rtl"), ("ur", "rtl"), ("zh-Hant", "ltr")),
        *(("ru", "ltr"), ("ar-EG", "rtl"), ("xx", "ltr"), ("", "ltr"), ("../en", "ltr"), ("en_US", "ltr")),
    ],
)
def test_each_language_runs_its_own_way_and_an_unknown_one_as_english(code, direction):
    assert language.direction(code) == direction


@pytest.mark.parametrize(
    ("preferred", "available", "best"),
    [
        (["ar"], ["en", "ar"], "ar"),
        (["ar-EG", "en"], ["en", "ar"], "ar"),
        (["fr", "ar", "en"], ["en", "ar"], "ar"),
        (["fr"], ["en", "ar"], "en"),
        ([], ["ar", "en"], "ar"),
        (["*"], ["en", "ar"], "en"),
        (["EN-us"], ["ar", "en"], "en"),
        (["AR"], ["en", "ar"], "ar"),
        (["zh-Hant-TW"], ["en", "zh-Hant"], "zh-Hant"),
        (["ZH-HANT"], ["en", "zh-Hant"], "zh-Hant"),
        (["zh-Hans"], ["en", "zh-Hant"], "en"),
        *(([tag], ["en", "zh-Hans"], "zh-Hans") for tag in ("zh", "zh-CN", "zh-SG", "ZH-cn", "zh-Hans-HK", "zh-MY")),
        *(([tag], ["en", "zh-Hans"], "en") for tag in ("zh-TW", "zh-HK", "zh-MO", "zh-Hant", "zh-Hant-CN", "yue")),
        *(([tag], ["en", "zh-Hans", "zh-Hant"], "zh-Hant") for tag in ("zh-TW", "zh-HK", "zh-hant-tw")),
        (["zh-TW", "ko-KR"], ["en", "zh-Hans", "ko"], "ko"),
        (["it-CH"], ["en", "it"], "it"),
        (["arn"], ["en", "ar"], "en"),
        (["", "../ar", "a" * 5_000], ["en", "ar"], "en"),
    ],
)
def test_the_best_language_is_always_one_of_ours_in_our_spelling(preferred, available, best):
    assert language.best(preferred, available) == best


@pytest.mark.parametrize(
    ("code", "name"),
    [("en", "English"), ("ar", "العربية"), ("fr", "Français"), ("zh-Hans", "简体中文"), ("zh-Hant", "繁體中文")],
)
def test_a_language_is_named_in_itself(code, name):
    assert language.own_name(code) == name


def test_dates_are_written_out_in_each_language():
    assert language.date_text(date(2024, 2, 5), "en") == "5 February 2024"
    assert language.date_text(date(2024, 2, 5), "ar") == "5 فبراير 2024"
    assert language.date_text(date(2024, 2, 5), "it") == "5 febbraio 2024"
    assert language.date_text(date(2024, 2, 5), "zh-Hans") == "2024年2月5日"
    assert language.date_text(date(2024, 2, 5), "ko") == "2024년 2월 5일"


def test_an_instant_is_written_with_its_zone():
    assert language.instant_text(AT, "en", "Asia/Tokyo") == "15 February 2024, 07:13 GMT+09:00"
    assert language.instant_text(AT, "en", "America/New_York") == "14 February 2024, 17:13 GMT-05:00"
    assert language.instant_text(AT, "en", "UTC") == "14 February 2024, 22:13 GMT+00:00"
    assert language.instant_text(AT, "it", "Europe/Rome") == "14 febbraio 2024, 23:13 GMT+01:00"
    assert language.instant_text(AT, "zh-Hans", "Asia/Shanghai") == "2024年2月15日 06:13 GMT+08:00"
    assert language.instant_text(AT, "ar", "Asia/Riyadh") == "15 فبراير 2024، 01:13 غرينتش+03:00"


def test_an_instant_follows_its_zones_clocks_through_the_year():
    summer = datetime(2024, 7, 14, 22, 13, tzinfo=UTC)
    assert language.instant_text(AT, "en", "Europe/Rome").endswith("23:13 GMT+01:00")
    assert language.instant_text(summer, "en", "Europe/Rome") == "15 July 2024, 00:13 GMT+02:00"


def test_when_something_comes_is_said_with_its_weekday_in_the_readers_zone():
    assert language.weekday_instant_text(AT, "en", "Asia/Hong_Kong") == "Thursday 15 February, 06:13"
    assert language.weekday_instant_text(AT, "en", "America/New_York") == "Wednesday 14 February, 17:13"
    assert language.weekday_instant_text(AT, "it", "Europe/Rome") == "mercoledì 14 febbraio, 23:13"
    assert language.weekday_instant_text(AT, "zh-Hans", "Asia/Shanghai") == "2月15日星期四 06:13"
    assert language.weekday_instant_text(AT, "ko", "Asia/Seoul") == "2월 15일 목요일 07:13"
    assert language.weekday_instant_text(AT, "ar", "Asia/Riyadh") == "الخميس 15 فبراير، 01:13"


@pytest.mark.parametrize("code", ["en", "ar"])
@pytest.mark.parametrize(("minute", "text"), [(0, "00:00"), (435, "07:15"), (1439, "23:59")])
def test_a_minute_of_the_day_is_a_time(code, minute, text):
    assert language.minute_text(minute, code) == text


def test_a_country_is_named_in_the_readers_language():
    assert (language.country_name("kr", "en"), language.country_name("KR", "ar")) == ("South Korea", "كوريا الجنوبية")
    assert (language.country_name("cu", "en"), language.country_name("cu", "ar")) == ("Cuba", "كوبا")


def test_a_country_that_is_not_there_is_its_code():
    assert language.country_name("zz9", "en") == "ZZ9"


def test_a_zone_is_known_by_its_city():
    assert language.zone_city("Europe/Rome", "en") == "Rome"
    assert language.zone_city("Asia/Riyadh", "ar") == "الرياض"
    assert language.zone_city("America/New_York", "en") == "New York"
    assert language.zone_city("America/Argentina/Buenos_Aires", "en") == "Buenos Aires"


@pytest.mark.parametrize("zone", ["US/Pacific", "Etc/GMT+12", "GMT", "UTC", "Brazil/East", "Japan", "EST5EDT"])
def test_a_zone_that_is_no_place_is_called_by_its_own_name(zone):
    assert language.zone_city(zone, "en") == language.zone_city(zone, "ar") == zone


@pytest.mark.parametrize(
    ("code", "upright"), [("en", False), ("it", False), ("ar", True), ("zh-Hans", True), ("ko", True), ("ja", True)]
)
def test_a_script_without_italics_stands_upright(code, upright):
    assert language.is_upright(code) is upright


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "لا أخبار"),
        (1, "خبر واحد"),
        (2, "خبران"),
        (3, "%(num)s أخبار"),
        (10, "%(num)s أخبار"),
        (11, "%(num)s خبرًا"),
        (99, "%(num)s خبرًا"),
        (100, "%(num)s خبر"),
        (103, "%(num)s أخبار"),
    ],
)
def test_arabic_counts_in_its_six_forms(count, words):
    assert language.translations("ar").ngettext("%(num)s story", "%(num)s stories", count) == words


@pytest.mark.parametrize(("count", "words"), [(0, "%(num)s stories"), (1, "%(num)s story"), (2, "%(num)s stories")])
def test_english_needs_no_catalogue(count, words):
    assert language.translations("en").ngettext("%(num)s story", "%(num)s stories", count) == words


@pytest.mark.parametrize("code", ["xx", "fr", "../ar", ""])
def test_a_language_without_a_catalogue_speaks_english(code):
    assert language.translations(code).gettext("Unsubscribe") == "Unsubscribe"
