"""The checker finds what it is there to find: for each invariant a run, made by hand, in which it does not hold."""

import base64
import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos import checker
from tests.chaos.evidence import Evidence

T0 = 1_800_000_000.0
READERS = {"ok.r1@p1.test": "11" * 16, "ok.r2@p2.test": "22" * 16, "dot-lost-1x.r3@p3.test": "33" * 16}
FIRST, SECOND, LOST = READERS


def token(key: str, door: int) -> str:
    """Return a token as the design has it: the reader's key first, in base32."""
    return base64.b32encode(bytes.fromhex(key) + bytes([door]) * 13).decode().rstrip("=").lower()


def planned(to: str, *, mailing: str, policy: str) -> dict[str, Any]:
    key = READERS[to]
    return {
        "to": to,
        "mailing": mailing,
        "policy": policy,
        "once_key": key,
        "reader_key": key,
        "suppressed": "",
        "not_after": T0 + 86_400,
        "marks": ["story"],
        "tokens": {"preferences": [token(key, 1)], "unsubscribe": [token(key, 2)]},
    }


def row(number: int, to: str, **words: object) -> dict[str, Any]:
    return {
        "id": number,
        "mailing_id": 1 if to == FIRST else 2,
        "once_key": READERS[to],
        "state": "sent",
        "epoch": 1,
        "attempts": 1,
        "doubts": 0,
        "worker_id": None,
        "lease_until": None,
        "provider": 300 + number,
        "not_after": T0 + 86_400,
        "intent_at": T0 + 1,
        "done_at": T0 + 2,
        "address_sealed": None,
        "last_code": 250,
        "last_text": "Ok",
        **words,
    }


def accepted(to: str, at: float, **words: object) -> dict[str, Any]:
    key = READERS[to]
    return {
        "k": "accepted",
        "t": T0 + at,
        "t0": T0 + at - 0.01,
        "conn": 1,
        "from": f"b+{key}@bounces.test",
        "to": to,
        "header_to": to,
        "id": f"<{key}@x.test>",
        "date": "now",
        "subject": "News",
        "sha256": key,
        "shape": "same",
        "tokens": sorted([token(key, 1), token(key, 2)]),
        "header_tokens": [token(key, 2)],
        "marks": ["story", "story"],
        "size": 100,
        **words,
    }


def event(number: int, kind: str, at: float, epoch: int = 1) -> dict[str, Any]:
    return {"id": number, "delivery_id": 3, "epoch": epoch, "at": T0 + at, "kind": kind, "code": None, "text": None}


def good() -> Evidence:
    """Return a run in which all holds: two mails at once, and one twice, whose first reply was kept back."""
    play = {"k": "played", "t": T0 + 2, "t0": T0 + 1.9, "conn": 1, "to": LOST, "from": "", "script": "dot-lost"}
    return Evidence(
        plan=[
            planned(FIRST, mailing="a", policy="resend"),
            planned(SECOND, mailing="b", policy="skip"),
            planned(LOST, mailing="b", policy="resend"),
        ],
        ledger={
            "mailings": [
                {"id": 1, "key": "a", "state": "running", "doubt_policy": "resend"},
                {"id": 2, "key": "b", "state": "running", "doubt_policy": "skip"},
            ],
            "deliveries": [row(1, FIRST), row(2, SECOND), row(3, LOST, epoch=2, attempts=2, doubts=1)],
            "delivery_events": [event(1, "in_doubt", 2.0), event(2, "resend", 4.0)],
            "gates": [],
            "suppressions": [],
            "workers": [],
        },
        relay=[
            {"k": "open", "t": T0, "conn": 1},
            accepted(FIRST, 1),
            accepted(SECOND, 1),
            accepted(LOST, 2),
            {**play, "doubtful": True},
            accepted(LOST, 5),
            {"k": "close", "t": T0 + 9, "conn": 1, "by": "quit"},
        ],
        harness=[{"k": "begin", "t": T0, "database": "postgresql", "connections": 2, "senders": 1}],
    )


def rows(run: Evidence) -> list[dict[str, Any]]:
    return run.ledger["deliveries"]


def change(run: Evidence, to: str, **words: object) -> None:
    rows(run)[list(READERS).index(to)] |= words


def said(run: Evidence, kind: str, **words: object) -> None:
    run.harness.append({"k": kind, "t": T0, **words})


def without_a_row(run: Evidence) -> None:
    rows(run).pop(0)


def twice_in_the_ledger(run: Evidence) -> None:
    rows(run).append(row(4, FIRST))


def still_planned(run: Evidence) -> None:
    change(run, FIRST, state="planned", done_at=None, address_sealed="aa")


