"""The ledger beside a model of it in plain Python: whatever happens in whatever order, both say the same.

It runs on both databases, and longer with --hypothesis-profile=full.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from core import clock, database, errors
from core.database import db
from delivery import batches, control, doubts, reports, suppression, verp
from delivery.models import Delivery, DeliveryEvent, Mailing
from delivery.moves import Claimed, Intent, Result
from delivery.signals import Kind, Signal
from delivery.states import LEASED, MAX_DOUBTS, MOVES, TERMINAL, State
from tests.delivery.conftest import TIMING, Ledger, empty
from tests.delivery.mailings import mailing, mails

PAST, FUTURE = timedelta(minutes=-1), timedelta(hours=1)
WORKERS = ("one", "two")
KEYS = ("resends", "skips")
RESULTS = (State.SENT, State.FAILED, State.PLANNED, State.IN_DOUBT)


@dataclass
class Row:
    """A delivery, as it should be."""

    id: int
    mailing: str
    addr_hash: bytes
    state: State = State.PLANNED
    epoch: int = 0
    worker: str | None = None
    leased: bool = False
    attempts: int = 0
    doubts: int = 0
    done: bool = False
    due: bool = True
    late: bool = False
    waited: bool = False
    words: tuple[int | None, str | None] = (None, None)
    on_the_wire: set[int] = field(default_factory=set)
    """The claims of which a copy left, or may have."""

    def move(self, target: State) -> None:
        assert target in MOVES.get(self.state, frozenset()), f"there is no arrow {self.state} → {target}"
        self.state = target
        if target not in LEASED:
            self.worker, self.leased = None, False
        self.done = target in TERMINAL

    def doubt(self) -> None:
        self.move(State.IN_DOUBT)
        self.doubts += 1
        self.waited = False
        self.done = self.doubts >= MAX_DOUBTS

    def shown(self) -> tuple[Any, ...]:
        """Return what the database should show."""
        lease = (self.worker, self.leased) if self.state in LEASED else (None, False)
        return (self.state.value, self.epoch, *lease, self.attempts, self.doubts, self.done)


class Machine(RuleBasedStateMachine):
    """Two senders, two mailings, an operator, and time."""

    ledger: Ledger

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[int, Row] = {}
        self.mailings: dict[str, str] = {}
        self.suppressed: set[bytes] = set()
        self.claims: list[tuple[str, Claimed]] = []
        self.intents: list[Intent] = []
        self.again: Callable[[], None] | None = None

    @initialize()
    def begin(self) -> None:
        empty(self.ledger.engine)
        db.session.rollback()
        self.ids = {key: mailing(key, doubt_policy="resend" if key == "resends" else "skip") for key in KEYS}
        self.mailings = dict.fromkeys(KEYS, "running")

    def teardown(self) -> None:
        db.session.rollback()

    # What comes in, and what senders do.

    @rule(key=st.sampled_from(KEYS), count=st.integers(1, 3), provider=st.integers(1, 2))
    def queue(self, key: str, count: int, provider: int) -> None:
        for delivery in mails(self.ids[key], {State.PLANNED: count}, epoch=0, provider=provider):
            self.rows[delivery] = Row(delivery, key, self.ledger.row(delivery).addr_hash)

    def claimable(self) -> set[int]:
        return {
            row.id
            for row in self.rows.values()
            if row.state is State.PLANNED and row.due and self.mailings[row.mailing] == "running"
        }

    @rule(worker=st.sampled_from(WORKERS), limit=st.integers(1, 4))
    def claim(self, worker: str, limit: int) -> None:
        could = self.claimable()
        claimed = self.ledger.claim(worker, limit)
        assert {one.id for one in claimed} <= could and len(claimed) == min(limit, len(could))
        for one in claimed:
            row = self.rows[one.id]
            row.move(State.CLAIMED)
            row.epoch, row.worker, row.leased = row.epoch + 1, worker, True
            assert one.epoch == row.epoch
            self.claims.append((worker, one))

    def verdict(self, row: Row) -> State:
        state = self.mailings[row.mailing]
        if row.addr_hash in self.suppressed:
            return State.SUPPRESSED
        if state == "cancelled":
            return State.CANCELLED
        if row.late:
            return State.EXPIRED
        return State.SENDING if state == "running" else State.PLANNED

    def unanswered(self, worker: str | None = None) -> list[tuple[str, Claimed]]:
        """Return the latest claims, stale ones too, for which no intent was granted yet."""
        granted = {(intent.id, intent.epoch) for intent in self.intents}
        found = [(by, one) for by, one in self.claims if (one.id, one.epoch) not in granted and worker in (None, by)]
        return found[-8:]

    @precondition(lambda self: self.unanswered())
    @rule(data=st.data(), stranger=st.sampled_from([False, False, False, True]))
    def intend(self, data: st.DataObject, stranger: bool) -> None:
        worker, _claimed = data.draw(st.sampled_from(self.unanswered()))
        own = [one for _by, one in self.unanswered(worker)]
        wanted = data.draw(st.lists(st.sampled_from(own), min_size=1, max_size=3, unique=True))
        self.exchange("stranger" if stranger else worker, [], wanted)

    @precondition(lambda self: self.intents)
    @rule(data=st.data(), outcome=st.sampled_from(RESULTS), refund=st.booleans(), later=st.booleans())
    def result(self, data: st.DataObject, outcome: State, refund: bool, later: bool) -> None:
        intent = data.draw(st.sampled_from(self.intents[-8:]))
        delay = 3600.0 if later else 0.0
        self.exchange("one", [Result(intent.id, intent.epoch, outcome, 250, "words", delay=delay, refund=refund)], [])

    @precondition(lambda self: self.intents and self.unanswered())
    @rule(data=st.data(), outcome=st.sampled_from(RESULTS))
    def result_and_next(self, data: st.DataObject, outcome: State) -> None:
        """As a committer does: the result of a line's last mail and its next intent in one transaction."""
        intent = data.draw(st.sampled_from(self.intents[-4:]))
        worker, claimed = data.draw(st.sampled_from(self.unanswered()))
        self.exchange(worker, [Result(intent.id, intent.epoch, outcome, 250, "words")], [claimed])

    @precondition(lambda self: self.again is not None)
    @rule()
    def commit_again(self) -> None:
        """The answer to the last COMMIT was lost: the same is handed in once more."""
        assert self.again is not None
        self.again()

    def exchange(self, worker: str, results: list[Result], wanted: list[Claimed]) -> None:
        self.again = lambda: self.exchange(worker, results, wanted)
        expected_events = []
        for one in results:
            expected_events += self.record(one)
        granted = {one.id for one in wanted if self.grant(worker, one)}
        before = self.events()
        intents = self.ledger.exchange(worker, results, wanted)
        assert {one.id for one in intents} == granted
        assert self.events()[len(before) :] == expected_events
        for intent in intents:
            row = self.rows[intent.id]
            assert (intent.epoch, intent.attempts) == (row.epoch, row.attempts)
            self.intents.append(intent)

    def events(self) -> list[tuple[int, str]]:
        db.session.rollback()
        found = db.session.execute(select(DeliveryEvent.delivery_id, DeliveryEvent.kind).order_by(DeliveryEvent.id))
        return [(row.delivery_id, row.kind) for row in found]

    def record(self, result: Result) -> list[tuple[int, str]]:
        """Let a result change the model; return what should be noted."""
        row = self.rows[result.id]
        if result.state in (State.PLANNED, State.FAILED):
            row.on_the_wire.discard(result.epoch)
        arrow = result.state in MOVES.get(row.state, frozenset()) and row.state in (State.SENDING, State.IN_DOUBT)
        settled = result.state is State.PLANNED and row.done
        if row.epoch != result.epoch or not arrow or settled:
            written = (row.epoch, row.state, row.words) == (result.epoch, result.state, (result.code, result.text))
            return [] if written else [(row.id, "late")]
        row.words = (result.code, result.text)
        if result.state is State.IN_DOUBT:
            row.doubt()
        else:
            row.move(result.state)
        if result.state is State.PLANNED:
            row.due = result.delay == 0
            row.attempts -= 1 if result.refund and row.attempts else 0
        quiet = result.state is State.SENT or result.refund
        return [] if quiet else [(row.id, result.state.value)]

    def grant(self, worker: str, claimed: Claimed) -> bool:
        """Let an intent change the model; return whether it should be granted."""
        row = self.rows[claimed.id]
        own = (row.epoch, row.worker) == (claimed.epoch, worker) and row.state in LEASED and row.leased
        if not own:
            return False
        if row.state is State.SENDING:
            return True
        target = self.verdict(row)
        row.move(target)
        if target is not State.SENDING:
            return False
        row.attempts += 1
        row.on_the_wire.add(row.epoch)
        return True

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        worker, claimed = data.draw(st.sampled_from(self.claims[-8:]))
        batches.give_back(self.ledger.engine, worker, "main", [claimed.id])
        row = self.rows[claimed.id]
        if row.state is State.CLAIMED and row.worker == worker:
            row.move(State.PLANNED)

    @rule(worker=st.sampled_from(WORKERS))
    def leave(self, worker: str) -> None:
        batches.leave(self.ledger.engine, worker)
        for row in self.rows.values():
            if row.state is State.CLAIMED and row.worker == worker:
                row.move(State.PLANNED)

    # Time, which this machine bends.

    def some(self, data: st.DataObject, *states: State) -> list[Row]:
        found = [row for row in self.rows.values() if row.state in states]
        return data.draw(st.lists(st.sampled_from(found), min_size=1, unique_by=lambda row: row.id)) if found else []

    @rule(data=st.data())
    def a_lease_ends(self, data: st.DataObject) -> None:
        for row in self.some(data, *LEASED):
            self.ledger.change(row.id, lease_until=clock.utc_now() + PAST)
            row.leased = False

    @rule(worker=st.sampled_from(WORKERS))
    def renew(self, worker: str) -> None:
        held = sum(row.worker == worker and row.leased for row in self.rows.values())
        assert batches.renew(self.ledger.engine, worker, list(self.rows), TIMING) == held, "what is over stays over"

    @rule(data=st.data())
    def a_doubt_has_waited(self, data: st.DataObject) -> None:
        for row in self.some(data, State.IN_DOUBT):
            self.ledger.change(row.id, doubt_at=clock.utc_now() - timedelta(seconds=TIMING.doubt_grace_s + 60))
            row.waited = True

    @rule(data=st.data())
    def a_mails_time_is_over(self, data: st.DataObject) -> None:
        for row in self.some(data, *State)[:1]:
            self.ledger.change(row.id, not_after=clock.utc_now() + PAST)
            row.late = True

    @rule(data=st.data())
    def a_mail_comes_due(self, data: st.DataObject) -> None:
        for row in self.some(data, State.PLANNED):
            self.ledger.change(row.id, next_attempt_at=clock.utc_now() + PAST)
            row.due = True

    @rule()
    def sweep(self) -> None:
        self.ledger.sweep()
        for row in self.rows.values():
            state = self.mailings[row.mailing]
            if row.state in LEASED and not row.leased:
                if row.state is State.CLAIMED:
                    row.move(State.PLANNED)
                else:
                    row.doubt()
            open_doubt = row.state is State.IN_DOUBT and not row.done
            if open_doubt and row.waited and not row.late and row.mailing == "resends" and state == "running":
                row.move(State.PLANNED)
                row.due = True
            elif open_doubt and row.late:
                row.done = True
            if row.state is State.PLANNED and row.late:
                row.move(State.EXPIRED)
            if row.state is State.PLANNED and state == "cancelled":
                row.move(State.CANCELLED)

    # People.

    @rule(key=st.sampled_from(KEYS), what=st.sampled_from(["pause", "resume", "resume", "cancel"]))
    def operate(self, key: str, what: str) -> None:
        after = {"pause": ("running",), "resume": ("paused",), "cancel": ("running", "paused")}
        may = self.mailings[key] in after[what]
        acts = {
            "pause": lambda: control.pause(key, why="an operator"),
            "resume": lambda: control.resume(key),
            "cancel": lambda: control.cancel(key),
        }
        assert self.acted(acts[what]) is may
        if may:
            self.mailings[key] = {"pause": "paused", "resume": "running", "cancel": "cancelled"}[what]

    @staticmethod
    def acted(act: Callable[[], object]) -> bool:
        """Do what a person asks for; return whether it was done and not refused."""
        try:
            with database.write_turn():
                act()
                db.session.commit()
        except (errors.Conflict, errors.NotFound):
            return False
        return True

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), lift=st.booleans())
    def suppress_or_lift(self, data: st.DataObject, lift: bool) -> None:
        row = data.draw(st.sampled_from(sorted(self.rows.values(), key=lambda row: row.id)))
        stream = db.session.scalar(select(Mailing.stream).where(Mailing.key == row.mailing))
        with database.write_turn():
            if lift:
                suppression.lift(row.addr_hash, scope=str(stream), reason="left")
            else:
                suppression.suppress(row.addr_hash, scope=str(stream), reason="left", source="t", now=clock.utc_now())
            db.session.commit()
        (self.suppressed.discard if lift else self.suppressed.add)(row.addr_hash)

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), resend=st.booleans())
    def settle_a_doubt(self, data: st.DataObject, resend: bool) -> None:
        doubtful = [row for row in self.rows.values() if row.state is State.IN_DOUBT] or list(self.rows.values())
        row = data.draw(st.sampled_from(doubtful))
        may = row.state is State.IN_DOUBT and not row.done
        if resend:
            may = may and not row.late and self.mailings[row.mailing] in ("running", "paused")
        assert self.acted(lambda: (doubts.resend if resend else doubts.accept)(row.id)) is may
        if may and resend:
            row.move(State.PLANNED)
            row.due = True
        elif may:
            row.done = True

    # What comes back.

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), kind=st.sampled_from([Kind.DELIVERED, Kind.BOUNCE, Kind.DELAYED]))
    def news_comes(self, data: st.DataObject, kind: Kind) -> None:
        doubtful = [row for row in self.rows.values() if row.state is State.IN_DOUBT] or list(self.rows.values())
        row = data.draw(st.sampled_from(doubtful))
        tokens = self.ledger.services.links.tokens
        news = Signal(kind, verp.token(row.id, tokens=tokens), "dsn", text="451 4.4.1 timed out")
        with database.write_turn():
            (applied,) = reports.apply([news], tokens=tokens, now=clock.utc_now())
            db.session.commit()
        left = row.state in (State.SENDING, State.SENT, State.IN_DOUBT, State.FAILED) or row.doubts
        assert (applied.name == "unknown") is (not left)
        if row.state is State.IN_DOUBT:
            row.move(State.SENT)

    # What always holds.

    @invariant()
    def the_ledger_is_as_the_model_says(self) -> None:
        db.session.rollback()
        now = clock.utc_now()
        for one in db.session.scalars(select(Delivery).execution_options(populate_existing=True)):
            leased = one.lease_until is not None and one.lease_until > now
            shown = (one.state, one.epoch, one.worker_id, leased, one.attempts, one.doubts, one.done_at is not None)
            row = self.rows[one.id]
            assert shown == row.shown()
            assert (one.address_sealed is None) == row.done
            assert one.attempts <= one.epoch and one.doubts <= MAX_DOUBTS
        db.session.rollback()

    @invariant()
    def nobody_gets_a_third_copy(self) -> None:
        for row in self.rows.values():
            assert len(row.on_the_wire) <= min(2, 1 + row.doubts), row


def test_whatever_happens_the_ledger_does_what_its_model_does(ledger):
    examples = 8 if ledger.engine.dialect.name == "postgresql" else 20
    if settings().max_examples > 25:
        examples = 500
    of_this = type("MachineOfThis", (Machine,), {"ledger": ledger})
    run_state_machine_as_test(
        of_this,
        settings=settings(max_examples=examples, stateful_step_count=40, suppress_health_check=list(HealthCheck)),
    )
