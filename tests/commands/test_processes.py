"""The real commands, as processes on both databases: what they print, how they end, and that two of them may race."""

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import func, select

from core.database import db
from delivery.models import Delivery, DeliveryEvent, Mailing
from delivery.states import State
from tests import installation
from tests.delivery import mailings
from tests.delivery.mailings import KEY
from tests.journeys.houses import KEYS, ROOT, House

WITHIN_S = 60


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def house(request, tmp_path_factory):
    """An installation of which nothing runs, for all tests of this module; they themselves are in its rooms."""
    folder: Path = tmp_path_factory.mktemp("house")
    with ExitStack() as stack:
        url = f"sqlite:///{folder / 'postrider.db'}"
        if request.param == "postgresql":
            url = stack.enter_context(request.getfixturevalue("postgres_server").database())
        environment = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": url,
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "SMTP_URL": "smtp://127.0.0.1:1",
            "POSTRIDER_CONFIG": str(ROOT / "demo" / "postrider.toml"),
            "BASE_URL": "http://127.0.0.1:8000",
            "STATE_DIR": str(folder),
            **KEYS,
        }
        made = House(folder, environment, "", "")
        made.flask("db", "upgrade")
        stack.enter_context(installation.rooms_on(installation.settings_for(url)))
        yield made


def start(house: House, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "flask", "--app", "app", "delivery", *words]
    return subprocess.Popen(
        command, cwd=ROOT, env=house.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(house: House, *words: str) -> tuple[int, str, str]:
    """Run `flask delivery …` to its end; return its status and what it said."""
    process = start(house, *words)
    out, err = process.communicate(timeout=WITHIN_S)
    return process.returncode, out, err


def state_of(key: str) -> str:
    db.session.rollback()
    return db.session.execute(select(Mailing.state).where(Mailing.key == key)).scalar_one()


def test_an_operator_pauses_and_cancels(house):
    mailings.mails(mailings.mailing(KEY), {State.SENT: 4, State.PLANNED: 3, State.IN_DOUBT: 2})
    status, out, _err = run(house, "pause", KEY, "--why", "The headline is wrong.")
    assert (status, state_of(KEY)) == (0, "paused")
    assert "4 of 9 handed over, 3 waiting, we cannot tell for 2 readers" in out
    status, out, err = run(house, "pause", KEY)
    assert (status, out) == (1, "")
    assert err.splitlines()[-1] == f"Error: {KEY} is paused already: An operator paused it: The headline is wrong."
    status, out, _err = run(house, "cancel", KEY, "--yes")
    assert (status, state_of(KEY)) == (0, "cancelled")
    assert "4 of 9 had left already" in out


def test_two_operators_resend_one_doubt_and_one_of_them_does(house):
    (mail,) = mailings.mails(mailings.mailing("edition:doubtful"), {State.IN_DOUBT: 1})
    both = [start(house, "doubts", "resend", str(mail)) for _operator in range(2)]
    for process in both:
        process.communicate(timeout=WITHIN_S)
    assert sorted(process.returncode for process in both) == [0, 1]
    db.session.rollback()
    assert db.session.get_one(Delivery, mail, populate_existing=True).state == "planned"
    events = select(func.count()).where(DeliveryEvent.delivery_id == mail)
    assert db.session.scalar(events) == 1


def test_progress_goes_on_until_ctrl_c_and_that_is_no_error(house):
    mailings.mails(mailings.mailing("edition:long"), {State.SENT: 1, State.PLANNED: 3})
    process = start(house, "progress", "edition:long", "--every", "0.2", "--json")
    assert process.stdout is not None
    for _look in range(2):
        look = json.loads(process.stdout.readline())
        assert (look["over"], look["mailings"][0]["waiting"]) == (False, 3)
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0
    assert "Traceback" not in err
    assert state_of("edition:long") == "running"


def test_a_sender_that_was_stopped_and_is_to_end_when_it_goes_on_ends(house):
    """The signal then reaches some thread of it, more often than not another one than the main thread."""
    process = start(house, "pump")
    assert process.stdout is not None
    assert "Sending." in process.stdout.readline()
    try:
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WITHIN_S)
    finally:
        process.kill()
    assert process.returncode == 0
