"""`flask subscribers verify-consent`: what it says, and its exit status."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import delete, update

from core import database, services
from core.database import Base, Mark, db
from subscribers import consentchain, consenthead, offer
from tasks import consent
from tests.subscribers import people

ENTRIES, OWN = Base.metadata.tables["consent_entries"], Base.metadata.tables["consent_particulars"]


@pytest.fixture
def sealed(app, tmp_path) -> None:
    """Three entries with seals, one that waits for it; this host keeps its head in a folder of its own."""
    app.extensions["postrider settings"] = replace(app.extensions["postrider settings"], state_dir=tmp_path)
    agree("one", "two", "three")
    consent.seal()
    agree("four")


def agree(*names: str) -> None:
    with database.write_turn():
        offer.apply([people.ASIA])
        for name in names:
            people.joined(services.current(), f"{name}@example.org")
        db.session.commit()


def change(*statements) -> None:
    with database.write_turn():
        for statement in statements:
            db.session.execute(statement)
        db.session.commit()


def test_a_proof_that_is_as_it_was_sealed_is_good(flask, sealed):
    change(delete(OWN).where(OWN.c.entry_id == 1))
    ended = flask("subscribers verify-consent")
    assert ended.exit_code == 0, ended.output
    said, seen = ended.stdout.splitlines()
    assert said == (
        "3 sealed entries, all as they were sealed; 1 wait for their seal; of 1 the particulars are erased."
    )
    assert seen.startswith("This host has seen it sealed up to number 3, last at ")


def test_it_names_what_was_changed_and_what_is_missing(flask, sealed):
    change(
        update(ENTRIES).where(ENTRIES.c.seq == 1).values(wording="other"),
        update(ENTRIES).where(ENTRIES.c.seq == 3).values(seq=None, seal=None),
        update(OWN).where(OWN.c.entry_id == 4).values(form="other"),
    )
    ended = flask("subscribers verify-consent")
    assert ended.exit_code == 1
    assert ended.stdout.splitlines()[:5] == [
        "Number 1 (entry 1) has been changed since it was sealed: it, or its seal.",
        "Number 1 (entry 1) has particulars that are not those that were recorded.",
        "Number 3 is missing.",
        "An entry without a seal (entry 4) has particulars that are not those that were recorded.",
        "2 sealed entries, 4 faults; 2 wait for their seal; of 0 the particulars are erased.",
    ]


def test_an_end_that_was_cut_off_shows_by_what_this_host_has_seen(flask, sealed):
    two = db.session.scalar(db.select(ENTRIES.c.seal).where(ENTRIES.c.seq == 2))
    head = consentchain.head()
    assert head is not None and two is not None
    cut = replace(head, seq=2, seal=two)
    change(
        delete(OWN).where(OWN.c.entry_id == 3),
        delete(ENTRIES).where(ENTRIES.c.seq == 3),
        update(Mark).where(Mark.name == consentchain.MARK).values(value=str(cut)),
    )
    ended = flask("subscribers verify-consent --json")
    table = json.loads(ended.stdout)
    assert ended.exit_code == 1
    assert [(one["kind"], one["seq"], one["last"]) for one in table["faults"]] == [("cut", 3, 3)]
    assert (table["sealed"], table["waiting"], table["seen_by_this_host"]) == (2, 1, 3)


def test_a_chain_that_is_gone_as_a_whole_is_told(flask, sealed):
    change(delete(OWN), delete(ENTRIES), delete(Mark).where(Mark.name == consentchain.MARK))
    ended = flask("subscribers verify-consent")
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert "this host has seen one up to number 3: all of it is gone" in ended.stderr


def test_before_the_first_seal_there_is_nothing_to_find_fault_with(flask, app, tmp_path):
    app.extensions["postrider settings"] = replace(app.extensions["postrider settings"], state_dir=tmp_path)
    ended = flask("subscribers verify-consent")
    assert ended.exit_code == 0 and ended.stdout.startswith("0 sealed entries, all as they were sealed;")
    assert "its end was cut would not show here" in ended.stdout


def test_with_another_key_nothing_can_be_verified_and_it_says_so(flask, app, sealed):
    app.extensions["postrider settings"] = replace(app.extensions["postrider settings"], consent_key=b"another")
    ended = flask("subscribers verify-consent")
    assert ended.exit_code == 1 and "CONSENT_KEY is not the one" in ended.stderr


def test_a_damaged_file_of_this_host_is_told_with_the_cure(flask, sealed, tmp_path):
    (tmp_path / consenthead.FILE).write_text("{")
    ended = flask("subscribers verify-consent")
    assert ended.exit_code == 1 and "keep it aside" in ended.stderr


def test_those_who_help_see_why_a_mail_came_or_none_as_the_reader_does(flask, app):
    agree("one")
    ended = flask("subscribers why One@example.org")
    assert ended.exit_code == 0
    assert [line.partition(")  ")[2] for line in ended.stdout.splitlines()] == [
        "Your first edition. It is just being made.",
        "You subscribed. Before that, no mail could come.",
    ]
    assert ended.stdout.startswith("asia-daily  Monday 2 March, 17:00 (Asia/Hong_Kong)  ")
    found = json.loads(flask("subscribers why - --json", input="one@example.org\n").stdout)
    assert [one["reason"] for one in found] == ["being made", "not subscribed yet"]


def test_of_an_address_that_is_kept_from_mail_it_says_where_to_look(flask, app):
    agree("one")
    assert flask("suppression add one@example.org --scope bulk").exit_code == 0
    assert flask("subscribers why one@example.org").stdout.splitlines()[-1].endswith("flask suppression show")


def test_an_address_that_nobody_confirmed_is_told_in_one_sentence_without_it(flask, app, caplog):
    ended = flask("subscribers why stranger@example.org")
    assert (ended.exit_code, ended.stdout) == (1, "") and "Nobody with this address" in ended.stderr
    assert "stranger" not in ended.output + caplog.text