def leased_at_the_end(run: Evidence) -> None:
    change(run, FIRST, lease_until=T0 + 9, worker_id="w")


def failed_though_nobody_refused(run: Evidence) -> None:
    change(run, FIRST, state="failed")


def failed_and_accepted(run: Evidence) -> None:
    run.plan[0]["to"] = "dot-5xx-1x.r1@p1.test"
    run.relay[1] |= {"to": "dot-5xx-1x.r1@p1.test", "header_to": "dot-5xx-1x.r1@p1.test"}
    change(run, FIRST, state="failed", doubts=1)


def expired_before_its_time(run: Evidence) -> None:
    change(run, FIRST, state="expired")


def address_kept(run: Evidence) -> None:
    change(run, FIRST, address_sealed="aa")


def sent_to_nobody(run: Evidence) -> None:
    run.relay.remove(accepted(FIRST, 1))


def accepted_and_unknown(run: Evidence) -> None:
    change(run, FIRST, state="failed")


def accepted_and_expired(run: Evidence) -> None:
    change(run, FIRST, state="expired", done_at=T0 + 90_000)


def two_copies_in_one_attempt(run: Evidence) -> None:
    run.relay.append(accepted(FIRST, 3))


def three_copies(run: Evidence) -> None:
    run.relay.append(accepted(LOST, 7))
    change(run, LOST, attempts=3, epoch=3, doubts=2)


def two_copies_and_no_doubt_between(run: Evidence) -> None:
    run.ledger["delivery_events"][0]["at"] = T0 + 8
    run.ledger["delivery_events"].reverse()


def two_copies_of_a_mailing_that_skips(run: Evidence) -> None:
    run.relay.append(accepted(SECOND, 3))
    change(run, SECOND, attempts=2, epoch=2, doubts=1)


def nothing_was_kept_back(run: Evidence) -> None:
    run.relay[:] = [line for line in run.relay if line["k"] != "played"]


def a_copy_that_differs(run: Evidence) -> None:
    run.relay[5] = accepted(LOST, 5, sha256="other")


def another_message_id(run: Evidence) -> None:
    run.relay[5] = accepted(LOST, 5, id="<other@x.test>")


def a_shared_message_id(run: Evidence) -> None:
    run.relay[2] = accepted(SECOND, 1, id=run.relay[1]["id"])


def mailed_though_suppressed(run: Evidence) -> None:
    run.plan[0]["suppressed"] = "before"


def spoken_of_though_suppressed(run: Evidence) -> None:
    run.plan[0]["suppressed"] = "before"
    run.relay[1] |= {"k": "played", "doubtful": False}


def mailed_after_it_was_suppressed(run: Evidence) -> None:
    run.plan[1]["suppressed"] = "during"
    said(run, "suppressed", to=SECOND)
    run.relay[2]["t0"] += 1


def mailed_while_paused(run: Evidence) -> None:
    said(run, "control", what="paused", mailing="b", until=T0 + 4)


def more_than_was_under_way_when_it_was_paused(run: Evidence) -> None:
    said(run, "control", what="paused", mailing="b", until=T0 + 2)
    run.relay[2:2] = [{**accepted(SECOND, 0.1), "k": "played", "doubtful": False} for _one in range(2)]


def intended_after_the_cancel(run: Evidence) -> None:
    said(run, "control", what="cancelled", mailing="a")
    change(run, FIRST, intent_at=T0 + 1.5)


def an_epoch_that_falls(run: Evidence) -> None:
    said(run, "step", id=1, epoch=1, from_epoch=2, **{"from": "planned", "to": "claimed"})


def a_move_that_is_no_arrow(run: Evidence) -> None:
    said(run, "step", id=1, epoch=1, from_epoch=1, **{"from": "sent", "to": "planned"})


def a_step_of_an_epoch_that_never_was(run: Evidence) -> None:
    run.ledger["delivery_events"][1]["epoch"] = 3


def a_step_of_an_older_epoch(run: Evidence) -> None:
    run.ledger["delivery_events"][0]["epoch"] = 2


def more_attempts_than_epochs(run: Evidence) -> None:
    change(run, FIRST, attempts=2)


def through_a_closed_gate(run: Evidence) -> None:
    said(run, "gate", provider=303, relay="main", until=T0 + 9)


def through_a_paused_relay(run: Evidence) -> None:
    said(run, "gate", provider=0, relay="main", until=T0 + 9)


def another_readers_link(run: Evidence) -> None:
    run.relay[2] = accepted(SECOND, 1, tokens=run.relay[1]["tokens"])


def another_readers_way_out(run: Evidence) -> None:
    run.relay[2] = accepted(SECOND, 1, header_tokens=run.relay[1]["header_tokens"])


