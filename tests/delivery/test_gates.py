"""Gates: what one sender learns of a relay or a provider holds for all of them, and no rate or ceiling is exceeded."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update

from core import clock, database, identity
from delivery import batches, gates, retries
from delivery.batches import Quota
from delivery.models import Gate, Lane, Worker
from delivery.models import Quota as QuotaRow
from delivery.states import State
from tests.delivery.conftest import TIMING, Ledger
from tests.delivery.mailings import mailing, mails

START = datetime(2026, 12, 1, 9, tzinfo=UTC)
RELAY = identity.Relay("127.0.0.1", 25, "none")
DAY = date(2026, 12, 1)


class Clocked:
    """The gates of the relay `main`, asked and changed at seconds after the start."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def change(self, seconds: float, gate: Callable[..., Any], *arguments: object) -> Any:
        """Call a function of delivery.gates as a sender does, in a transaction of its own."""
        with database.writing(self.ledger.engine) as connection:
            return gate(connection, *arguments, START + timedelta(seconds=seconds))

    def close(self, seconds: float, provider: int = 7, why: str = "451 later") -> None:
        self.change(seconds, gates.close, "main", provider, why)

    def open(self, seconds: float) -> gates.Open:
        with self.ledger.engine.connect() as connection:
            return gates.read(connection, "main", START + timedelta(seconds=seconds))

    def is_closed(self, seconds: float, provider: int = 7) -> bool:
        return provider in self.open(seconds).closed

    def row(self, provider: int) -> Any:
        with self.ledger.engine.connect() as connection:
            return connection.execute(select(Gate).where(Gate.relay == "main", Gate.provider == provider)).one()

    def sends(self, worker: str, rate: float, seconds: float = 0) -> None:
        """Have a sender say how fast it is."""
        at = START + timedelta(seconds=seconds)
        with database.writing(self.ledger.engine) as connection:
            connection.execute(
                insert(Worker).values(id=worker, host="h", pid=1, started_at=at, heartbeat_at=at, sent=9, rate=rate)
            )


@pytest.fixture
def gate(ledger) -> Clocked:
    """The relay's gates."""
    return Clocked(ledger)


@pytest.fixture(autouse=True)
def no_jitter(monkeypatch):
    """Delays without jitter, but where a test asks for it."""
    monkeypatch.setattr(retries, "JITTER", 0)


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Run several at one shot, each as another sender would."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        start.wait(10)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def test_without_gates_everything_is_open(gate):
    assert gate.open(0) == gates.Open(None, None, frozenset(), frozenset())


def test_a_closed_provider_is_left_alone_and_then_wants_a_probe(gate):
    gate.close(0)
    assert gate.open(119) == gates.Open(None, None, closed=frozenset({7}), to_probe=frozenset())
    assert gate.open(120) == gates.Open(None, None, closed=frozenset(), to_probe=frozenset({7}))
    assert gate.row(7).why == "451 later"


