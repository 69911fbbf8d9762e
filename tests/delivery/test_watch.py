"""What is wrong is read from the ledger, and told in three lines that somebody can act on at night."""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import event, insert, update

from core import database
from core.alerting import AlertSettings
from core.database import db
from core.identity import LaneSender, PostOffice, Relay, WarmUp
from delivery import gates, protection, tick, watch
from delivery.models import Delivery, Gate, Lane, Mailing, Quota, Worker
from delivery.states import State
from tests.delivery.conftest import Ledger
from tests.delivery.mailings import KEY, mailing, mails

MAIN, DESK = Relay("127.0.0.1", 9, "none"), Relay("127.0.0.1", 9, "none", name="desk")
POST = PostOffice({"main": MAIN})
LIMITS = AlertSettings(queue=timedelta(minutes=30), urgent=timedelta(minutes=5), doubts=5)
OURS = "20 of 25 mails were turned away by policy (5.7.1)."


@pytest.fixture
def now(ledger: Ledger) -> datetime:
    """The ledger's time at the start of the test."""
    with ledger.engine.connect() as connection:
        return database.ledger_now(connection)


@pytest.fixture
def alive(ledger: Ledger, now: datetime) -> None:
    """A sender that was heard just now."""
    heard(now)


def heard(at: datetime, *, name: str = "one", rate: float = 12.5) -> None:
    write(Worker, id=name, host="a.test", pid=1, started_at=at, heartbeat_at=at, rate=rate)


def write(model, **values) -> None:
    with database.write_turn():
        db.session.execute(insert(model).values(values))
        db.session.commit()


def pause_relay(now: datetime, why: str | None, *, relay: str = "main") -> None:
    write(Gate, relay=relay, provider=0, fails=0, paused_at=now, why=why)


def wait(lane: Lane, due_at: datetime, *, count: int = 1, provider: int = 0, key: str | None = None, **values) -> int:
    """Have mails of a lane wait since then; return their mailing."""
    number = mailing(key or f"{lane.name.lower()}:{provider}", lane=lane, **values)
    mails(number, {State.PLANNED: count}, next_attempt_at=due_at, provider=provider)
    return number


def look(
    ledger: Ledger,
    now: datetime,
    *,
    known: Collection[str] = (),
    post: PostOffice = POST,
    shares: Sequence[protection.Share] = (),
) -> dict[str, str]:
    """Return the troubles there are, by key."""
    identity = ledger.services.identity
    with ledger.engine.connect() as connection:
        found = watch.troubles(
            connection, post=post, identity=identity, limits=LIMITS, known=known, now=now, shares=shares
        )
    assert len({one.key for one in found}) == len(found)
    assert {one.kind for one in found} <= set(watch.KINDS)
    assert all(one.text.count("\n") == 2 for one in found)
    return {one.key: one.text for one in found}


def ago(now: datetime, minutes: float) -> datetime:
    return now - timedelta(minutes=minutes)


def test_where_nothing_is_wrong_nothing_is_told(ledger, now, alive):
    assert look(ledger, now) == {}
    for lane in Lane:
        wait(lane, ago(now, 4))
    assert look(ledger, now) == {}


def test_a_relay_that_is_paused_is_told_with_its_words_how_many_wait_and_what_to_type(ledger, now, alive):
    pause_relay(now, "535 5.7.8 Authentication failed.")
    wait(Lane.DIGEST, ago(now, 1), count=3)
    wait(Lane.DIGEST, ago(now, 9), key="stopped", state="paused", why_paused=None)
    (key, told), *others = look(ledger, now).items()
    what, how_much, cure = told.split("\n")
    assert (key, others) == ("relay:main", [])
    assert what == "The relay main is paused: 535 5.7.8 Authentication failed."
    assert re.match(
        rf"Paused since {now:%Y-%m-%d %H:%M} UTC. 3 mails wait; the oldest was due at .* UTC, and", how_much
    )
    assert cure.endswith("flask delivery resume --relay main")


