"""What editors lay down for a date is in its mails: front page, pins, drops, note, subject; and a hold holds."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from articles.models import Article
from articles.shelf import Candidate
from core import database, errors
from core.database import db
from digests import desk, notes, selection
from digests.selection import Foremost, Wish
from subscribers import offer, schedule
from subscribers.models import Subscriber
from tests.digests.house import ARABIC, ASIA, DAY, DUE, HOUR, MINUTE, NOW, TUESDAY

ZONE = "Asia/Hong_Kong"
"""The publisher's zone in these tests is the one of their settings; times here are given in UTC."""


def rule(**values: object) -> None:
    with database.write_turn():
        offer.apply([{**ASIA, **values}])
        db.session.commit()


def lay(role: str, *article_ids: int, digest: str = "asia-daily", slot=TUESDAY) -> None:
    """Give stories a role on a date."""
    with database.write_turn():
        found = [db.session.get_one(Article, one) for one in article_ids]
        desk.put(offer.by_key(digest), slot, found, role, now=NOW)
        db.session.commit()


def write(what: str, text: str) -> None:
    with database.write_turn():
        {"note": desk.write_note, "subject": desk.set_subject}[what](offer.by_key("asia-daily"), TUESDAY, text, now=NOW)
        db.session.commit()


def hold(at: datetime, *, until: str, zone: str) -> None:
    hour, minute = map(int, until.split(":"))
    with database.write_turn():
        desk.hold(offer.by_key("asia-daily"), TUESDAY, minute=60 * hour + minute, zone=zone, now=at)
        db.session.commit()


def approve(at: datetime) -> None:
    with database.write_turn():
        desk.approve(offer.by_key("asia-daily"), TUESDAY, by="Ruth", now=at)
        db.session.commit()


def test_the_front_page_comes_first_to_every_reader_and_says_so(house):
    house.reader("all@example.org")
    house.reader("cuba@example.org", countries=["cu"])
    house.articles(3, "cu")
    front = house.article("The vote", "kr", at=NOW - 5 * DAY)
    lay("front", front)
    mails = house.go(DUE)
    assert [mail.headlines for mail in mails] == [["The vote", "Story 3", "Story 2", "Story 1"]] * 2
    for mail in mails:
        assert "The vote\nFront page\n" in mail.text
        assert mail.text.count("Front page") == mail.html.count(">Front page</p>") == 1


def test_one_story_a_day_is_on_the_front_page_the_last_that_was_named(house):
    house.reader()
    one, other, _third = house.articles(3)
    lay("front", other)
    lay("front", one)
    (mail,) = house.go(DUE)
    assert mail.headlines == ["Story 1", "Story 3", "Story 2"]
    assert "Story 2\nFront page" not in mail.text


def test_whoever_had_the_front_page_does_not_get_it_again(house):
    house.reader()
    house.article("The vote", at=NOW)
    assert len(house.go(DUE)) == 1
    lay("front", *shelf_ids("The vote"), slot=TUESDAY + DAY)
    house.article("Wednesday", at=DUE + HOUR)
    (mail,) = house.go(DUE + DAY)
    assert mail.headlines == ["Wednesday"]


def shelf_ids(headline: str) -> Sequence[int]:
    return [db.session.query(Article.id).filter_by(headline=headline).scalar()]


def test_a_front_page_in_another_language_stands_in_the_digests_own_or_is_refused(house):
    house.reader()
    arabic = house.article("صوت", language="ar")
    story = db.session.get_one(Article, arabic).story_id
    house.article("The vote", story=story, at=NOW - 9 * DAY)
    alone = house.article("وحيد", language="ar")
    lay("front", arabic)
    with pytest.raises(errors.Invalid, match="not there in the language of this digest"):
        lay("front", alone)
    db.session.rollback()
    (mail,) = house.go(DUE)
    assert mail.headlines == ["The vote"]


def test_a_front_page_of_the_better_digest_is_not_brought_twice_to_who_wants_each_story_once(house):
    house.reader("one@example.org")
    house.reader("one@example.org", digest="asia-arabic", countries=["cu"])
    with database.write_turn():
        offer.apply([ARABIC])
        db.session.execute(update(Subscriber).values(once_over_digests=True, languages=["ar", "en"]))
        db.session.commit()
    english = house.article("The vote", "kr")
    story = db.session.get_one(Article, english).story_id
    arabic = house.article("صوت", "kr", story=story, language="ar")
    lay("front", arabic, digest="asia-arabic")
    assert [mail.headlines for mail in house.go(DUE)] == [["صوت"]]


def test_pins_come_in_their_order_and_only_to_those_they_match(house):
    house.reader("all@example.org")
    house.reader("cuba@example.org", countries=["cu"])
    korea = house.article("Korea", "kr", at=NOW - 3 * HOUR)
    house.articles(2, "cu")
    cuba = house.article("Cuba", "cu", at=NOW - 4 * HOUR)
    lay("pin", korea, cuba)
    by_reader = {mail.to: mail.headlines for mail in house.go(DUE)}
    assert by_reader["all@example.org"] == ["Korea", "Cuba", "Story 2", "Story 1"]
    assert by_reader["cuba@example.org"] == ["Cuba", "Story 2", "Story 1"]


