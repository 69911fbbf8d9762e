"""Selection: compared with the plainest way to choose by hand."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from articles.shelf import Candidate
from digests import selection
from digests.selection import Wish
from tests.digests.house import MINUTE, NOW

candidates = st.lists(
    st.builds(
        lambda article, story, topics, published, seen: Candidate(
            article, story, frozenset(topics), NOW - published * MINUTE, NOW - seen * MINUTE
        ),
        st.integers(1, 40),
        st.integers(1, 15),
        st.sets(st.integers(1, 5), max_size=3),
        st.integers(0, 12),
        st.integers(-3, 12),
    ),
    max_size=25,
    unique_by=lambda one: one.article_id,
)
wishes = st.builds(
    Wish,
    st.none() | st.frozensets(st.integers(1, 6), min_size=1, max_size=4),
    st.integers(1, 12),
    st.none() | st.integers(0, 12).map(lambda minutes: NOW - minutes * MINUTE),
)
had = st.sets(st.integers(1, 40), max_size=20)


def by_hand(pool: list[Candidate], wish: Wish, had: set[int]) -> list[int]:
    """Take the newest of what is left again and again, and cross out what may not come after it."""
    left = {one.article_id: one for one in pool}
    for one in pool:
        wanted = wish.topic_ids is None or any(topic in wish.topic_ids for topic in one.topic_ids)
        fresh = wish.fresh_from is None or one.first_seen_at - wish.fresh_from > timedelta(0)
        if not (wanted and fresh) or one.article_id in had:
            del left[one.article_id]
    taken: list[int] = []
    while left and len(taken) < wish.most:
        newest = max(one.published_at for one in left.values())
        first = max(one.article_id for one in left.values() if one.published_at == newest)
        taken.append(first)
        story = left[first].story_id
        left = {key: one for key, one in left.items() if one.story_id != story}
    return taken


@given(candidates, wishes, had)
def test_the_stories_chosen_are_those_that_one_would_choose_by_hand(pool, wish, past):
    assert selection.choose(pool, wish, had=past) == by_hand(pool, wish, past)


@given(candidates, wishes, had)
def test_the_best_leave_out_nothing_that_is_on_more_of_the_wanted_topics(pool, wish, past):
    chosen = selection.choose(pool, wish, had=past, best=True)
    known = {one.article_id: one for one in pool}
    dates = [known[one].published_at for one in chosen]
    assert dates == sorted(dates, reverse=True)
    if wish.topic_ids is None:
        assert chosen == selection.choose(pool, wish, had=past)
        return
    least = min((len(known[one].topic_ids & wish.topic_ids) for one in chosen), default=0)
    told = {known[one].story_id for one in chosen}
    left = [one for one in pool if one.article_id not in past and one.story_id not in told]
    left = [one for one in left if selection.matches(one, wish)]
    if left:
        assert len(chosen) == wish.most
        assert max(len(one.topic_ids & wish.topic_ids) for one in left) <= least


@given(candidates, wishes, had)
def test_nothing_comes_that_was_had_does_not_match_or_is_not_fresh_and_never_too_much(pool, wish, past):
    chosen = selection.choose(pool, wish, had=past)
    known = {one.article_id: one for one in pool}
    assert len(chosen) == len(set(chosen)) <= wish.most and not past & set(chosen)
    assert len({known[one].story_id for one in chosen}) == len(chosen), "one version of each story"
    dates = [known[one].published_at for one in chosen]
    assert dates == sorted(dates, reverse=True)
    for one in chosen:
        assert wish.topic_ids is None or known[one].topic_ids & wish.topic_ids
        assert wish.fresh_from is None or known[one].first_seen_at > wish.fresh_from


@given(candidates, wishes, had, st.randoms(use_true_random=False))
def test_the_order_in_which_candidates_come_makes_no_difference(pool, wish, past, shuffler):
    shuffled = list(pool)
    shuffler.shuffle(shuffled)
    assert selection.choose(shuffled, wish, had=past) == selection.choose(pool, wish, had=past)


@given(candidates, wishes)
def test_edition_after_edition_each_story_comes_once_until_there_is_nothing_more(pool, wish):
    past: set[int] = set()
    for _ in range(30):
        chosen = selection.choose(pool, wish, had=past)
        assert not past & set(chosen)
        if not chosen:
            break
        past |= set(chosen)
    assert selection.choose(pool, wish, had=past) == []


def test_nothing_to_choose_from_is_nothing():
    assert selection.choose([], Wish(None, 10, None), had=()) == []
