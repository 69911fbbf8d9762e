"""Beat is heard, again and again, in the ledger's time."""

from datetime import timedelta

from sqlalchemy import func, select

from core import beat, clock
from core.database import Mark, db
from tasks import heartbeat, schedule


def heard_at():
    db.session.rollback()
    return beat.heard_at()


def test_beat_is_heard_again_and_again(app):
    assert heard_at() is None
    started = clock.utc_now()
    heartbeat.note()
    first = heard_at()
    heartbeat.note()
    assert started <= first < heard_at() <= clock.utc_now()
    db.session.rollback()
    assert db.session.scalar(select(func.count()).select_from(Mark).where(Mark.name == "beat")) == 1


def test_beat_says_so_every_quarter_of_a_minute():
    (entry,) = [entry for entry in schedule.BEAT.values() if entry["task"] == "tasks.heartbeat.note"]
    assert timedelta(seconds=entry["schedule"]) == timedelta(seconds=15)