def a_link_is_missing(run: Evidence) -> None:
    run.relay[2] = accepted(SECOND, 1, tokens=[token(READERS[SECOND], 1)])


def another_readers_name(run: Evidence) -> None:
    run.relay[2] = accepted(SECOND, 1, header_to=FIRST)


def another_mailings_story(run: Evidence) -> None:
    run.relay[2] = accepted(SECOND, 1, marks=["other", "other"])


def words_that_differ(run: Evidence) -> None:
    run.relay[3] = accepted(LOST, 2, shape="other")


def mailed_and_never_planned(run: Evidence) -> None:
    run.relay.append({**accepted(FIRST, 1), "to": "who@p1.test"})


def nothing_left_without_redis(run: Evidence) -> None:
    said(run, "redis", what="kill", seconds=3.0, due=30)
    run.harness[-1]["t"] = T0 + 5.5


def did_not_end_in_time(run: Evidence) -> None:
    said(run, "ended", name="sender-0", status=0, seconds=31.0)


def ended_badly(run: Evidence) -> None:
    said(run, "ended", name="sender-0", status=1, seconds=1.0)


def waited_in_vain(run: Evidence) -> None:
    said(run, "vain", what="all mails to come to their end")


def ended_by_itself(run: Evidence) -> None:
    said(run, "crashed", name="sender-0", status=1)


VIOLATIONS: list[tuple[str, Callable[[Evidence], None]]] = [
    ("I1", without_a_row),
    ("I1", twice_in_the_ledger),
    ("I2", still_planned),
    ("I2", leased_at_the_end),
    ("I2", failed_though_nobody_refused),
    ("I2", failed_and_accepted),
    ("I2", expired_before_its_time),
    ("I2", address_kept),
    ("I3", sent_to_nobody),
    ("I4", accepted_and_unknown),
    ("I4", accepted_and_expired),
    ("I5", two_copies_in_one_attempt),
    ("I5", three_copies),
    ("I5", two_copies_and_no_doubt_between),
    ("I6", two_copies_of_a_mailing_that_skips),
    ("I7", nothing_was_kept_back),
    ("I8", nothing_was_kept_back),
    ("I9", a_copy_that_differs),
    ("I9", another_message_id),
    ("I9", a_shared_message_id),
    ("I10", mailed_though_suppressed),
    ("I10", spoken_of_though_suppressed),
    ("I10", mailed_after_it_was_suppressed),
    ("I10", mailed_while_paused),
    ("I10", more_than_was_under_way_when_it_was_paused),
    ("I10", intended_after_the_cancel),
    ("I11", an_epoch_that_falls),
    ("I11", a_move_that_is_no_arrow),
    ("I11", a_step_of_an_epoch_that_never_was),
    ("I11", a_step_of_an_older_epoch),
    ("I11", more_attempts_than_epochs),
    ("I12", through_a_closed_gate),
    ("I12", through_a_paused_relay),
    ("I13", another_readers_link),
    ("I13", another_readers_way_out),
    ("I13", a_link_is_missing),
    ("I13", another_readers_name),
    ("I13", another_mailings_story),
    ("I13", words_that_differ),
    ("I13", mailed_and_never_planned),
    ("redis", nothing_left_without_redis),
    ("exit", did_not_end_in_time),
    ("exit", ended_badly),
    ("end", waited_in_vain),
    ("end", ended_by_itself),
]


def test_a_good_run_passes() -> None:
    assert checker.check(good()) == {}


@pytest.mark.parametrize(("name", "spoil"), VIOLATIONS, ids=[f"{name}-{spoil.__name__}" for name, spoil in VIOLATIONS])
def test_what_must_not_be_is_found(name: str, spoil: Callable[[Evidence], None]) -> None:
    run = copy.deepcopy(good())
    spoil(run)
    assert name in checker.check(run)


def test_every_invariant_has_a_run_that_breaks_it() -> None:
    assert {name for name, _spoil in VIOLATIONS} == checker.INVARIANTS.keys()


@pytest.mark.parametrize(
    ("line", "more"),
    [
        ({"k": "kill", "connections": 5}, 1),
        ({"k": "kill", "connections": 5, "t": T0 + 20}, 0),
        ({"k": "fault", "connections": 5, "by_itself": True}, 5),
        ({"k": "locked", "connections": 0}, 0),
        ({"k": "term", "connections": 5}, 0),
    ],
)
def test_the_bound_is_one_for_each_open_connection_that_was_hit(line: dict[str, Any], more: int) -> None:
    run = good()
    run.harness.append({"t": T0 + 3, **line})
    assert run.bound == 1 + more
