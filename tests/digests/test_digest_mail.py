"""A digest as it arrives: everything that must stand in it, in the text and in the HTML alike, in either direction."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from articles.models import Article
from core import database
from core.database import db
from core.tokens import Purpose
from tests.delivery.mails import SERVICES
from tests.digests.house import DAY, DUE, HOUR, MINUTE, NOW, House, Mail

TOKENS = SERVICES.links.tokens
SITE = "http://127.0.0.1:8000"


class Reading(HTMLParser):
    """What a reader finds in the HTML: its links, headings and text, and what is not displayed."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.headings: list[tuple[str, str, list[str]]] = []
        self.root: dict[str, str | None] = {}
        self.words = ""
        self._heading: str | None = None
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "html":
            self.root = dict(attrs)
        if re.fullmatch("h[1-6]", tag):
            self._heading = tag
            self.headings.append((tag, "", []))
        if tag == "a":
            self.links.append((dict(attrs).get("href") or "", ""))
            if self._heading:
                self.headings[-1][2].append(self.links[-1][0])

    def handle_endtag(self, tag: str) -> None:
        if tag == self._heading:
            self._heading = None

    def handle_data(self, data: str) -> None:
        self.words += data
        if self._heading:
            tag, words, links = self.headings[-1]
            self.headings[-1] = (tag, words + data, links)
        if self.links:
            href, words = self.links[-1]
            self.links[-1] = (href, words + data)


@pytest.fixture
def arrived(one_house: House) -> Iterator[tuple[House, Mail, Reading]]:
    """A regular edition of three stories, as it arrives."""
    one_house.article("Seoul & Havana <exchange> notes", "kr", at=NOW - 2 * HOUR, slug="seoul-and-havana", words=700)
    one_house.article('He said "never"', at=NOW - HOUR, standfirst="", words=100)
    one_house.article("A long road 🕊️", at=NOW - MINUTE, words=441)
    one_house.reader()
    (mail,) = one_house.go(DUE)
    yield one_house, mail, Reading(mail.html)


def spaced(text: str) -> str:
    return " ".join(text.split())


