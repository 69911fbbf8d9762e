"""What people write is passed on to the desk, and they get one sentence a week; programs and reports get nothing."""

import quopri
from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select, update

from core import addresses, clock, database
from core.database import db
from delivery import content
from delivery.models import Block, Content, Delivery, Mailing
from returns import answers, arrivals, bounds
from returns.models import AutoAnswer
from tests.returns.conftest import DESK, NEWS, bounce, letter


def mailed(house, key: str) -> list[str]:
    """Return the addresses of a kind of system mail that is queued."""
    db.session.rollback()
    wanted = select(Delivery.address_sealed, Delivery.addr_hash).join(Mailing).where(Mailing.key.startswith(key))
    return [house.services.keyring.unseal(*row) for row in db.session.execute(wanted.order_by(Delivery.id))]


def texts() -> str:
    """Return the text of every mail that was compiled."""
    parts = [content.Part.from_json(pieces) for pieces in db.session.scalars(select(Block.pieces))]
    joined = b"".join(piece for part in parts for piece in part.text if isinstance(piece, bytes))
    return quopri.decodestring(joined).decode()


def test_a_letter_is_passed_on_to_the_desk_and_the_writer_gets_one_sentence(house):
    house.put(letter("Dear editors,\n\nthe piece on ferries was lovely."))
    assert house.read().kinds == {"reply": 1}
    assert mailed(house, "system:letter") == [DESK]
    assert mailed(house, "system:answer") == ["ada@readers.test"]
    told = texts()
    assert "> the piece on ferries was lovely." in told and "ada@readers.test" in told
    assert DESK in told and "شكرًا" in told, "in every language of the publication"


def test_the_sentence_says_that_a_program_wrote_it_and_the_letter_too(house):
    house.put(letter())
    house.read()
    streams = dict(db.session.execute(select(Mailing.key, Mailing.stream)).all())
    by_kind = {key.rpartition(":en:")[0]: stream for key, stream in streams.items()}
    assert by_kind == {"system:letter": "system", "system:answer": "answers"}


def test_nothing_that_a_stranger_wrote_stands_in_a_header(house):
    house.put(letter("x", Subject="Evil\r\n Bcc: all@readers.test", writer="mallory@readers.test"))
    house.read()
    for row in db.session.scalars(select(Mailing)):
        assert "mallory" not in f"{row.sender}{row.sender_name}{row.reply_to}{row.feedback}{row.list_id}"
    db.session.rollback()
    assert set(db.session.scalars(select(Content.subject))) == {"A reader wrote", "Auto: we have passed your letter on"}


def test_a_letter_twice_a_week_is_answered_once_and_passed_on_twice(house):
    house.put(letter("one"))
    house.put(letter("two"))
    house.read()
    house.put(letter("three"))
    house.read()
    assert len(mailed(house, "system:letter")) == 3 and len(mailed(house, "system:answer")) == 1


def test_a_week_later_the_writer_is_answered_again(house):
    house.put(letter("one"))
    house.read()
    _age(timedelta(days=7, minutes=1))
    house.put(letter("two"))
    house.read()
    assert len(mailed(house, "system:answer")) == 2


