"""Every field and button of the preference pages changes what is composed: two readers alike, and one of them uses it.

A field that has no test here fails the last one.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from articles.models import Article
from core import addresses, clock, mailtext
from core.database import db
from core.services import current
from delivery import outbox
from subscribers import offer
from subscribers.models import Subscriber
from tasks import nudge
from tests.digests.conftest import empty
from tests.digests.house import ARABIC, ASIA, DAY, DUE, HOUR, MINUTE, NOW, House, Mail
from tests.digests.sender import Sender
from tests.digests.test_breaking import flag
from tests.digests.test_breaking import go as go_breaking
from tests.installation import settings_for
from tests.web import fields

ONE, OTHER = "one@example.org", "other@example.org"
"""Two readers alike, until the other one uses a form."""
_NAMED = re.compile(r"<(?:input|select|textarea|button)\b[^>]*>")
_MACHINERY = {"version", "digest"}
"""What says of which state and which digest a form is: the browser sends it, nobody chooses it."""

shown_by: dict[str, Callable[..., None]] = {}
"""Which test shows what a field or a button changes."""


def shows(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Say of a test which fields it is about."""

    def note(test: Callable[..., None]) -> Callable[..., None]:
        shown_by.update(dict.fromkeys(names, test))
        return test

    return note


@dataclass
class Desk:
    """A publication with its site, and two readers of Asia Daily."""

    house: House
    client: FlaskClient

    def page(self, mailbox: str, digest: str = "") -> str:
        """Return the path of a reader's preferences, or of their choices of one digest."""
        db.session.rollback()
        row = db.session.query(Subscriber).filter_by(address=mailbox).one()
        links = current().links
        found = links.reader(row.public_id, digest="", version=row.link_version, day=clock.day_number(NOW)).preferences
        path = found.removeprefix(links.base_url)
        return path.replace("/preferences/", f"/preferences/{digest}/") if digest else path

    def text(self, mailbox: str, digest: str = "") -> str:
        """Return a page of a reader's preferences."""
        return str(self.client.get(self.page(mailbox, digest)).text)

    def choose(self, mailbox: str = OTHER, digest: str = "asia-daily", **changed: object) -> None:
        """Send the form of one digest as it stands on the page, but for what is changed."""
        self._send(mailbox, digest, fields.filled(self.text(mailbox, digest), "choices") | changed)

    def choose_for_all(self, mailbox: str = OTHER, **changed: object) -> None:
        """Send the form of all mail as it stands on the page, but for what is changed."""
        self._send(mailbox, "", fields.filled(self.text(mailbox), "all-form") | changed)

    def press(self, mailbox: str, **values: str) -> None:
        """Press a button of the overview, with the hidden fields of its form."""
        # What stands first is of the digest, and what comes after it of all mail.
        about = dict(reversed(re.findall(r'name="(digest|version)" value="([^"]+)"', self.text(mailbox))))
        self._send(mailbox, "", {**about, **values})

    def _send(self, mailbox: str, digest: str, form: dict[str, object]) -> None:
        answer = self.client.post(self.page(mailbox, digest), data=form)
        assert answer.status_code == 303, answer.text
        assert answer.location.endswith("?saved"), "something is changed by it"

    def go(self, at: datetime = DUE) -> dict[str, Mail]:
        """Compose what is due; return who got what."""
        found = self.house.go(at)
        return {mail.to: mail for mail in found}

    def full(self, at: datetime = DUE) -> dict[str, list[str]]:
        """Compose what is due; return who got which stories in full."""
        return {to: mail.headlines for to, mail in self.go(at).items()}


@pytest.fixture(scope="module")
def site(tmp_path_factory, sqlite_file) -> Iterator[Flask]:
    """The whole application on a database with an offer."""
    made = create_app(settings_for(f"sqlite:///{shutil.copy(sqlite_file, tmp_path_factory.mktemp('preferences'))}"))
    with made.app_context():
        yield made
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def desk(site, monkeypatch) -> Desk:
    """Two readers of Asia Daily in Hong Kong, who get all by 07:00; the site and the tasks have one clock."""
    monkeypatch.setattr(clock, "utc_now", lambda: NOW)
    monkeypatch.setattr(nudge, "_nudge", lambda *_task: None)
    empty(db.engine)
    offer.apply([{**ASIA, "offers_breaking": True}, ARABIC])
    db.session.commit()
    house = House(current())
    for mailbox in (ONE, OTHER):
        house.reader(mailbox)
    return Desk(house, site.test_client(use_cookies=False))


