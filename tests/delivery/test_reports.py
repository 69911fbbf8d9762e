"""What a report does: to its own delivery and that one's address, once, in any order; a stranger's does nothing."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from core import clock, database
from core.database import Base, db
from core.journal import SUPPRESS, Change
from core.tokens import Tokens
from delivery import aftermath, progress, reports, suppression, verp
from delivery.classes import COUNTING, Class, Counting
from delivery.models import Bounce, Delivery, DeliveryEvent, Lane, Mailing, Outcome, Suppression
from delivery.reports import Applied
from delivery.signals import Kind, Signal
from delivery.states import State
from tests.delivery.conftest import Ledger
from tests.delivery.mailings import mailing, mails

DAY = timedelta(days=1)
READER = bytes(range(16))
UNKNOWN, FULL, NO_DOMAIN, BLOCKED = "5.1.1 unknown", "5.2.2 full", "5.4.4 no such domain", "5.7.1 blocked"
LATER = "4.4.7 given up after a while"


def sent(count: int = 1, *, state: State = State.SENT, days_ago: float = 0, **values: Any) -> list[int]:
    """Hand so many mails to one reader over; return the deliveries."""
    at = clock.utc_now() - days_ago * DAY
    key = f"edition:{at.isoformat()}:{count}:{state}:{values}"
    lane = values.pop("lane", Lane.DIGEST)
    more = {"addr_hash": READER, "reader_key": b"k" * 16, "intent_at": at, "dated_at": at, **values}
    return mails(mailing(key, lane=lane), {state: count}, **more)


def signal(delivery: int, ledger: Ledger, text: str = UNKNOWN, *, kind: Kind = Kind.BOUNCE, **more: Any) -> Signal:
    prefix = verp.LEAVE_PREFIX if kind is Kind.LEAVE else verp.PREFIX
    token = verp.token(delivery, tokens=ledger.services.links.tokens, prefix=prefix)
    return Signal(kind, token, "dsn", **{"text": text, **more})


def report(ledger: Ledger, *signals: Signal, later: timedelta = timedelta()) -> list[Applied]:
    with database.write_turn():
        now = clock.utc_now() + later
        found = reports.apply(signals, tokens=ledger.services.links.tokens, now=now)
        db.session.commit()
    return found


def suppressed() -> set[tuple[str, str]]:
    db.session.rollback()
    return {(row.scope, row.reason) for row in db.session.scalars(select(Suppression))}


def outcomes() -> list[str]:
    db.session.rollback()
    return list(db.session.scalars(select(Outcome.kind).order_by(Outcome.id)))


def dump() -> dict[str, list[tuple[Any, ...]]]:
    """Return everything that stands in the database."""
    db.session.rollback()
    found = {}
    for table in Base.metadata.sorted_tables:
        found[table.name] = sorted((tuple(row) for row in db.session.execute(select(table))), key=repr)
    return found


def test_a_hard_bounce_stops_bulk_mail_and_tells_those_above_and_the_mail_stays_handed_over(ledger):
    (one,) = sent()
    (applied,) = report(ledger, signal(one, ledger, code=550))
    assert applied == Applied(one, "hard", "The address gets no more bulk mail.")
    row = ledger.row(one)
    assert (row.state, row.returned_as) == ("sent", "hard") and row.returned_at is not None
    assert suppressed() == {("bulk", "hard")} and outcomes() == ["hard_bounce"]
    assert ledger.kinds(one) == ["returned"]
    outcome = db.session.execute(select(Outcome)).scalar_one()
    assert (outcome.delivery_id, outcome.reader_key, outcome.addr_hash) == (one, b"k" * 16, READER)


def test_the_words_are_kept_without_the_address_and_fit_into_the_ledger(ledger):
    (one,) = sent()
    report(ledger, signal(one, ledger, "550 5.1.1 <someone@example.org>\r\n\0unknown \ud800" + "x" * 100_000))
    text = db.session.execute(select(DeliveryEvent.text)).scalar_one() or ""
    assert text.startswith("hard (no such address), from dsn: 550 5.1.1 <***@example.org>") and len(text) == 300
    assert text.isprintable()


def test_a_complaint_stops_all_bulk_mail_at_once(ledger):
    (one,) = sent()
    assert report(ledger, signal(one, ledger, "abuse", kind=Kind.COMPLAINT))[0].name == "complaint"
    assert suppressed() == {("bulk", "complaint")} and outcomes() == ["complaint"]


def test_a_complaint_may_name_its_mail_by_the_address_to_leave_by_but_a_bounce_may_not(ledger):
    one, two = sent(2)
    token = verp.token(one, tokens=ledger.services.links.tokens, prefix=verp.LEAVE_PREFIX)
    assert report(ledger, Signal(Kind.BOUNCE, token, "dsn", text=UNKNOWN))[0].name == "foreign"
    assert report(ledger, Signal(Kind.COMPLAINT, token, "arf"))[0].name == "complaint"
    assert ledger.row(two).returned_as is None


def test_leaving_by_mail_stops_that_stream_and_is_the_readers_own_wish(ledger):
    (one,) = sent(days_ago=100)
    assert report(ledger, signal(one, ledger, kind=Kind.LEAVE))[0].name == "left"
    assert suppressed() == {("digest:asia-daily", "left")} and outcomes() == ["left_by_mail"]
    assert ledger.row(one).returned_as is None
    assert report(ledger, signal(one, ledger, kind=Kind.LEAVE))[0].why == "Nothing new."
    assert outcomes() == ["left_by_mail"]


def test_system_mail_cannot_be_left(ledger):
    (one,) = sent(lane=Lane.TRANSACTIONAL)
    before = dump()
    assert report(ledger, signal(one, ledger, kind=Kind.LEAVE))[0].name == "unknown"
    assert dump() == before


@pytest.mark.parametrize("kind", [Kind.DELAYED, Kind.DELIVERED, Kind.NOT_SPAM])
def test_news_that_is_no_bounce_changes_nothing(ledger, kind):
    (one,) = sent()
    before = dump()
    assert report(ledger, signal(one, ledger, kind=kind)) == [Applied(one, kind.value)]
    assert dump() == before


@pytest.mark.parametrize("text", [BLOCKED, "5.1.8 bad sender", "5.3.4 too large", "550 Sender frequency limited"])
def test_what_is_our_fault_is_never_held_against_the_reader(ledger, text):
    for days in range(6):
        (one,) = sent(days_ago=days)
        report(ledger, signal(one, ledger, text))
        assert ledger.row(one).returned_as in ("refusal", "sender", "ours", "throttle")
    assert suppressed() == set() and outcomes() == [] and not db.session.scalars(select(Bounce)).all()


def test_a_report_that_comes_twice_counts_once(ledger):
    deliveries = [*sent(days_ago=2), *sent(days_ago=1)]
    for one in deliveries:
        report(ledger, *[signal(one, ledger, "4.4.1 timed out", status="4.4.1")] * 3)
    assert suppressed() == set() and outcomes() == ["soft_bounce"] * 2
    assert [ledger.kinds(one) for one in deliveries] == [["returned"]] * 2
    before = dump()
    assert report(ledger, signal(deliveries[0], ledger, "4.4.1 timed out"))[0].why == "Nothing new."
    assert dump() == before


def test_one_mail_that_comes_back_as_two_classes_that_count_alike_counts_once(ledger):
    (one,) = sent()
    report(ledger, signal(one, ledger, "550 no"), signal(one, ledger, "4.4.1 timed out"))
    assert ledger.row(one).returned_as == "soft" and outcomes() == ["soft_bounce"]
    assert len(db.session.scalars(select(Bounce)).all()) == 1


def test_three_soft_bounces_within_a_month_suppress_for_a_month(ledger):
    for days in (20, 10, 0):
        assert suppressed() == set()
        report(ledger, signal(sent(days_ago=min(days, 13))[0], ledger, "4.4.1 timed out"))
    assert suppressed() == {("bulk", "soft")} and outcomes() == ["soft_bounce"] * 3
    end = db.session.execute(select(Suppression.expires_at)).scalar_one()
    assert end is not None
    assert timedelta(days=29, hours=23) < end - clock.utc_now() <= timedelta(days=30)


def test_what_nobody_understands_counts_together_with_soft_bounces(ledger):
    for days, text in enumerate(("550 no", "4.4.1 timed out", "550 no, again")):
        report(ledger, signal(sent(days_ago=days)[0], ledger, text))
    assert suppressed() == {("bulk", "soft")}


def test_three_digests_in_one_outage_suppress_nobody(ledger):
    for hours in (0, 5, 23):
        report(ledger, signal(sent(days_ago=hours / 24)[0], ledger, "4.4.1 timed out"))
    assert suppressed() == set() and outcomes() == ["soft_bounce"] * 3


def test_a_domain_that_is_away_suppresses_when_it_is_away_two_days_later_too(ledger):
    report(ledger, signal(sent(days_ago=5)[0], ledger, NO_DOMAIN), signal(sent(days_ago=4)[0], ledger, NO_DOMAIN))
    assert suppressed() == set()
    report(ledger, signal(sent(days_ago=2.9)[0], ledger, NO_DOMAIN))
    assert suppressed() == {("bulk", "domain")} and outcomes() == ["soft_bounce", "soft_bounce", "hard_bounce"]
    assert db.session.scalar(select(Suppression.expires_at)) is None


def test_five_full_ones_must_lie_two_weeks_apart(ledger):
    for days in (13, 12, 11, 10, 9):
        report(ledger, signal(sent(days_ago=days)[0], ledger, FULL))
    assert suppressed() == set()
    report(ledger, signal(sent(days_ago=-1)[0], ledger, FULL), later=DAY)
    assert suppressed() == {("bulk", "full")}


def test_a_class_that_says_less_never_takes_the_place_of_one_that_says_more(ledger):
    orders = list(itertools.permutations([("5.2.2 full", Kind.BOUNCE), (UNKNOWN, Kind.BOUNCE), ("", Kind.COMPLAINT)]))
    deliveries = sent(len(orders))
    for one, order in zip(deliveries, orders, strict=True):
        report(ledger, *[signal(one, ledger, text, kind=kind) for text, kind in order])
        assert ledger.row(one).returned_as == "complaint"


@pytest.mark.parametrize(("days", "name"), [(13.9, "hard"), (14.1, "too_old")], ids=["within 14 days", "after 14 days"])
def test_a_report_has_an_effect_for_fourteen_days_after_the_hand_over(ledger, days, name):
    (one,) = sent(days_ago=days)
    before = dump()
    assert report(ledger, signal(one, ledger))[0].name == name
    assert (dump() == before) is (name == "too_old")


@pytest.mark.parametrize("state", [State.PLANNED, State.CLAIMED, State.SUPPRESSED, State.CANCELLED, State.EXPIRED])
def test_a_mail_that_never_left_cannot_come_back(ledger, state):
    (one,) = sent(state=state)
    before = dump()
    assert report(ledger, signal(one, ledger))[0].name == "unknown"
    assert dump() == before


@pytest.mark.parametrize("kind", list(Kind))
def test_news_of_a_mail_in_doubt_proves_that_it_was_taken(ledger, kind):
    (one,) = sent(state=State.IN_DOUBT)
    report(ledger, signal(one, ledger, UNKNOWN if kind is Kind.BOUNCE else "", kind=kind))
    row = ledger.row(one)
    assert (row.state, row.address_sealed) == ("sent", None) and row.done_at is not None
    assert ledger.kinds(one)[0] == "proof"
    assert (row.returned_as == "hard") is (kind is Kind.BOUNCE)


@pytest.mark.parametrize("state", ["closed", "cancelled"])
def test_a_late_proof_has_a_mailing_that_was_counted_counted_anew(ledger, state):
    (one,) = sent(state=State.IN_DOUBT)
    ledger.change(one, done_at=clock.utc_now(), address_sealed=None)
    ledger.change_mailing(state=state, counts='{"in_doubt": 1}', created_at=clock.utc_now() - 3 * DAY)
    report(ledger, signal(one, ledger, kind=Kind.DELIVERED))
    assert [found.counts for found in progress.of_all()] == [{"sent": 1}]
    ledger.sweep()
    db.session.rollback()
    assert db.session.execute(select(Mailing.state, Mailing.counts)).one() == (state, '{"sent": 1}')


def test_a_copy_that_came_back_keeps_the_second_one_from_leaving(ledger):
    (one,) = ledger.queue_bulk("gone@example.org")
    ledger.change(one, doubts=1, intent_at=clock.utc_now(), dated_at=clock.utc_now())
    report(ledger, signal(one, ledger))
    assert ledger.intend() == [] and ledger.states(one) == ["suppressed"]


def test_reports_of_strangers_change_nothing(ledger):
    one, two = sent(2)
    good = signal(one, ledger)
    others = Tokens(b"another key of another installation")
    flipped = [good.token[:at] + ("a" if good.token[at] != "a" else "b") + good.token[at + 1 :] for at in range(29)]
    strange = [
        *(token for token in flipped if token != good.token),
        verp.token(one, tokens=others),
        verp.token(two, tokens=others, prefix=verp.LEAVE_PREFIX),
        *("", "b+", "x" * 29, "x" * 100_000, "\0" * 29, "ß" * 29, good.token + "a", good.token[:-1], " " + good.token),
    ]
    before = dump()
    for token, kind in itertools.product(strange, Kind):
        (applied,) = report(ledger, replace(good, token=token, kind=kind))
        assert applied.name == "foreign" and applied.delivery_id is None, token
    assert dump() == before
    nobody = signal(2**40, ledger)
    assert report(ledger, nobody)[0].name == "unknown" and dump() == before


def test_a_report_touches_no_other_delivery_and_no_other_address(ledger):
    (one,) = sent()
    (other,) = sent(addr_hash=b"o" * 16, days_ago=0.1)
    before = dump()
    report(ledger, signal(one, ledger), signal(one, ledger, kind=Kind.COMPLAINT))
    after = dump()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"deliveries", "delivery_events", "outcomes", "suppressions"}
    assert ledger.row(other).returned_at is None
    assert {row.addr_hash for row in db.session.scalars(select(Suppression))} == {READER}


def test_a_token_is_good_in_whatever_case(ledger):
    (one,) = sent()
    good = signal(one, ledger)
    assert report(ledger, replace(good, token=good.token.upper()))[0].name == "hard"


TIMES = st.lists(st.integers(0, 100 * 24), min_size=1, max_size=14, unique=True)
START = datetime(2026, 1, 1, tzinfo=UTC)


def at(hours: int) -> datetime:
    return START + timedelta(hours=hours)


def told(times: Sequence[int], rule: Counting) -> bool:
    """Say the plain way whether these suppress: some of them within the window, enough, and far enough apart."""
    within, over = rule.within / timedelta(hours=1), rule.over / timedelta(hours=1)
    return any(
        last - first < within and last - first >= over and sum(first <= one <= last for one in times) >= rule.times
        for first, last in itertools.product(times, times)
        if first <= last
    )


@pytest.mark.parametrize("kind", COUNTING)
@given(hours=TIMES)
@settings(max_examples=200)
def test_reports_in_any_order_suppress_when_some_window_has_enough_of_them(kind, hours):
    rule = COUNTING[kind]
    learned: list[datetime] = []
    found = []
    for one in hours:
        learned.append(at(one))
        found.append(aftermath.is_enough(learned, at(one), rule))
    assert any(found) is told(hours, rule)


def test_a_suppression_with_an_end_lets_mail_go_after_it(ledger):
    (one,) = ledger.queue_bulk("full@example.org")
    addr_hash = ledger.row(one).addr_hash
    past, future = clock.utc_now() - DAY, clock.utc_now() + DAY
    with database.write_turn():
        suppression.suppress(addr_hash, scope="bulk", reason="full", source="t", now=past, until=past)
        db.session.commit()
    assert not suppression.is_suppressed(addr_hash, ["bulk"], now=clock.utc_now())
    claimed = ledger.claim()
    with database.write_turn():
        suppression.suppress(addr_hash, scope="bulk", reason="soft", source="t", now=past, until=future)
        db.session.commit()
    assert suppression.is_suppressed(addr_hash, ["bulk"], now=clock.utc_now())
    assert ledger.exchange("one", [], claimed) == [] and ledger.states(one) == ["suppressed"]
    (two,) = ledger.queue_bulk("other@example.org", key="edition:2")
    with database.write_turn():
        suppression.suppress(ledger.row(two).addr_hash, scope="bulk", reason="soft", source="t", now=past, until=past)
        db.session.commit()
    assert [intent.id for intent in ledger.intend()] == [two]


TOLD = st.tuples(
    st.integers(0, 5),
    st.sampled_from(
        [Kind.BOUNCE, Kind.BOUNCE, Kind.BOUNCE, Kind.BOUNCE, Kind.DELAYED, Kind.COMPLAINT, Kind.LEAVE, Kind.NOT_SPAM]
    ),
    st.sampled_from([UNKNOWN, FULL, NO_DOMAIN, BLOCKED, LATER, "no idea"]),
)
"""Which mail came back, and what is said of it."""


def six(ledger: Ledger) -> list[int]:
    """Return six mails that went to two readers on different days: one is in doubt, one left too long ago."""
    known = list(db.session.scalars(select(Delivery.id).order_by(Delivery.id)))
    db.session.rollback()
    if known:
        return known
    mine = sent(days_ago=1) + sent(days_ago=4) + sent(days_ago=5, state=State.IN_DOUBT)
    return mine + [one for days in (3, 6, 20) for one in sent(days_ago=days, addr_hash=b"o" * 16)]


def written(*, at_once: bool, signals: Sequence[Signal], tokens: Tokens, now: datetime) -> Any:
    """Return what signals come to and what they write, all at once or one by one; nothing of it is kept."""
    with database.write_turn():
        if at_once:
            found = reports.apply(signals, tokens=tokens, now=now)
        else:
            found = [applied for one in signals for applied in reports.apply([one], tokens=tokens, now=now)]
        tables: list[tuple[Any, Sequence[str]]] = [
            (Delivery, ("id", "state", "returned_as", "returned_at")),
            (DeliveryEvent, ("delivery_id", "epoch", "at", "kind", "code", "text")),
            (Suppression, ("addr_hash", "scope", "reason", "source", "expires_at")),
            (Bounce, ("addr_hash", "kind", "delivery_id", "at")),
            (Outcome, ("delivery_id", "kind", "reader_key", "addr_hash", "at")),
        ]
        rows = [
            sorted(map(tuple, db.session.execute(select(*(getattr(table, name) for name in names)))), key=repr)
            for table, names in tables
        ]
    return found, rows


@given(told=st.lists(TOLD, max_size=12))
@example(told=[(0, Kind.BOUNCE, NO_DOMAIN), (1, Kind.BOUNCE, NO_DOMAIN)])
@example(told=[(0, Kind.BOUNCE, "no idea"), (0, Kind.BOUNCE, LATER), (2, Kind.BOUNCE, LATER)])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_reports_that_are_applied_together_come_to_the_same_as_one_by_one(ledger, told):
    ids = six(ledger)
    signals = [signal(ids[number], ledger, text, kind=kind) for number, kind, text in told]
    with_what = {"signals": signals, "tokens": ledger.services.links.tokens, "now": clock.utc_now()}
    assert written(at_once=True, **with_what) == written(at_once=False, **with_what)


ENDS = st.one_of(st.none(), st.integers(1, 10))


@given(ends=st.lists(ENDS, min_size=1, max_size=5), at_once=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_of_several_ends_the_latest_holds(sqlite_ledger, ends, at_once):
    now = clock.utc_now()
    untils = [None if end is None else now + end * DAY for end in ends]
    changes = [Change(SUPPRESS, READER, "bulk", "soft", "t", until) for until in untils]
    with database.write_turn():
        db.session.execute(delete(Suppression))
        for some in [changes] if at_once else [[one] for one in changes]:
            suppression.suppress_all(some, now=now)
        db.session.commit()
    latest = None if None in ends else now + max(ends) * DAY
    assert db.session.scalar(select(Suppression.expires_at)) == latest


def test_what_was_counted_is_forgotten_after_a_while(ledger):
    (one,) = sent()
    report(ledger, signal(one, ledger, FULL))
    with database.write_turn():
        assert aftermath.forget(clock.utc_now()) == 0
        assert aftermath.forget(clock.utc_now() + aftermath.KEPT + DAY) == 1
        db.session.commit()
    assert not db.session.scalars(select(Bounce)).all()


def test_deliveries_keep_what_they_came_back_as_through_every_class(ledger):
    everything = [one for one in Class if one not in (Class.NONE, Class.LEFT)]
    (one,) = sent()
    for number, means in enumerate(everything):
        for again in everything[number::-1]:
            with database.write_turn():
                aftermath.mark([one], again, now=clock.utc_now())
                db.session.commit()
            assert db.session.scalar(select(Delivery.returned_as)) == means.value