def test_a_dropped_story_is_not_even_a_headline_and_may_come_the_next_day(house):
    rule(headlines=5)
    house.reader(most=1)
    _one, two = house.articles(2)
    lay("drop", two)
    (mail,) = house.go(DUE)
    assert mail.headlines == ["Story 1"] and "Story 2" not in mail.text
    assert [mail.headlines for mail in house.go(DUE + DAY)] == [["Story 2"]]


def test_who_gets_a_first_edition_gets_the_days_front_page_without_its_note(house):
    house.articles(2, "cu")
    front = house.article("The vote", "kr", at=NOW - 5 * DAY)
    house.reader(first=NOW, countries=["cu"])
    lay("front", front, slot=NOW.date())
    write("note", "Not for them")
    (mail,) = house.go(NOW)
    assert mail.headlines == ["The vote", "Story 2", "Story 1"]
    assert "Not for them" not in mail.text


def test_a_note_stands_before_the_stories_in_text_and_html_and_a_script_in_it_is_none(house):
    house.reader()
    house.articles(1)
    write(
        "note", "Read *this* first, [the vote](https://example.org/v?a=1&b=2):\n\n- one\n- <script>alert(1)</script>\n"
    )
    (mail,) = house.go(DUE)
    before, _first, _rest = mail.text.partition("1. Story 1\n")
    assert "Read this first, the vote (https://example.org/v?a=1&b=2):\n\n- one\n- <script>alert(1)</script>" in before
    assert ">the vote</a>" in mail.html and 'href="https://example.org/v?a=1&amp;b=2"' in mail.html
    assert "<script" not in mail.html and "&lt;script&gt;" in mail.html
    assert mail.html.index("Read ") < mail.html.index("Story 1</a>")


@pytest.mark.parametrize(
    "text",
    [
        "[x](javascript:alert(1))",
        "![x](https://tracker.test/pixel.png)",
        "<img src=x onerror=alert(1)>",
        "[x](data:text/html,<script>alert(1)</script>)",
        "[x](/relative)",
        "<javascript:alert(1)>",
    ],
)
def test_no_note_runs_or_loads_anything(text):
    html = notes.as_html(text)
    assert "<img" not in html and "<script" not in html
    assert all(link.startswith(("https://", "mailto:")) for link in re.findall('href="([^"]*)', html))


def test_the_subject_of_a_date_is_taken_word_for_word(house):
    house.reader()
    house.articles(1)
    write("subject", "What {headline} means: 100 %")
    (mail,) = house.go(DUE)
    assert mail.parsed["Subject"] == "What {headline} means: 100 %"


def test_a_wave_before_the_desk_closes_carries_neither_note_nor_subject(house):
    # The publisher's zone is Asia/Hong_Kong: the wave of 07:00 begins at 06:40 there, the one of Rome's at 13:40.
    rule(desk_closes="06:45")
    house.reader("early@example.org")
    house.reader("late@example.org", zone="Europe/Rome")
    house.articles(1)
    write("note", "The note.")
    write("subject", "The subject")
    (early,) = house.go(DUE)
    (late,) = house.go(DUE + 7 * HOUR)
    assert (early.to, "The note." in early.text, early.parsed["Subject"]) == (
        "early@example.org",
        False,
        "The Monsoon Courier: Story 1",
    )
    assert (late.to, "The note." in late.text, late.parsed["Subject"]) == ("late@example.org", True, "The subject")


def test_what_is_held_waits_for_approval_and_then_goes_with_the_note(house):
    house.reader()
    house.articles(1)
    write("note", "The note.")
    hold(DUE - HOUR, until="08:00", zone=ZONE)
    assert house.go(DUE) == []
    assert house.waves()[-1][3] == "open"
    approve(DUE + MINUTE)
    (mail,) = house.go(DUE + 2 * MINUTE)
    assert "The note." in mail.text


def test_unapproved_it_goes_at_the_hour_without_the_note(house):
    house.reader()
    house.articles(1)
    write("note", "The note.")
    hold(DUE - HOUR, until="07:30", zone=ZONE)
    assert house.go(DUE + 49 * MINUTE) == []
    (mail,) = house.go(DUE + 50 * MINUTE)
    assert mail.headlines == ["Story 1"] and "The note." not in mail.text
    with pytest.raises(errors.Invalid, match="too late"):
        approve(DUE + 51 * MINUTE)


