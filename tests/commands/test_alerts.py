"""What an operator types when an alert came, and what is answered."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from core import alerts, database
from core.alerting import AlertSettings
from core.alerts import Alert
from core.database import db

OPENED = datetime(2026, 11, 24, 2, 17, tzinfo=UTC)
RELAY = alerts.trouble("relay:main", what="The relay main is paused.", how_much="3 mails wait.", cure="Resume it.")
DOUBTS = alerts.trouble("doubts", what="2 mails are in doubt.", how_much="Since 02:00.", cure="List them.")


@pytest.fixture
def standing(app) -> None:
    """Two troubles that stand, the first of them told; and one that is over."""
    with database.writing(db.engine) as connection:
        for one in (RELAY, DOUBTS, alerts.trouble("senders", what="a", how_much="b", cure="c")):
            alerts.raise_alert(connection, one, OPENED)
        alerts.close(connection, ["senders"], OPENED)
        told = OPENED + timedelta(minutes=1)
        connection.execute(update(Alert).where(Alert.key == RELAY.key).values(told_at=told))


def test_the_troubles_that_stand_are_listed(flask, standing):
    ended = flask("alerts list")
    assert ended.exit_code == 1
    assert ended.output.splitlines() == [
        "doubts: since 2026-11-24 02:17 UTC, not told yet, not acknowledged",
        *("    2 mails are in doubt.", "    Since 02:00.", "    List them."),
        "relay:main: since 2026-11-24 02:17 UTC, last told 2026-11-24 02:18 UTC, not acknowledged",
        *("    The relay main is paused.", "    3 mails wait.", "    Resume it."),
        "2 troubles stand.",
    ]


def test_a_script_gets_them_as_json(flask, standing):
    found = json.loads(flask("alerts list --json").stdout)
    assert [one["key"] for one in found] == ["doubts", "relay:main"]
    assert found[1] == {
        "key": "relay:main",
        "text": RELAY.text,
        "opened_at": "2026-11-24T02:17:00+00:00",
        "told_at": "2026-11-24T02:18:00+00:00",
        "acknowledged_at": None,
    }


def test_where_nothing_is_wrong_the_list_says_so(flask):
    ended = flask("alerts list")
    assert (ended.exit_code, ended.output) == (0, "0 troubles stand.\n")
    assert flask("alerts list --json").output == "[]\n"


def test_one_is_acknowledged_and_then_the_other(flask, standing):
    ended = flask("alerts acknowledge relay:main")
    assert (ended.exit_code, ended.output) == (0, "1 acknowledged.\n")
    assert flask("alerts list").exit_code == 1
    assert flask("alerts acknowledge relay:main").output == "0 acknowledged.\n"
    assert flask("alerts acknowledge --all").output == "1 acknowledged.\n"
    ended = flask("alerts list")
    assert (ended.exit_code, ended.output.count(", acknowledged 20")) == (0, 2)


@pytest.mark.parametrize("key", ["senders", "relay:other", "' OR 1=1"])
def test_what_does_not_stand_cannot_be_acknowledged(flask, standing, key):
    ended = flask(f'alerts acknowledge "{key}"')
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert "flask alerts list" in ended.stderr


@pytest.mark.parametrize("named", ["", "relay:main --all"])
def test_one_key_or_all_is_named_and_not_both(flask, standing, named):
    assert flask(f"alerts acknowledge {named}").exit_code == 2


def set_up(app, **channels) -> None:
    settings = app.extensions["postrider settings"]
    app.extensions["postrider settings"] = replace(settings, alerts=AlertSettings(**channels))


def test_a_test_says_of_every_channel_what_happened(app, flask, tmp_path: Path):
    paged = tmp_path / "paged"
    set_up(app, command=("tee", str(paged)))
    ended = flask("alerts test")
    assert (ended.exit_code, ended.output) == (0, "command: told\n")
    assert paged.read_text().startswith("This is a test of the alerts.\n")
    set_up(app, command=("tee", str(paged)), webhook="http://127.0.0.1:9/hush")
    ended = flask("alerts test")
    assert ended.exit_code == 1
    assert set(ended.output.splitlines()) == {"webhook: not told, the host cannot be reached", "command: told"}


def test_a_test_without_a_channel_names_the_settings(flask):
    ended = flask("alerts test")
    assert ended.exit_code == 1
    assert "ALERT_WEBHOOK, ALERT_COMMAND, or ALERT_SMTP_URL and ALERT_TO" in ended.stderr
