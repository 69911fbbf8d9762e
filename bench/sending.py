"""One list, sent by the shipped processes: how fast, at what cost, and whether the ledger and the sink agree."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from bench import edition, watch
from bench.edition import Edition
from bench.ground import BenchError, Ground, Sink, sink
from bench.installation import Installation, installation
from bench.progress import Progress
from bench.sizes import Sizes
from bench.watch import Course, Cpu, Groups
from core import services

STALLED_S = 60.0
"""A sender from which nothing came for so long has stopped."""
MOST_THREADS = 4
WARM, COLD = 0.1, 0.9
"""The steady rate leaves the first and the last tenth out, when not all connections work."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What sending one list came to. Rates are mails a second, `cpu` is in microseconds for each mail."""

    kind: str
    senders: int
    connections: int
    readers: int
    rate: float
    steady: float
    ledger_rate: float
    cpu: dict[str, float]
    in_kernel: dict[str, float]
    busy: float
    strange: float
    threads: list[float]
    commits: float
    wal_bytes: float
    peak_mb: float
    planned_per_s: float
    complaints: dict[str, int]

    def table(self) -> dict[str, object]:
        """Return it as it is kept."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Prepared:
    """An installation whose ledger holds a list, ready to be sent."""

    ground: Ground
    sink: Sink
    house: Installation
    edition: Edition
    planned_per_s: float


@contextmanager
def prepared(
    ground: Ground, sizes: Sizes, *, name: str, readers: int, own: bool = False, settings: str = ""
) -> Iterator[Prepared]:
    """Plan a list for `readers`; with `own` each gets a digest that nobody else gets. `settings` are more in TOML."""
    with (
        sink() as taking,
        installation(ground, smtp_port=taking.port, connections=sizes.connections, settings=settings) as house,
    ):
        with house.rooms():
            opened = edition.open_edition(name, services.current())
            content_of = edition.own_contents(opened, readers) if own else edition.one_content(opened)
            rate = plan(opened, range(readers), content_of, f"{name}, planning")
        house.settle()
        yield Prepared(ground, taking, house, opened, rate)


def plan(opened: Edition, numbers: range, content_of: edition.Choose, what: str) -> float:
    """Plan readers' deliveries and return how many a second were written."""
    progress, seconds, written = Progress(what, len(numbers)), 0.0, 0
    for count, took in edition.plan(opened, numbers, content_of):
        seconds += took
        written += count
        progress.at(written)
    progress.done(f"{written:,} in {seconds:.1f} s, {written / seconds:,.0f}/s")
    return written / seconds


def send_list(
    ground: Ground,
    sizes: Sizes,
    *,
    name: str,
    readers: int,
    kind: str,
    senders: int,
    own: bool = False,
    settings: str = "",
) -> Sent:
    """Plan a list, send it with so many processes of a kind, and return what it came to."""
    with prepared(ground, sizes, name=name, readers=readers, own=own, settings=settings) as ready:
        started = [ready.house.start(kind).pid for _sender in range(senders)]
        with watch.course_of(ready.sink.counted) as course:
            spent = follow(ready, readers, f"{name}, sending")
        peak = max(watch.peak_mb(pid) for pid in started)
        check(ready, readers)
        return sent(ready, sizes, spent, course, readers=readers, kind=kind, senders=senders, peak=peak)


@dataclass(frozen=True, slots=True)
class Spent:
    """What the processes used between the first acceptance and the last."""

    groups: dict[str, Cpu]
    threads: list[float]
    busy: float
    strange: float
    commits: int
    wal_bytes: int


def groups_of(ready: Prepared) -> Groups:
    """Return the processes of a measurement."""
    pids = {
        "senders": [sender.pid for sender in ready.house.senders],
        "sink": [ready.sink.pid],
        "Redis": [ready.ground.redis_pid],
        "the measuring itself": [os.getpid()],
    }
    return Groups(pids, ready.ground.postmaster)


