"""Whatever many senders do: a friend gets a story once, two a day and five a month, and only masked words are shown."""

import itertools
from collections import Counter
from datetime import datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import addresses
from core.shares import ShareSettings
from sharing import asking
from tests.digests.house import NOW
from tests.sharing.desk import HOUR, WIDE, Desk

DAY = timedelta(days=1)
_examples = itertools.count(1)
STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 1), st.sampled_from(["", "+a", "+b"]), st.integers(0, 40)), max_size=9
)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_no_friend_gets_more_than_they_may_whoever_sends_and_whatever_tag_is_typed(one_desk: Desk, steps):
    example, now = next(_examples), NOW + next(_examples) * 400 * DAY
    stories = [one_desk.article(f"Story {number}") for number in range(3)]
    got: list[tuple[datetime, int, int]] = []
    for number, (story, friend, tag, hours) in enumerate(steps):
        now += hours * HOUR
        mailbox = f"f{friend}.{example}{tag}@example.org"
        sender = one_desk.sender(f"s{number}.{example}@example.org")
        one_desk.post(one_desk.wish(stories[story], mailbox), sender, at=now)
        one_desk.work(at=now, given=WIDE)
        if one_desk.friends()[-1].state == "queued":
            got.append((now, story, friend))
    given_to = ShareSettings()
    assert max(Counter((story, friend) for _at, story, friend in got).values(), default=0) <= 1
    for at, _story, friend in got:
        lately = [one for one, _other, whom in got if whom == friend and at - one < DAY and one <= at]
        month = [one for one, _other, whom in got if whom == friend and at - one < 30 * DAY and one <= at]
        assert len(lately) <= given_to.per_friend_day and len(month) <= given_to.per_friend_month


NAMES = st.text("abcdefghij.+-_0123456789", min_size=1, max_size=20).map(lambda text: f"x{text.strip('.')}x")
DOMAINS = st.lists(st.text("abcdefghij", min_size=1, max_size=12), min_size=2, max_size=4).map(".".join)


@given(local=NAMES, domain=DOMAINS)
def test_what_is_shown_of_an_address_is_its_first_letters_and_its_last_label(local: str, domain: str):
    address = addresses.Address(f"{local}@{domain}", f"{local}@{domain}")
    shown = asking.masked(address)
    assert shown == f"{local[0]}***@{domain[0]}***.{domain.rpartition('.')[2]}"
