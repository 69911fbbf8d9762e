"""What an operator may do to mailings, relays and doubts: one move each, and a sentence for what is refused."""

from datetime import timedelta
from functools import partial

import pytest
from flask.globals import app_ctx
from sqlalchemy import func, select, update

from core import clock, database, errors
from core.database import Mark, db
from delivery import control, doubts, states
from delivery.models import Delivery, DeliveryEvent, Gate, Lane, Mailing
from delivery.states import State
from delivery.tick import HOLD
from tests import at_once
from tests.delivery import mailings
from tests.delivery.mailings import KEY

RELAYS = ["desk", "main"]


def door(call, *values, **named):
    """Run a room's function as a command does; return the sentence with which it was refused."""
    try:
        with database.write_turn():
            call(*values, **named)
            db.session.commit()
    except errors.DomainError as error:
        return str(error)
    return None


def state_of(key: str = KEY) -> tuple[str, str | None]:
    db.session.rollback()
    row = db.session.execute(select(Mailing.state, Mailing.why_paused).where(Mailing.key == key)).one()
    return row.state, row.why_paused


def gate(relay: str = "main") -> Gate:
    db.session.rollback()
    return db.session.get_one(Gate, (relay, 0), populate_existing=True)


def test_a_mailing_is_paused_with_a_reason_and_resumed_without(ledger):
    mailings.mailing()
    assert door(control.pause, KEY, why=" The headline is wrong. ") is None
    assert state_of() == ("paused", "The headline is wrong.")
    assert door(control.resume, KEY) is None
    assert state_of() == ("running", None)


def test_a_cancelled_mailing_stays_cancelled(ledger):
    mailings.mailing(state="paused", why_paused="Looking.")
    assert door(control.cancel, KEY) is None
    assert state_of() == ("cancelled", None)
    final = f"{KEY} was cancelled, and that is final: nothing more of it goes out."
    assert door(control.resume, KEY) == final
    assert door(control.pause, KEY, why="Because.") == final
    assert door(control.cancel, KEY) == final
    assert state_of() == ("cancelled", None)


def test_what_is_as_it_should_be_already_is_said(ledger):
    mailings.mailing()
    assert door(control.resume, KEY) == f"{KEY} is running: there is nothing to resume."
    door(control.pause, KEY, why="The headline is wrong.")
    assert door(control.pause, KEY, why="Another reason.") == f"{KEY} is paused already: The headline is wrong."
    assert state_of() == ("paused", "The headline is wrong.")


@pytest.mark.parametrize("call", [control.resume, control.cancel, lambda key: control.pause(key, why="Because.")])
def test_a_closed_mailing_is_left_alone(ledger, call):
    mailings.mailing(state="closed", counts='{"sent": 3}')
    assert door(call, KEY) == f"{KEY} is over: all its mails have come to their end."
    assert state_of() == ("closed", None)


def test_system_mail_is_paused_but_never_cancelled(ledger):
    ledger.queue()
    key = db.session.scalars(select(Mailing.key)).one()
    assert "flask delivery pause " + key in door(control.cancel, key)
    assert state_of(key)[0] == "running"
    assert door(control.pause, key, why="The text is wrong.") is None


def test_nothing_is_resumed_in_a_database_out_of_a_backup(ledger):
    mailings.mailing(state="paused", why_paused="Looking.")
    with database.write_turn():
        db.session.add(Mark(name=HOLD, value="2026-11-24"))
        db.session.commit()
    assert "flask restore finish" in door(control.resume, KEY)
    assert state_of() == ("paused", "Looking.")
    assert door(control.cancel, KEY) is None


@pytest.mark.parametrize("call", [control.resume, control.cancel, lambda key: control.pause(key, why="Because.")])
def test_an_unknown_key_is_refused_with_those_that_are_near(ledger, call):
    for day in range(20, 26):
        mailings.mailing(f"edition:asia-daily:regular:2026-11-{day}")
    mailings.mailing("system:confirm:en:619b9159", lane=Lane.TRANSACTIONAL)
    told = door(call, "edition:asia-dialy:regular:2026-11-24")
    assert told.startswith("There is no mailing 'edition:asia-dialy:regular:2026-11-24'. Did you mean edition:asia-d")
    assert door(call, "11-25") == "There is no mailing '11-25'. Did you mean edition:asia-daily:regular:2026-11-25?"
    assert door(call, "confirm").endswith("Did you mean system:confirm:en:619b9159?")
    assert door(call, "zzz") == "There is no mailing 'zzz'."
    assert door(call, "") == "There is no mailing ''."
    assert door(call, "100%") == "There is no mailing '100%'."


@pytest.mark.parametrize("why", ["", "  ", "two\nlines", "bell\a", "x" * 301])
def test_a_reason_must_fit_on_a_line(ledger, why):
    mailings.mailing()
    assert door(control.pause, KEY, why=why) == "The reason must be one line of at most 300 characters."
    assert door(control.pause_relay, "main", known=RELAYS, why=why).startswith("The reason must be")
    assert state_of() == ("running", None)