@shows("topics")
def test_themes_choose_the_stories(desk):
    desk.choose(topics=["economy"])
    desk.house.article("Money", "economy")
    desk.house.article("Talks", "diplomacy")
    assert desk.full() == {ONE: ["Talks", "Money"], OTHER: ["Money"]}


@shows("countries")
def test_countries_choose_the_stories(desk):
    desk.choose(countries=["kr"])
    desk.house.article("Seoul", "kr")
    desk.house.article("Havana", "cu")
    assert desk.full() == {ONE: ["Havana", "Seoul"], OTHER: ["Seoul"]}


@shows("rhythm")
def test_how_often_chooses_the_dates(desk):
    desk.choose(rhythm="weekly")
    desk.house.article("News")
    assert desk.full().keys() == {ONE}


@shows("weekday")
def test_the_day_of_the_week_chooses_the_date(desk):
    desk.choose(ONE, rhythm="weekly", weekday="2")
    desk.choose(OTHER, rhythm="weekly", weekday="1")
    desk.house.article("News")
    assert desk.full(DUE).keys() == {OTHER}, "Tuesday"
    assert desk.full(DUE + DAY).keys() == {ONE}


@shows("hour")
def test_the_hour_chooses_the_wave(desk):
    desk.choose(hour="8")
    desk.house.article("News")
    assert desk.full(DUE).keys() == {ONE}
    assert desk.full(DUE + HOUR).keys() == {OTHER}


@shows("quarter")
def test_the_quarter_of_the_hour_chooses_the_wave(desk):
    desk.choose(quarter="15")
    desk.house.article("News")
    assert desk.full(DUE).keys() == {ONE}
    assert desk.full(DUE + 15 * MINUTE).keys() == {OTHER}


@shows("zone")
def test_the_zone_chooses_the_wave(desk):
    desk.choose(zone="Asia/Tokyo")
    desk.house.article("News")
    assert desk.full(DUE - HOUR).keys() == {OTHER}
    assert desk.full(DUE).keys() == {ONE}


@shows("breaking")
def test_the_number_of_breaking_mails_is_what_comes(desk):
    desk.choose(breaking="1")
    for headline in ("Ferry aground", "Ferry afloat"):
        flag(desk.house.article(headline))
    assert [mail.to for mail in go_breaking(desk.house)] == [OTHER]


@shows("most")
def test_the_length_bounds_the_stories_in_full(desk):
    desk.choose(most="5")
    desk.house.articles(7)
    assert {to: len(full) for to, full in desk.full().items()} == {ONE: 7, OTHER: 5}


@shows("format")
def test_the_form_leaves_the_html_out(desk):
    desk.choose(format="text")
    desk.house.article("News")
    mails = desk.go()
    assert mails[ONE].parsed.get_body(("html",)) is not None
    assert mails[OTHER].parsed.get_content_type() == "text/plain"


@shows("until")
def test_a_pause_until_a_date_leaves_the_dates_before_it_out(desk):
    desk.choose_for_all(until="2026-03-04")
    desk.house.article("News")
    assert desk.full(DUE).keys() == {ONE}
    desk.house.article("More news", at=DUE + HOUR)
    assert desk.full(DUE + DAY).keys() == {ONE, OTHER}


@shows("length", "action=pause")
def test_a_pause_of_one_tap_leaves_its_dates_out(desk):
    desk.press(OTHER, action="pause", length="week")
    desk.house.article("News")
    assert desk.full().keys() == {ONE}


@shows("action=resume")
def test_a_pause_that_is_ended_leaves_nothing_out(desk):
    for mailbox in (ONE, OTHER):
        desk.press(mailbox, action="pause", length="week")
    desk.press(OTHER, action="resume")
    desk.house.article("News")
    assert desk.full().keys() == {OTHER}