def follow(ready: Prepared, readers: int, what: str) -> Spent:
    """Wait until the sink has taken the list; return what was spent on it. Raises BenchError when nothing moves."""
    progress, groups = Progress(what, readers), groups_of(ready)
    wait_for(ready, 1, progress)
    begun, before, busy, written = _threads(ready), groups.used(), watch.machine_cpu(), _written(ready.house)
    wait_for(ready, readers, progress)
    ended, after, busier, more = _threads(ready), groups.used(), watch.machine_cpu(), _written(ready.house)
    progress.done(f"{ready.sink.counted().rate:,.0f}/s")
    worked, rested = busier[0] - busy[0], busier[1] - busy[1]
    groups_spent = {name: after[name] - before.get(name, watch.NONE) for name in after}
    ours = sum(cpu.both for cpu in groups_spent.values())
    each = [
        sorted((one[tid] - old.get(tid, 0.0) for tid in one), reverse=True)
        for old, one in zip(begun, ended, strict=True)
    ]
    return Spent(
        groups_spent,
        [sum(alike) / readers * 1e6 for alike in zip(*each, strict=False)][:MOST_THREADS],
        worked / (worked + rested),
        max(0.0, worked - ours) / (worked + rested),
        more[0] - written[0],
        more[1] - written[1],
    )


def _threads(ready: Prepared) -> list[dict[int, float]]:
    """Return the CPU seconds of each thread of each sender."""
    return [{tid: cpu.both for tid, cpu in watch.threads_of(one.pid).items()} for one in ready.house.senders]


def wait_for(ready: Prepared, count: int, progress: Progress) -> None:
    """Wait until the sink has taken so many. Raises BenchError when a sender ends or nothing moves."""
    seen, moved = -1, time.monotonic()
    while (taken := ready.sink.counted().taken) < count:
        if taken != seen:
            seen, moved = taken, time.monotonic()
        for sender in ready.house.senders:
            sender.check()
        if time.monotonic() - moved > STALLED_S:
            words = ready.house.senders[-1].log.read_text("utf-8", "replace")[-1500:]
            raise BenchError(
                f"No mail for {STALLED_S:.0f} s, at {taken:,} of {count:,}. The sender's last words: {words}"
            )
        progress.at(taken)
        time.sleep(0.05)


def _written(house: Installation) -> tuple[int, int]:
    """Return how many transactions the database committed, and how many bytes it wrote ahead."""
    ((commits, octets),) = house.ask(
        "SELECT xact_commit, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint FROM pg_stat_database "
        "WHERE datname = current_database()"
    )
    return int(str(commits)), int(str(octets))


def check(ready: Prepared, readers: int, *, others: int = 0) -> None:
    """Raise BenchError unless the ledger and the sink say the same: everybody was mailed, and nobody twice.

    `others` are mails of the ledger that the sink does not count with the readers'.
    """
    ready.house.wait_until_done()
    states, taken = ready.house.states(), ready.sink.counted().taken
    if states != {"sent": readers + others} or taken != readers:
        raise BenchError(f"Of {readers:,} mails the sink has {taken:,}, and the ledger says {states}.")


def sent(
    ready: Prepared,
    sizes: Sizes,
    spent: Spent,
    course: Course,
    *,
    readers: int,
    kind: str,
    senders: int,
    peak: float,
) -> Sent:
    """Return what a run came to."""
    complaints = ready.house.complaints()
    for words, count in complaints.items():
        print(f"  The senders complained {count} x: {words}", flush=True)
    ((seconds,),) = ready.house.ask("SELECT extract(epoch FROM max(done_at) - min(done_at)) FROM deliveries")
    return Sent(
        kind=kind,
        senders=senders,
        connections=sizes.connections,
        readers=readers,
        rate=ready.sink.counted().rate,
        steady=course.rate(readers * WARM, readers * COLD),
        ledger_rate=readers / float(str(seconds)),
        cpu={name: cpu.both / readers * 1e6 for name, cpu in spent.groups.items()},
        in_kernel={name: cpu.system / readers * 1e6 for name, cpu in spent.groups.items()},
        busy=spent.busy,
        strange=spent.strange,
        threads=spent.threads,
        commits=spent.commits / readers,
        wal_bytes=spent.wal_bytes / readers,
        peak_mb=peak,
        planned_per_s=ready.planned_per_s,
        complaints=complaints,
    )
