"""What an operator types, what is answered, and with which exit status."""

import pytest
from sqlalchemy import select

from core.database import db
from delivery.models import Delivery, Gate, Lane, Mailing
from delivery.states import State
from tests.delivery import mailings
from tests.delivery.mailings import KEY

RING = "tasks.delivery.ring"


def state_of(key: str = KEY) -> str:
    db.session.rollback()
    return db.session.execute(select(Mailing.state).where(Mailing.key == key)).scalar_one()


def test_pausing_says_how_far_it_was_and_how_to_go_on(flask):
    mailings.mails(mailings.mailing(), {State.SENT: 1200, State.PLANNED: 3, State.FAILED: 1, State.IN_DOUBT: 3})
    ended = flask(f"delivery pause {KEY} --why 'The headline is wrong.'")
    assert (ended.exit_code, ended.output) == (
        0,
        f"{KEY} is paused: 1,200 of 1,207 handed over, 1 refused, 3 waiting, we cannot tell for 3 readers. "
        f"To go on: flask delivery resume {KEY}\n",
    )
    again = flask(f"delivery pause {KEY}")
    assert (again.exit_code, again.stdout) == (1, "")
    assert again.stderr == f"Error: {KEY} is paused already: An operator paused it: The headline is wrong.\n"


def test_resuming_rings_the_sender(flask, nudged):
    mailings.mailing(state="paused", why_paused="Looking.")
    ended = flask(f"delivery resume {KEY}")
    assert (ended.exit_code, ended.output) == (0, f"{KEY} goes on: 0 of 0 handed over.\n")
    assert state_of() == "running"
    assert nudged == [RING]


def test_a_relay_is_paused_and_resumed(flask, nudged):
    ended = flask("delivery pause --relay main")
    assert (ended.exit_code, "flask delivery resume --relay main" in ended.output) == (0, True)
    assert db.session.get_one(Gate, ("main", 0)).why == "An operator paused it."
    assert nudged == []
    ended = flask("delivery resume --relay main")
    assert (ended.exit_code, ended.output) == (0, "The relay main is spoken to again.\n")
    assert nudged == [RING]
    refused = flask("delivery resume --relay mian")
    assert (refused.exit_code, refused.stderr) == (1, "Error: There is no relay 'mian'. The only one is main.\n")


@pytest.mark.parametrize("verb", ["pause", "resume"])
@pytest.mark.parametrize("named", ["", f"{KEY} --relay main"])
def test_a_mailing_or_a_relay_is_named_and_not_both(flask, verb, named):
    ended = flask(f"delivery {verb} {named}")
    assert ended.exit_code == 2
    assert "one of the two" in ended.stderr


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel --yes", "progress", "progress --once"])
def test_a_mistyped_key_is_one_sentence_with_the_near_ones(flask, verb):
    mailings.mailing()
    ended = flask(f"delivery {verb} edition:asia-daily:regular:2026-11-25")
    assert ended.exit_code == 1
    assert ended.stderr.splitlines() == [
        f"Error: There is no mailing 'edition:asia-daily:regular:2026-11-25'. Did you mean {KEY}?"
    ]


def test_cancelling_asks_and_says_how_many_had_left_already(flask):
    mailings.mails(
        mailings.mailing(),
        {State.SENT: 1500, State.SENDING: 2, State.PLANNED: 490, State.IN_DOUBT: 1, State.FAILED: 7},
    )
    said_no = flask(f"delivery cancel {KEY}", input="n\n")
    assert said_no.exit_code == 1
    assert f"{KEY}: 1,500 of 2,000 handed over, 7 refused, 492 waiting, we cannot tell for 1 reader." in said_no.stdout
    assert state_of() == "running"
    assert flask(f"delivery cancel {KEY}", input="").exit_code == 1, "nobody there to answer is a no"
    assert state_of() == "running"
    ended = flask(f"delivery cancel {KEY}", input="y\n")
    assert ended.exit_code == 0
    assert ended.stdout.splitlines()[-1] == (
        f"{KEY} is cancelled. 1,500 of 2,000 had left already, 2 are leaving at this moment, "
        "we cannot tell for 1 reader; 490 do not go out."
    )
    assert state_of() == "cancelled"
    again = flask(f"delivery cancel {KEY} --yes")
    assert (again.exit_code, "that is final" in again.stderr) == (1, True)


def test_yes_is_not_asked(flask):
    mailings.mailing(state="paused", why_paused="Looking.")
    ended = flask(f"delivery cancel {KEY} --yes")
    assert (ended.exit_code, ended.output) == (0, f"{KEY} is cancelled. 0 of 0 had left already; 0 do not go out.\n")


