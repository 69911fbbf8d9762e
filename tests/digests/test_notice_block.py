"""One labelled block of support or advertisement in an edition, and never where it does not belong."""

from datetime import date

import pytest

from core import database, errors
from core.database import db
from core.settings import ROOT
from digests import notices
from digests.models import Notice
from subscribers import offer
from tests.digests.house import ARABIC, DAY, DUE, NOW, TUESDAY, House

LATER = date(2026, 3, 9)
TEXT = "**Read** by many. [Join us](https://example.org/join?a=1&b=2) <script>alert(1)</script>"


def add(key: str = "asia-daily", *, begins: date = TUESDAY, ends: date = TUESDAY, **values: str) -> None:
    given = {"kind": "support", "text": TEXT, **values}
    with database.write_turn():
        notices.add(offer.by_key(key), begins=begins, ends=ends, now=NOW, **given)
        db.session.commit()


@pytest.mark.parametrize(("kind", "label"), [("support", "Support our work"), ("advertisement", "Advertisement")])
def test_it_stands_once_below_the_stories_under_its_label(one_house: House, kind, label):
    one_house.articles(3)
    one_house.reader()
    add(kind=kind)
    (mail,) = one_house.go(DUE)
    assert mail.text.count(label) == mail.html.count(f">{label}</p>") == 1
    assert "Read by many. Join us (https://example.org/join?a=1&b=2)" in mail.text
    assert 'href="https://example.org/join?a=1&amp;b=2"' in mail.html and "<script" not in mail.html
    assert mail.html.index("Story 1</a>") < mail.html.index(label) < mail.html.index("Unsubscribe")
    assert mail.headlines == ["Story 3", "Story 2", "Story 1"], "it is no story, and has no number"


def test_it_stands_in_editions_of_its_dates_only_and_in_its_own_digest_only(one_house: House):
    for key in ("asia-daily", "asia-trade"):
        one_house.reader(f"{key}@example.org", digest=key)
    add()
    said = {}
    for at in (DUE, DUE + DAY):
        one_house.articles(2, at=at - DAY / 24)
        for mail in one_house.go(at):
            said[mail.to.partition("@")[0], at] = "Support our work" in mail.text
    assert [one for one, found in said.items() if found] == [("asia-daily", DUE)] and len(said) == 4


def test_a_first_edition_has_it_too(one_house: House):
    one_house.articles(2)
    one_house.reader(first=NOW)
    add(begins=date(2026, 3, 2), ends=LATER)
    (mail,) = one_house.go(NOW)
    assert "Support our work" in mail.text


def test_a_digest_that_changes_its_language_does_not_carry_it_along(one_house: House):
    one_house.article("كوبا", language="ar")
    one_house.reader(digest="asia-arabic")
    with database.write_turn():
        offer.apply([{**ARABIC, "language": "en"}])
        db.session.commit()
    add("asia-arabic")
    with database.write_turn():
        offer.apply([ARABIC])
        db.session.commit()
    (mail,) = one_house.go(DUE)
    assert "Join us" not in mail.text
    add("asia-arabic", kind="advertisement")
    assert one_house.count(Notice) == 2


@pytest.mark.parametrize(
    ("begins", "ends", "words"),
    [
        (LATER, TUESDAY, "cannot end before it begins"),
        (date(2026, 3, 1), TUESDAY, "There is one from 2026-03-03 to 2026-03-09 already"),
        (LATER, date(2026, 4, 1), "There is one from 2026-03-03 to 2026-03-09 already"),
        (date(2026, 3, 5), date(2026, 3, 6), "There is one from 2026-03-03 to 2026-03-09 already"),
    ],
)
def test_no_date_has_two_and_none_ends_before_it_begins(house: House, begins, ends, words):
    add(ends=LATER)
    with pytest.raises(errors.Invalid) as refused, database.write_turn():
        notices.add(offer.by_key("asia-daily"), kind="support", text="x", begins=begins, ends=ends, now=NOW)
    assert words in str(refused.value)
    add(begins=date(2026, 3, 10), ends=date(2026, 3, 12))
    with database.write_turn():
        notices.take_back(offer.by_key("asia-daily"), TUESDAY)
        db.session.commit()
    assert [one.begins_on for one in notices.listed(offer.by_key("asia-daily"))] == [date(2026, 3, 10)]


def test_no_other_mail_has_a_place_for_one():
    mails = ROOT / "templates" / "mail"
    naming = {path.parent.name for path in mails.rglob("*") if path.is_file() and "notice" in path.read_text("utf-8")}
    assert naming <= {"digest"}
