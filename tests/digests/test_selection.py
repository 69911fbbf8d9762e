"""Selection: judged by a model that goes through the stories one by one, and says of each what has to become of it."""

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from articles.shelf import Candidate
from digests import selection
from digests.selection import Choice, Known, Picked, Repeat, Wish
from tests.digests.house import MINUTE, NOW

minutes = st.integers(-3, 12).map(lambda minutes: NOW - minutes * MINUTE)
candidates = st.lists(
    st.builds(
        Candidate,
        article_id=st.integers(1, 40),
        story_id=st.integers(1, 15),
        topic_ids=st.frozensets(st.integers(1, 5), max_size=3),
        published_at=minutes,
        first_seen_at=minutes,
        revision=st.integers(1, 3),
        updated_at=st.none() | minutes,
        rank=st.integers(0, 2),
    ),
    max_size=25,
    unique_by=lambda one: one.article_id,
)
wishes = st.builds(
    Wish,
    st.none() | st.frozensets(st.integers(1, 6), min_size=1, max_size=4),
    st.integers(1, 12),
    st.none() | minutes,
    headlines=st.integers(0, 4),
    repeat=st.sampled_from(Repeat),
    until=st.none() | minutes,
    evenly=st.booleans(),
)
had = st.dictionaries(
    st.integers(1, 40), st.builds(Known, st.integers(1, 3), st.booleans(), st.booleans()), max_size=20
)
IN_FULL, UPDATED, HEADLINE, OUTRANKED = "in full", "updated", "headline", "outranked"


def may_come(one: Candidate, wish: Wish, known: Known | None) -> str | None:
    """Say in what form a story may come to a reader who had it like this."""
    if wish.topic_ids is not None and not any(topic in wish.topic_ids for topic in one.topic_ids):
        return None

    def fresh(at):
        too_old = wish.fresh_from is not None and at - wish.fresh_from <= timedelta(0)
        too_new = wish.until is not None and at - wish.until > timedelta(0)
        return not too_old and not too_new

    if known is None or (wish.repeat == "recap" and not known.by_recap):
        return IN_FULL if fresh(one.first_seen_at) else None
    if wish.repeat == "updated":
        changed = one.revision > known.revision and one.updated_at is not None and fresh(one.updated_at)
        return UPDATED if changed else None
    if wish.repeat == "headline":
        return HEADLINE if known.in_full and fresh(one.first_seen_at) else None
    return None


def by_hand(pool: list[Candidate], wish: Wish, past: dict[int, Known]) -> dict[int, str]:
    """Say what becomes of each story: take the best of what is left, again and again."""
    left = {one.article_id: one for one in pool if may_come(one, wish, past.get(one.article_id))}
    fate: dict[int, str] = {}
    told: Counter[int] = Counter()
    wanted = wish.topic_ids or frozenset[int]()
    while left:
        highest = max(one.rank for one in left.values())
        best = [one for one in left.values() if one.rank == highest]
        most = max(sum(topic in wanted for topic in one.topic_ids) for one in best)
        best = [one for one in best if sum(topic in wanted for topic in one.topic_ids) == most]
        newest = max(one.published_at for one in best)
        one = max((one for one in best if one.published_at == newest), key=lambda one: one.article_id)
        left = {key: other for key, other in left.items() if other.story_id != one.story_id}
        form = may_come(one, wish, past.get(one.article_id))
        mine = [topic for topic in one.topic_ids if topic in wanted]
        enough = wish.evenly and len(wanted) >= 2 and all(told[topic] >= 3 for topic in mine)
        count = Counter(fate.values())
        if form != HEADLINE and count[IN_FULL] + count[UPDATED] < wish.most and not enough:
            fate[one.article_id] = form or ""
            told.update(mine)
        elif count[HEADLINE] < wish.headlines:
            fate[one.article_id] = HEADLINE
        elif form != HEADLINE:
            fate[one.article_id] = OUTRANKED
    return fate


