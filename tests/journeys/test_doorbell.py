"""A part of the proof of the doorbell; `make proof-doorbell` is the whole of it."""

from pathlib import Path

from tests.proofs import bell as bells
from tests.proofs import doorbell


def test_mail_leaves_without_redis_and_nudges_soon_count_again(postgres_database: str, tmp_path: Path) -> None:
    with bells.doorbell(tmp_path, database_url=postgres_database) as bell:
        doorbell.forgetful(bell)
        doorbell.crashed(bell)
        doorbell.missed(bell, doorbell.HUNG, 4)
        doorbell.missed_at_work(bell, doorbell.AWAY, 2)
        doorbell.ended(bell, relay_hangs=False)
    assert bell.faults == [], bell.rows
