"""What a sender counts, and when it takes a mailing's failures for our own fault."""

import json
import random

import pytest

from delivery.tally import FailureLimit, Tally


def noted(faults: list[bool], limit: FailureLimit | None = None, mailing: int = 1) -> list[int]:
    """Note mail after mail; return what was said each time."""
    limit = limit or FailureLimit()
    return [limit.note(mailing, ours=ours) for ours in faults]


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_one_or_two_faults_pause_nothing(bad):
    assert not any(noted([True] * bad))


def test_three_faults_at_the_very_start_are_enough():
    assert noted([True] * 3) == [0, 0, 3]


@pytest.mark.parametrize(("good", "over"), [(3, True), (4, False)])
def test_before_there_is_a_sample_half_of_all_must_be_faulty(good, over):
    assert (noted([False] * good + [True] * 3)[-1] == 3) is over


def test_ten_faults_among_two_hundred_are_five_in_a_hundred():
    mails = [False] * 190 + [True] * 10
    random.Random(7).shuffle(mails)
    said = noted(mails)
    assert [one for one in said if one] == [10]
    assert not any(noted(sorted(mails[:-1])[:199])[:-1])


def test_only_the_last_two_hundred_count():
    assert not any(noted([*[True, *[False] * 30] * 9, *[False] * 200, *[True, *[False] * 30] * 5]))


def test_a_fault_long_ago_is_forgotten_so_that_one_in_thirty_never_pauses():
    assert not any(noted(([True] + [False] * 29) * 100))


def test_mailings_are_judged_apart():
    limit = FailureLimit()
    assert noted([True, True], limit, mailing=1) == [0, 0]
    assert noted([True, True], limit, mailing=2) == [0, 0]
    assert limit.note(1, ours=True) == 3


def test_a_mailing_that_was_paused_is_judged_anew_when_it_goes_on():
    limit = FailureLimit()
    assert noted([True] * 3, limit)[-1] == 3
    assert noted([True] * 2, limit) == [0, 0]


def test_what_is_kept_of_many_mailings_stays_small():
    limit = FailureLimit()
    for mailing in range(1000):
        limit.note(mailing, ours=False)
    assert len(limit._seen) <= 200


def test_a_tally_tells_what_was_handed_over_how_fast_and_what_was_refused(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("delivery.tally.time.monotonic", lambda: now[0])
    counts = Tally()
    counts.sent += 50
    counts.refused["later"] += 2
    now[0] += 5
    sent, rate, refused = counts.read()
    assert (sent, rate, json.loads(refused)) == (50, 10.0, {"later": 2})
    now[0] += 5
    assert counts.read()[:2] == (50, 0.0), "the rate is that since the last look"
