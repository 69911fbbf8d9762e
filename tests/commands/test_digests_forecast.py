"""`flask digests forecast` as an editor types it; and what is far too much is not sent without its number."""

import json

import pytest

from commands import digests_forecast
from core.database import db
from digests.forecast import Forecast
from digests.models import Edition
from tests.commands.test_digests_desk import stories, tomorrow

__all__ = ("stories", "tomorrow")


def test_a_special_is_forecast_before_it_is_sent(flask, stories):
    flask(f"digests special vote asia-daily {stories[0]} --subject Vote")
    found = json.loads(flask("digests forecast special:vote --json").output)
    assert (found["edition"], found["mails"], found["usual"], found["leads"]) == ("special:vote", 0, None, [])
    assert flask("digests send-special vote --yes").output.startswith("special:vote: 0 mails\n")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("asia-daily:2026-13-01", "An edition is named like"),
        ("asia-daily", "An edition is named like"),
        ("asia-dayly:2026-12-01", "There is no digest asia-dayly"),
        ("asia-daily:2020-12-01", "Nobody gets asia-daily on 2020-12-01"),
        ("special:nothing", "There is no special nothing"),
    ],
)
def test_what_cannot_be_forecast_is_said_in_one_sentence(flask, stories, name, said):
    done = flask(f"digests forecast {name}")
    assert done.exit_code == 1 and said in done.output
    assert "Traceback" not in done.output


def test_what_is_more_than_five_times_the_usual_asks_to_type_the_number(flask, stories, monkeypatch):
    flask(f"digests special vote asia-daily {stories[0]} --subject Vote")
    much = Forecast(601, {}, [], 1, 1, None, None, usual=100)
    monkeypatch.setattr(digests_forecast, "of_edition", lambda _name: much)
    assert "--mails 601" in flask("digests send-special vote --yes").output
    for typed in ("600\n", "y\n600\n"):
        assert "Nothing was sent" in flask("digests send-special vote", input=typed).output
    assert db.session.query(Edition).count() == 0
    assert flask("digests send-special vote", input="601\n").exit_code == 0
    assert db.session.query(Edition).count() == 1