def _age(by: timedelta) -> None:
    with database.write_turn():
        db.session.execute(update(AutoAnswer).values(answered_at=clock.utc_now() - by, day=clock.utc_now() - by))
        db.session.commit()


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "auto-generated"},
        {"Auto_Submitted": "auto-replied"},
        {"List_Id": "<talk.lists.test>"},
        {"List_Unsubscribe": "<mailto:x@lists.test>"},
        {"Precedence": "bulk"},
        {"Precedence": "junk"},
        {"Return_Path": "<>"},
        {"From": "MAILER-DAEMON@mx.test", "Return_Path": "<MAILER-DAEMON@mx.test>"},
        {"From": "no-reply@shop.test", "Return_Path": "<no-reply@shop.test>"},
        {"From": "noreply@shop.test", "Return_Path": "<noreply@shop.test>"},
        {"From": "owner-talk@lists.test", "Return_Path": "<owner-talk@lists.test>"},
        {"From": "talk-request@lists.test", "Return_Path": "<talk-request@lists.test>"},
        {"X_Autoreply": "yes"},
        {"X_Auto_Response_Suppress": "All"},
        {"Feedback_ID": "a:b:c:monsoon"},
        {"Subject": "Out of office: Asia Daily"},
        {"Content_Type": "multipart/report; boundary=x"},
    ],
    ids=lambda headers: " ".join(f"{name} {value}" for name, value in headers.items()),
)
def test_a_program_is_neither_answered_nor_passed_on(house, headers):
    house.put(letter(**headers))
    house.read()
    assert house.outgoing() == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Return_Path": ""},
        {"Return_Path": "<somebody@elsewhere.test>"},
        {"Return_Path": "<bounces+ada=readers.test@lists.test>"},
        {"Reply_To": "other@elsewhere.test"},
    ],
    ids=str,
)
def test_who_may_not_be_the_writer_is_passed_on_and_not_answered(house, headers):
    house.put(letter(**headers))
    house.read()
    assert mailed(house, "system:letter") == [DESK] and mailed(house, "system:answer") == []


def test_a_letter_to_a_bounce_address_answers_nobody_and_is_kept(house):
    (one,) = house.sent()
    house.put(letter("Hello?", to=house.envelope(one)))
    assert house.read().kinds == {"unread": 1}
    assert house.outgoing() == 0 and house.came_back(one) is None


def test_reports_answer_nobody(house):
    for number, one in enumerate(house.sent(5)):
        house.put(bounce(house.envelope(one), number=number))
    house.put(bounce(NEWS, number=99))
    house.read()
    assert house.outgoing() == 0


def test_a_letter_to_somebody_else_is_kept_and_not_passed_on(house):
    house.put(letter(to="office@monsoon.example.org"))
    assert house.read().kinds == {"unread": 1}
    assert "none of our addresses" in house.arrivals()[0].why and house.outgoing() == 0


@pytest.fixture
def narrow(monkeypatch):
    """Room for 5 letters an hour, and for 3 answers."""
    monkeypatch.setattr(bounds, "FORWARDS_AN_HOUR", 5)
    monkeypatch.setattr(bounds, "ANSWERS_AN_HOUR", 3)


def flood(house, count=12, first=0):
    for number in range(first, first + count):
        house.put(letter(f"{number}", writer=f"w{number}@readers.test"))


def test_a_flood_is_passed_on_hour_by_hour_and_no_letter_is_lost(house, narrow):
    flood(house)
    assert house.read().kinds == {"reply": 5, "waits": 7}
    assert len(mailed(house, "system:letter")) == 5 and len(mailed(house, "system:answer")) == 3
    now = clock.utc_now()
    for hours, passed_on in ((1, 10), (2, 12), (3, 12)):
        with time_machine.travel(now + timedelta(hours=hours), tick=False):
            house.read()
        assert len(mailed(house, "system:letter")) == passed_on
    assert arrivals.unread() == 0 and {row.state for row in house.arrivals()} == {"done"}
    assert "> 11" in texts()


def test_the_bounds_hold_from_look_to_look_too(house, narrow):
    for number in range(12):
        flood(house, 1, first=number)
        house.read()
    assert len(mailed(house, "system:letter")) == 5 and len(mailed(house, "system:answer")) == 3


def test_the_room_is_counted_once_for_what_waits_and_once_for_a_chunk(house, monkeypatch):
    counted: list[object] = []
    room = bounds.room

    def counting(now):
        counted.append(now)
        return room(now)

    monkeypatch.setattr(bounds, "room", counting)
    flood(house)
    assert house.read().kinds == {"reply": 12}
    assert len(counted) == 2


def test_what_waits_is_bounded_and_what_is_beyond_is_kept_aside(house, narrow, monkeypatch):
    monkeypatch.setattr(bounds, "MOST_WAITING", 4)
    flood(house)
    assert house.read().kinds == {"reply": 5, "waits": 4, "unread": 3}
    flood(house, 2, first=20)
    assert house.read().kinds == {"unread": 2}
    assert {row.why for row in house.arrivals() if row.state == "unread"} == {answers.TOO_MANY}