def test_each_time_it_is_closed_again_it_is_left_alone_twice_as_long_up_to_an_hour(gate):
    at, waits = 0.0, []
    for _ in range(8):
        gate.close(at)
        wait = (gate.row(7).not_before - START).total_seconds() - at
        waits.append(wait)
        at += wait
        assert gate.change(at, gates.probe, "main", 7, 11)
    assert waits == [120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_the_wait_has_jitter(gate, monkeypatch):
    monkeypatch.setattr(retries, "JITTER", 0.2)
    for provider in range(1, 30):
        gate.close(0, provider)
    waits = {(gate.row(provider).not_before - START).total_seconds() for provider in range(1, 30)}
    assert len(waits) > 20 and all(96 <= wait <= 144 for wait in waits)


def test_a_provider_that_is_closed_already_is_not_closed_longer_by_what_was_on_its_way(gate):
    gate.close(0)
    gate.close(1, why="452 too")
    assert (gate.row(7).fails, gate.row(7).why) == (1, "451 later")
    assert not gate.is_closed(120)


def test_senders_that_close_a_provider_at_once_close_it_once(gate):
    at_once(*[lambda: gate.close(0)] * 4)
    assert gate.row(7).fails == 1


def test_of_senders_that_ask_at_once_only_one_may_probe(gate):
    gate.close(0)
    asked = at_once(*[lambda number=number: gate.change(120, gates.probe, "main", 7, number) for number in range(5)])
    assert sorted(asked) == [False] * 4 + [True]
    assert gate.row(7).probe == asked.index(True)
    assert gate.is_closed(121), "for all but the probe"


def test_a_provider_that_waits_is_not_probed_and_neither_is_an_open_one(gate):
    gate.close(0)
    assert not gate.change(119, gates.probe, "main", 7, 1)
    gate.change(120, gates.reopen, "main", 7)
    assert not gate.change(121, gates.probe, "main", 7, 1)


def test_a_probe_that_is_answered_opens_the_provider_and_the_next_wait_is_short_again(gate):
    gate.close(0)
    gate.change(120, gates.probe, "main", 7, 1)
    gate.close(121)
    gate.change(400, gates.probe, "main", 7, 2)
    gate.change(401, gates.reopen, "main", 7)
    row = gate.row(7)
    assert (row.fails, row.not_before, row.probe, row.why) == (0, None, None, None)
    assert gate.open(402) == gates.Open(None, None, frozenset(), frozenset())
    gate.close(500)
    assert not gate.is_closed(620)


def test_a_probe_that_is_put_off_closes_the_provider_for_longer(gate):
    gate.close(0)
    gate.change(120, gates.probe, "main", 7, 1)
    gate.close(121)
    assert gate.row(7).probe is None
    assert gate.is_closed(360) and not gate.is_closed(361)


def test_a_probe_of_which_nothing_is_heard_is_followed_by_another_one(gate):
    gate.close(0)
    gate.change(120, gates.probe, "main", 7, 1)
    assert not gate.change(120 + gates.PROBE_S - 1, gates.probe, "main", 7, 2)
    assert gate.change(120 + gates.PROBE_S, gates.probe, "main", 7, 2)
    assert sum((60, 60, 600)) < gates.PROBE_S, "longer than the longest transaction"


def test_a_probe_that_found_nothing_out_is_taken_back(gate):
    gate.close(0)
    gate.close(0, provider=8)
    gate.change(120, gates.probe, "main", 7, 1)
    gate.change(120, gates.probe, "main", 8, 2)
    gate.change(130, gates.end_probes, "main", [1, 99])
    assert gate.open(130).to_probe == {7} and gate.is_closed(130, provider=8)
    assert gate.change(130, gates.probe, "main", 7, 3)
    assert gate.row(7).fails == 1


def test_gates_are_each_relays_own(gate):
    gate.close(0)
    gate.change(0, gates.pause, "main", "no login")
    with gate.ledger.engine.connect() as connection:
        assert gates.read(connection, "desk", START) == gates.Open(None, None, frozenset(), frozenset())


def test_a_paused_relay_keeps_its_first_reason_until_a_person_resumes_it(gate):
    gate.change(0, gates.pause, "main", "535 wrong password")
    gate.change(5, gates.pause, "main", "530 login first")
    assert gate.open(10**6).paused == "535 wrong password"
    assert gate.row(0).paused_at == START


def test_a_relay_that_is_slowed_down_while_it_is_paused_keeps_the_reason_of_the_pause(gate):
    gate.change(0, gates.pause, "main", "535 wrong password")
    gate.change(5, gates.slow_down, "main", "454 Throttling", 0.0)
    assert gate.open(6).paused == "535 wrong password"
    gate.change(7, gates.pause, "main", "530 login first")
    assert gate.open(8).paused == "535 wrong password"


def test_a_relay_that_throttles_gets_half_of_what_all_living_senders_sent(gate):
    gate.sends("one", 60)
    gate.sends("two", 40)
    gate.sends("dead", 1000, seconds=-gates.HEARTBEAT_OLD_S - 1)
    gate.change(1, gates.slow_down, "main", "454 Throttling", 0.0)
    assert gate.open(1).rate == 50


def test_what_was_on_its_way_slows_a_relay_down_once_only(gate):
    gate.sends("one", 100)
    for seconds in (1, 1.5, 3, 5):
        gate.change(seconds, gates.slow_down, "main", "454 Throttling", 0.0)
    assert gate.open(5).rate == 50
    gate.change(7, gates.slow_down, "main", "454 Throttling", 0.0)
    assert gate.open(8).rate == 25, "half of the rate that held, though more was counted"


def test_senders_that_are_throttled_at_once_halve_the_rate_once(gate):
    gate.sends("one", 100)
    at_once(*[lambda: gate.change(1, gates.slow_down, "main", "454 Throttling", 0.0)] * 4)
    assert gate.open(1).rate == 50


def test_what_a_sender_sends_just_now_counts_also_before_its_heartbeat_tells(gate):
    gate.sends("one", 0.0)
    gate.change(1, gates.slow_down, "main", "454 Throttling", 80.0)
    assert gate.open(1).rate == 40


def test_a_rate_never_falls_to_nothing(gate):
    for seconds in range(0, 600, 10):
        gate.change(seconds, gates.slow_down, "main", "454 Throttling", 0.0)
    assert gate.open(600).rate == gates.SLOWEST > 0


def settle(gate: Clocked, seconds: float, rate: float | None) -> float | None:
    gate.change(seconds, gates.settle_rate, replace(RELAY, rate=rate))
    return gate.open(seconds).rate


def test_a_rate_follows_its_setting(gate):
    assert settle(gate, 0, 50) == 50
    assert settle(gate, 1, 20) == 20
    assert settle(gate, 2, None) is None
    assert settle(gate, 3, 80) == 80


def test_a_rate_that_was_halved_comes_back_step_by_step(gate):
    settle(gate, 0, 80)
    gate.sends("one", 80)
    gate.change(1, gates.slow_down, "main", "454 Throttling", 0.0)
    assert settle(gate, 60, 80) == 40, "not within a minute"
    rates = [settle(gate, 62 + 61 * step, 80) for step in range(5)]
    assert rates == [50, 62.5, 78.125, 80, 80]
    assert gate.row(0).slowed_at is None


def test_a_relay_without_a_rate_is_free_again_once_it_takes_very_many(gate):
    gate.sends("one", 12_000)
    gate.change(0, gates.slow_down, "main", "454 Throttling", 0.0)
    seen = [settle(gate, 61 * step, None) for step in range(1, 5)]
    assert seen == [7500, 9375, None, None]


def test_a_lower_setting_is_not_exceeded_by_a_rate_that_comes_back(gate):
    gate.sends("one", 100)
    gate.change(0, gates.slow_down, "main", "454 Throttling", 0.0)
    assert settle(gate, 61, 20) == 20


def test_a_lower_setting_holds_at_once_also_while_a_rate_comes_back(gate):
    gate.sends("one", 100)
    gate.change(0, gates.slow_down, "main", "454 Throttling", 0.0)
    assert settle(gate, 5, 20) == 20


def test_without_a_rate_nothing_is_reserved(gate):
    assert gate.change(0, gates.reserve, "main", 5) is None
    settle(gate, 0, None)
    assert gate.change(0, gates.reserve, "main", 5) is None


def test_places_follow_one_another_at_the_rate(gate):
    settle(gate, 0, 4)
    assert gate.change(0, gates.reserve, "main", 2) == (0.0, 0.25)
    assert gate.change(0.25, gates.reserve, "main", 4) == (0.25, 0.25)
    assert gate.change(10, gates.reserve, "main", 1) == (0.0, 0.25), "what was not used is not saved up"


def test_places_of_a_clock_that_was_set_back_since_are_void(gate):
    settle(gate, 0, 4)
    gate.change(7200, gates.reserve, "main", 2)
    assert gate.change(0, gates.reserve, "main", 2) == (0.0, 0.25)
    assert gate.change(0, gates.reserve, "main", 1) == (0.5, 0.25)


def test_many_senders_at_the_slowest_rate_wait_for_one_another(gate):
    settle(gate, 0, gates.SLOWEST)
    starts = [gate.change(0, gates.reserve, "main", 1)[0] for _sender in range(gates.AHEAD_PLACES)]
    assert starts == [place / gates.SLOWEST for place in range(gates.AHEAD_PLACES)]


def test_a_rate_that_was_halved_before_the_clock_was_set_back_comes_back(gate):
    settle(gate, 0, 80)
    gate.change(7200, gates.slow_down, "main", "454 Throttling", 80.0)
    assert gate.open(7200).rate == 40
    assert settle(gate, 0, 80) == 50


def test_several_senders_together_never_exceed_the_rate_in_any_window(gate):
    settle(gate, 0, 20)
    counts = [1, 7, 3, 12, 5, 2, 9, 1]
    taken = at_once(*[lambda count=count: gate.change(0, gates.reserve, "main", count) for count in counts])
    places = sorted(
        start + index * apart for (start, apart), count in zip(taken, counts, strict=True) for index in range(count)
    )
    assert len(places) == sum(counts)
    gaps = [later - earlier for earlier, later in zip(places, places[1:], strict=False)]
    assert all(gap >= 1 / 20 - 1e-5 for gap in gaps), "never two at one place, in whatever order they came"


def test_a_quota_is_never_exceeded_also_by_senders_at_once(gate):
    def take(connection: Any, count: int, now: datetime) -> int:
        return gates.take_quota(connection, "example.org", now.date(), count, 100)

    granted = at_once(*[lambda: gate.change(0, take, 30)] * 6)
    assert sorted(granted) == [0, 0, 10, 30, 30, 30]
    assert gate.change(0, take, 1) == 0


def test_a_quota_is_each_domains_and_each_days_own(gate):
    def take(connection: Any, domain: str, now: datetime) -> int:
        return gates.take_quota(connection, domain, now.date(), 8, 10)

    assert [gate.change(0, take, "example.org"), gate.change(1, take, "example.org")] == [8, 2]
    assert gate.change(2, take, "example.net") == 8
    assert gate.change(86_400, take, "example.org") == 8


def test_a_ceiling_that_was_lowered_below_what_went_out_grants_nothing_and_takes_nothing_back(gate):
    assert gate.change(0, lambda c, now: gates.take_quota(c, "example.org", now.date(), 50, 50)) == 50
    assert gate.change(0, lambda c, now: gates.take_quota(c, "example.org", now.date(), 5, 20)) == 0
    assert taken(gate.ledger) == 50


def taken(ledger: Ledger) -> int:
    with ledger.engine.connect() as connection:
        return connection.scalar(select(QuotaRow.taken).where(QuotaRow.domain == "example.org")) or 0


def queued(count: int, *, provider: int = 1, minutes_ago: float = 1) -> list[int]:
    return mails(
        mailing(f"{provider} {minutes_ago}"),
        {State.PLANNED: count},
        provider=provider,
        next_attempt_at=clock.utc_now() - timedelta(minutes=minutes_ago),
    )


def claim(ledger: Ledger, limit: int, ceiling: int, worker: str = "one") -> batches.Share:
    board = batches.look(ledger.engine, "main", [int(Lane.DIGEST)])
    quota = Quota("example.org", lambda _now: ceiling)
    return batches.claim(ledger.engine, worker, board.queues, {}, limit=limit, timing=TIMING, quota=quota)


def test_what_a_ceiling_lets_go_are_those_that_were_queued_first(ledger):
    late, early, between = queued(5), queued(5, provider=2, minutes_ago=9), queued(5, provider=3, minutes_ago=5)
    share = claim(ledger, 50, ceiling=8)
    assert [one.id for one in share.claimed] == [*early, *between[:3]]
    assert share.ceiling_reached and taken(ledger) == 8
    share = claim(ledger, 50, ceiling=8)
    assert (share.claimed, share.ceiling_reached) == ([], True)
    assert [one.id for one in claim(ledger, 50, ceiling=15).claimed] == [*between[3:], *late]


def test_what_a_claim_did_not_find_is_given_back_to_the_ceiling(ledger):
    queued(3)
    share = claim(ledger, 50, ceiling=100)
    assert (len(share.claimed), share.ceiling_reached, taken(ledger)) == (3, False, 3)


def test_senders_that_claim_at_once_stay_under_the_ceiling(ledger):
    queued(30)
    shares = at_once(*[lambda name=name: claim(ledger, 20, 25, name) for name in "abcd"])
    claimed = [one.id for share in shares for one in share.claimed]
    assert len(claimed) == len(set(claimed)) <= 25
    while more := claim(ledger, 20, 25).claimed:
        claimed += [one.id for one in more]
    assert len(claimed) == len(set(claimed)) == 25 == taken(ledger)


def test_mails_that_are_given_back_give_their_places_under_the_ceiling_back_once(ledger):
    queued(10)
    share = claim(ledger, 8, ceiling=8)
    ids = [one.id for one in share.claimed[:5]]
    for _again in range(2):
        batches.give_back(ledger.engine, "one", "main", ids, share.taken)
    assert taken(ledger) == 3 and share.taken is not None
    assert len(claim(ledger, 50, ceiling=8).claimed) == 5


def test_a_probe_goes_under_the_ceiling_too(ledger):
    queued(3)
    with database.writing(ledger.engine) as connection:
        gates.close(connection, "main", 1, "451 later", database.ledger_now(connection))
        connection.execute(update(Gate).values(not_before=clock.utc_now() - timedelta(seconds=1)))
    (queue,) = batches.look(ledger.engine, "main", [int(Lane.DIGEST)]).queues

    def probe(ceiling: int) -> batches.Share:
        quota = Quota("example.org", lambda _now: ceiling)
        return batches.claim_probe(ledger.engine, "one", "main", queue, timing=TIMING, quota=quota)

    refused = probe(0)
    assert (refused.claimed, refused.ceiling_reached, taken(ledger)) == ([], True, 0)
    assert len(probe(1).claimed) == 1 and taken(ledger) == 1
    assert (probe(5).claimed, taken(ledger)) == ([], 1), "another one is on its way already"


def test_a_warm_up_grows_from_day_to_day():
    warm_up = identity.WarmUp(first_day=DAY, mails=500, grows=1.5)
    days = [DAY + timedelta(days=n) for n in (-30, 0, 1, 2, 10, 10_000)]
    assert [warm_up.ceiling(day) for day in days][:5] == [500, 500, 750, 1125, 28_832]
    assert warm_up.ceiling(days[5]) > 10**9


def intended(ledger: Ledger, claimed: list[Any]) -> list[int]:
    return [one.id for one in ledger.exchange("one", [], claimed)]


def test_an_intent_for_a_provider_that_was_closed_meanwhile_is_refused_and_costs_nothing(ledger):
    (seven, eight) = queued(1, provider=7) + queued(1, provider=8)
    claimed = ledger.claim()
    with database.writing(ledger.engine) as connection:
        gates.close(connection, "main", 7, "451 later", database.ledger_now(connection))
    assert intended(ledger, claimed) == [eight]
    row = ledger.row(seven)
    assert (row.state, row.attempts, row.worker_id) == ("planned", 0, None)


def test_the_probe_alone_may_go_to_a_provider_that_is_closed(ledger):
    first, second = queued(2, provider=7)
    with database.writing(ledger.engine) as connection:
        gates.close(connection, "main", 7, "451 later", database.ledger_now(connection))
        connection.execute(update(Gate).values(not_before=clock.utc_now() - timedelta(seconds=1)))
    board = batches.look(ledger.engine, "main", [int(Lane.DIGEST)])
    (queue,) = board.queues
    shares = at_once(
        *[
            lambda name=name: batches.claim_probe(ledger.engine, name, "main", queue, timing=TIMING).claimed
            for name in ("one", "two")
        ]
    )
    assert sorted(len(claimed) for claimed in shares) == [0, 1]
    winner = "one" if shares[0] else "two"
    (probe,) = shares[0] or shares[1]
    assert probe.id == first
    others = ledger.claim(winner)
    assert [one.id for one in others] == [second], "claimed by a sender that has not looked again"
    assert [one.id for one in ledger.exchange(winner, [], [probe, *others])] == [first]


def test_nothing_goes_through_a_paused_relay_while_others_go_on(ledger):
    one, two = queued(2)
    claimed = ledger.claim()
    with database.writing(ledger.engine) as connection:
        gates.pause(connection, "main", "535 wrong password", database.ledger_now(connection))
    desk = [claim for claim in claimed if claim.id == two]
    main = [claim for claim in claimed if claim.id == one]
    sent = batches.exchange(ledger.engine, "one", [], {"main": main, "desk": desk}, timing=TIMING)
    assert [intent.id for intent in sent] == [two]
    assert ledger.row(one).state == "planned"


def test_a_mail_without_a_known_provider_is_held_by_no_providers_gate(ledger):
    (delivery,) = queued(1, provider=0)
    with database.writing(ledger.engine) as connection:
        gates.close(connection, "main", 7, "451 later", database.ledger_now(connection))
        connection.execute(text("UPDATE gates SET provider = 0"))
    assert intended(ledger, ledger.claim()) == [delivery]
