"""`flask mailbox` as a person types it: what was read, by kind, and an exit status that a script can use."""

import json
from dataclasses import replace

import pytest

from core import clock, database
from core.database import db
from core.mailboxes import Mailbox, ReturnSettings
from delivery import verp
from delivery.states import State
from returns import turns
from tests.delivery import mailings
from tests.installation import services_for
from tests.returns.conftest import bounce, maildir


@pytest.fixture
def box(app, tmp_path):
    """A Maildir that the installation reads."""
    folder = maildir(tmp_path / "box")
    known = app.extensions["postrider settings"]
    app.extensions["postrider settings"] = replace(known, returns=ReturnSettings((Mailbox(path=folder),)))
    return folder


@pytest.fixture
def filled(app, box):
    """The box with a bounce and with something that is no mail."""
    (one,) = mailings.mails(mailings.mailing(), {State.SENT: 1})
    tokens = services_for(app.extensions["postrider settings"]).links.tokens
    to = verp.envelope_sender(one, tokens=tokens, domain="bounces.monsoon.example.org")
    (box / "new" / "1.a.host").write_text(bounce(to))
    (box / "new" / "2.b.host").write_bytes(b"\0 no mail")
    return box


def test_read_tells_what_came_by_kind_and_by_class(flask, filled, nudged):
    done = flask("mailbox read")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [
        f"maildir://{filled}: 2 read",
        "  1 bounces",
        "  1 unreadable, kept aside",
        "  1 hard",
    ]
    assert "tasks.delivery.ring" in nudged


def test_read_tells_a_script_the_same(flask, filled):
    told = json.loads(flask("mailbox read --json").output)
    assert told["kinds"] == {"bounce": 1, "unread": 1} and told["classes"] == {"hard": 1}
    assert told["boxes"] == {f"maildir://{filled}": 2}
    assert told["unread_in_all"] == 1 and told["failed"] == {}


def test_nothing_there_is_no_fault(flask, box):
    done = flask("mailbox read")
    assert (done.exit_code, done.output) == (0, f"maildir://{box}: 0 read\n")


def test_without_a_mailbox_the_cure_is_named(flask):
    done = flask("mailbox read")
    assert done.exit_code == 1 and "Set MAILBOX_URL" in done.output


def test_a_mailbox_that_cannot_be_read_is_named_and_the_status_is_1(flask, app, tmp_path):
    known = app.extensions["postrider settings"]
    returns = ReturnSettings((Mailbox(path=tmp_path / "nowhere"),))
    app.extensions["postrider settings"] = replace(known, returns=returns)
    done = flask("mailbox read")
    assert done.exit_code == 1 and "is no Maildir" in done.output


def test_while_somebody_else_reads_it_says_so(flask, box):
    with database.write_turn():
        turns.take("somebody", now=clock.utc_now())
        db.session.commit()
    done = flask("mailbox read")
    assert done.exit_code == 1 and "Try again in a minute." in done.output


def test_unread_shows_what_could_not_be_read_and_why(flask, filled):
    assert flask("mailbox unread").exit_code == 0
    flask("mailbox read")
    done = flask("mailbox unread")
    assert done.exit_code == 1
    assert "mailbox: It has no headers, so it is no mail." in done.output and "1 could not be read." in done.output
    assert json.loads(flask("mailbox unread --json").output)["unread"] == 1


def test_the_help_says_what_the_exit_status_means(flask):
    assert "exit status is 0" in flask("mailbox read --help").output.replace("\n", " ").replace("  ", " ")