def fates(choice: Choice) -> dict[int, str]:
    """Return the same of what was chosen, without those that were outranked."""
    full = {one.article_id: UPDATED if one.updated else IN_FULL for one in choice.full}
    return full | dict.fromkeys(choice.headlines, HEADLINE)


@given(candidates, wishes, had)
def test_what_becomes_of_every_story_is_what_one_would_say_by_hand(pool, wish, past):
    choice = selection.choose(pool, wish, had=past)
    expected = by_hand(pool, wish, past)
    assert fates(choice) == {key: fate for key, fate in expected.items() if fate != OUTRANKED}
    order = [key for key, fate in expected.items() if fate in (IN_FULL, UPDATED)]
    assert [one.article_id for one in choice.full] == order, "the best first"
    assert choice.more == Counter(expected.values())[OUTRANKED]


@given(candidates, wishes, had, st.randoms(use_true_random=False))
def test_the_order_in_which_candidates_come_makes_no_difference(pool, wish, past, shuffler):
    shuffled = list(pool)
    shuffler.shuffle(shuffled)
    assert selection.choose(shuffled, wish, had=past) == selection.choose(pool, wish, had=past)


@given(candidates, wishes, had, st.sets(st.integers(1, 15), max_size=8))
def test_of_the_stories_left_out_no_version_comes(pool, wish, past, without):
    left = [one for one in pool if one.story_id not in without]
    assert selection.choose(pool, wish, had=past, without=without) == selection.choose(left, wish, had=past)


def had_now(choice: Choice, pool: list[Candidate], past: dict[int, Known]) -> dict[int, Known]:
    """Return what a reader knows who got this, too."""
    revisions = {one.article_id: one.revision for one in pool}
    full = {one.article_id: Known(revisions[one.article_id], in_full=True) for one in choice.full}
    short = {
        one: Known(revisions[one], in_full=past[one].in_full if one in past else False) for one in choice.headlines
    }
    return {**past, **short, **full}


@given(candidates, wishes.filter(lambda wish: wish.repeat != "recap"))
def test_edition_after_edition_no_story_comes_in_full_twice_unless_its_text_is_another(pool, wish):
    past: dict[int, Known] = {}
    for _ in range(30):
        choice = selection.choose(pool, wish, had=past)
        for one in choice.full:
            assert one.updated or one.article_id not in past
        if not choice.full:
            break
        past = had_now(choice, pool, past)
    assert selection.choose(pool, wish, had=past).full == ()


def story(number: int, *topics: int, age: int = 0, rank: int = 0) -> Candidate:
    at = NOW - age * MINUTE
    return Candidate(number, number, frozenset(topics), at, at, rank=rank)


@pytest.mark.parametrize(
    ("topics", "in_full"), [({1}, 5), ({1, 2}, 4), (None, 6)], ids=["one topic", "two topics", "everything"]
)
def test_at_most_three_of_a_topic_stand_in_full_where_a_reader_has_two_or_more(topics, in_full):
    pool = [story(number, 1, age=number) for number in range(1, 6)] + [story(9, 2, age=99)]
    choice = selection.choose(pool, Wish(topics and frozenset(topics), 10, None, headlines=10), had={})
    assert len(choice.full) == in_full
    assert len(choice.full) + len(choice.headlines) == (5 if topics == {1} else 6)


def test_a_story_on_a_topic_that_is_full_stands_in_full_for_its_other_one():
    pool = [story(number, 1, age=number) for number in range(1, 6)] + [story(9, 1, 2, age=99)]
    choice = selection.choose(pool, Wish(frozenset({1, 2}), 10, None), had={})
    assert Picked(9) in choice.full
    assert choice.more == 3


def test_the_editors_rank_stands_before_matches_and_these_before_the_newest():
    pool = [story(1, 1), story(2, 1, 2, age=5), story(3, 1, age=9, rank=1)]
    choice = selection.choose(pool, Wish(frozenset({1, 2}), 10, None), had={})
    assert choice.full == (Picked(3), Picked(2), Picked(1))


def test_nothing_to_choose_from_is_nothing():
    assert selection.choose([], Wish(None, 10, None), had={}) == Choice((), (), 0)
