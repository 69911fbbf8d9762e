"""What is in the box takes effect once, on its own mail alone, whatever happens in between."""

import os
import threading
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from core import clock, database
from core.database import db
from core.mailboxes import Mailbox, ReturnSettings
from core.tokens import Tokens
from delivery import reports, verp
from delivery.models import Delivery, Suppression
from delivery.states import State
from returns import arrivals, taking, turns
from returns.fetched import Chunk, Fetched
from returns.maildir import MaildirBox
from tasks import mailbox
from tests.returns.conftest import NEWS, bounce, letter

PROGRAM = {"From": "MAILER-DAEMON@mx.test", "Return_Path": "<>"}
OTHER_KEY = Tokens(b"somebody else's own secret key, quite long")


def test_a_bounce_is_the_news_of_its_own_mail_and_of_no_other(house):
    one, other = house.sent(2)
    house.put(bounce(house.envelope(one)))
    taken = house.read()
    assert (taken.kinds["bounce"], sum(taken.classes.values())) == (1, 1)
    assert house.came_back(one) and house.came_back(other) is None
    (row,) = house.arrivals()
    assert (row.state, row.kind, row.delivery_id, row.raw) == ("done", "bounce", one, None)
    assert house.files("new") == [] and len(house.files("cur")) == 1


def test_the_mail_keeps_its_state_when_it_has_come_back(house):
    (one,) = house.sent()
    house.put(bounce(house.envelope(one)))
    house.read()
    assert db.session.get_one(Delivery, one).state == State.SENT


def test_the_same_mail_twice_is_one(house):
    (one,) = house.sent()
    house.put(bounce(house.envelope(one)), "1.a.host")
    house.put(bounce(house.envelope(one)), "2.b.host")
    assert house.read().kinds == {"bounce": 1, "again": 1}
    house.put(bounce(house.envelope(one)), "3.c.host")
    assert house.read().kinds == {"again": 1}
    assert len(house.arrivals()) == 1 and not house.files("new")


def test_a_crash_after_the_commit_and_before_the_flag_doubles_nothing(house, monkeypatch):
    (one,) = house.sent()
    house.put(bounce(house.envelope(one)))

    def dies(*_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MaildirBox, "put_away", dies)
        with pytest.raises(KeyboardInterrupt):
            house.read()
    assert house.came_back(one) and len(house.files("new")) == 1
    _clear(one)
    assert house.read().kinds == {"again": 1}
    assert house.came_back(one) is None, "it did not take effect again"
    assert not house.files("new")


def _clear(delivery: int) -> None:
    with database.write_turn():
        db.session.execute(update(Delivery).where(Delivery.id == delivery).values(returned_at=None, returned_as=None))
        db.session.commit()


def test_what_could_not_be_read_is_put_aside_after_a_crash_before_the_moving(house, monkeypatch):
    name = house.put(b"\0 no mail")

    def dies(*_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MaildirBox, "put_away", dies)
        with pytest.raises(KeyboardInterrupt):
            house.read()
    assert house.files("new") == [name]
    assert house.read().kinds == {"again": 1}
    assert house.files(".Unreadable/new") == [name] and not house.files("cur") and arrivals.unread() == 1


def age(house, days: float) -> None:
    """Have all that lies in the box have come so long ago."""
    came_at = clock.utc_now().timestamp() - days * 86_400
    for file in (house.folder / "new").iterdir():
        os.utime(file, (came_at, came_at))


def test_an_old_letter_is_neither_passed_on_nor_answered(house):
    house.put(letter())
    age(house, 7.1)
    assert house.read().kinds == {"old": 1}
    assert house.outgoing() == 0 and house.arrivals()[0].why == taking.TOO_OLD
    house.put(letter("again"))
    age(house, 6.9)
    assert house.read().kinds == {"reply": 1}


def test_an_old_wish_to_leave_waits_for_a_person_since_its_reader_may_have_come_again(house):
    one, other = house.sent(2)
    house.put(letter("", to=house.envelope(one, verp.LEAVE_PREFIX)))
    age(house, 7.1)
    assert house.read().kinds == {"unread": 1}
    assert house.arrivals()[0].why == taking.TOO_OLD_TO_LEAVE and not suppressed()
    house.put(letter("", to=house.envelope(other, verp.LEAVE_PREFIX)))
    age(house, 6.9)
    assert house.read().kinds == {"leave": 1} and suppressed() == 1


def suppressed() -> int:
    db.session.rollback()
    return len(list(db.session.scalars(select(Suppression))))


def test_where_the_box_does_not_say_when_a_mail_came_its_date_counts(house):
    now = clock.utc_now()
    for date, kind in (("Mon, 01 Jan 2024 00:00:00 +0000", "old"), ("what?", "reply"), ("", "reply")):
        raw = letter(Date=date).encode()
        (looked,) = taking.look(
            Chunk([Fetched("1", raw, len(raw))]), services=house.services, desk="people@monsoon.example.org", now=now
        )
        assert looked.found.kind == kind


def test_a_crash_before_the_commit_loses_nothing(house, monkeypatch):
    (one,) = house.sent()
    house.put(bounce(house.envelope(one)))

    def dies(*_args, **_values):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(arrivals, "close_many", dies)
        with pytest.raises(KeyboardInterrupt):
            house.read()
    assert house.came_back(one) is None and not house.arrivals()
    assert house.read().kinds == {"bounce": 1}
    assert house.came_back(one)


