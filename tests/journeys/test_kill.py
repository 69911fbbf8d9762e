"""A sample of the proof of the ledger; `make proof-kill` is the whole of it."""

from pathlib import Path

from tests.proofs import kill


def test_a_killed_service_sends_every_due_mail_after_its_next_start_and_none_twice(tmp_path: Path) -> None:
    counts = kill.run(tmp_path, count=60, kills=2, seed=7)
    assert counts.kills >= 1, "the edition must not be over before the first kill"
    assert counts.faults() == [], counts
