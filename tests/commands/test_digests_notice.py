"""`flask digests notice` as a person types it."""

import pytest

from tests.commands.test_digests import DIGEST

JOIN = "--kind support --from 2026-12-01 --until 2026-12-24 --text '[Join us](https://example.org/join)'"


@pytest.fixture
def offered(flask, tmp_path) -> None:
    (tmp_path / "digests.toml").write_text(DIGEST.format("desk@monsoon.example.org"))
    assert flask(f"digests apply {tmp_path / 'digests.toml'}").exit_code == 0


def test_a_notice_is_added_listed_and_taken_back(flask, offered):
    line = "2026-12-01 to 2026-12-24  support (en): [Join us](https://example.org/join)"
    assert flask(f"digests notice asia-daily {JOIN}").output.splitlines() == [line, "1 notices."]
    assert flask("digests notice asia-daily").output.splitlines() == [line, "1 notices."]
    assert flask("digests notice asia-daily --from 2026-12-01 --undo").output == "0 notices.\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--kind support --text x", "needs --kind, --from, --until, and --text or --file"),
        ("--undo", "Say with --from which one"),
        (JOIN.replace("support", "joke"), "'joke' is not one of"),
        ("--from 2026-12-01 --undo", "No notice begins on 2026-12-01."),
        (JOIN.replace("12-24", "11-24"), "cannot end before it begins"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_cure(flask, offered, options, words):
    answer = flask(f"digests notice asia-daily {options}")
    assert answer.exit_code != 0 and words in answer.output and "Traceback" not in answer.output
