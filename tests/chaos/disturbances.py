"""What is done to a run, and when: by its subject and its seed, as a list of steps."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.chaos import plan
from tests.chaos.house import GRACE_S, LEASE_S, Lines

POINTS = (
    "before_claim",
    "after_claim",
    "before_intent",
    "after_intent",
    "before_body",
    "mid_body",
    "after_dot",
    "before_result",
    "after_result",
)
"""The named fault points of a sender."""
ACTIONS = ("kill", "kill", "stop", "raise", "sleep=0.5", f"sleep={LEASE_S + 2}")


@dataclass(frozen=True, slots=True)
class Step:
    """One act, due when this part of all mails has been accepted."""

    at: float
    verb: str
    args: tuple[Any, ...] = ()


@dataclass
class Schedule:
    """A whole run: how many senders of which kind, what their starts are given, and the steps in order."""

    subject: str
    senders: int
    lines: Lines
    steps: list[Step]
    celery: bool = False
    clock: bool = False
    beats: int = 0
    """How many beats look; then the mails are those of an edition that is opened and composed on the way."""
    commands: bool = False
    """Whether people speak through the product's commands; otherwise in SQL, which costs no start of a process."""
    faults: dict[int, list[str]] = field(default_factory=dict)
    pace: float = 0.03
    """Seconds that the relay takes for a mail, on average. A slow one leaves senders with many mails claimed."""
    often: str = ""
    """A script that half of the recipients have."""
    wakes_after: float = LEASE_S + 2
    """Seconds after which a sender goes on that has stopped itself at a fault point."""
    sour: float = 0.04
    """Which part of the recipients is at the provider that puts mails off."""


def make(subject: str, seed: int, database: str) -> Schedule:
    """Return the schedule of a subject for one seed."""
    chance = random.Random(f"{subject} {seed}")
    lines = Lines(chance.choice((2, 4, 8)), chance.choice((1, 2)), chance.choice((5, 40, 1000)))
    schedule = Schedule(subject, chance.choice((1, 2, 2, 3)), lines, [])
    schedule.pace = chance.choice((0.02, 0.05, 0.15))
    SUBJECTS[subject](schedule, chance, database)
    schedule.commands = subject != "sample" and chance.random() < 0.4
    schedule.steps += [Step(at, "suppress") for at in (0.1, 0.25, 0.4)] + ([] if schedule.beats else _words(chance))
    schedule.steps.sort(key=lambda step: step.at)
    return schedule


def _words(chance: random.Random) -> list[Step]:
    """Return what editors do in most runs: one pauses a mailing and resumes it, another one cancels."""
    paused = chance.uniform(0.1, 0.4)
    return [
        Step(paused, "pause", (plan.CONTROLLED["pause"], chance.uniform(1.5, 3.0))),
        Step(chance.uniform(0.2, 0.6), "cancel", (plan.CONTROLLED["cancel"],)),
    ]


def _moments(chance: random.Random, least: int, most: int) -> list[float]:
    return [chance.uniform(0.02, 0.9) for _one in range(chance.randint(least, most))]


def _which(chance: random.Random, schedule: Schedule) -> int:
    return chance.randrange(schedule.senders)


def kill(schedule: Schedule, chance: random.Random, _database: str) -> None:
    """`kill -9` of a sender, again and again."""
    schedule.steps += [Step(at, "kill", (_which(chance, schedule),)) for at in _moments(chance, 3, 8)]


def stop(schedule: Schedule, chance: random.Random, _database: str) -> None:
    """SIGSTOP, for less and for more than a lease, as a host does that is being moved."""
    for at in _moments(chance, 2, 4):
        seconds = chance.choice((0.5, 1.0, LEASE_S + 1, LEASE_S + 4))
        schedule.steps.append(Step(at, "stop", (_which(chance, schedule), seconds)))
    if chance.random() < 0.5:
        # What one has claimed is still being sent by another when it wakes.
        schedule.senders, schedule.lines, schedule.pace = 2, Lines(2, 1, 40), 0.3
        schedule.steps = [Step(0.1, "stop", (chance.randrange(2), LEASE_S + 0.7))]


def fault(schedule: Schedule, chance: random.Random, _database: str) -> None:
    """Named points in the code, one after the other: killed, stopped, an error, a delay."""
    first = chance.randrange(len(POINTS))
    for number in range(schedule.senders):
        points = [POINTS[(first + number + turn) % len(POINTS)] for turn in range(4)]
        schedule.faults[number] = [f"{point}:{chance.choice(ACTIONS)}:{_nth(point, chance)}" for point in points]


def _nth(point: str, chance: random.Random) -> int:
    """Return at which passing a fault is set off: claims are few."""
    return chance.randint(1, 2 if point.endswith("claim") else 12)