def test_only_the_lanes_of_a_relay_wait_for_it(ledger, now, alive):
    pause_relay(now, "no", relay="desk")
    wait(Lane.DIGEST, now)
    ledger.services = with_lanes(ledger, transactional=LaneSender(relay="desk"))
    told = look(ledger, now, post=PostOffice({"main": MAIN, "desk": DESK}))
    assert "No mail waits for it." in told["relay:desk"]


def with_lanes(ledger: Ledger, **lanes: LaneSender):
    return replace(ledger.services, identity=replace(ledger.services.identity, lanes=lanes))


@pytest.mark.parametrize("why", [None, "", "operator: maintenance", "Operator", "An operator paused it."])
def test_what_an_operator_paused_is_no_trouble(ledger, now, alive, why):
    pause_relay(now, why)
    mailing(state="paused", why_paused=why)
    assert look(ledger, now) == {}


def test_a_relay_that_no_setting_knows_any_more_is_no_trouble(ledger, now, alive):
    pause_relay(now, "no", relay="old")
    assert look(ledger, now) == {}


def test_a_mailing_that_was_paused_by_ourselves_is_told(ledger, now, alive):
    wait(Lane.DIGEST, ago(now, 90), count=2, key=KEY, state="paused", why_paused=OURS)
    (key, told), *others = look(ledger, now).items()
    what, how_much, cure = told.split("\n")
    assert (key, others) == (f"mailing:{KEY}", [])
    assert what == f"The mailing {KEY} is paused: {OURS}"
    assert how_much.startswith("2 mails wait; the oldest was due at ")
    assert cure.endswith(f"flask delivery resume {KEY}")


def test_mailings_that_are_paused_for_one_reason_are_one_alert(ledger, now, alive):
    for number in range(4):
        mailing(f"m{number}", state="paused", why_paused=OURS if number else "Another one.")
    told = look(ledger, now)
    assert set(told) == {"mailing:m0", "mailing:m1"}
    assert told["mailing:m1"].startswith("The mailing m1 and 2 more are paused: ")


def test_what_a_restored_database_pauses_is_told_by_who_saw_it(ledger, now, alive):
    mailing(state="paused", why_paused=tick.WHY_PAUSED)
    assert look(ledger, now) == {}


@pytest.mark.parametrize(
    ("lane", "minutes", "late"),
    [
        *((Lane.TRANSACTIONAL, 4, False), (Lane.TRANSACTIONAL, 6, True)),
        *((Lane.BREAKING, 29, False), (Lane.BREAKING, 31, True)),
        *((Lane.DIGEST, 6, False), (Lane.DIGEST, 29, False), (Lane.DIGEST, 31, True)),
    ],
)
def test_each_lane_has_its_patience(ledger, now, alive, lane, minutes, late):
    wait(lane, ago(now, minutes))
    wait(lane, ago(now, 1), provider=7)
    assert set(look(ledger, now)) == ({f"queue:{lane.name.lower()}"} if late else set())


def test_an_old_queue_is_told_with_how_much_since_when_until_when_and_how_fast(ledger, now, alive):
    number = wait(Lane.DIGEST, ago(now, 47), count=2)
    mails(number, {State.PLANNED: 3}, next_attempt_at=ago(now, 1), provider=9)
    heard(ago(now, 30), name="dead", rate=1000)
    what, how_much, cure = look(ledger, now)["queue:digest"].split("\n")
    assert what == "Mail of the lane digest waits too long: the oldest has been due for 47 minutes."
    assert how_much.startswith(f"5 mails wait; the oldest was due at {ago(now, 47):%Y-%m-%d %H:%M} UTC, and is dropped")
    assert how_much.endswith("All senders together hand over 12.5 a second.")
    assert "flask delivery progress" in cure


def test_what_is_not_due_or_not_running_does_not_wait(ledger, now, alive):
    wait(Lane.DIGEST, now + timedelta(minutes=5))
    for state in ("paused", "cancelled", "closed"):
        wait(Lane.DIGEST, ago(now, 600), key=state, state=state)
    number = mailing("done")
    mails(number, {State.SENT: 1, State.FAILED: 1, State.EXPIRED: 1}, next_attempt_at=ago(now, 600))
    assert look(ledger, now) == {}


