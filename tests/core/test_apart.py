"""What reads strangers' files ends alone, whatever they make of it, and knows no secret."""

import json

import pytest

from core import apart


def run(what: str) -> bytes:
    return apart.run("tests.core.stranger", what.encode())


def test_it_answers_and_knows_none_of_our_secrets(monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "sesame")
    monkeypatch.setenv("DATABASE_URL", "postgresql://x")
    assert set(json.loads(run("good"))) <= {"PATH", "LANG", "LC_CTYPE"}


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("eats", "MemoryError"),
        ("writes for ever", "File too large"),
        ("works for ever", "ended with -"),
        ("crashes", "ended with -6"),
    ],
)
def test_whatever_a_file_makes_of_it_is_told_and_ends_there(what, why):
    with pytest.raises(apart.FailedApart, match=why):
        run(what)


def test_one_that_does_nothing_is_ended(monkeypatch):
    monkeypatch.setattr(apart, "WALL_S", 1.0)
    with pytest.raises(apart.FailedApart, match="longer than 1 seconds"):
        run("sleeps")
