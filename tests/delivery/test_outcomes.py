"""The feed of outcomes: nothing of it is passed over, whoever writes it at the same time."""

import threading

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import OperationalError

from core import clock, database
from core.database import db
from delivery import outcomes
from delivery.models import Outcome
from delivery.outcomes import Kind
from tests.delivery.mailings import mailing


def values(made: int) -> dict[str, object]:
    return {"at": clock.utc_now(), "kind": "hard_bounce", "mailing_id": made, "addr_hash": bytes(16)}


def written(made: int, count: int = 1) -> None:
    with database.write_turn():
        for _ in range(count):
            db.session.execute(insert(Outcome).values(values(made)))
        db.session.commit()


def newest() -> int:
    with database.write_turn():
        found = outcomes.newest()
        db.session.commit()
    return found


def test_they_are_read_in_their_order_from_the_cursor_to_where_the_feed_is_complete(ledger):
    made = mailing(stream="digest:asia-daily")
    assert newest() == 0 and not outcomes.waiting(0, outcomes.ABOUT_READERS)
    written(made, 5)
    until = newest()
    assert outcomes.waiting(0, outcomes.ABOUT_READERS) and not outcomes.waiting(until, outcomes.ABOUT_READERS)
    found = outcomes.between(0, until, limit=3)
    assert [(one.kind, one.stream) for one in found] == [(Kind.HARD_BOUNCE, "digest:asia-daily")] * 3
    rest = outcomes.between(found[-1].id, until, limit=3)
    assert [one.id for one in (*found, *rest)] == sorted(one.id for one in (*found, *rest)) and len(rest) == 2
    written(made)
    assert not outcomes.between(until, until, limit=3)


def test_one_that_has_its_number_and_is_not_committed_yet_is_waited_for(postgres_ledger):
    made = mailing()
    with postgres_ledger.engine.connect() as slow:
        begun = slow.begin()
        slow.execute(insert(Outcome).values(values(made)))
        written(made)
        assert outcomes.waiting(0, outcomes.ABOUT_READERS), "the later number can be seen, the earlier one cannot"
        db.session.rollback()
        timer = threading.Timer(0.3, begun.commit)
        timer.start()
        assert len(outcomes.between(0, newest(), limit=9)) == 2
        timer.join()


def test_one_that_takes_too_long_is_left_for_the_next_time(postgres_ledger):
    made = mailing()
    with postgres_ledger.engine.connect() as slow, slow.begin():
        slow.execute(insert(Outcome).values(values(made)))
        with pytest.raises(OperationalError):
            newest()
    assert newest() > 0
