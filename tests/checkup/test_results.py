"""What is kept of a look, when the next one is due, and what operators are told."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from checkup import results
from checkup.findings import Finding, Level, Record
from checkup.results import Result
from core.alerts import LONGEST
from core.database import Mark, db
from tests.checkup.signing import NOW
from tests.installation import rooms_on, settings_for

SPF = Finding(Level.ERROR, "spf.missing", "b.example.org", "No SPF.", (Record("b.example.org", "TXT", "v=spf1 ~all"),))
MX = Finding(Level.ERROR, "mx.missing", "b.example.org", "No MX.")
KEY = Finding(Level.ERROR, "dkim.missing", "s._domainkey.example.org", "No key.", (Record("s", "TXT", "x" * 400),))
NOTE = Finding(Level.NOTE, "dmarc.testing", "example.org", "A test.")
SILENT = Finding(Level.ERROR, "names.silent", "DNS", "Nobody answers.")
LATER = NOW + results.AGAIN


@pytest.fixture
def rooms(tmp_path):
    with rooms_on(settings_for(f"sqlite:///{tmp_path / 'rooms.db'}")):
        yield


def test_a_look_is_due_after_an_hour_and_sooner_when_something_was_wrong():
    good, bad = Result(NOW, (NOTE,), NOW), Result(NOW, (SPF, NOTE), NOW)
    assert results.is_due(None, NOW)
    assert not results.is_due(good, NOW + results.AGAIN)
    assert results.is_due(good, NOW + results.EVERY)
    assert not results.is_due(bad, NOW + results.AGAIN - timedelta(seconds=1))
    assert results.is_due(bad, NOW + results.AGAIN)
    assert results.is_due(Result(NOW, (), NOW, silent_since=NOW), LATER)


def test_operators_are_told_what_two_looks_found_one_trouble_for_a_domain():
    first = results.after(None, [SPF, KEY], NOW)
    assert results.troubles(first) == []
    second = results.after(first, [SPF, MX], LATER)
    assert [one.key for one in results.troubles(second)] == ["dns:b.example.org"]
    third = results.after(second, [SPF, MX], LATER)
    (trouble,) = results.troubles(third)
    what, how_much, cure = trouble.text.split("\n")
    assert what == "No SPF."
    assert "18:10 UTC" in how_much and "And 1 more is wrong there." in how_much
    assert cure == 'Set in the DNS: b.example.org. IN TXT "v=spf1 ~all" Then look again: flask mail check'
    assert results.troubles(results.after(third, [NOTE], LATER)) == []


def test_of_one_cause_there_is_one_trouble():
    other = Finding(Level.ERROR, "dkim.missing", "t._domainkey.example.org", "No key either.")
    sample = Finding(Level.ERROR, "sample.fails", "digest: a digest", "It fails.")
    both = [KEY, other, sample]
    assert [one.key for one in results.troubles(results.after(Result(NOW, tuple(both), NOW), both, LATER))] == [
        "dns:example.org"
    ]
    alone = results.after(Result(NOW, (sample,), NOW), [sample], LATER)
    assert [one.key for one in results.troubles(alone)] == ["dns:samples"]


def test_a_record_that_is_too_long_for_the_night_is_left_to_the_command():
    twice = results.after(results.after(None, [KEY], NOW), [KEY], LATER)
    (trouble,) = results.troubles(twice)
    assert trouble.text.endswith("flask mail check")
    assert all(len(line) <= LONGEST for line in trouble.text.split("\n"))


def test_while_nobody_answers_what_was_found_before_stands():
    before = results.after(results.after(None, [SPF], NOW), [SPF], NOW)
    silent = results.after(before, [SILENT], LATER)
    assert (silent.found, silent.silent_since, silent.looked_at, silent.found_at) == ((SPF,), LATER, LATER, NOW)
    assert [one.key for one in results.troubles(silent)] == ["dns:b.example.org"]
    longer = results.after(silent, [SILENT], LATER + results.AGAIN)
    assert longer.silent_since == LATER
    assert results.after(longer, [NOTE], NOW).silent_since is None
    alone = results.after(results.after(None, [SILENT], NOW), [SILENT], NOW)
    assert results.troubles(alone) == []


def test_a_look_is_read_as_it_was_kept_and_the_newest_stands(rooms):
    connection = db.session.connection()
    assert results.last(connection) is None
    first = results.after(None, [SPF, KEY, NOTE], NOW)
    results.keep(connection, first)
    assert results.last(connection) == first
    second = results.after(first, [KEY, SILENT], LATER)
    results.keep(connection, second)
    assert results.last(connection) == second
    assert len(connection.execute(select(Mark)).all()) == 1


@pytest.mark.parametrize(
    "value",
    [
        "",
        "no JSON",
        "[]",
        "{}",
        '{"looked_at": "x", "found_at": "x", "silent_since": null, "confirmed": [], "found": []}',
    ],
)
def test_a_look_that_another_release_wrote_is_as_good_as_none(rooms, value):
    db.session.add(Mark(name="checkup", value=value))
    assert results.last(db.session.connection()) is None


def test_the_summary_counts_all_and_names_what_is_to_be_done():
    told = results.summary(results.after(None, [SPF, NOTE], NOW), NOW + timedelta(minutes=5))
    assert {name: told[name] for name in ("age_s", "answered", "error", "warning", "note", "good")} == {
        "age_s": 300.0,
        "answered": True,
        "error": 1,
        "warning": 0,
        "note": 1,
        "good": 0,
    }
    assert [one["code"] for one in json.loads(json.dumps(told["findings"]))] == ["spf.missing"]


def test_no_more_is_kept_than_anybody_reads():
    many = [Finding(Level.ERROR, f"spf.{number}", "x", "y") for number in range(1000)]
    assert len(results.after(None, many, NOW).found) == results.KEPT
