"""What readers do not have after all: it leaves their history, and comes in their next edition."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from articles import life
from articles.models import Article
from core import database
from core.database import db
from delivery import batches, control
from delivery.models import Delivery, Mailing
from digests import giveback, histories
from digests.giveback import Lost
from digests.histories import Entry
from tasks import giveback as task
from tests.digests.house import DAY, DUE, HOUR, NOW, TUESDAY, House
from tests.digests.sender import TIMING, Sender
from tests.digests.test_recall import change, headlines, remake, take_back

OVER = NOW - 300 * DAY


@pytest.fixture
def sender(house) -> Sender:
    return Sender(house.services)


def sweep() -> None:
    db.session.rollback()
    batches.sweep(db.engine, TIMING)


def expire() -> None:
    """Let the time of all mails that wait be over."""
    db.session.execute(update(Delivery).where(Delivery.state == "planned").values(not_after=OVER))
    db.session.commit()
    sweep()


def next_day(house: House, mailbox: str = "reader@example.org") -> list[str]:
    house.article("New", at=DUE + HOUR)
    return [headline for mail in house.go(DUE + DAY) if mail.to == mailbox for headline in mail.headlines]


def test_what_left_too_late_comes_the_next_day(house, sender):
    house.reader()
    house.article("Missed", at=DUE - HOUR)
    house.go(DUE)
    expire()
    task.look.run()
    assert next_day(house) == ["New", "Missed"]


def test_what_was_cancelled_comes_the_next_day_but_not_to_who_has_it(house, sender):
    house.reader("early@example.org")
    house.reader("late@example.org")
    house.article("Once", at=DUE - HOUR)
    house.go(DUE)
    (first,) = sender.go(1)
    with database.write_turn():
        control.cancel(db.session.scalars(select(Mailing.key).where(Mailing.key.like("edition:%"))).one())
        db.session.commit()
    sweep()
    task.look.run()
    (other,) = {"early@example.org", "late@example.org"} - {first}
    mails = {}
    house.article("New", at=DUE + HOUR)
    for mail in house.go(DUE + DAY):
        mails[mail.to] = mail.headlines
    assert mails == {first: ["New"], other: ["New", "Once"]}


def test_a_mail_that_ends_as_it_is_about_to_leave_has_brought_nothing_either(house, sender):
    house.reader()
    killed = house.article("Killed", at=DUE - HOUR)
    house.go(DUE)
    take_back(killed)
    remake(house)
    assert sender.go() == []
    task.look.run()
    change(killed, lambda one: life.restore(one, now=DUE + HOUR))
    assert next_day(house) == ["New", "Killed"]


def test_a_story_that_comes_back_comes_to_those_whose_mail_went_without_it_and_to_nobody_else(house, sender):
    for name in ("early", "late"):
        house.reader(f"{name}@example.org")
    house.article("Stays", at=DUE - HOUR)
    killed = house.article("Killed", at=DUE - HOUR)
    house.go(DUE)
    (first,) = sender.go(1)
    take_back(killed)
    remake(house)
    (other,) = sender.go()
    assert headlines(sender.made[other]) == ["Stays"]
    task.look.run()
    assert killed in house.had(house.subscriber(other)), "as long as it is not there, nobody can get it"
    change(killed, lambda one: life.restore(one, now=DUE + HOUR))
    task.look.run()
    task.look.run()
    house.article("New", at=DUE + HOUR)
    mails = {mail.to: set(mail.headlines) for mail in house.go(DUE + DAY)}
    assert mails == {first: {"New"}, other: {"New", "Killed"}}


def test_a_story_that_is_away_twice_is_given_back_to_each_reader_once(house, sender):
    for name in ("one", "two"):
        house.reader(f"{name}@example.org")
    house.article("Stays", at=DUE - HOUR)
    killed = house.article("Killed", at=DUE - HOUR)
    house.go(DUE)
    take_back(killed)
    remake(house)
    (first,) = sender.go(1)
    change(killed, lambda one: life.restore(one, now=DUE + HOUR))
    remake(house)
    task.look.run()
    assert killed not in house.had(house.subscriber(first))
    assert [mail.to for mail in house.go(DUE + DAY)] == [first]
    take_back(killed)
    remake(house)
    # The sender works by the database's clock, which is not the one of this test.
    db.session.execute(update(Delivery).where(Delivery.state == "sent").values(intent_at=DUE - HOUR))
    db.session.commit()
    change(killed, lambda one: life.restore(one, now=DUE + 2 * DAY))
    remake(house)
    task.look.run()
    assert killed in house.had(house.subscriber(first)), "their second mail brings it"


def test_a_reader_whose_mail_is_composed_meanwhile_is_looked_at_again(house, sender, monkeypatch):
    house.reader()
    killed = house.article("Missed", at=DUE - HOUR)
    house.go(DUE)
    expire()
    real = histories.of_readers
    first: list[bool] = []

    def stale(ids):
        found = real(ids)
        if not first:
            first.append(True)
            (reader,) = found
            past = histories.entries(found.values())[found[reader]]
            grown = histories.pack([*histories.unpack(past), Entry(killed + 1, 1, TUESDAY)])
            new = histories.intern([grown], today=TUESDAY)[grown]
            histories.advance([histories.Move(reader, found[reader], new)])
        return found

    monkeypatch.setattr(histories, "of_readers", stale)
    task.look.run()
    assert house.had(house.subscriber()) == [killed + 1]


ENTRIES = st.lists(
    st.builds(
        Entry,
        st.integers(1, 4),
        st.integers(1, 3),
        st.integers(0, 9).map(lambda day: TUESDAY + timedelta(days=day)),
        in_full=st.booleans(),
    ),
    max_size=12,
)


@given(ENTRIES, ENTRIES)
def test_what_is_given_back_leaves_the_history_as_it_would_have_been(before, lost):
    mail = {(one.article_id, one.revision, one.in_full): one for one in lost}
    late = TUESDAY + timedelta(days=20)
    grown = [*before, *(Entry(*key[:2], late, in_full=key[2]) for key in mail)]
    given_back = [Lost(*key[:2], in_full=key[2]) for key in mail]
    assert giveback.without(histories.pack(grown), given_back) == histories.pack(before)
    assert giveback.without(b"", given_back) == b""


def test_a_story_that_was_had_before_as_another_revision_stays_had_so(house, sender):
    reader = house.reader()
    story = house.article("Grows", at=DUE - HOUR)
    house.go(DUE)
    sender.go()
    subscriber = house.subscription(reader).subscriber_id
    (packed,) = histories.entries(histories.of_readers([subscriber]).values()).values()
    assert giveback.without(packed, [Lost(story, 2, in_full=True)]) == packed
    assert db.session.get_one(Article, story).state == "published"
