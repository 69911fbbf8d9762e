"""What may go now: the order, the cursors, and that what must not go is not even read."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, event, func, insert, literal, select, text, true

from core import clock, database
from delivery import batches, due, gates
from delivery.due import Due, Queue
from delivery.models import Delivery, Lane
from delivery.states import State
from tests.delivery.conftest import TIMING, Ledger
from tests.delivery.mailings import mailing, mails

MANY = 20_000
"""Fewer, and PostgreSQL would rather read them all than look into an index."""
LANES = tuple(int(lane) for lane in Lane)
MINUTE = timedelta(minutes=1)


def planned(mailing_id: int, count: int, *, provider: int = 1, minutes_ago: float = 1) -> list[int]:
    """Write planned mails that became due so long ago, the first of them first."""
    return mails(
        mailing_id,
        {State.PLANNED: count},
        provider=provider,
        next_attempt_at=clock.utc_now() - timedelta(minutes=minutes_ago),
    )


def queues(ledger: Ledger, lanes: tuple[int, ...] = LANES) -> list[Queue]:
    with ledger.engine.connect() as connection:
        return due.queues(connection, lanes)


def first(ledger: Ledger, walked: list[Queue], *, limit: int = 100, each: int = 100, cursors: Any = None) -> list[Due]:
    with ledger.engine.connect() as connection:
        now = database.ledger_now(connection)
        return due.first(connection, walked, cursors or {}, each=each, limit=limit, now=now)


def test_the_queues_are_those_of_running_mailings_with_planned_mails_best_lane_first(ledger):
    digest, other, share = mailing("digest"), mailing("other"), mailing("share", lane=Lane.SHARE)
    planned(digest, 2, provider=300)
    planned(digest, 1, provider=2)
    planned(other, 1, provider=2)
    planned(share, 1, provider=7)
    mails(digest, {State.SENT: 1, State.SENDING: 1, State.IN_DOUBT: 1}, provider=9)
    mailing("nothing planned")
    for state in ("paused", "cancelled", "closed"):
        planned(mailing(state, state=state), 1)
    assert queues(ledger) == [
        Queue(Lane.SHARE, share, 7),
        Queue(Lane.DIGEST, digest, 2),
        Queue(Lane.DIGEST, digest, 300),
        Queue(Lane.DIGEST, other, 2),
    ]
    assert queues(ledger, (Lane.SHARE,)) == [Queue(Lane.SHARE, share, 7)]
    assert queues(ledger, (Lane.TRANSACTIONAL, Lane.BREAKING)) == []


def test_mails_come_in_the_order_in_which_they_became_due_from_whichever_queue(ledger):
    one, two = mailing("one"), mailing("two")
    late = planned(one, 2, minutes_ago=1)
    early = planned(two, 2, provider=5, minutes_ago=3)
    between = planned(one, 1, provider=2, minutes_ago=2)
    assert [found.id for found in first(ledger, queues(ledger))] == [*early, *between, *late]
    assert [found.id for found in first(ledger, queues(ledger), limit=3)] == [*early, *between]


def test_no_more_than_asked_comes_of_one_queue(ledger):
    one = mailing("one")
    mine, others = planned(one, 5, minutes_ago=9), planned(one, 5, provider=2)
    found = [each.id for each in first(ledger, queues(ledger), each=2)]
    assert found == [*mine[:2], *others[:2]]


def test_what_is_not_due_yet_does_not_come(ledger):
    one = mailing("one")
    ready = planned(one, 1)
    planned(one, 3, minutes_ago=-1)
    assert [found.id for found in first(ledger, queues(ledger))] == ready


def test_a_cursor_looks_on_behind_the_last_row_it_took_also_among_rows_of_one_instant(ledger):
    one = mailing("one")
    made = planned(one, 7)
    (queue,) = queues(ledger)
    taken: list[int] = []
    cursors: dict[Queue, tuple[Any, int]] = {}
    while found := first(ledger, [queue], limit=3, cursors=cursors):
        taken += [each.id for each in found]
        cursors[queue] = (found[-1].at, found[-1].id)
    assert taken == made


def test_a_claim_says_how_far_it_came_and_the_next_one_goes_on_from_there(ledger):
    one = mailing("one")
    made = planned(one, 6) + planned(one, 6, provider=2, minutes_ago=0.5)
    board = batches.look(ledger.engine, "main", LANES)
    cursors: dict[Queue, Any] = {}
    taken: list[int] = []
    while len(taken) < len(made):
        share = batches.claim(ledger.engine, "one", board.queues, cursors, limit=4, timing=TIMING)
        assert share.claimed, "a cursor went past what nobody had taken"
        cursors.update(share.cursors)
        taken += [claimed.id for claimed in share.claimed]
    assert taken == made


def test_many_workers_at_once_share_no_mail_and_leave_none(ledger):
    one = mailing("one")
    made = planned(one, 120) + planned(one, 120, provider=2)
    taken: list[int] = []
    start = threading.Barrier(4)

    def work(name: str) -> None:
        start.wait(10)
        for _look in range(100):
            taken.extend(claimed.id for claimed in ledger.claim(name, 20))
            if len(taken) >= len(made):
                return

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(work, "abcd"))
    assert Counter(taken) == Counter(made)


class Reading:
    """Collects the statements of a connection, to ask the database afterwards what each of them read."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.statements: list[tuple[str, Any]] = []
        event.listen(connection, "before_cursor_execute", self._note)

    def _note(self, _connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        self.statements.append((statement, parameters))

    def rows_read(self) -> int:
        """Return how many rows of the ledger PostgreSQL read, kept or not."""
        read = 0
        for statement, parameters in list(self.statements):
            (plan,) = self.connection.exec_driver_sql(
                f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters
            ).scalar_one()
            read += sum(map(_rows, _nodes(plan["Plan"])))
        return read

    def plans(self) -> list[str]:
        """Return how SQLite goes through the ledger."""
        found = []
        for statement, parameters in list(self.statements):
            rows = self.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            found += [row.detail for row in rows if "deliveries" in row.detail]
        return found


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in _nodes(child))]


