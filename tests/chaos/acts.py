"""The acts of a run: each disturbance done for real and written down, and what the world does between them."""

import contextlib
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis

from tests.chaos import house
from tests.chaos.disturbances import Step
from tests.chaos.ground import Ground
from tests.chaos.house import Sender
from tests.chaos.ledger import PATIENCE_S, Unavailable

if TYPE_CHECKING:
    from tests.chaos.orchestrator import Run

KEPT_CLOSED_S = 1.8
"""A closed gate is watched for so long before an hour is let pass for it."""
MOVED_CLOCK = Path(__file__).parent / "moved_clock"
PROBE_S = house.LEASE_S + 3
"""A probe whose sender was lost holds its gate for a quarter of an hour; so long after it was seen, that is over."""
BY_US = "Chaos paused it."
MOST_TRIES = 10
NO_ROOM = """
CREATE OR REPLACE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON deliveries FOR EACH STATEMENT EXECUTE FUNCTION no_room();
"""


@dataclass
class Order:
    """A command of the product that is being said."""

    words: list[str]
    then: Callable[[], None]
    process: subprocess.Popen[bytes] | None = None
    tries: int = 0


class Acts:
    """What can be done to a run."""

    def __init__(self, run: "Run", ground: Ground) -> None:
        self.run = run
        self.ground = ground
        self.planned: list[dict[str, Any]] = []
        self.database_away = False
        self.lived: set[int] = set()
        """The numbers of processes that have said that they send."""
        self._gates: dict[tuple[str, int], dict[str, Any]] = {}
        self._offset = self._latest = 0.0
        self._orders: list[Order] = []
        self._redis_away = False
        self._restores: list[Any] = []

    def do(self, step: Step) -> None:
        """Do one step of the schedule; where the ledger is held just now, a little later."""
        try:
            getattr(self, f"do_{step.verb}")(*step.args)
        except Unavailable:
            self.run.in_a_while(0.5, lambda: self.do(step))

    def restore(self) -> None:
        """Take back what still lasts: the run is over."""
        for restore in self._restores:
            restore()
        self._restores.clear()

    # Senders

    def tend(self) -> None:
        """Wake the stopped, and start again who has ended."""
        now = time.monotonic()
        for sender in self.run.house.senders:
            if sender.wake_at and now >= sender.wake_at:
                sender.wake_at = 0.0
                sender.signal(signal.SIGCONT)
                self.run.house.note("continued", name=sender.name)
            if sender.process is None:
                if now >= sender.back_at:
                    self.run.house.start(sender)
                continue
            status = sender.process.poll()
            if status is not None:
                self._ended(sender, status)
            elif not sender.wake_at and _is_stopped(sender.pid):
                self._hit("stopped", sender, by_itself=True)
                self._hit_others(sender)
                sender.wake_at = now + self.run.schedule.wakes_after

    def _ended(self, sender: Sender, status: int) -> None:
        note = self.run.house.note
        if status == -signal.SIGKILL:
            self._hit("fault", sender, status=status, by_itself=True)
        elif sender.asked_to_end:
            note("ended", name=sender.name, status=status, seconds=time.monotonic() - sender.asked_to_end)
        elif not sender.carries or sender.pid in self.lived:
            note("crashed", name=sender.name, status=status)
        else:
            # Without its database a sender does not start; whoever runs it tries again.
            note("refused", name=sender.name, status=status)
        sender.process, sender.asked_to_end, sender.wake_at = None, 0.0, 0.0
        sender.back_at = time.monotonic() + 0.3

    def _hit(self, kind: str, *senders: Sender, **words: object) -> None:
        connections = self.run.schedule.lines.all * sum(sender.carries for sender in senders)
        names = [sender.name for sender in senders]
        self.run.house.note(kind, names=names, connections=connections, **words)

    def _hit_others(self, stopped: Sender) -> None:
        """Whoever is stopped while it holds SQLite's write lock keeps all others from renewing their leases."""
        if self.run.ledger.is_sqlite and self.run.ledger.is_locked():
            others = [one for one in self.run.house.senders if one is not stopped and one.carries]
            self._hit("locked", *others, by=stopped.name)

    @staticmethod
    def _gone(sender: Sender) -> bool:
        return sender.process is None or sender.process.poll() is not None

    def do_kill(self, number: int) -> None:
        """`kill -9`."""
        sender = self.run.house.senders[number]
        if self._gone(sender):
            # It is started again in a moment.
            self.run.in_a_while(0.3, lambda: self.do_kill(number))
        else:
            self._hit("kill", sender)
            self.run.house.kill(sender)
            sender.wake_at, sender.asked_to_end = 0.0, 0.0
            sender.back_at = time.monotonic() + self.run.chance.choice((0.0, 0.5, house.LEASE_S + 1))

    def do_stop(self, number: int, seconds: float) -> None:
        """SIGSTOP, and SIGCONT later."""
        sender = self.run.house.senders[number]
        if self._gone(sender):
            self.run.in_a_while(0.3, lambda: self.do_stop(number, seconds))
        elif not sender.wake_at:
            self._hit("stopped", sender, seconds=seconds)
            sender.signal(signal.SIGSTOP)
            sender.wake_at = time.monotonic() + seconds
            self._hit_others(sender)

    def do_term(self, number: int) -> None:
        """SIGTERM; a new one is started when it has ended."""
        sender = self.run.house.senders[number]
        assert sender.carries
        if sender.process is None or sender.wake_at or sender.asked_to_end or sender.pid not in self.lived:
            # One that does not send yet has nothing to bring to its end.
            self.run.in_a_while(0.3, lambda: self.do_term(number))
        else:
            self.run.house.note("term", name=sender.name)
            sender.asked_to_end = time.monotonic()
            sender.signal(signal.SIGTERM)

    # The database

    def do_restart(self, away_s: float) -> None:
        """Stop PostgreSQL at once, and start it again."""
        assert self.ground.postgres
        began = time.time()
        self.ground.postgres.restart_at_once(away_s=away_s)
        self._hit("database", *self.run.house.senders, t=began, seconds=time.time() - began)

    def do_lock(self, seconds: float) -> None:
        """Hold SQLite's write lock."""
        path = self.run.ledger.url.removeprefix("sqlite:///")
        connection = sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        self._hit("locked", *self.run.house.senders, seconds=seconds)
        self.database_away = True

        def let_go() -> None:
            connection.rollback()
            connection.close()
            self.database_away = False

        self._for_a_while(seconds, let_go)

    def do_full(self, seconds: float) -> None:
        """Leave no room to write: for the senders' files on SQLite, by PostgreSQL's own error there."""
        self._hit("full", *self.run.house.senders, seconds=seconds)
        if not self.run.ledger.is_sqlite:
            self.run.ledger.ask(NO_ROOM)
            self.database_away = True
            self._for_a_while(seconds, self._room_again)
            return
        pids = [sender.pid for sender in self.run.house.senders if sender.process and sender.process.poll() is None]
        for pid in pids:
            _limit_files(pid, 1)

        def room_again() -> None:
            for pid in pids:
                _limit_files(pid, resource.RLIM_INFINITY)

        self._for_a_while(seconds, room_again)

    def _room_again(self) -> None:
        self.run.ledger.ask("DROP TRIGGER no_room ON deliveries")
        self.database_away = False

    def _for_a_while(self, seconds: float, restore: Any) -> None:
        self._restores.append(restore)

        def end() -> None:
            if restore in self._restores:
                self._restores.remove(restore)
                restore()

        self.run.in_a_while(seconds, end)

    # Redis, the relay, the clock

    def do_redis(self, what: str, seconds: float) -> None:
        """Empty Redis, kill it, or stop it for a while."""
        assert self.ground.redis
        if self._redis_away and what != "flush":
            # One that was killed twice would be started again twice, and the second start would wait for the first.
            self.run.in_a_while(0.5, lambda: self.do_redis(what, seconds))
            return
        guard = self.ground.redis
        due = self.run.ledger.due_rows() if self.run.accepted else 0
        self.run.house.note("redis", what=what, seconds=seconds, due=due)
        if what == "flush":
            with (
                contextlib.suppress(redis.RedisError),
                redis.Redis.from_url(self.ground.redis_url, socket_timeout=1) as client,
            ):
                # One that hangs just now forgets nothing, and nobody waits for it: who wakes it waits here, too.
                client.flushall()
        else:
            away, back = ("KILL", "again") if what == "kill" else ("STOP", "CONT")
            guard.order(away)
            self._redis_away = True

            def let_back() -> None:
                guard.order(back)
                self._redis_away = False

            self._for_a_while(seconds, let_back)

    def do_relay(self, order: str) -> None:
        """Have the relay drop everything, or be away."""
        self.run.house.tell_relay(order)

    def clock_of(self, number: int) -> dict[str, str]:
        """Return the environment of a sender whose clock can be moved: all of SQLite's, one of PostgreSQL's."""
        if not self.run.schedule.clock or (number and not self.run.ledger.is_sqlite):
            return {}
        return {"PYTHONPATH": str(MOVED_CLOCK), "CLOCK": str(self._clock_file)}

    @property
    def _clock_file(self) -> Path:
        return self.run.house.folder / "clock"

    def _write_clock(self) -> None:
        draft = self.run.house.folder / "clock.new"
        draft.write_text(str(self._offset))
        draft.replace(self._clock_file)
        self.run.ledger.offset = self._offset if self.run.ledger.is_sqlite else 0.0

    def do_jump(self, seconds: float) -> None:
        """Move the senders' clock."""
        self._offset += seconds
        senders = self.run.house.senders if self.run.ledger.is_sqlite else []
        self._hit("jump", *senders, seconds=seconds, offset=self._offset)
        self._latest = max(self._latest, self._offset)
        self._write_clock()

    def do_put_right(self) -> None:
        """Let the clock reach the latest time that it ever showed: what is dated there becomes due."""
        self.do_jump(self._latest + house.LEASE_S - self._offset)

    # What people say

    def do_open(self, times: int) -> None:
        """Ask several times at once for the editions that are due."""
        for _one in range(times):
            self._orders.append(Order(["digests", "open-due"], lambda: None))

    def do_suppress(self) -> None:
        """Have some readers leave."""
        left = [one for one in self.planned if one["suppressed"] == "during" and not one.get("said")]
        for one in left[: max(1, len(left) // 2)]:
            self.run.ledger.suppress(one["addr_hash"], one["scope"])
            one["said"] = True
            self.run.house.note("suppressed", to=one["to"])

    def do_pause(self, key: str, seconds: float) -> None:
        """Pause a mailing, and resume it after a while."""

        def paused() -> None:
            began = time.time()

            def resume() -> None:
                self.run.house.note("control", what="paused", mailing=key, t=began, until=time.time())
                self._say("resume", key)

            self.run.in_a_while(seconds, resume)

        self._say("pause", key, "--why", BY_US, then=paused)

    def do_cancel(self, key: str) -> None:
        """Cancel a mailing, for good."""
        self._say("cancel", key, "--yes", then=lambda: self.run.house.note("control", what="cancelled", mailing=key))

    def _say(self, word: str, key: str, *options: str, then: Callable[[], None] = lambda: None) -> None:
        """Have a word said to the ledger: by the product's own command, or in SQL where the seed spares its start."""
        if self.run.schedule.commands:
            self._orders.append(Order(["delivery", word, key, *options], then))
            return
        state = {"pause": "paused", "resume": "running", "cancel": "cancelled"}[word]
        try:
            self.run.ledger.ask(
                "UPDATE mailings SET state = ?, why_paused = ? WHERE key = ? AND state IN ('running', 'paused')",
                (state, BY_US if word == "pause" else None, key),
            )
        except Unavailable:
            self.run.in_a_while(0.5, lambda: self._say(word, key, *options, then=then))
        else:
            then()

    def tend_orders(self) -> None:
        """Run the product's commands beside the senders, one after the other; one that failed is said again."""
        if not self._orders:
            return
        order = self._orders[0]
        if order.process is None:
            command = [sys.executable, "-m", "flask", "--app", "app", *order.words]
            with (self.run.house.folder / "commands.log").open("ab") as log:
                order.process = subprocess.Popen(
                    command,
                    cwd=house.ROOT,
                    env=self.run.house.environment | self.clock_of(1),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            return
        status = order.process.poll()
        if status is not None:
            order.process = None
            order.tries += 1
            self.run.house.note("command", words=order.words, status=status)
            if status == 0:
                self._orders.pop(0)
                order.then()
            elif order.tries == MOST_TRIES:
                self._orders.pop(0)
                self.run.house.note("vain", what=f"flask delivery {' '.join(order.words)}")

    @property
    def busy(self) -> bool:
        """Whether a command still runs, or a sender is stopped that will go on."""
        return bool(self._orders) or any(sender.wake_at for sender in self.run.house.senders)

    # What time brings

    def let_time_pass(self) -> None:
        """Make due what was put off; open what was closed, after it was watched for a while; resume what was paused."""
        self.run.ledger.let_time_pass()
        now = self.run.ledger.now()
        closed = {(row["relay"], row["provider"]): row for row in self._closed(now)}
        for name, row in list(self._gates.items()):
            there = closed.pop(name, None)
            age = time.time() - row["seen_at"]
            if there is None or _mark(there) != _mark(row):
                self._opened(name, row["looked_at"])
            elif age > (PROBE_S if row["probe"] else KEPT_CLOSED_S):
                self._opened(name, time.time())
                self._open_gate(name)
            else:
                row["looked_at"] = time.time()
        for name, row in closed.items():
            self._gates[name] = {**row, "seen_at": time.time(), "looked_at": time.time()}
        self._resume_what_paused_itself()

    def _closed(self, now: float) -> list[dict[str, Any]]:
        """Return the gates that are closed: providers that wait, and the relay when it is paused."""
        rows = self.run.ledger.ask("SELECT * FROM gates")
        if any(row["provider"] == 0 and row["rate"] is not None for row in rows):
            self.run.ledger.ask("UPDATE gates SET rate = NULL, slowed_at = NULL, ready_at = NULL WHERE provider = 0")
        return [
            row
            for row in rows
            if (row["provider"] == 0 and row["paused_at"] is not None)
            or (row["provider"] and (row["not_before"] or 0.0) > now + 1)
        ]

    def _opened(self, name: tuple[str, int], until: float) -> None:
        row = self._gates.pop(name)
        if row["probe"]:
            return
        self.run.house.note("gate", t=row["seen_at"], relay=name[0], provider=name[1], until=until)

    def _open_gate(self, name: tuple[str, int]) -> None:
        now = self.run.ledger.moment(self.run.ledger.now())
        if name[1] == 0:
            self.run.ledger.ask(
                "UPDATE gates SET paused_at = NULL, why = NULL WHERE relay = ? AND provider = 0", name[:1]
            )
        else:
            self.run.ledger.ask("UPDATE gates SET not_before = ? WHERE relay = ? AND provider = ?", (now, *name))

    def _resume_what_paused_itself(self) -> None:
        paused = self.run.ledger.ask("SELECT key, why_paused FROM mailings WHERE state = 'paused'")
        for row in [row for row in paused if BY_US not in (row["why_paused"] or "")]:
            self.run.house.note("resumed", mailing=row["key"], why=row["why_paused"])
            self.run.ledger.ask("UPDATE mailings SET state = 'running', why_paused = NULL WHERE key = ?", (row["key"],))


def _mark(gate: Mapping[str, Any]) -> tuple[object, ...]:
    return gate["not_before"], gate["paused_at"], gate["probe"]


def _is_stopped(pid: int) -> bool:
    """Return whether a child of ours has been stopped by a signal."""
    with contextlib.suppress(ChildProcessError):
        found = os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG)
        return found is not None and found.si_pid == pid
    return False


def _limit_files(pid: int, octets: int) -> None:
    """Let a process write no file beyond so many octets (Linux)."""
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (octets, resource.RLIM_INFINITY))