def test_a_relay_is_paused_before_it_has_a_gate_and_resumed_at_once(ledger):
    assert door(control.pause_relay, "main", known=RELAYS, why="Its password changes.") is None
    assert (gate().why, gate().fails) == ("Its password changes.", 0)
    paused_at = gate().paused_at
    assert paused_at is not None
    assert abs(paused_at - clock.utc_now()) < timedelta(minutes=1)
    assert door(control.pause_relay, "main", known=RELAYS, why="Other.").endswith(
        "paused already: Its password changes."
    )
    assert gate().why == "Its password changes."
    assert door(control.resume_relay, "main", known=RELAYS) is None
    assert (gate().paused_at, gate().why) == (None, None)
    assert door(control.resume_relay, "main", known=RELAYS).startswith("The relay main is not paused")
    assert door(control.pause_relay, "main", known=RELAYS, why="Again.") is None


def test_resuming_a_relay_forgets_its_back_off_and_keeps_its_rate_and_its_providers(ledger):
    later = clock.utc_now() + timedelta(hours=1)
    with database.write_turn():
        paused = {"relay": "main", "paused_at": clock.utc_now(), "why": "535 5.7.8 no"}
        db.session.add(Gate(provider=0, not_before=later, fails=4, rate=2.5, **paused))
        db.session.add(Gate(relay="main", provider=7, not_before=later, fails=3))
        db.session.commit()
    assert door(control.resume_relay, "main", known=RELAYS) is None
    assert (gate().paused_at, gate().not_before, gate().fails, gate().rate) == (None, None, 0, 2.5)
    assert db.session.get_one(Gate, ("main", 7)).fails == 3


def test_an_unknown_relay_is_refused_with_those_there_are(ledger):
    assert door(control.pause_relay, "mian", known=RELAYS, why="x") == "There is no relay 'mian'. Did you mean main?"
    assert door(control.resume_relay, "x", known=["main"]) == "There is no relay 'x'. The only one is main."
    assert db.session.scalar(select(func.count()).select_from(Gate)) == 0


def a_doubt(**values) -> int:
    """A mail that is in doubt for the first time."""
    policy = {"doubt_policy": values.pop("policy")} if "policy" in values else {}
    return mailings.mails(mailings.mailing(**policy), {State.IN_DOUBT: 1}, **values)[0]


@pytest.mark.parametrize("policy", ["resend", "skip"])
def test_an_operator_sends_a_doubt_once_more(ledger, policy):
    mail = a_doubt(policy=policy, last_code=250)
    assert door(doubts.resend, mail) is None
    row = ledger.row(mail)
    assert (row.state, row.epoch, row.doubts, row.done_at) == ("planned", 1, 1, None)
    assert row.address_sealed is not None
    assert row.next_attempt_at <= clock.utc_now()
    assert ledger.kinds(mail) == ["operator"]


def test_an_operator_accepts_a_doubt(ledger):
    mail = a_doubt()
    assert door(doubts.accept, mail) is None
    row = ledger.row(mail)
    assert (row.state, row.doubts, row.address_sealed) == ("in_doubt", 1, None)
    assert row.done_at is not None
    assert ledger.kinds(mail) == ["operator"]
    settled = f"Mail {mail} is settled already, and its address forgotten: nothing more can happen to it."
    assert door(doubts.resend, mail) == settled
    assert door(doubts.accept, mail) == settled
    assert ledger.kinds(mail) == ["operator"]


def test_a_second_doubt_is_never_sent_again(ledger):
    mail = a_doubt(doubts=2, done_at=clock.utc_now(), address_sealed=None)
    assert "was in doubt twice" in door(doubts.resend, mail)
    assert "was in doubt twice" in door(doubts.accept, mail)
    assert ledger.row(mail).state == "in_doubt"
    assert ledger.kinds(mail) == []


def test_a_doubt_whose_time_is_over_can_only_be_accepted(ledger):
    mail = a_doubt(not_after=clock.utc_now() - timedelta(seconds=1))
    assert "too old to be sent once more" in door(doubts.resend, mail)
    assert ledger.row(mail).state == "in_doubt"
    assert door(doubts.accept, mail) is None


@pytest.mark.parametrize("state", ["cancelled", "closed"])
def test_a_doubt_of_an_ended_mailing_can_only_be_accepted(ledger, state):
    mail = a_doubt()
    ledger.change_mailing(state=state)
    assert door(doubts.resend, mail) == f"Mail {mail} belongs to {KEY}, which is {state}: nothing more of it goes out."
    assert door(doubts.accept, mail) is None


def test_a_doubt_of_a_paused_mailing_waits_for_it(ledger):
    mail = a_doubt()
    ledger.change_mailing(state="paused", why_paused="Looking.")
    assert doubts.listed()[0].then == "sent once more when its mailing is resumed"
    assert door(doubts.resend, mail) is None
    assert ledger.row(mail).state == "planned"