def _rows(node: dict[str, Any]) -> int:
    if node.get("Relation Name") != "deliveries":
        return 0
    kinds = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
    return round(sum(node.get(kind, 0) for kind in kinds) * node["Actual Loops"])


def crowd(ledger: Ledger) -> tuple[int, list[int]]:
    """Many due mails that must not go, and ten that may; return their mailing and those ten."""
    held, runs = mailing("paused", state="paused"), mailing("runs")
    multiply(ledger, planned(held, 1, provider=2, minutes_ago=9)[0])
    multiply(ledger, planned(runs, 1, provider=1, minutes_ago=9)[0])
    may_go = planned(runs, 10, provider=2)
    if ledger.engine.dialect.name == "postgresql":
        with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE deliveries"))
    return runs, may_go


def multiply(ledger: Ledger, delivery: int) -> None:
    """Have as many mails more as this one as a large list would have."""
    numbers = select(literal(1).label("n")).cte("numbers", recursive=True)
    numbers = numbers.union_all(select(numbers.c.n + 1).where(numbers.c.n < MANY))
    key = func.randomblob(16)
    if ledger.engine.dialect.name == "postgresql":
        key = func.decode(func.lpad(func.to_hex(numbers.c.n), 32, "0"), "hex")
    copied = [column for column in Delivery.__table__.c if column.name not in ("id", "once_key")]
    copies = select(key, *copied).select_from(Delivery).join(numbers, true()).where(Delivery.id == delivery)
    with database.writing(ledger.engine) as connection:
        connection.execute(insert(Delivery).from_select(["once_key", *(one.name for one in copied)], copies))


def test_postgresql_reads_no_row_of_a_gated_provider_or_a_paused_mailing(postgres_ledger):
    ledger = postgres_ledger
    runs, may_go = crowd(ledger)
    with ledger.engine.connect() as connection:
        reading = Reading(connection)
        assert due.queues(connection, LANES) == [Queue(Lane.DIGEST, runs, 1), Queue(Lane.DIGEST, runs, 2)]
        assert reading.rows_read() <= 4, "it steps from queue to queue"
    with ledger.engine.connect() as connection:
        reading = Reading(connection)
        now = clock.utc_now()
        found = due.first(connection, [Queue(Lane.DIGEST, runs, 2)], {}, each=204, limit=200, now=now)
        assert [one.id for one in found] == may_go
        assert reading.rows_read() <= 2 * len(may_go), "once to find them, once to lock them"


def test_postgresql_reads_no_more_rows_of_a_long_queue_than_it_takes(postgres_ledger):
    ledger = postgres_ledger
    runs, _may_go = crowd(ledger)
    with ledger.engine.connect() as connection:
        walked = [Queue(Lane.DIGEST, runs, 1), Queue(Lane.DIGEST, runs, 2)]
        reading = Reading(connection)
        due.first(connection, walked, {}, each=24, limit=20, now=clock.utc_now())
        assert reading.rows_read() <= 24 + 10 + 30


def test_sqlite_goes_through_the_index_of_the_queue_only(sqlite_ledger):
    runs, may_go = crowd(sqlite_ledger)
    with sqlite_ledger.engine.connect() as connection:
        reading = Reading(connection)
        due.queues(connection, LANES)
        found = due.first(connection, [Queue(Lane.DIGEST, runs, 2)], {}, each=204, limit=200, now=clock.utc_now())
        assert [one.id for one in found] == may_go
        ways = reading.plans()
    assert len(ways) >= 3
    for way in ways:
        assert way.startswith("SEARCH deliveries USING") and "ix_deliveries_queue (mailing_id=?" in way, way
    assert "(mailing_id=? AND provider=? AND next_attempt_at>?" in ways[-1]


def test_a_sender_reads_no_row_of_a_provider_that_is_closed(ledger):
    runs, may_go = crowd(ledger)
    with database.writing(ledger.engine) as connection:
        gates.close(connection, "main", 1, "451 later", database.ledger_now(connection))
    board = batches.look(ledger.engine, "main", LANES)
    assert board.gates.closed == {1} and board.gates.to_probe == frozenset()
    walked = [queue for queue in board.queues if queue.provider not in board.gates.closed]
    share = batches.claim(ledger.engine, "one", walked, {}, limit=50, timing=TIMING)
    assert [one.id for one in share.claimed] == may_go
    assert {(one.mailing_id, one.provider) for one in share.claimed} == {(runs, 2)}
