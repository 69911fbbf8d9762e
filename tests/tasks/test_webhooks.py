"""What mail services told is worked off some at a time; one that fails is set aside and holds up none of the others."""

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from core import clock, database
from core.database import db
from delivery import reports
from delivery.reports import Applied
from returns import arrivals
from returns.models import Arrival
from tasks import webhooks
from tests.returns import posts


def keep(source: str, *raws: bytes) -> None:
    with database.write_turn():
        for raw in raws:
            arrivals.keep(source, raw, raw, now=clock.utc_now())
        db.session.commit()


def found() -> list[tuple[str, str | None, str | None]]:
    """Return state, kind and reason of all arrivals in order."""
    db.session.rollback()
    rows = db.session.execute(select(Arrival.state, Arrival.kind, Arrival.why).order_by(Arrival.id))
    return [(state, kind, why) for state, kind, why in rows]


def bounces(count: int) -> list[bytes]:
    return [posts.postmark(posts.postmark_bounce(number=number)).body for number in range(count)]


@pytest.fixture
def applied(monkeypatch) -> list[str]:
    """The texts of the signals that took effect; one that says `poison` fails, and one that says `away` cannot."""
    texts: list[str] = []

    def apply(signals, *, tokens, now):
        for signal in signals:
            if "poison" in signal.text:
                raise ZeroDivisionError(signal.text)
            if "away" in signal.text:
                raise OperationalError("SELECT", {}, Exception("gone"))
        texts.extend(signal.text for signal in signals)
        return [Applied(None, "hard", None) for _ in signals]

    monkeypatch.setattr(reports, "apply", apply)
    return texts


def post(number: int, details: str) -> bytes:
    return posts.postmark(posts.postmark_bounce(number=number, details=details)).body


def test_what_waits_is_worked_off_in_order_however_much_it_is(app, applied, monkeypatch):
    monkeypatch.setattr(webhooks, "STEP", 10)
    keep("postmark", *(post(number, f"gone {number}") for number in range(35)))
    webhooks.work_off()
    assert applied == [f"gone {number}" for number in range(35)]
    assert found() == [("done", "bounce", None)] * 35
    webhooks.work_off()
    assert len(applied) == 35


def test_one_that_fails_is_set_aside_and_all_others_take_effect_once(app, applied):
    keep("postmark", post(1, "first"), post(2, "poison"), post(3, "second"))
    webhooks.work_off()
    assert [state for state, _kind, _why in found()] == ["done", "unread", "done"]
    assert found()[1][2] == "A fault of ours: ZeroDivisionError"
    # What was done in the step that failed was taken back, so the last call of each is the one that counts.
    assert applied[-2:] == ["first", "second"]
    assert arrivals.unread() == 1
    before = list(applied)
    webhooks.work_off()
    assert applied == before


def test_one_that_cannot_be_read_stays_as_it_came(app, applied):
    keep("postmark", b"\xff", post(1, "gone"))
    webhooks.work_off()
    assert found() == [("unread", None, "It is not JSON in UTF-8."), ("done", "bounce", None)]
    assert db.session.scalar(select(Arrival.raw).where(Arrival.state == "unread")) == b"\xff"


def test_while_the_database_is_away_nothing_is_set_aside(app, applied):
    keep("postmark", post(1, "gone"), post(2, "away"))
    with pytest.raises(OperationalError):
        webhooks.work_off()
    assert [state for state, _kind, _why in found()] == ["new", "new"]


def test_a_database_that_goes_away_beside_one_that_fails_sets_aside_only_that_one(app, applied):
    keep("postmark", post(1, "poison"), post(2, "away"))
    with pytest.raises(OperationalError):
        webhooks.work_off()
    assert [state for state, _kind, _why in found()] == ["unread", "new"]


def test_what_another_reader_is_for_is_left_alone(app, applied):
    keep("mailbox", b"From: somebody")
    keep("postmark", post(1, "gone"))
    webhooks.work_off()
    assert [state for state, _kind, _why in found()] == ["new", "done"]


def test_a_long_queue_leaves_the_worker_to_others_after_a_while(app, applied, monkeypatch):
    monkeypatch.setattr(webhooks, "STEP", 5)
    monkeypatch.setattr(webhooks, "LONGEST_S", -1.0)
    keep("postmark", *bounces(12))
    webhooks.work_off()
    assert [state for state, _kind, _why in found()] == ["new"] * 12
