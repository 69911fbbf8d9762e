"""`flask suppression`: why an address gets no mail, and what an operator does about it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from commands import suppression_file
from core import addresses, clock, database, journal, services
from core.database import db
from delivery import suppression
from delivery.models import Suppression
from subscribers import offer, unsubscribe
from subscribers.models import Subscriber
from tests.subscribers import people

SINCE = datetime(2026, 11, 24, 6, 41, tzinfo=UTC)
UNTIL = clock.utc_now() + timedelta(days=90)
DAILY = "digest:asia-daily"


def hash_of(mailbox: str) -> bytes:
    return services.current().keyring.hash(addresses.parse(mailbox))


def suppress(mailbox: str, scope: str, reason: str, source: str, *, until=None, at=SINCE) -> None:
    with database.write_turn():
        suppression.suppress(hash_of(mailbox), scope=scope, reason=reason, source=source, now=at, until=until)
        db.session.commit()


@pytest.fixture
def offered(app) -> None:
    """One digest."""
    with database.write_turn():
        offer.apply([people.ASIA])
        db.session.commit()


@pytest.fixture
def reader(offered) -> bytes:
    """An address that came back, complained, and left a digest."""
    for scope, reason, source, until in (
        ("bulk", "full", "dsn", UNTIL),
        ("bulk", "soft", "dsn", SINCE + timedelta(hours=1)),
        ("bulk", "complaint", "arf", None),
        (DAILY, "left", "mail", None),
    ):
        suppress("reader@example.org", scope, reason, source, until=until)
    return hash_of("reader@example.org")


@pytest.fixture
def empty_journal(app) -> None:
    """Forget what the journal of this test process has."""
    kept = journal.current()
    assert kept is not None
    kept.path.unlink(missing_ok=True)


def noted() -> list[tuple[str, str, str]]:
    kept = journal.current()
    assert kept is not None
    lines = [line for _octets, line in journal.read(kept.path) if line] if kept.path.exists() else []
    return [(line.change.kind, line.change.scope, line.change.reason) for line in lines]


def standing(mailbox: str) -> list[tuple[str, str, str]]:
    db.session.rollback()
    rows = db.session.scalars(select(Suppression).filter_by(addr_hash=hash_of(mailbox)))
    return sorted((one.scope, one.reason, one.source) for one in rows)


def test_it_says_what_holds_now_since_when_until_when_and_by_whom(flask, reader):
    ended = flask("suppression show Reader@example.org")
    assert ended.exit_code == 1
    assert ended.stdout.splitlines() == [
        "bulk: complaint, since 2026-11-24 06:41 UTC, by arf",
        f"bulk: full, since 2026-11-24 06:41 UTC until {UNTIL:%Y-%m-%d %H:%M} UTC, by dsn",
        "digest:asia-daily: left, since 2026-11-24 06:41 UTC, by mail",
    ]
    assert len(json.loads(flask("suppression show - --json", input="reader@example.org\n").stdout)) == 3


def test_an_address_that_nothing_is_known_of_may_be_mailed(flask, reader):
    ended = flask("suppression show other@example.org")
    assert (ended.exit_code, ended.output) == (0, "Nothing keeps mail from this address.\n")


@pytest.mark.parametrize("command", ["show nobody", "add nobody --scope all", "remove nobody --scope all"])
def test_what_is_no_address_is_refused_with_one_sentence(flask, offered, command):
    ended = flask(f"suppression {command}")
    assert (ended.exit_code, ended.stdout) == (1, "") and ended.stderr.startswith("Error: ")


def test_what_is_added_holds_with_its_reason_source_and_end(flask, offered):
    ended = flask("suppression add reader@example.org --scope bulk --reason legal --source desk --until 2100-01-31")
    assert ended.exit_code == 0
    assert ended.stdout.startswith("bulk: legal, since ") and ended.stdout.endswith(
        " until 2100-01-31 00:00 UTC, by desk\n"
    )
    assert flask("suppression add - --scope all", input="reader@example.org\n").exit_code == 0
    assert standing("reader@example.org") == [("all", "operator", "operator"), ("bulk", "legal", "desk")]


def test_a_reader_who_left_by_word_of_an_operator_has_left_on_the_pages_too(flask, offered):
    with database.write_turn():
        people.joined(services.current())
        db.session.commit()
    assert flask(f"suppression add reader@example.org --scope {DAILY} --reason left").exit_code == 0
    db.session.rollback()
    assert db.session.scalar(select(Subscriber.state)) == "left"
    assert standing("reader@example.org") == [(DAILY, "left", "operator")]


def test_readers_of_a_file_leave_once_and_a_second_time_nothing_is_news(flask, offered, csv_file):
    with database.write_turn():
        people.joined(services.current())
        db.session.commit()
    csv_file.write_text("reader@example.org\nstranger@example.org\n")
    for news in (2, 0):
        ended = imported(flask, csv_file, f"--scope {DAILY} --reason left")
        assert f"2 addresses read, none left out; {news} are news." in ended.stdout
    db.session.rollback()
    assert db.session.scalar(select(Subscriber.state)) == "left"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--scope digest:gone", "There are: all, bulk, share, digest:asia-daily"),
        ("--scope bulk --until 2020-01-01", "over already"),
        ("--scope bulk --reason 'two words'", "one word"),
        ("--scope bulk --source ''", "one word"),
        ("", "--scope"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(flask, offered, options, words):
    ended = flask(f"suppression add reader@example.org {options}")
    assert ended.exit_code == 2 and words in ended.stderr
    assert standing("reader@example.org") == []


@pytest.mark.parametrize("scope", ["all", "share"])
def test_what_a_friend_ended_for_good_an_operator_takes_back_only_by_its_name(flask, offered, scope):
    flask(f"suppression add jo@example.org --scope {scope} --reason left")
    stays = flask(f"suppression remove jo@example.org --scope {scope}")
    assert stays.exit_code == 1 and "when they ask you to, name it with --reason left." in stays.output
    assert flask(f"suppression remove jo@example.org --scope {scope} --reason left --yes").exit_code == 0
    assert standing("jo@example.org") == []


def test_an_operator_takes_back_what_bounces_have_made_and_it_is_noted_in_the_journal(flask, reader, empty_journal):
    ended = flask("suppression remove reader@example.org --scope bulk")
    assert ended.exit_code == 0, ended.output
    assert ended.stdout.splitlines() == [
        "Removed: bulk: full",
        "Stays: bulk: complaint. It is the reader's own wish; subscribing again lifts it.",
    ]
    assert noted() == [("lift", "bulk", "full")]
    assert (DAILY, "left", "mail") in standing("reader@example.org")


def test_what_a_reader_wants_is_taken_back_by_name_and_after_a_question_only(flask, reader, empty_journal):
    line = f"suppression remove reader@example.org --scope {DAILY}"
    assert flask(line).exit_code == 1
    assert flask(f"{line} --reason left", input="n\n").exit_code == 1
    assert flask(f"suppression remove - --scope {DAILY} --reason left", input="reader@example.org\n").exit_code == 2
    assert noted() == [] and (DAILY, "left", "mail") in standing("reader@example.org")
    assert flask(f"{line} --reason left", input="y\n").exit_code == 0
    assert noted() == [("lift", DAILY, "left")]
    assert (DAILY, "left", "mail") not in standing("reader@example.org")


def test_the_list_shows_the_newest_first_by_hash_and_never_an_address(flask, reader):
    suppress("other@example.org", "all", "operator", "operator", at=SINCE + timedelta(days=1))
    ended = flask("suppression list")
    assert ended.exit_code == 0 and "@" not in ended.stdout
    lines = ended.stdout.splitlines()
    assert len(lines) == 4
    assert lines[0] == f"{hash_of('other@example.org').hex()}  all: operator, since 2026-11-25 06:41 UTC, by operator"


@pytest.mark.parametrize(
    ("options", "count"),
    [("--scope bulk", 2), ("--reason left", 1), ("--source dsn", 1), ("--scope share", 0), ("--limit 2", 2)],
)
def test_the_list_can_be_narrowed(flask, reader, options, count):
    ended = flask(f"suppression list {options} --json")
    assert len([json.loads(line) for line in ended.stdout.splitlines()]) == count


# Import.


@pytest.fixture
def csv_file(tmp_path) -> Path:
    return tmp_path / "left.csv"


def imported(flask, file: Path, options: str = "--scope bulk"):
    return flask(f"suppression import {file} {options}")


def test_a_file_with_columns_is_taken_as_it_says(flask, offered, csv_file):
    csv_file.write_text(
        "Email;Reason;Scope;Until\nOne@Example.org;legal;;\n\ntwo@example.org;;all;2100-01-31\n", encoding="utf-8-sig"
    )
    ended = imported(flask, csv_file)
    assert ended.exit_code == 0, ended.output
    assert "2 addresses read, none left out; 2 are news." in ended.stdout
    assert standing("one@example.org") == [("bulk", "legal", "import")]
    assert standing("two@example.org") == [("all", "import", "import")]


def test_a_file_of_addresses_alone_is_taken_and_a_second_time_nothing_is_news(flask, offered, csv_file):
    csv_file.write_text("one@example.org\ntwo@example.org\none@example.org\n")
    assert "3 addresses read, none left out; 2 are news." in imported(flask, csv_file).stdout
    assert "3 addresses read, none left out; 0 are news." in imported(flask, csv_file).stdout


def test_a_dry_run_reads_everything_and_writes_nothing(flask, offered, csv_file):
    csv_file.write_text("one@example.org\nnobody\n")
    ended = imported(flask, csv_file, "--scope bulk --dry-run")
    assert ended.exit_code == 1 and "1 addresses read, 1 left out; nothing is written: a dry run." in ended.stdout
    assert standing("one@example.org") == []


BAD = {
    "nobody,bulk,": "does not look like an e-mail address",
    "one@example.org,digest:gone,": "There are: all, bulk, share, digest:asia-daily.",
    "one@example.org,,": "It says no scope.",
    "one@example.org,bulk,soon": "Write it like 2027-01-31",
    "one@example.org,bulk,2020-01-31": "over already",
    "one@example.org,bulk,,extra": "more fields",
    '"one@example.org,bulk,': "A quote is opened",
    f"{'x' * 5000}@example.org,bulk,": "longer than 4096 octets",
    "o\udce9ne@example.org,bulk,": "not in UTF-8",
    "one@example.org\0,bulk,": "hidden characters",
}


def test_bad_lines_are_told_with_number_and_cure_and_all_others_are_taken(flask, offered, csv_file):
    lines = ["address,scope,until", *BAD, "good@example.org,share,"]
    csv_file.write_text("\n".join(lines), encoding="utf-8", errors="surrogateescape")
    ended = imported(flask, csv_file, "")
    assert ended.exit_code == 1
    told = [line for line in ended.stderr.splitlines() if line.startswith("Line ")]
    for number, (line, words) in enumerate(zip(told, BAD.values(), strict=True), 2):
        assert line.startswith(f"Line {number}: ") and words in line
    assert "@example.org" not in ended.stderr.replace("name@example.org", ""), "no address is printed"
    assert standing("good@example.org") == [("share", "import", "import")]
    assert standing("one@example.org") == []


def test_a_first_line_that_names_no_columns_of_ours_is_refused_before_anything_is_written(flask, offered, csv_file):
    csv_file.write_text("address,name\none@example.org,One\n")
    ended = imported(flask, csv_file)
    assert ended.exit_code == 1 and "Line 1: It must name the columns: address" in ended.stderr
    assert standing("one@example.org") == []


def test_an_import_that_dies_has_whole_steps_and_goes_on_when_it_runs_again(flask, offered, csv_file, monkeypatch):
    csv_file.write_text("".join(f"r{number}@example.org\n" for number in range(25)))
    monkeypatch.setattr(suppression_file, "CHUNK", 10)
    keep_away, calls = unsubscribe.keep_away, []

    def dies(changes, *, now):
        calls.append(len(changes))
        done = keep_away(changes, now=now)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return done

    with monkeypatch.context() as patch:
        patch.setattr(unsubscribe, "keep_away", dies)
        ended = imported(flask, csv_file)
    assert ended.exit_code == 1 and "Stopped. 10 are written; run it again to go on." in ended.stderr
    db.session.rollback()
    assert len(db.session.scalars(select(Suppression.addr_hash)).all()) == 10
    assert "25 addresses read, none left out; 15 are news." in imported(flask, csv_file).stdout
