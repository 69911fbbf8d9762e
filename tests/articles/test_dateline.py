"""The dateline is taken off where there is one, and nothing else is."""

import pytest

from articles import dateline


@pytest.mark.parametrize(
    ("body", "place", "agency"),
    [
        ("<p>Seoul (AsiaNews) – It", "Seoul", "AsiaNews"),
        ("<p><strong>Seoul</strong> (AsiaNews) - It", "Seoul", "AsiaNews"),
        ("<p><em>Seoul (AN) —</em> It", "Seoul", "AN"),
        ("<p>Seoul&nbsp;(AN)&nbsp;–&nbsp;It", "Seoul", "AN"),
        ("<p>Rio de Janeiro (AFP/Reuters) – It", "Rio de Janeiro", "AFP/Reuters"),
        ("<p>Washington, D.C. (AP) – It", "Washington, D.C.", "AP"),
        ("<p>Su’ao (A&amp;B) – It", "Su’ao", "A&B"),
        ("<p>\u200fسيول (بريد الرياح) – It", "سيول", "بريد الرياح"),
        ("<p>首尔（亚洲新闻）－It", "首尔", "亚洲新闻"),
        ("<p>SEOUL, Feb 16 (Masthead) - It", "SEOUL", "Masthead"),
        ("<p>SEOUL, South Korea (AP) — It", "SEOUL, South Korea", "AP"),
        ("<p>ROMA, 16 feb - It", "ROMA", ""),
        ("<p>Seul, 16 febbraio (Agenzia) – It", "Seul", "Agenzia"),
        ("<p>Берлин, 3 марта – It", "Берлин", ""),
        ("<p>Paris, 1º mars – It", "Paris", ""),
        ("<p>(서울=마스트헤드) 홍길동 기자 = It", "서울", "마스트헤드"),
        ("<p>(서울=마스트헤드) It", "서울", "마스트헤드"),
        ("<p>亚洲社首尔2月16日电（记者 张三）It", "首尔", "亚洲社"),
        ("<p>【亚洲新闻网首尔16日讯】It", "首尔", "亚洲新闻网"),
        ("<p>亞洲社首爾2月16日電It", "首爾", "亞洲社"),
    ],
)
def test_a_dateline_is_set_apart(body, place, agency):
    assert dateline.split(f"{body} is so.</p><p>More</p>") == (place, agency, "<p>It is so.</p><p>More</p>")


@pytest.mark.parametrize(
    "body",
    [
        "<p>The bill (HB 12) – passed – is law.</p>",
        "<p>The bill (so called) – passed – is law.</p>",
        "<p>Seoul (AN)-based firms</p>",
        "<p>On Monday, 16 people – all of them men – came.</p>",
        "<p>In Seoul, some 40 (of whom many) – came.</p>",
        "<p>(a=b) is a formula.</p>",
        "<p>他说社会2月16日来电话了。</p>",
        "<p>Seoul (AN) said</p>",
        "<p>1. Seoul (AN) – x</p>",
        "<p><strong>Seoul (AN) – The</strong> news</p>",
        '<p><a href="x">Seoul</a> (AN) – x</p>',
        "<h2>Seoul (AN) – x</h2>",
        "<p>" + "Seoul " * 40 + "(AN) – x</p>",
        "",
    ],
)
def test_what_only_looks_like_a_dateline_stays_in_the_text(body):
    assert dateline.split(body) == ("", "", body)


@pytest.mark.parametrize("text", [" ", "A ", "<strong>", "A <em>", "A, ", "社", "(", "A,&nbsp;", "（", "1日"])
def test_what_goes_on_for_ever_is_read_in_no_time(text):
    """Before the gaps had a limit, a row of spaces took minutes: this test would not end."""
    body = "<p>" + text * 50_000
    assert dateline.split(body) == ("", "", body)
