"""One run of the chaos proof: a seed becomes mails, a relay, senders and disturbances, and then all is counted.

Ends only what it has started, listens on this machine alone, and takes no longer than its limit.
"""

import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.chaos import checker, disturbances, house, plan, scripts
from tests.chaos.acts import Acts
from tests.chaos.evidence import Evidence
from tests.chaos.ground import Ground
from tests.chaos.house import House, Sender
from tests.chaos.ledger import Ledger, Unavailable

LIMIT_S, STUCK_S = 900.0, 150.0
"""So long a run may take, and so long nothing may change in it before its end: longer than a relay is left alone."""
STARTS_S = 20.0
QUIET_S, QUIET_AFTER_FAULTS_S = 1.0, 3.0
"""All is over when nothing has changed for so long: who wakes late may still bring proof of what it sent."""
STALLED_S = 3.0
"""So long without a new mail, and the next step is due although its part of the mails has not been reached."""


class Run:
    """One run, from its seed to its counts."""

    def __init__(self, ground: Ground, folder: Path, url: str, *, subject: str, seed: int, count: int) -> None:
        self.database = "sqlite" if url.startswith("sqlite") else "postgresql"
        self.schedule = disturbances.make(subject, seed, self.database)
        self.seed = seed
        self.chance = random.Random(f"relay {seed}")
        self.wish = plan.readers(seed, count=count) if self.schedule.beats else self._wish(count)
        celery = self.schedule.celery
        self.house = House(folder, url, self.schedule.lines, ground.redis_url if celery else "")
        self.ledger = Ledger(url)
        self.acts = Acts(self, ground)
        self.accepted = 0
        self.due = list(self.schedule.steps)
        self.later: list[tuple[float, Callable[[], None]]] = []
        self._moved_at = self._changed_at = time.monotonic()
        self._look_at = 0.0
        self._known: dict[int, dict[str, object]] = {}
        self._expected = sum(
            scripts.read(one["to"]).ends and not one["suppressed"] for one in plan.recipients(self.wish)
        )

    def _wish(self, count: int) -> plan.Wish:
        return plan.make(self.seed, count=count, sour=self.schedule.sour, often=self.schedule.often)

    def to_the_end(self) -> Evidence:
        """Run; return what is left behind."""
        try:
            self._open()
            self._pass_time()
            self.acts.restore()
            self._let_begin()
            self.house.end_senders(within_s=checker.EXIT_WITHIN_S)
            self._look()
        finally:
            self.house.close()
        (self.house.folder / "ledger.json").write_text(json.dumps(self.ledger.dump()))
        return Evidence.read(self.house.folder)

    def _open(self) -> None:
        options = ["--seed", str(self.seed), "--pace", str(self.schedule.pace)]
        options += ["--no-pipelining"] if self.chance.random() < 0.25 else []
        self.house.open_relay(*options)
        schedule = self.schedule
        self.house.note(
            "begin",
            seed=self.seed,
            subject=schedule.subject,
            database=self.database,
            connections=schedule.lines.all,
            senders=schedule.senders,
            lease=house.LEASE_S,
            steps=[[step.at, step.verb, *step.args] for step in schedule.steps],
        )
        seeding = "tests.chaos.readers" if schedule.beats else "tests.chaos.seed"
        file = self.house.folder / "plan.json"
        self.house.run("-m", seeding, str(file), text=json.dumps(self.wish))
        self.acts.planned = json.loads(file.read_text())["recipients"]
        for number in range(schedule.senders):
            self.house.senders.append(self._sender(number))
        for number in range(schedule.beats):
            command = [sys.executable, "-m", "celery", "-A", "worker", "beat"]
            self.house.senders.append(Sender(f"beat-{number}", command, {}, carries=False))
        for sender in self.house.senders:
            self.house.start(sender)

    def _sender(self, number: int) -> Sender:
        name = f"sender-{number}"
        command = [sys.executable, "-m", "flask", "--app", "app", "delivery", "pump"]
        if self.schedule.celery:
            quiet = ["--without-gossip", "--without-mingle", "-n", f"{name}@here"]
            command = [sys.executable, "-m", "celery", "-A", "worker", "worker", *quiet]
        environment = self.acts.clock_of(number)
        return Sender(name, command, environment, faults=self.schedule.faults.get(number, []))

    def _pass_time(self) -> None:
        """Let the run go on until everybody is served, or for as long as is allowed."""
        limit = time.monotonic() + LIMIT_S
        self._moved_at = self._changed_at = time.monotonic()
        while time.monotonic() < min(limit, max(self._moved_at, self._changed_at) + STUCK_S):
            time.sleep(0.03)
            self._listen()
            self.acts.tend()
            self.acts.tend_orders()
            self._act()
            if time.monotonic() >= self._look_at and self._look():
                return
        self.house.note("vain", what="all mails to come to their end")

    def _let_begin(self) -> None:
        """Wait for senders that were started a moment ago: only one that sends can be asked to end."""
        limit = time.monotonic() + STARTS_S
        while time.monotonic() < limit and not all(
            sender.pid in self.acts.lived for sender in self.house.senders if sender.process and sender.carries
        ):
            self.acts.tend()
            self._look()
            time.sleep(0.1)

    def _listen(self) -> None:
        """Count what the relay has accepted since the last look."""
        accepted = sum(line["k"] == "accepted" for line in self.house.relay.more())
        if accepted:
            self.accepted += accepted
            self._moved_at = time.monotonic()

    def _act(self) -> None:
        """Do what is due, by the mails that were accepted or because nothing goes on."""
        now = time.monotonic()
        for one in [one for one in self.later if one[0] <= now]:
            self.later.remove(one)
            one[1]()
        stalled = now - self._moved_at > STALLED_S
        if self.due and (self.accepted >= self.due[0].at * self._expected or stalled):
            step = self.due.pop(0)
            self._moved_at = now
            self.acts.do(step)

    def _look(self) -> bool:
        """See where the rows are, let hours pass for what was put off, and return whether all is over."""
        self._look_at = time.monotonic() + 0.25
        if self.acts.database_away:
            return False
        try:
            return self._look_at_rows()
        except Unavailable:
            return False

    def _look_at_rows(self) -> bool:
        self.acts.lived |= self.ledger.senders()
        steps = self.ledger.steps()
        for number, row in steps.items():
            before = self._known.get(number, row)
            if before != row:
                words = {"from": before["state"], "to": row["state"], "from_epoch": before["epoch"]}
                self.house.note("step", id=number, epoch=row["epoch"], doubts=row["doubts"], **words)
        if steps != self._known:
            self._known, self._changed_at = steps, time.monotonic()
        self.acts.let_time_pass()
        busy = self.due or self.later or self.acts.busy
        quiet = time.monotonic() - self._changed_at > (QUIET_AFTER_FAULTS_S if self.schedule.faults else QUIET_S)
        return quiet and not busy and self._all_over(len(steps))

    def _all_over(self, rows: int) -> bool:
        return rows >= len(self.acts.planned) and self.ledger.open_rows() == 0

    def in_a_while(self, seconds: float, act: Callable[[], None]) -> None:
        """Act after some seconds."""
        self.later.append((time.monotonic() + seconds, act))
