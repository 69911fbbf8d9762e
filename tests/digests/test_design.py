"""What a digest looks like: its lead, the language of each block, what is read aloud, and what a program drops."""

import quopri
import re
from dataclasses import replace

import pytest

from articles.pictures import MailPicture
from core import database
from core.database import db
from delivery import content
from digests import rendering
from digests.rendering import NumberView, StoryView
from subscribers import offer
from tests.digests.house import ASIA, DUE, HOUR, NOW, House
from tests.digests.test_digest_mail import Reading, spaced

STORY = StoryView(
    article_id=1,
    revision=1,
    language="en",
    headline="Harbour & hill",
    standfirst="The ferry moves.",
    minutes=2,
    published="2 March 2026, 16:59 GMT+08:00",
    url="https://news.example.org/en/a1-harbour",
    share_url="https://news.example.org/en/a1-harbour/send",
)
PICTURE = MailPicture("https://news.example.org/pictures/p", 1200, 800, "A ferry at a pier")


def compiled(view: rendering.View, language: str = "en") -> tuple[str, str]:
    """Return a piece as text and as HTML, as a mail program decodes it."""
    part = rendering.part(view, language)
    text, html = (quopri.decodestring(content.fill(half, {})).decode() for half in (part.text, part.html))
    return text, html


def picture_tags(html: str) -> list[str]:
    return re.findall("<img[^>]*>", html)


def test_the_first_story_is_the_lead_and_shows_its_picture_the_others_do_not(one_house: House):
    view = replace(STORY, picture=PICTURE)
    _text, lead = compiled(replace(view, is_lead=True))
    _text, other = compiled(view)
    (shown,) = picture_tags(lead)
    assert 'width="592"' in shown and 'alt="A ferry at a pier"' in shown
    assert picture_tags(other) == []
    one_house.article("Lead", at=NOW - HOUR)
    one_house.article("Second", at=NOW - 2 * HOUR)
    one_house.reader()
    (mail,) = one_house.go(DUE)
    assert re.findall(r'class="story( first)?"', mail.html) == [" first", ""]
    assert re.findall(r'<h2( class="lead")?', mail.html) == [' class="lead"', ""]


@pytest.mark.parametrize(
    ("size", "shown"),
    [((1200, 675), 592), ((400, 300), 400), ((900, 1600), 333), ((1200, 1200), 592)],
    ids=["wide", "small", "high", "square"],
)
def test_a_picture_is_never_higher_than_the_sheet_is_wide_and_leaves_its_height_to_its_width(size, shown):
    one = replace(PICTURE, width=size[0], height=size[1])
    (tag,) = picture_tags(compiled(replace(STORY, picture=one, is_lead=True))[1])
    assert f'width="{shown}"' in tag and f"max-width: {shown}px" in tag and "height" not in tag


def test_a_picture_says_what_it_shows_and_whose_it_is():
    _text, html = compiled(replace(STORY, picture=replace(PICTURE, credit="A. Photographer"), is_lead=True))
    assert 'alt="A ferry at a pier"' in html and ">A. Photographer</p>" in html
    _text, html = compiled(replace(STORY, picture=replace(PICTURE, alt=""), is_lead=True))
    assert 'alt=""' in html and "credit" not in html


def test_a_foreign_headline_has_its_own_language_direction_and_face_and_ours_stand_around_it():
    view = replace(STORY, language="ar", headline="\u0643\u0648\u0628\u0627", updated=True)
    for shown in (view, replace(view, is_lead=True)):
        _text, html = compiled(shown)
        cells = re.findall(r'<td class="(\w+)-cell words (\w+)" dir="(\w+)" lang="(\w+)"', html)
        assert cells == [("story", "rtl", "rtl", "ar"), ("meta", "latin", "ltr", "en")]
        assert re.search(r'<p class="label" dir="ltr" lang="en"[^>]*>Updated since we mailed you</p>', html)
    _text, html = compiled(rendering.headline_view(view))
    assert re.findall(r'<td class="short-cell words rtl" dir="rtl" lang="ar"', html)
    _text, html = compiled(STORY, "ar")
    assert 'dir="ltr" lang="en"' in html and 'dir="rtl" lang="ar"' in html


