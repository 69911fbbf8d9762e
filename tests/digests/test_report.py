"""What became of an edition: counted by reason, and reader by reader, without an address."""

from collections import Counter

import pytest

from core import errors
from delivery.states import State
from digests import report
from tests.digests.house import DUE, HOUR, NOW
from tests.digests.sender import Sender

NAME = "asia-daily:2026-03-03"


def test_every_reader_is_counted_and_listed_once_for_the_same_reason(house):
    sender = Sender(house.services)
    for number in range(4):
        house.reader(f"r{number}@example.org", countries=["kr"])
    house.reader("nothing@example.org", countries=["cu"])
    house.reader("evening@example.org", countries=["kr"], minute=20 * 60)
    house.article("Story", "kr", at=NOW - HOUR)
    house.suppress("r3@example.org", "all")
    house.go(DUE)
    claimed = sender.claim()
    sender.send(claimed[:1])
    sender.send(claimed[1:2], state=State.FAILED)
    sender.send(claimed[2:3], state=State.IN_DOUBT)
    sender.send(claimed[3:])
    of = report.find(NAME)
    totals = report.totals(of)
    listed = list(report.readers(of, now=DUE + 2 * HOUR))
    assert sum(totals.values()) == 5
    assert totals["nothing new"] == 1
    assert totals["held back"] == 1
    assert {key: totals.get(key, 0) for key in Counter(one.reason for one in listed)} == Counter(
        one.reason for one in listed
    )
    assert len({one.reader for one in listed}) == len(listed) == 5
    assert not any("@" in one.reader for one in listed)
    assert report.waves(of) == {"composed": 1}


def test_a_mistyped_name_is_told_with_those_that_are_near(one_house):
    one_house.reader()
    one_house.article("Story", at=NOW)
    one_house.go(DUE)
    with pytest.raises(errors.NotFound) as refused:
        report.find("edition:asia-daily:regular:2026-03-04")
    assert "edition:asia-daily:regular:2026-03-03" in str(refused.value)


def test_chunks_that_are_looked_at_again_count_nobody_twice(one_house, monkeypatch):
    monkeypatch.setattr("digests.cohorts.CHUNK_IN_TURN", 1)
    for number in range(3):
        one_house.reader(f"r{number}@example.org", countries=["cu"])
    one_house.article("Story", "kr", at=NOW)
    one_house.go(DUE)
    assert report.totals(report.find(NAME)) == {"nothing new": 3}