def test_a_letter_that_waits_leads_to_nothing_without_a_desk(house, narrow):
    flood(house, 6)
    house.read()
    house.settings = replace(house.settings, returns=replace(house.settings.returns, desk=None))
    with time_machine.travel(clock.utc_now() + timedelta(hours=1), tick=False):
        house.read()
    assert [row.why for row in house.arrivals() if row.state == "unread"] == [answers.NO_DESK]


def test_a_letter_that_sets_a_fault_off_while_it_waits_holds_up_none(house, narrow, monkeypatch):
    flood(house, 5)
    house.read()
    flood(house, 2, first=5)
    house.read()
    queue = answers.queue

    def faulty(prepared, **values):
        if prepared.writer.address.mailbox == "w5@readers.test":
            raise ZeroDivisionError
        return queue(prepared, **values)

    monkeypatch.setattr(answers, "queue", faulty)
    with time_machine.travel(clock.utc_now() + timedelta(hours=1), tick=False):
        house.read()
    assert sorted(row.state for row in house.arrivals()) == [*["done"] * 6, "unread"]


def test_one_stranger_does_not_take_the_place_of_the_others(house, narrow, monkeypatch):
    monkeypatch.setattr(bounds, "LETTERS_A_DAY", 3)
    for number in range(20):
        house.put(letter(f"{number}", writer="mallory@elsewhere.test"))
    assert house.read().kinds == {"reply": 3, "unread": 17}
    house.put(letter("Lovely."))
    assert house.read().kinds == {"reply": 1}
    house.put(letter("Today once more.", writer="mallory@elsewhere.test"))
    house.put(letter("Tomorrow.", writer="mallory@elsewhere.test"))
    with time_machine.travel(clock.utc_now() + timedelta(days=1), tick=False):
        assert house.read().kinds == {"reply": 2}


def test_a_desk_whose_program_answers_each_mail_is_not_written_to_for_ever(house):
    for number in range(3):
        house.put(letter(f"Ticket {number} was opened.", writer=DESK.upper()))
    assert house.read().kinds == {"desk": 3}
    assert house.outgoing() == 0 and house.arrivals()[0].why == answers.DESKS_OWN


def test_a_desk_that_answers_from_another_address_is_written_to_ten_times_a_day_at_most(house):
    for number in range(30):
        house.put(letter(f"Ticket {number} was opened.", writer="tickets@desk.test"))
        house.read()
    assert len(mailed(house, "system:letter")) == 10 and len(mailed(house, "system:answer")) == 1


def test_a_letter_that_says_stop_is_flagged_and_changes_nothing_by_itself(house):
    (one,) = house.sent()
    house.put(letter("Please unsubscribe me."))
    assert house.read().stops == 1
    assert "It seems to ask for no more mail." in texts() and house.came_back(one) is None


def test_without_a_desk_letters_are_kept(house):
    settings = replace(house.settings.returns, desk=None)
    house.settings = replace(house.settings, returns=settings)
    house.put(letter())
    assert house.read().kinds == {"unread": 1}
    assert "MAILBOX_DESK" in house.arrivals()[0].why and house.outgoing() == 0


def test_a_very_long_letter_is_passed_on_in_part(house):
    house.put(letter("word " * 100_000))
    house.read()
    assert 9_000 < texts().count("word") * 5 < 11_000


def test_marks_for_places_in_a_letter_are_nothing(house):
    house.put(letter("\ue000unsubscribe\ue001 {{ publication }} {% raw %}"))
    assert house.read().kinds == {"reply": 1}
    assert "{{ publication }}" in texts()


def test_the_address_of_a_writer_is_kept_as_a_hash_and_for_a_week_alone(house):
    house.put(letter())
    house.read()
    (row,) = db.session.scalars(select(AutoAnswer))
    assert row.addr_hash == house.services.keyring.hash(addresses.parse("ada@readers.test"))
    _age(timedelta(days=8))
    house.read()
    assert not list(db.session.scalars(select(AutoAnswer)))