@pytest.mark.parametrize(
    ("language", "face"),
    [("en", "Georgia"), ("ar", "Tahoma"), ("zh-Hans", "PingFang SC"), ("zh-Hant", "PingFang TC"), ("ko", "keep-all")],
)
def test_each_cell_names_its_face_size_and_colour_since_some_programs_let_no_table_inherit_them(language, face):
    _text, html = compiled(replace(STORY, language=language, is_lead=True), language)
    assert face in html
    for cell in re.findall("<td[^>]*>", html):
        assert all(f"{name}:" in cell for name in ("font-family", "font-size", "line-height", "color")), cell


def test_no_two_links_of_a_mail_have_one_name_and_lead_elsewhere(one_house: House):
    for number in range(1, 7):
        one_house.article(f"Story {number}", at=NOW - number * HOUR)
    one_house.reader(most=3)
    (mail,) = one_house.go(DUE)
    named: dict[str, set[str]] = {}
    for tag, words in re.findall(r"(<a [^>]*>)(.*?)</a>", mail.html, re.DOTALL):
        (href,) = re.findall(r'href="([^"]+)"', tag)
        label = re.findall(r'aria-label="([^"]+)"', tag)
        name = label[0] if label else spaced(re.sub("<[^>]*>", "", words))
        assert name and name.startswith(spaced(re.sub("<[^>]*>", "", words))[:5]), "what is seen begins what is read"
        named.setdefault(name, set()).add(href)
    assert {name: places for name, places in named.items() if len(places) > 1} == {}
    assert "Share or print: Story 2" in named and "Story 2" in named


def test_one_h1_stands_before_all_and_each_headline_is_a_heading_with_one_link(one_house: House):
    one_house.articles(6)
    one_house.reader(most=3)
    (mail,) = one_house.go(DUE)
    reading = Reading(mail.html)
    assert [tag for tag, _words, _links in reading.headings] == ["h1", "h2", "h2", "h2"]
    assert all(len(links) == 1 for tag, _words, links in reading.headings[1:])
    words = spaced(reading.words)
    assert words.index("3 stories, 6 minutes to read") < words.index("Story 6")


def test_nothing_is_padded_and_the_text_has_no_rules(one_house: House):
    one_house.articles(4)
    one_house.reader()
    (mail,) = one_house.go(DUE)
    for invisible in ("\u034f", "\u2007", "\u200c", "&#847;", "&zwnj;"):
        assert invisible not in mail.html + mail.text
    assert not re.search(r"^[-=_*~]{3,}$", mail.text, re.MULTILINE)


def test_stories_and_headlines_are_numbered_in_one_row_in_the_text_alone(one_house: House):
    with database.write_turn():
        offer.apply([{**ASIA, "headlines": 2}])
        db.session.commit()
    one_house.articles(6)
    one_house.reader(most=3)
    (mail,) = one_house.go(DUE)
    found = re.findall(r"^(\d+)\. Story (\d)$", mail.text, re.MULTILINE)
    assert found == [("1", "6"), ("2", "5"), ("3", "4"), ("4", "3"), ("5", "2")]
    assert "1. Story" not in spaced(Reading(mail.html).words)
    assert compiled(NumberView(12)) == ("12. ", "")


def test_what_is_seen_without_pictures_and_styles_is_the_whole_story():
    text, html = compiled(replace(STORY, picture=PICTURE, is_lead=True, updated=True))
    bare = spaced(re.sub("<[^>]*>", " ", html))
    for words in ("Harbour &amp; hill", "Updated since we mailed you", "The ferry moves.", "2 March 2026", "Share"):
        assert words in bare
    assert "Updated since we mailed you" in text and "The ferry moves." in text


def test_outlook_on_windows_is_told_the_width_in_its_own_way(one_house: House):
    one_house.article("One")
    one_house.reader()
    (mail,) = one_house.go(DUE)
    opened = mail.html.count("<!--[if mso]>")
    assert opened == mail.html.count("<![endif]-->") == 3
    assert re.search(r'<!--\[if mso\]><table[^>]* width="640"', mail.html)