def database(schedule: Schedule, chance: random.Random, kind: str) -> None:
    """PostgreSQL stopped in the middle of things and started again; on SQLite somebody else holds the write lock."""
    for at in _moments(chance, 1, 3):
        step = Step(at, "restart", (chance.choice((0.0, 0.5, LEASE_S + 1)),))
        held = Step(at, "lock", (chance.choice((0.5, 2.0, LEASE_S + 2)),))
        schedule.steps.append(held if kind == "sqlite" else step)


def redis(schedule: Schedule, chance: random.Random, _database: str) -> None:
    """Redis forgets everything, is killed, or hangs, under workers of Celery."""
    schedule.celery, schedule.senders = True, 2
    for at in _moments(chance, 2, 4):
        schedule.steps.append(Step(at, "redis", (chance.choice(("flush", "kill", "hang")), chance.uniform(1, 5))))
    schedule.steps += [Step(at, "kill", (_which(chance, schedule),)) for at in _moments(chance, 0, 1)]


def clock(schedule: Schedule, chance: random.Random, _database: str) -> None:
    """A host's clock jumps, forwards and backwards; on SQLite that is the ledger's clock."""
    schedule.clock = True
    for at in _moments(chance, 2, 4):
        schedule.steps.append(Step(at, "jump", (chance.choice((-7200.0, -60.0, 1.0, 60.0, 3600.0, 14_400.0)),)))
    schedule.steps.append(Step(1.0, "put_right"))
    schedule.steps += [Step(at, "kill", (_which(chance, schedule),)) for at in _moments(chance, 0, 1)]


def rolling(schedule: Schedule, chance: random.Random, _database: str) -> None:
    """SIGTERM to one sender after the other, as a deploy does."""
    schedule.senders = max(2, schedule.senders)
    moments = [0.05 + number * 0.12 for number in range(chance.randint(3, 7))]
    schedule.steps += [Step(at, "term", (number % schedule.senders,)) for number, at in enumerate(moments)]


def full(schedule: Schedule, chance: random.Random, _database: str) -> None:
    """Nothing more can be written for a while."""
    for at in _moments(chance, 1, 2):
        schedule.steps.append(Step(at, "full", (chance.choice((0.7, 2.0, LEASE_S + 1)),)))


def relay(schedule: Schedule, chance: random.Random, _database: str) -> None:
    """The relay drops every connection, is away for a while, or says that it is too much."""
    for at in _moments(chance, 2, 4):
        order = chance.choice(("cut", f"shut {chance.uniform(0.5, 3):.1f}"))
        schedule.steps.append(Step(at, "relay", (order,)))


def beats(schedule: Schedule, chance: random.Random, _database: str) -> None:
    """Two beats and many who ask open an edition at one time, two workers compose it."""
    schedule.celery, schedule.senders, schedule.beats = True, 2, 2
    schedule.steps += [Step(0.0, "open", (3,))]
    schedule.steps += [Step(at, "kill", (chance.randrange(4),)) for at in _moments(chance, 1, 3)]
    schedule.steps += [Step(chance.random(), "redis", ("flush", 0.0))]


def fence(schedule: Schedule, chance: random.Random, _database: str) -> None:
    """A sender is stopped with replies in its hands, and wakes when another one is sending the same mails again."""
    schedule.senders, schedule.lines, schedule.pace = 2, Lines(24, 1, 1000), 1.0
    schedule.often, schedule.wakes_after = "dot-5xx-1x", LEASE_S + GRACE_S + chance.uniform(0.8, 1.6)
    schedule.faults[0] = [f"before_result:stop:{chance.randint(2, 5)}"]


def gates(schedule: Schedule, chance: random.Random, _database: str) -> None:
    """A large provider puts every third mail off, while several senders have many of its mails claimed."""
    schedule.senders, schedule.lines = chance.choice((2, 3)), Lines(2, 1, 1000)
    schedule.sour, schedule.pace = 0.5, 0.15


def mixed(schedule: Schedule, chance: random.Random, kind: str) -> None:
    """Some of everything that needs no process of its own."""
    for subject in chance.sample((kill, stop, fault, database, rolling, relay), 3):
        subject(schedule, chance, kind)


def sample(schedule: Schedule, chance: random.Random, kind: str) -> None:
    """One of each in one run, for `make test`."""
    schedule.senders, schedule.lines = 2, Lines(4, 1, 40)
    schedule.faults[1] = [f"{chance.choice(POINTS[2:])}:kill:{chance.randint(2, 8)}"]
    schedule.steps = [
        Step(0.15, "kill", (0,)),
        Step(0.4, "stop", (1, LEASE_S + 1)),
        Step(0.6, "lock", (1.0,)) if kind == "sqlite" else Step(0.6, "restart", (0.0,)),
        Step(0.8, "term", (0,)),
    ]


def none(_schedule: Schedule, _chance: random.Random, _database: str) -> None:
    """Nothing but what the relay does to its recipients, and what people say."""


_ALL = (sample, none, kill, stop, fault, database, redis, clock, beats, gates, fence, rolling, full, relay, mixed)
SUBJECTS: Mapping[str, Callable[[Schedule, random.Random, str], None]] = {one.__name__: one for one in _ALL}
