"""`flask digests note`, `pin`, `hold` and the like as an editor types them, and what they show."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import update

from articles import feeds, ingest
from articles.models import Article
from core import clock
from core.database import db
from tests.articles.atom import entry, feed
from tests.commands.test_digests import DIGEST

URL = "https://publisher.example.org/feed.xml"


@pytest.fixture
def tomorrow() -> str:
    """A date that is not over, wherever this runs."""
    return f"{clock.utc_now() + timedelta(days=2):%Y-%m-%d}"


@pytest.fixture
def stories(flask, tmp_path) -> list[str]:
    """A digest on offer, and the ids of three stories."""
    (tmp_path / "digests.toml").write_text(DIGEST.format("desk@monsoon.example.org"))
    assert flask(f"digests apply {tmp_path / 'digests.toml'}").exit_code == 0
    found = feeds.ensure(URL, language="en", now=clock.utc_now())
    ingest.store_entries(
        found.id, feed(*(entry(one, title=one.title()) for one in ("one", "two", "three"))), clock.utc_now()
    )
    # What a feed has at its first look is no news; these are.
    db.session.execute(update(Article).values(first_seen_at=clock.utc_now()))
    db.session.commit()
    by_name = {one.headline: one.public_id for one in db.session.query(Article)}
    return [by_name[name] for name in ("One", "Two", "Three")]


def sheet(flask, day: str) -> dict:
    return json.loads(flask(f"digests desk asia-daily {day} --json").output)


def test_a_sheet_holds_what_was_laid_down_and_each_command_shows_it(flask, stories, tomorrow):
    one, two, three = stories
    assert flask(f"digests front-page asia-daily {tomorrow} {one}").output.splitlines() == [
        "digest: asia-daily",
        f"date: {tomorrow}",
        f"front page: {one}  One",
    ]
    flask(f"digests pin asia-daily {tomorrow} {three} {two}")
    flask(f"digests subject asia-daily {tomorrow} 'The vote'")
    done = flask(f"digests note asia-daily {tomorrow} --file - --json", input="Read *this*.\n")
    assert json.loads(done.output) == sheet(flask, tomorrow)
    found = sheet(flask, tomorrow)
    assert (found["subject"], found["note"]) == ("The vote", "Read *this*.")
    assert [pin["headline"] for pin in found["pins"]] == ["Three", "Two"]
    flask(f"digests drop asia-daily {tomorrow} {three}")
    found = sheet(flask, tomorrow)
    assert [[one["headline"] for one in found[name]] for name in ("pins", "drops")] == [["Two"], ["Three"]]


def test_all_of_it_is_taken_back_by_undo(flask, stories, tomorrow):
    one, two, three = stories
    empty = sheet(flask, tomorrow)
    flask(f"digests front-page asia-daily {tomorrow} {one}")
    flask(f"digests pin asia-daily {tomorrow} {two}")
    flask(f"digests drop asia-daily {tomorrow} {three}")
    flask(f"digests subject asia-daily {tomorrow} 'The vote'")
    flask(f"digests note asia-daily {tomorrow} --text Read")
    flask(f"digests hold asia-daily {tomorrow} --until 06:15")
    assert sheet(flask, tomorrow) != empty
    for name in ("front-page", "pin", "drop", "subject", "note", "hold"):
        assert flask(f"digests {name} asia-daily {tomorrow} --undo").exit_code == 0
    assert sheet(flask, tomorrow) == empty


def test_a_held_date_is_approved_under_a_name_and_the_workers_look_at_once(flask, stories, tomorrow, nudged):
    assert "not held" in flask(f"digests approve asia-daily {tomorrow}").output
    flask(f"digests hold asia-daily {tomorrow} --until 06:15")
    nudged.clear()
    done = flask(f"digests approve asia-daily {tomorrow} --by Ruth --json")
    found = json.loads(done.output)
    assert (found["approved_by"], found["held_until"][:16]) == ("Ruth", f"{tomorrow}T06:15")
    assert nudged == ["tasks.digests.open_due"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("note asia-dayly {day} --text x", "There is no digest asia-dayly. There are: asia-daily."),
        ("note asia-daily 2020-01-01 --text x", "This date is over"),
        ("note asia-daily {day}", "Give the note with --text or --file"),
        ("note asia-daily {day} --text ' '", "The note is empty"),
        ("pin asia-daily {day}", "Name at least one STORY"),
        ("pin asia-daily {day} nothing", "There is no such story"),
        ("subject asia-daily {day}", "Give a TEXT"),
        ("hold asia-daily {day}", "Say until when"),
        ("hold asia-daily {day} --until 25:00", "does not match the format"),
        ("desk asia-daily tomorrow", "does not match the format"),
    ],
)
def test_bad_input_gets_one_sentence_that_names_the_cure(flask, stories, tomorrow, line, said):
    done = flask(f"digests {line.format(day=tomorrow)}")
    assert done.exit_code != 0 and said in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('desk_closes = "5:30"', "desk_closes must be a time of day"),
        ('hold_until = "24:00"', "hold_until must be a time of day"),
        ('desk_closes = "05:30"\nhold_until = "05:30"', "hold_until must be later than desk_closes"),
        ('unapproved = "wait"', "unapproved must be one of send, skip"),
    ],
)
def test_a_definition_with_a_wrong_hour_or_policy_is_refused(flask, tmp_path, line, said):
    file = tmp_path / "digests.toml"
    file.write_text(f"{DIGEST.format('desk@monsoon.example.org')}{line}\n")
    assert said in flask(f"digests apply {file}").output


def test_the_hour_at_which_the_desk_closes_is_shown_as_it_was_written(flask, tmp_path, tomorrow):
    file = tmp_path / "digests.toml"
    file.write_text(f'{DIGEST.format("desk@monsoon.example.org")}desk_closes = "05:30"\n')
    flask(f"digests apply {file}")
    assert sheet(flask, tomorrow)["desk_closes"] == "05:30"