@pytest.mark.parametrize("state", [state for state in State if state is not State.IN_DOUBT])
def test_only_a_doubt_is_decided(ledger, state):
    (mail,) = mailings.mails(mailings.mailing(), {state: 1})
    word = "handed over" if state is State.SENT else state
    for call in (doubts.resend, doubts.accept):
        assert door(call, mail) == f"Mail {mail} is not in doubt: it is {word}."
    assert (ledger.row(mail).state, ledger.kinds(mail)) == (state, [])


def test_a_mail_that_is_not_there_is_no_doubt(ledger):
    for call in (doubts.resend, doubts.accept):
        assert door(call, 12345) == "There is no mail 12345. flask delivery doubts lists them."


def test_the_list_says_what_comes_next(ledger):
    now = clock.utc_now()
    daily, skipping = mailings.mailing(), mailings.mailing("edition:b", doubt_policy="skip")
    (old,) = mailings.mails(daily, {State.IN_DOUBT: 1}, doubt_at=now - timedelta(hours=1))
    (left,) = mailings.mails(skipping, {State.IN_DOUBT: 1}, doubt_at=now - timedelta(minutes=50))
    settled = {"doubts": 2, "done_at": now, "address_sealed": None, "doubt_at": now - timedelta(minutes=40)}
    (over,) = mailings.mails(daily, {State.IN_DOUBT: 1}, **settled)
    mailings.mails(daily, {State.SENT: 1, State.PLANNED: 1})
    assert [(one.id, one.mailing, one.doubts, one.settled, one.then) for one in doubts.listed()] == [
        (old, KEY, 1, False, "sent once more"),
        (left, "edition:b", 1, False, "left as it is"),
        (over, KEY, 2, True, "settled"),
    ]
    assert doubts.unsettled_of(daily) == [old]


def test_of_two_operators_who_resend_one_doubt_one_does(ledger):
    for _time in range(5):
        mail = a_doubt_again()
        results = at_once.run_as_writers(app_ctx.app, *[partial(doubts.resend, mail)] * 4)
        assert [result for result in results if result is None] == [None]
        assert all(isinstance(result, errors.Conflict) for result in results if result is not None)
        assert ledger.kinds(mail) == ["operator"]
        assert ledger.row(mail).state == "planned"


def test_of_two_operators_one_accepts_and_one_resends_only_one_does(ledger):
    for _time in range(5):
        mail = a_doubt_again()
        results = at_once.run_as_writers(app_ctx.app, partial(doubts.resend, mail), partial(doubts.accept, mail))
        assert sorted(type(result).__name__ for result in results) == ["Conflict", "NoneType"]
        assert ledger.kinds(mail) == ["operator"]


def a_doubt_again() -> int:
    """Another doubt of the same mailing."""
    found = db.session.scalar(select(Mailing.id).where(Mailing.key == KEY))
    return mailings.mails(found or mailings.mailing(), {State.IN_DOUBT: 1})[0]


@pytest.mark.parametrize(
    ("call", "changes"),
    [
        (doubts.resend, {"epoch": 2}),
        (doubts.accept, {"epoch": 2}),
        (doubts.resend, {"done_at": clock.utc_now(), "address_sealed": None}),
        (doubts.accept, {"done_at": clock.utc_now(), "address_sealed": None}),
        (doubts.resend, {"not_after": clock.utc_now() - timedelta(hours=1)}),
    ],
)
def test_a_doubt_that_moved_since_it_was_read_is_left_as_it_is_now(ledger, monkeypatch, call, changes):
    """Between the operator's read and move: a new claim that became doubtful too, a sweep, or the end of its time."""
    mail = a_doubt()
    read = doubts._unsettled

    def then_it_moves(delivery_id):
        found = read(delivery_id)
        db.session.execute(update(Delivery).where(Delivery.id == mail).values(changes))
        return found

    monkeypatch.setattr(doubts, "_unsettled", then_it_moves)
    assert "has changed just now" in (door(call, mail) or "")
    assert ledger.row(mail).state == "in_doubt"
    assert ledger.kinds(mail) == []


def test_a_doubt_whose_mailing_was_cancelled_since_it_was_read_is_not_sent_again(ledger, monkeypatch):
    mail = a_doubt()
    look = doubts._refuse_to_resend

    def then_it_is_cancelled(delivery, now):
        look(delivery, now)
        db.session.execute(update(Mailing).values(state="cancelled"))

    monkeypatch.setattr(doubts, "_refuse_to_resend", then_it_is_cancelled)
    assert "has changed just now" in (door(doubts.resend, mail) or "")
    assert ledger.kinds(mail) == []


def test_the_operator_s_arrow_is_one_of_the_table():
    assert State.PLANNED in states.MOVES[State.IN_DOUBT]


def test_an_operator_s_step_is_written_down_with_the_claim_it_belongs_to(ledger):
    mail = a_doubt(epoch=3)
    door(doubts.accept, mail)
    event = db.session.scalars(select(DeliveryEvent)).one()
    assert (event.delivery_id, event.epoch, event.kind, event.text) == (mail, 3, "operator", "Accepted as it is.")