def test_a_provider_that_turns_us_away_has_hours_until_somebody_is_woken(ledger, now, alive):
    write(Gate, relay="main", provider=3, fails=4, not_before=now + timedelta(minutes=20))
    number = wait(Lane.DIGEST, ago(now, 230), provider=3)
    assert look(ledger, now) == {}
    mails(number, {State.PLANNED: 1}, next_attempt_at=ago(now, 241), provider=3)
    assert set(look(ledger, now)) == {"queue:digest"}


def test_a_daily_ceiling_that_holds_mail_back_is_no_trouble_but_it_holds_no_system_mail(ledger, now, alive):
    warming = replace(MAIN, warm_up=WarmUp(date(2020, 1, 1), mails=10, grows=1.0))
    domain = ledger.services.identity.sender.partition("@")[2]
    wait(Lane.DIGEST, ago(now, 200))
    wait(Lane.TRANSACTIONAL, ago(now, 200))
    write(Quota, domain=domain, day=now.date(), taken=9)
    post = PostOffice({"main": warming})
    assert set(look(ledger, now, post=post)) == {"queue:digest", "queue:transactional"}
    with database.write_turn():
        db.session.execute(update(Quota).values(taken=10))
        db.session.commit()
    assert set(look(ledger, now, post=post)) == {"queue:transactional"}


def held(ledger: Ledger, now: datetime) -> None:
    with database.writing(ledger.engine) as connection:
        tick.hold(connection, why="It is behind.", stands_at=None, now=now)


@pytest.mark.parametrize("cause", ["relay", "senders", "restored"])
def test_one_cause_is_one_alert_and_what_stands_stays(ledger, now, cause):
    if cause == "restored":
        held(ledger, now)
    if cause == "relay":
        pause_relay(now, "535 no")
    if cause != "senders":
        heard(now)
    wait(Lane.DIGEST, ago(now, 60))
    expected = {"relay": {"relay:main"}, "senders": {"senders"}, "restored": set()}[cause]
    assert set(look(ledger, now)) == expected
    assert set(look(ledger, now, known=["queue:digest"])) == expected | {"queue:digest"}


def test_an_old_queue_is_over_when_it_is_well_below_the_limit_only(ledger, now, alive):
    wait(Lane.DIGEST, ago(now, 20))
    assert look(ledger, now) == {}
    assert set(look(ledger, now, known=["queue:digest"])) == {"queue:digest"}
    with database.write_turn():
        db.session.execute(update(Delivery).values(next_attempt_at=ago(now, 14)))
        db.session.commit()
    assert look(ledger, now, known=["queue:digest"]) == {}


def doubt(count: int, since: datetime, *, policy: str = "resend", **values) -> None:
    number = mailing(f"{policy}:{since.isoformat()}", doubt_policy=policy)
    mails(number, {State.IN_DOUBT: count}, doubt_at=since, **values)


def test_a_doubt_is_told_when_it_is_older_than_its_grace(ledger, now, alive):
    doubt(1, ago(now, 10.5))
    assert look(ledger, now) == {}, "the sweep comes to it in a moment"
    doubt(2, ago(now, 12), policy="skip")
    what, how_much, cure = look(ledger, now)["doubts"].split("\n")
    assert what == "3 mails are in doubt: the relay may have taken them, or not."
    assert how_much.startswith(
        f"The oldest since {ago(now, 12):%Y-%m-%d %H:%M} UTC. By themselves 1 are sent once more"
    )
    assert "flask delivery doubts" in cure


def test_many_doubts_are_told_at_once_and_are_over_when_they_are_few(ledger, now, alive):
    doubt(5, now)
    assert look(ledger, now) == {}
    assert set(look(ledger, now, known=["doubts"])) == {"doubts"}
    doubt(1, ago(now, 1))
    assert set(look(ledger, now)) == {"doubts"}


