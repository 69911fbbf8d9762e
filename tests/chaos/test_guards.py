"""A sample of the proof that the checker sees a missing guard; `make proof-guards` is the whole of it."""

from pathlib import Path

import pytest

from tests.chaos import guards
from tests.chaos.checker import INVARIANTS
from tests.chaos.disturbances import SUBJECTS
from tests.chaos.guards import GUARDS, Edit, Guard
from tests.chaos.house import ROOT

INTENT = next(one for one in GUARDS if one.name == "intent")


def test_without_a_durable_intent_the_checker_finds_copies_that_no_doubt_explains(tmp_path: Path) -> None:
    with guards.copy(tmp_path, INTENT.edits) as tree:
        outcome = guards.run(tree, subject="sample", database="sqlite", seed=7, count=60)
    assert INTENT.breaks & outcome.faults.keys(), str(outcome)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda one: one.name)
def test_every_guard_stands_in_the_product_in_these_words(guard: Guard) -> None:
    for edit in guard.edits:
        assert (ROOT / edit.path).read_text("utf-8").count(edit.guarded) == 1, edit.guarded
    assert guard.subject in SUBJECTS
    assert guard.breaks <= INVARIANTS.keys()


def test_a_guard_that_is_not_found_is_not_taken_for_removed(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("a = 1\n")
    with pytest.raises(ValueError, match="0 times"):
        Edit("one.py", "b = 2", "").apply(tmp_path)