def test_unapproved_it_is_skipped_where_the_digest_says_so_and_the_next_date_comes(house):
    rule(unapproved="skip")
    house.reader()
    house.articles(1)
    hold(DUE - HOUR, until="07:30", zone=ZONE)
    assert house.go(DUE) == []
    assert house.go(DUE + 51 * MINUTE) == []
    assert house.waves() == [("asia-daily", "regular", TUESDAY, "skipped")]
    assert schedule.due_waves(DUE + HOUR) == []
    assert [mail.headlines for mail in house.go(DUE + DAY)] == [["Story 1"]]


def test_a_wave_before_the_desk_closes_is_not_held_up(house):
    rule(desk_closes="06:45", unapproved="skip")
    house.reader("early@example.org")
    house.reader("late@example.org", zone="Europe/Rome")
    house.articles(1)
    hold(NOW, until="23:00", zone=ZONE)
    assert [mail.to for mail in house.go(DUE)] == ["early@example.org"]
    assert house.go(DUE + 7 * HOUR) == []
    assert house.go(DUE + 16 * HOUR + 21 * MINUTE) == []
    assert [state for *_rest, state in house.waves()] == ["composed", "skipped"]


def test_every_date_is_held_where_the_definition_says_so_and_goes_when_it_is_approved(house):
    rule(hold_until="07:30")
    house.reader()
    house.articles(1)
    assert house.go(DUE) == [], "nobody has begun its sheet"
    approve(DUE + MINUTE)
    assert len(house.go(DUE + 2 * MINUTE)) == 1
    house.article("Next", at=DUE + HOUR)
    assert house.go(DUE + DAY) == []
    (mail,) = house.go(DUE + DAY + 50 * MINUTE)
    assert mail.headlines == ["Next"], "unapproved it goes at the hour"


def test_one_date_is_let_go_though_every_date_is_held_and_unapproved_ones_are_skipped(house):
    rule(hold_until="07:30", unapproved="skip")
    house.reader()
    house.articles(1)
    with database.write_turn():
        daily = offer.by_key("asia-daily")
        desk.start(daily, TUESDAY, zone=ZONE, now=NOW)
        desk.end_hold(daily, TUESDAY, now=NOW)
        db.session.commit()
    assert len(house.go(DUE)) == 1
    house.article("Next", at=DUE + HOUR)
    assert house.go(DUE + DAY) == house.go(DUE + DAY + 51 * MINUTE) == []
    assert [state for *_rest, state in house.waves()] == ["composed", "skipped"]


def test_waves_before_the_desk_closes_go_though_every_date_is_held(house):
    rule(desk_closes="06:45", hold_until="23:00")
    house.reader("early@example.org")
    house.reader("late@example.org", zone="Europe/Rome")
    house.articles(1)
    assert [mail.to for mail in house.go(DUE)] == ["early@example.org"]
    assert house.go(DUE + 7 * HOUR) == []


def test_a_date_that_is_over_takes_no_note(house):
    with pytest.raises(errors.Invalid, match="This date is over"), database.write_turn():
        desk.write_note(offer.by_key("asia-daily"), (NOW - 3 * DAY).date(), "Late", now=NOW)


AT = datetime(2026, 3, 2, tzinfo=UTC)
pools = st.lists(st.tuples(st.sets(st.integers(1, 3)), st.integers(0, 50), st.integers(0, 2)), max_size=9).map(
    lambda rows: [
        Candidate(number, number, frozenset(topics), AT, AT - age * HOUR, rank=rank)
        for number, (topics, age, rank) in enumerate(rows, 1)
    ]
)


@given(
    pool=pools,
    topics=st.none() | st.sets(st.integers(1, 3), min_size=1).map(frozenset),
    picks=st.permutations(range(1, 10)),
    pinned=st.integers(0, 4),
    has_front=st.booleans(),
    had=st.sets(st.integers(1, 9)),
    most=st.integers(1, 9),
)
def test_the_front_page_is_before_pins_before_all_others(pool, topics, picks, pinned, has_front, had, most):
    """The model asks of each story by itself whether it comes, and sorts by what the page of rules says."""
    front, pins = (picks[0] if has_front else None), picks[1 : 1 + pinned]
    wish = Wish(topics, most, AT - 24 * HOUR, evenly=False)
    choice = selection.choose(
        pool, wish, had={one: selection.Known(1, in_full=True) for one in had}, foremost=Foremost(front, tuple(pins))
    )

    def comes(one: Candidate) -> bool:
        matching = topics is None or topics & one.topic_ids
        return one.article_id not in had and (
            one.article_id == front or bool(matching and one.first_seen_at > AT - 24 * HOUR)
        )

    coming = [one for one in pool if comes(one)]
    top = [one.article_id for one in coming if one.article_id == front]
    top += [pin for pin in pins if pin in {one.article_id for one in coming}]
    others = [one for one in coming if one.article_id not in top]
    found = [one.article_id for one in choice.full]
    assert found[: len(top)] == top[:most]
    assert set(found[len(top) :]) <= {one.article_id for one in others}
    assert len(found) == min(most, len(coming))
    assert [one.article_id for one in choice.full if one.front] == top[: 1 if top and top[0] == front else 0]