@pytest.mark.parametrize("changed", ["altered", "another key", "leave for bounce", "never left"])
def test_a_token_that_is_not_right_changes_nothing(house, changed):
    (one,) = house.sent()
    right = house.envelope(one)
    wrong = {
        "altered": right.replace("b+a", "b+c", 1),
        "another key": "b+" + verp.token(one, tokens=OTHER_KEY) + "@bounces.monsoon.example.org",
        "leave for bounce": "b" + house.envelope(one, verp.LEAVE_PREFIX)[1:],
        "never left": house.envelope(one + 1000),
    }[changed]
    house.put(bounce(wrong))
    taken = house.read()
    assert taken.kinds == {"bounce": 1} and set(taken.classes) <= {"foreign", "unknown"}
    assert house.came_back(one) is None and house.outgoing() == 0
    (row,) = house.arrivals()
    assert row.why and row.delivery_id is None


def test_the_address_to_leave_by_which_a_forwarded_copy_shows_is_no_envelope_of_a_bounce(house):
    (one,) = house.sent()
    shown = f"List-Unsubscribe: <mailto:{house.envelope(one, verp.LEAVE_PREFIX)}>"
    returned = f"--e\nContent-Type: text/rfc822-headers\n\n{shown}\nSubject: Asia Daily\n--e--"
    house.put(bounce(NEWS).replace("--e--", returned))
    house.put(letter(f"550 5.1.1 <ada@readers.test>: User unknown\n{shown}", **PROGRAM, X_Failed_Recipients="a@b.test"))
    taken = house.read()
    assert not taken.classes and taken.kinds["bounce"] == 0
    assert house.came_back(one) is None


def test_a_wish_to_leave_is_of_that_mail_whoever_wrote_it(house):
    one, other = house.sent(2)
    house.put(letter("", to=house.envelope(one, verp.LEAVE_PREFIX), writer="mallory@elsewhere.test"))
    assert house.read().kinds == {"leave": 1}
    assert house.arrivals()[0].delivery_id == one and house.came_back(other) is None
    assert house.outgoing() == 0


def test_what_cannot_be_read_is_kept_as_it_came_and_counted(house):
    name = house.put(b"\0\1\2 nothing at all")
    assert house.read().kinds == {"unread": 1}
    (row,) = house.arrivals()
    assert (row.state, row.raw) == ("unread", b"\0\1\2 nothing at all") and row.why
    assert house.files(".Unreadable/new") == [name] and arrivals.unread() == 1


def test_of_a_long_one_that_cannot_be_read_the_row_holds_only_the_beginning(house):
    house.put(bytes(10_000_000))
    house.read()
    assert len(house.arrivals()[0].raw) == taking.KEPT_OCTETS
    assert (house.folder / ".Unreadable/new" / house.files(".Unreadable/new")[0]).stat().st_size == 10_000_000


def test_one_mail_that_sets_a_fault_off_does_not_keep_the_others_from_being_read(house, monkeypatch):
    ids = house.sent(5)
    for number, one in enumerate(ids):
        house.put(bounce(house.envelope(one), number=number))
    apply = reports.apply

    def faulty(signals, **values):
        if verp.token(ids[2], tokens=house.services.links.tokens) in [one.token for one in signals]:
            raise ZeroDivisionError
        return apply(signals, **values)

    monkeypatch.setattr(reports, "apply", faulty)
    taken = house.read()
    assert (taken.kinds["bounce"], taken.kinds["unread"]) == (4, 1)
    assert [bool(house.came_back(one)) for one in ids] == [True, True, False, True, True]
    assert "ZeroDivisionError" in next(row.why for row in house.arrivals() if row.state == "unread")
    assert len(house.files(".Unreadable/new")) == 1


def test_only_one_reads_at_a_time_and_the_turn_of_a_dead_one_ends(house):
    now = clock.utc_now()
    with database.write_turn():
        assert turns.take("one", now=now)
        assert turns.take("one", now=now), "it may keep it"
        assert not turns.take("two", now=now + turns.LEASE / 2)
        assert turns.take("two", now=now + turns.LEASE * 2)
        turns.give_back("one")
        assert not turns.take("three", now=now + turns.LEASE * 2)
        turns.give_back("two")
        assert turns.take("three", now=now + turns.LEASE * 2)
        db.session.commit()
    with pytest.raises(mailbox.BoxesTaken):
        house.read()


def test_two_that_read_at_once_have_each_mail_take_effect_once(house):
    ids = house.sent(60)
    for number, one in enumerate(ids):
        house.put(bounce(house.envelope(one), number=number))
    found = []

    def run() -> None:
        with house.app.app_context():
            try:
                found.append(house.read())
            except mailbox.BoxesTaken:
                found.append(None)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one.kinds["bounce"] for one in found if one) == 60
    assert len(house.arrivals()) == 60


def test_the_task_reads_and_ends_in_time(house, monkeypatch):
    ids = house.sent(3)
    for number, one in enumerate(ids):
        house.put(bounce(house.envelope(one), number=number))
    mailbox.read()
    assert all(house.came_back(one) for one in ids)
    mailbox.read()


def test_without_a_mailbox_the_task_does_nothing(house):
    house.app.extensions["postrider settings"] = replace(house.settings, returns=ReturnSettings())
    mailbox.read()
    assert not house.arrivals()


def test_a_box_that_is_gone_is_named_and_the_others_are_read(house, tmp_path):
    (one,) = house.sent()
    house.put(bounce(house.envelope(one)))
    boxes = (Mailbox(path=tmp_path / "nowhere"), *house.settings.returns.mailboxes)
    house.settings = replace(house.settings, returns=ReturnSettings(boxes))
    failed = mailbox.read_all(house.settings.returns, services=house.services, tell=lambda *_: None)
    assert list(failed) == [f"maildir://{tmp_path / 'nowhere'}"]
    assert house.came_back(one)