def test_the_headers_are_those_of_a_digest(arrived):
    _house, mail, _reading = arrived
    found = mail.parsed
    assert found["Subject"] == "The Monsoon Courier: A long road 🕊️", "the pattern, with the first headline"
    assert found["From"].addresses[0].display_name == "The Monsoon Courier"
    assert found["To"] == "reader@example.org" and found["Reply-To"] == "desk@monsoon.example.org"
    assert found["List-Id"] == "<asia-daily.monsoon.example.org>"
    assert found["Feedback-ID"] == "asia-daily:digest:postrider:monsoon"
    assert found["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert found["Auto-Submitted"] is None
    assert [part.get_content_type() for part in found.walk()][1:] == ["text/plain", "text/html"]


def test_each_story_is_a_heading_with_one_link_in_the_order_of_the_text(arrived):
    _house, mail, reading = arrived
    expected = ["A long road 🕊️", 'He said "never"', "Seoul & Havana <exchange> notes"]
    assert mail.headlines == expected
    stories = [heading for heading in reading.headings if heading[0] == "h2"]
    assert [spaced(words) for _tag, words, _links in stories] == expected
    assert all(len(links) == 1 for _tag, _words, links in stories)
    assert [tag for tag, _words, _links in reading.headings] == ["h1", "h2", "h2", "h2"]
    assert stories[2][2][0].endswith("-seoul-and-havana")
    for _tag, _words, (link,) in stories:
        assert re.fullmatch(rf"{SITE}/en/a\d{{9}}(-[a-z-]+)?", link) and link in mail.text.splitlines()


def test_each_story_has_its_standfirst_its_date_and_one_link_to_share_or_print(arrived):
    _house, mail, reading = arrived
    shares = [href for href, words in reading.links if spaced(words).startswith("Share or print")]
    assert len(shares) == 3 and all(re.fullmatch(rf"{SITE}/en/[^/]+/send", link) for link in shares)
    assert re.findall(r"^Share or print: (\S+)$", mail.text, re.MULTILINE) == shares
    for shape in (mail.text, spaced(reading.words)):
        assert "What Seoul & Havana <exchange> notes is about." in shape
        assert "2 March 2026, 15:00 GMT+08:00" in shape and "2 March 2026, 16:59 GMT+08:00" in shape
        assert "What He said" not in shape, "no standfirst, no empty line pretending to be one"


def test_it_says_how_many_stories_and_minutes_and_of_which_date_it_is(arrived):
    _house, mail, reading = arrived
    for shape in (mail.text, spaced(reading.words)):
        assert "3 stories, 6 minutes to read · 3 March 2026" in shape, "700, 100 and 441 words: 3, 1 and 2 minutes"
        assert "first edition" not in shape


def test_one_story_of_one_minute_is_said_in_the_singular(one_house):
    one_house.article("One", words=10)
    one_house.reader()
    (mail,) = one_house.go(DUE)
    assert "1 story, 1 minute to read" in mail.text and "1 story, 1 minute to read" in spaced(Reading(mail.html).words)


def test_it_says_why_it_came_who_sends_it_and_how_to_leave(arrived):
    _house, mail, reading = arrived
    for shape in (spaced(mail.text), spaced(reading.words)):
        for words in (
            "You get this mail because this address was confirmed for Asia Daily.",
            "Change your preferences",
            "Why this mail?",
            "Unsubscribe",
            "Forwarded to you?",
            "Get your own",
            "1 Quay Street, Hong Kong",
            "News from Asia, carried to your door.",
            "The Monsoon Courier",
            "desk@monsoon.example.org",
        ):
            assert words in shape, words


def test_the_readers_own_links_are_in_both_forms_and_open_their_doors(arrived):
    house, mail, reading = arrived
    own = {words.strip(): href for href, words in reading.links if "/t/" in href and "/digests/" not in href}
    assert len(own) == 3
    (preferences,) = [href for href in own.values() if href.startswith(f"{SITE}/preferences/t/")]
    (unsubscribe,) = [href for href in own.values() if href.startswith(f"{SITE}/unsubscribe/asia-daily/t/")]
    (why,) = [href for href in own.values() if href.startswith(f"{SITE}/why/t/")]
    assert why.rpartition("/")[2] == preferences.rpartition("/")[2], "no token of its own: a mail has four at most"
    assert {preferences, why, unsubscribe} <= set(mail.text.splitlines())
    assert mail.parsed["List-Unsubscribe"].startswith(f"<{unsubscribe}>, <mailto:u+")
    key = house.subscription(1).subscriber.public_id
    assert TOKENS.read(Purpose.PREFERENCES, preferences.rpartition("/")[2]).key == key
    assert TOKENS.read(Purpose.UNSUBSCRIBE, unsubscribe.rpartition("/")[2], scope="asia-daily").key == key
    assert f"{SITE}/en/subscribe" in mail.text and f"{SITE}/en/subscribe" in [href for href, _words in reading.links]


def test_no_more_than_four_personal_links_and_no_link_to_anywhere_else(arrived):
    _house, mail, reading = arrived
    assert len(set(re.findall(r"\S+/t/[a-z2-7]{47}", mail.text))) <= 4
    for href, _words in reading.links:
        assert href.startswith((SITE, "mailto:")), href
    assert "<img" not in mail.html and "<script" not in mail.html and "http-equiv" not in mail.html


def test_a_story_that_is_read_at_its_publishers_leads_there_in_the_text_and_in_the_html(one_house):
    theirs = f"https://news.example.org/story?a=1&b={'x' * 100}"
    one_house.article("Read there", at=NOW - 2 * HOUR, url=theirs, read_at="publisher", teaser_only=True)
    one_house.article("Read here", at=NOW - HOUR, url="https://news.example.org/other")
    one_house.article("Their page is not known", at=NOW - 3 * HOUR, read_at="publisher")
    one_house.reader()
    (mail,) = one_house.go(DUE)
    links = [found for _tag, _words, found_links in Reading(mail.html).headings for found in found_links]
    assert links[1] == theirs and theirs in mail.text.splitlines()
    assert all(link.startswith(f"{SITE}/en/a") for link in (links[0], links[2]))
    assert "https://news.example.org/other" not in mail.text + mail.html
    assert "Text." not in mail.text + mail.html


def test_a_link_that_nobody_could_read_leads_by_our_page_in_the_text(one_house):
    theirs = f"https://news.example.org/{'x' * 900}"
    one_house.article("Read there", at=NOW - HOUR, url=theirs, read_at="publisher")
    one_house.reader()
    (mail,) = one_house.go(DUE)
    assert theirs in mail.html and theirs not in mail.text
    assert re.search(rf"^{SITE}/en/a\d+$", mail.text, re.MULTILINE)
    assert max(map(len, mail.text.splitlines())) < 300


def test_the_html_is_escaped_styled_and_says_its_language(arrived):
    _house, mail, reading = arrived
    assert reading.root == {"lang": "en", "dir": "ltr"}
    # Within an attribute's quotes a sign may stand as it is (HTML, 13.1.2.3), and is written so.
    outside = re.sub(r'="[^"]*"', '=""', mail.html)
    assert "&lt;exchange&gt;" in outside and "<exchange>" not in outside
    assert 'style="' in mail.html and "prefers-color-scheme" in mail.html
    head = mail.html.partition("</head>")[0]
    assert len(re.findall(r"<style.*?</style>", head, re.DOTALL)[0]) < 8_192, "Gmail drops a longer style block"
    assert "\ue000" not in mail.html + mail.text and "{{" not in mail.html + mail.text


def test_an_arabic_edition_is_arabic_and_runs_from_right_to_left(one_house):
    one_house.article("كوبا وكوريا الجنوبية", language="ar", standfirst="تبادل المذكرات في نيويورك.", words=440)
    one_house.article("English only")
    one_house.reader(digest="asia-arabic")
    (mail,) = one_house.go(DUE)
    reading = Reading(mail.html)
    assert reading.root == {"lang": "ar", "dir": "rtl"}
    assert mail.parsed["Subject"] == "بريد الرياح الموسمية: كوبا وكوريا الجنوبية"
    assert mail.headlines == ["كوبا وكوريا الجنوبية"]
    for shape in (mail.text, spaced(reading.words)):
        assert "خبر واحد، دقيقتان للقراءة · 3 مارس 2026" in shape
        assert "أخبار آسيا، تصلك إلى بابك." in shape and "Unsubscribe" not in shape and "Forwarded" not in shape
    assert f"{SITE}/ar/subscribe" in mail.text
    tables = re.findall(r"<table[^>]*>", mail.html)
    for_outlook = re.findall(r"<!--\[if mso\]>(<table[^>]*>)", mail.html)
    assert tables and all('dir="rtl"' in table for table in tables if table not in for_outlook)


def test_a_reader_of_text_only_gets_the_same_text_alone(one_house):
    one_house.articles(3)
    one_house.reader("both@example.org")
    one_house.reader("text@example.org", format="text")
    both, text = sorted(one_house.go(DUE), key=lambda mail: mail.to)
    assert (both.parsed.get_content_type(), text.parsed.get_content_type()) == ("multipart/alternative", "text/plain")
    assert without_tokens(text.text) == without_tokens(both.text)
    assert text.parsed["List-Unsubscribe"] and b"text/html" not in text.raw


def without_tokens(text: str) -> str:
    return re.sub("/t/[a-z2-7]{47}", "/t/…", text)


def test_the_preheader_is_the_next_headlines_and_is_not_shown(arrived):
    _house, mail, _reading = arrived
    preheaders = re.findall(r'<div class="preheader"[^>]*>([^<]*)</div>', mail.html)
    assert "3 stories, 6 minutes to read · He said &#34;never&#34; · Seoul &amp; Havana" in "".join(preheaders).replace(
        "&quot;", "&#34;"
    ).replace('"', "&#34;")
    assert all("display: none" in tag for tag in re.findall(r'<div class="preheader"[^>]*>', mail.html))


def test_whatever_of_a_story_changes_between_two_waves_the_second_one_shows(one_house):
    article_id = one_house.article("One")
    one_house.reader("early@example.org")
    one_house.reader("late@example.org", minute=8 * 60)
    (early,) = one_house.go(DUE)
    with database.write_turn():
        db.session.get_one(Article, article_id).standfirst = "Something else."
        db.session.commit()
    (late,) = one_house.go(DUE + HOUR)
    assert "What One is about." in early.text and "Something else." in late.text and "Something else." in late.html


def test_the_mail_of_a_day_is_small_enough_to_be_shown_whole(one_house):
    for number in range(12):
        one_house.article(
            f"{'A headline of a usual length '} {number}", standfirst="word " * 60, at=NOW - number * MINUTE
        )
    one_house.reader()
    (mail,) = one_house.go(DUE)
    assert len(mail.html.encode()) < 100_000, "Gmail cuts a mail at 102 kB, and its unsubscribe link with it"
    assert not one_house.go(DUE + DAY)