def test_a_doubt_that_is_settled_is_no_trouble(ledger, now, alive):
    doubt(9, ago(now, 900), done_at=now, address_sealed=None)
    assert look(ledger, now) == {}


def test_senders_that_are_silent_while_mail_waits_are_told(ledger, now):
    heard(ago(now, 3))
    wait(Lane.DIGEST, ago(now, 3))
    what, how_much, cure = look(ledger, now)["senders"].split("\n")
    assert what == "No sender is alive: nothing leaves."
    assert how_much.startswith("1 mail waits; the oldest was due at ")
    assert how_much.endswith(f"The last one was heard at {ago(now, 3):%Y-%m-%d %H:%M} UTC.")
    assert cure.endswith("flask delivery pump")
    heard(ago(now, 1), name="another")
    assert look(ledger, now) == {}


@pytest.mark.parametrize("minutes", [None, 1])
def test_silent_senders_are_no_trouble_while_nothing_waits_for_long(ledger, now, minutes):
    if minutes is not None:
        wait(Lane.DIGEST, ago(now, minutes))
    assert look(ledger, now) == {}


def test_where_there_never_was_a_sender_the_alert_says_so(ledger, now):
    wait(Lane.DIGEST, ago(now, 3))
    assert look(ledger, now)["senders"].split("\n")[1].endswith("None was heard for a day.")


def test_no_address_and_no_token_stands_in_any_alert(ledger, now):
    leaky = "550 5.7.1 <reader@example.org> see https://news.example.org/t/abcdefgh\r\nDrop table"
    pause_relay(now, leaky)
    mailing(state="paused", why_paused=leaky)
    wait(Lane.TRANSACTIONAL, ago(now, 90))
    doubt(9, ago(now, 90))
    told = look(ledger, now, known=["queue:transactional"])
    assert set(told) == {"relay:main", f"mailing:{KEY}", "queue:transactional", "doubts", "senders"}
    for one in told.values():
        assert "reader@" not in one and "abcdefgh" not in one


def test_very_many_mails_are_not_counted_to_the_end(ledger, now, alive, monkeypatch):
    monkeypatch.setattr(watch, "COUNTED", 4)
    wait(Lane.DIGEST, ago(now, 40), count=6)
    assert "More than 4 mails wait; " in look(ledger, now)["queue:digest"]


def test_the_head_of_every_queue_is_found(ledger, now):
    for key, providers in {"a": (0, 3, 511), "b": (1,), "c": ()}.items():
        number = mailing(key)
        for provider in providers:
            for minutes in (5, 9, 7):
                mails(number, {State.PLANNED: 1}, provider=provider, next_attempt_at=ago(now, minutes))
        mails(number, {State.SENT: 1}, provider=200, next_attempt_at=ago(now, 60))
    with ledger.engine.connect() as connection:
        found = watch.heads(connection, Mailing.state == "running")
    assert sorted(one.provider for one in found) == [0, 1, 3, 511]
    assert {one.at for one in found} == {ago(now, 9).astimezone(UTC)}


def test_the_heads_are_found_by_steps_through_the_index_of_planned_mails(sqlite_ledger):
    statements = []
    with sqlite_ledger.engine.connect() as connection:
        event.listen(connection, "before_cursor_execute", lambda *said: statements.append(said[2:4]))
        watch.heads(connection, Mailing.state == "running")
        statement, values = statements[-1]
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
    walked = [line for line in plan if "deliveries" in line]
    assert len(walked) == 3
    assert all(line.startswith("SEARCH deliveries USING INDEX ix_deliveries_queue") for line in walked), plan


def test_a_sender_writes_no_gate_that_the_watch_would_take_for_a_pause(ledger, now, alive):
    with database.writing(ledger.engine) as connection:
        gates.settle_rate(connection, replace(MAIN, rate=5.0), now)
        gates.slow_down(connection, "main", "454 Throttling failure", 0.0, now)
        gates.close(connection, "main", 3, "451 later", now)
    assert look(ledger, now) == {}
