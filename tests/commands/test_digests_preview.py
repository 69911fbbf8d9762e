"""`flask digests preview` and `test-send` as an editor types them."""

import json

from core.database import db
from delivery.models import Delivery, Mailing
from tests.commands.test_digests_desk import stories, tomorrow

__all__ = ("stories", "tomorrow")


def test_an_edition_is_shown_for_all_personas_and_written_in_all_forms(flask, stories, tomorrow, tmp_path):
    done = flask(f"digests preview asia-daily {tomorrow} --json --into {tmp_path / 'out'}")
    assert [(one["who"], one["stories"]) for one in json.loads(done.output)] == [
        ("everything", 3),
        ("text", 3),
        ("paused", 3),
    ]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"index.html"} | {
        f"{who}.{end}" for who in ("everything", "paused") for end in ("txt", "html", "eml")
    } | {
        "text.txt",
        "text.eml",
    }
    assert "One" in (tmp_path / "out" / "everything.html").read_text()
    assert (tmp_path / "out" / "index.html").read_text().count("<iframe") == 3
    only = flask(f"digests preview asia-daily {tomorrow} --persona text --as text").output
    assert only == (tmp_path / "out" / "text.txt").read_text()
    assert db.session.query(Delivery).count() == 0


def test_a_test_is_queued_for_the_address_alone(flask, stories, tomorrow, nudged):
    done = flask(f"digests test-send asia-daily {tomorrow} --to desk@example.org")
    assert done.output.startswith("Queued as test:asia-daily:") and nudged
    (mailing,) = db.session.query(Mailing).all()
    assert (mailing.stream, db.session.query(Delivery).count()) == ("test:asia-daily", 1)


def test_what_cannot_be_shown_is_said_in_one_sentence(flask, stories, tomorrow):
    for line, said in (
        ("preview asia-daily {} --topics nothing", "There is no topic nothing"),
        ("preview asia-daily {} --reader nobody@example.org", "Nobody with this address has ever subscribed"),
        ("preview asia-daily {} --as html", "For --as name one"),
        ("preview asia-dayly {}", "There is no digest asia-dayly"),
        ("test-send asia-daily {} --to nobody", "address"),
        ("test-send asia-daily 2020-13-01 --to desk@example.org", "does not match the format"),
    ):
        done = flask("digests " + line.format(tomorrow))
        assert done.exit_code != 0 and said in done.output, line
        assert "Traceback" not in done.output
