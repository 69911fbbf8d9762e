"""Taking back: just what a change changed, where nobody has touched it since, and nothing of before."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core.database import db
from delivery import suppression
from subscribers import joining, leaving, linkchanges, offer, overall, schedule, snapshots
from subscribers.models import Subscriber
from subscribers.trail import LinkChange
from tests.subscribers import people
from tests.subscribers.people import NOW, joined

HOUR = timedelta(hours=1)
SPOKEN = ("en", "ar")


@pytest.fixture
def reader(app, services) -> Subscriber:
    """A reader of both digests, whose first editions have gone."""
    found = joined(services, digests=["asia-daily", "asia-arabic"]).subscriber
    for one in joining.subscriptions_of(found).values():
        one.first_due_at = None
    db.session.commit()
    return found


def test_who_comes_back_after_a_slot_gets_no_mail_of_yesterday(reader):
    change = leaving.leave(reader, None, now=NOW)
    assert change is not None
    linkchanges.undo(change, now=NOW + 20 * HOUR)
    assert schedule.due_waves(NOW + 20 * HOUR) == []


def test_what_was_left_by_mail_before_stays_away(reader):
    stream = people.asia().stream
    suppression.suppress(reader.addr_hash, scope=stream, reason=joining.LEFT, source="mail", now=NOW)
    change = leaving.leave(reader, None, now=NOW + HOUR)
    assert change is not None
    linkchanges.undo(change, now=NOW + 2 * HOUR)
    assert people.left_streams(reader) == {stream}


def test_leaving_a_digest_one_never_had_is_taken_back_too(app, services):
    reader = joined(services).subscriber
    change = leaving.leave(reader, offer.by_key("asia-arabic"), now=NOW)
    assert change is not None
    assert not linkchanges.undo(change, now=NOW + HOUR).late
    assert people.left_streams(reader) == set()


def state(reader: Subscriber) -> dict[str, object]:
    """Return what a reader has chosen, without the versions, which never go back."""
    here = snapshots.of(reader)
    rows = here["subscriptions"].values()
    return {"left": people.left_streams(reader), **here["subscriber"], "rows": [{**row, "version": 0} for row in rows]}


def act(reader: Subscriber, step: str, now) -> LinkChange | None:
    """Do one thing that a link can do."""
    if step in ("left", "left_all"):
        return leaving.leave(reader, people.asia() if step == "left" else None, now=now)
    if step in ("weekly", "pause"):
        return leaving.less(reader, people.asia(), instead=step, spoken=SPOKEN, now=now)
    before = snapshots.of(reader)
    overall.pause(reader, now.date() + timedelta(days=7) if step == "week" else None, spoken=SPOKEN, now=now)
    return linkchanges.note(reader, "saved", digest=None, before=before, now=now)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(["weekly", "pause", "left"])
@given(st.lists(st.sampled_from(["left", "left_all", "weekly", "pause", "week", "no pause"]), max_size=6))
def test_changes_taken_back_from_the_last_to_the_first_leave_all_as_it_was(reader, steps):
    start = state(reader)
    seen, done = [], []
    for number, step in enumerate(steps):
        seen.append(state(reader))
        done.append(act(reader, step, NOW + number * HOUR))
    for before, change in zip(reversed(seen), reversed(done), strict=True):
        if change is None:
            assert state(reader) == before
            continue
        linkchanges.undo(change, now=NOW + 20 * HOUR)
        assert linkchanges.undo(change, now=NOW + 20 * HOUR).again
        assert state(reader) == before
    assert state(reader) == start
    db.session.rollback()