@shows("action=fewer")
def test_fewer_is_fewer(desk):
    desk.press(OTHER, action="fewer")
    desk.house.article("News")
    assert desk.full().keys() == {ONE}, "once a week, on Saturday"


@shows("action=back")
def test_what_is_taken_back_is_as_it_was(desk):
    for mailbox in (ONE, OTHER):
        desk.choose(mailbox, hour="8")
    desk.press(OTHER, action="back")
    desk.house.article("News")
    assert desk.full().keys() == {OTHER}


@shows("catch_up", "action=save")
def test_what_comes_after_a_pause_is_one_day_or_the_best_of_it(desk):
    desk.choose_for_all(catch_up="1")
    for mailbox in (ONE, OTHER):
        desk.press(mailbox, action="pause", length="week")
    desk.house.article("Early", at=NOW + DAY)
    desk.house.article("Late", at=NOW + 6 * DAY)
    back = DUE + 6 * DAY
    desk.house.open(DUE + 5 * DAY)
    assert desk.full(back) == {ONE: ["Late"], OTHER: ["Late", "Early"]}


def two_languages(desk: Desk) -> Callable[[], dict[tuple[str, str], list[str]]]:
    """Have a story in two languages, and both readers read both; return how to get who got what of which digest."""
    for mailbox in (ONE, OTHER):
        desk.house.reader(mailbox, digest="asia-arabic")
    english = desk.house.article("Ferry")
    desk.house.article("عبارة", language="ar", story=db.session.get_one(Article, english).story_id)
    return lambda: {(mail.to, mail.mailing.split(":")[1]): mail.headlines for mail in desk.house.go(DUE)}


@shows("once")
def test_each_story_once_leaves_the_other_language_out(desk):
    got = two_languages(desk)
    desk.choose_for_all(once="1")
    assert got().keys() == {(ONE, "asia-daily"), (ONE, "asia-arabic"), (OTHER, "asia-daily")}


@shows("languages")
def test_the_order_of_languages_says_in_which_one_it_comes(desk):
    got = two_languages(desk)
    for mailbox in (ONE, OTHER):
        desk.choose_for_all(mailbox, once="1")
    order = fields.filled(desk.text(OTHER), "all-form")["languages"]
    desk.choose_for_all(languages=["ar", *(code for code in order if code != "ar")])
    assert got().keys() == {(ONE, "asia-daily"), (OTHER, "asia-arabic")}


@shows("friends")
def test_what_friends_send_does_not_leave(desk):
    desk.choose_for_all(friends="0")
    for mailbox in (ONE, OTHER):
        outbox.queue_mail(
            outbox.Recipient(addresses.parse(mailbox), None),
            mailing="friend",
            once_key=mailbox.encode(),
            mail=mailtext.Mail("en", "A story", "Read this.", "<p>Read this.</p>"),
            link_set=outbox.LinkSet.NONE,
            not_after=DUE,
            now=NOW,
            services=desk.house.services,
            stream="share",
        )
    db.session.commit()
    assert Sender(desk.house.services).go() == [ONE]


def test_every_field_and_every_button_of_the_pages_has_a_test_here(desk):
    desk.choose(ONE, hour="8")
    overview = desk.client.get(desk.page(ONE) + "?saved").text
    desk.press(OTHER, action="pause", length="week")
    pages = [overview, desk.text(OTHER), desk.text(OTHER, "asia-daily")]
    assert names_on(*pages) == shown_by.keys()


def names_on(*pages: str) -> set[str]:
    """Return the names of all fields of the forms, and of the buttons what they do; of hidden ones only the latter."""
    found = set()
    for tag in _NAMED.findall("".join(pages)):
        given = dict(re.findall(r'\b([\w-]+)="([^"]*)"', tag))
        if given.get("name") == "action":
            found.add(f"action={given['value']}")
        elif "name" in given and given.get("type") != "hidden":
            found.add(given["name"])
    return found - _MACHINERY - {"action=show"}
