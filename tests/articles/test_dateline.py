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
