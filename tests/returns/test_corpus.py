"""Every mail of the corpus is what it is: in classes, each with members that differ in kind."""

import tomllib
from collections import Counter
from pathlib import Path

import pytest

from core import errors
from core.tokens import Tokens
from delivery import verp
from delivery.signals import Kind
from returns import letters, reading
from tests import installation

FOLDER = Path(__file__).parent / "corpus"
EXPECTED = tomllib.loads((FOLDER / "expected.toml").read_text("utf-8"))
TOKENS = Tokens(installation.settings_for("sqlite://").secret_key)


def octets(name: str) -> bytes:
    """Return a mail of the corpus as it came."""
    return (FOLDER / f"{name}.eml").read_bytes()


def test_each_file_is_in_the_table_and_each_row_has_its_file():
    there = {path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.eml")}
    assert there == EXPECTED.keys()


def test_there_are_twelve_classes_at_least_and_most_have_several_members():
    classes = Counter(name.partition("/")[0] for name in EXPECTED)
    assert len(classes) >= 12
    assert sum(count >= 3 for count in classes.values()) >= 12


@pytest.mark.parametrize("name", EXPECTED)
def test_a_mail_is_what_it_is(name):
    wanted = EXPECTED[name]
    found = reading.read(octets(name), tokens=TOKENS)
    assert found.kind == wanted["kind"], found.why
    assert wanted.get("why", "") in found.why
    assert (found.signal is not None) == ("source" in wanted)
    if found.signal is None:
        return
    signal = found.signal
    assert (signal.source, signal.status, signal.code or 0) == (
        wanted["source"],
        wanted.get("status", ""),
        wanted.get("code", 0),
    )
    assert delivery_of(signal.token, leave=signal.kind is Kind.LEAVE) == wanted["delivery"]


def delivery_of(token: str, *, leave: bool) -> int:
    try:
        return verp.read(token, tokens=TOKENS, prefix=verp.LEAVE_PREFIX if leave else verp.PREFIX)
    except errors.LinkDamaged:
        return -1


@pytest.mark.parametrize("name", [name for name, wanted in EXPECTED.items() if "stop" in wanted])
def test_a_letter_that_asks_for_no_more_mail_is_flagged_and_another_is_not(name):
    found = reading.read(octets(name), tokens=TOKENS)
    assert letters.says_stop(found.mail) is EXPECTED[name]["stop"]


@pytest.mark.parametrize("name", [name for name, wanted in EXPECTED.items() if "source" in wanted])
def test_no_signal_holds_a_readers_address(name):
    found = reading.read(octets(name), tokens=TOKENS)
    assert found.signal is not None
    assert "ada@" not in found.signal.text
    assert found.signal.text.isprintable()
