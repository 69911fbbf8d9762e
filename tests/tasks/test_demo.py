"""The demo is read before the transaction that stores it."""

import pytest

from articles import ingest
from commands import demo
from core import database
from core.database import db


@pytest.mark.parametrize("command", [demo.load, demo.tomorrow], ids=lambda command: command.name)
def test_no_transaction_is_open_while_the_demo_is_read(app, monkeypatch, command):
    if command is demo.tomorrow:
        demo.load_publication()
        db.session.rollback()
    read, seen = ingest.read_entries, []

    def watched(feed_id, fetched):
        seen.append((db.session().in_transaction(), database._writing.get()))
        return read(feed_id, fetched)

    monkeypatch.setattr(ingest, "read_entries", watched)
    answer = app.test_cli_runner().invoke(command)
    assert answer.exit_code == 0, answer.output
    assert set(seen) == {(False, False)}


def test_tomorrow_never_comes_to_a_publication_that_is_not_the_demo(app):
    answer = app.test_cli_runner().invoke(demo.tomorrow)
    assert answer.exit_code == 1
    assert "not the demo" in answer.output