def test_system_mail_is_refused_before_anybody_is_asked(flask):
    mailings.mailing("system:confirm:en:1", lane=Lane.TRANSACTIONAL)
    ended = flask("delivery cancel system:confirm:en:1")
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert "Pause it instead" in ended.stderr


def test_doubts_are_listed_with_what_the_relay_s_log_knows_them_by(flask):
    mailing = mailings.mailing()
    (mail,) = mailings.mails(mailing, {State.IN_DOUBT: 1})
    ended = flask("delivery doubts")
    first, last = ended.output.splitlines()
    assert first.startswith(f"{mail}  {KEY}  in doubt since 20")
    assert first.endswith("@monsoon.example.org>")
    assert "next: sent once more" in first
    assert last.startswith("We cannot tell for 1 reader, at ")


def test_no_doubt_is_said_so(flask):
    assert flask("delivery doubts").output.startswith("Nothing is in doubt, at ")
    assert flask("delivery doubts --json").output == "[]\n"


def test_each_doubt_is_decided_for_itself(flask, nudged):
    mailing = mailings.mailing()
    first, second = mailings.mails(mailing, {State.IN_DOUBT: 2})
    (sent,) = mailings.mails(mailing, {State.SENT: 1})
    ended = flask(f"delivery doubts resend {first} {sent} {second} {first}")
    assert ended.exit_code == 1
    assert ended.stdout.splitlines() == [f"Mail {first} goes out once more.", f"Mail {second} goes out once more."]
    assert ended.stderr == f"Error: Mail {sent} is not in doubt: it is handed over.\n"
    assert nudged == [RING]
    states = {row.id: row.state for row in db.session.execute(select(Delivery.id, Delivery.state))}
    assert states == {first: "planned", second: "planned", sent: "sent"}


def test_all_doubts_of_a_mailing_are_accepted_at_once(flask):
    mailing = mailings.mailing()
    mailings.mails(mailing, {State.IN_DOUBT: 3})
    other = mailings.mails(mailings.mailing("edition:other"), {State.IN_DOUBT: 1})
    ended = flask(f"delivery doubts accept --mailing {KEY}")
    assert ended.exit_code == 0
    assert len(ended.stdout.splitlines()) == 3
    left = db.session.scalars(select(Delivery.id).where(Delivery.done_at.is_(None))).all()
    assert left == other
    again = flask(f"delivery doubts accept --mailing {KEY}")
    assert (again.exit_code, again.stderr) == (1, f"Error: Nothing of {KEY} is in doubt and not settled.\n")
    assert flask("delivery doubts resend --mailing nobody").exit_code == 1


@pytest.mark.parametrize("words", ["", "1 --mailing KEY", "x", "0", "-1", "99999999999999999999", "1 2 x"])
@pytest.mark.parametrize("verb", ["resend", "accept"])
def test_numbers_or_a_mailing_are_named_and_only_one_of_them(flask, verb, words):
    assert flask(f"delivery doubts {verb} {words}").exit_code == 2


def test_every_command_says_its_exit_status_in_its_help(flask):
    for line in ("pause", "resume", "cancel", "progress", "doubts resend", "doubts accept", "status"):
        assert "exit status is" in " ".join(flask(f"delivery {line} --help").output.split()), line


def test_what_a_relay_said_does_not_move_the_terminal_or_name_a_reader(flask):
    mailings.mailing(state="paused", why_paused="550 \x1b[2Jada@example.org\r is unknown")
    for line in (f"delivery pause {KEY}", f"delivery progress {KEY} --once"):
        ended = flask(line)
        assert "***@example.org" in ended.output
        assert "\x1b" not in ended.output
        assert "\r" not in ended.output


def test_the_status_counts_a_closed_mailing_from_its_own_record(flask):
    mailings.mailing("edition:old", state="closed", counts='{"sent": 70, "failed": 2}')
    mailings.mails(mailings.mailing(), {State.SENT: 1, State.PLANNED: 2})
    ended = flask("delivery status")
    assert (ended.exit_code, ended.output) == (0, f"{KEY}: 2 planned, 1 sent\nedition:old: 2 failed, 70 sent\n")


def test_the_status_is_an_error_while_a_doubt_is_not_settled(flask):
    (mail,) = mailings.mails(mailings.mailing(), {State.IN_DOUBT: 1})
    assert flask("delivery status").exit_code == 1
    assert flask(f"delivery doubts accept {mail}").exit_code == 0
    assert flask("delivery status").exit_code == 0
