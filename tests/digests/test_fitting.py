"""A mail is never so long that a large provider cuts it off, whatever the stories are."""

import quopri
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core import database
from core.database import db
from delivery import content
from digests import layout
from subscribers import offer
from tests.digests.house import ASIA, DAY, DUE, MINUTE, NOW, House

LONG = "\u4e2d\u6587" * 300
"""As long as a standfirst can be: 1,800 octets."""


def rule(**values: object) -> None:
    with database.write_turn():
        offer.apply([{**ASIA, **values}])
        db.session.commit()


def long_stories(house: House, count: int, **values: Any) -> None:
    for number in range(count):
        house.article(f"Story {number:02}", at=NOW - number * MINUTE, **values)


def test_thirty_long_stories_fit_with_their_headlines_and_the_last_lose_their_standfirsts(one_house: House):
    rule(most=30, headlines=10)
    long_stories(one_house, 40, standfirst=LONG)
    one_house.reader(most=30)
    (mail,) = one_house.go(DUE)
    assert 80_000 < len(mail.html.encode()) < layout.MOST_OCTETS
    assert mail.headlines == [f"Story {number:02}" for number in range(30)]
    shown = [f">Story {number:02}</a></h2>" in mail.html for number in range(30)]
    assert all(shown) and 20 < mail.html.count(LONG) < 30
    assert mail.html.rindex(LONG) < mail.html.index("Story 29"), "the last ones lose theirs first"
    assert "</html>" in mail.html and "/unsubscribe/" in mail.html


def test_what_does_not_fit_at_all_is_counted_and_comes_the_next_day(one_house: House):
    rule(most=100, headlines=100)
    long_stories(one_house, 100, url=f"https://news.example.org/{'x' * 900}", read_at="publisher", standfirst=LONG)
    one_house.reader(most=100)
    (mail,) = one_house.go(DUE)
    (next_mail,) = one_house.go(DUE + DAY)
    assert len(mail.html.encode()) < layout.MOST_OCTETS and len(next_mail.html.encode()) < layout.MOST_OCTETS
    assert f"{len(mail.headlines)} stories," in mail.text
    assert 20 < len(mail.headlines) < 100
    came = mail.headlines + next_mail.headlines
    assert came == [f"Story {number:02}" for number in range(len(came))], "none is lost, and none comes twice"


def test_a_usual_mail_is_left_as_it_is(one_house: House):
    rule(most=30)
    long_stories(one_house, 30, standfirst="What it is about, in a sentence or two. " * 6)
    one_house.reader(most=30)
    (mail,) = one_house.go(DUE)
    assert mail.html.count("<p>What it is about") + mail.html.count('">What it is about') == 30
    assert len(mail.html.encode()) < layout.WARNED


@given(st.text(max_size=400))
def test_how_long_a_part_is_decoded_is_known_without_decoding_it(text):
    pieces = content.cut(text)
    decoded = quopri.decodestring(content.fill(pieces, {})).replace(b"\r\n", b"\n")
    assert content.Part((), pieces).html_octets == len(decoded)
