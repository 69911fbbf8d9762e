"""What processes cost: CPU time and memory, read from /proc while they run."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.ground import Counted

TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Cpu:
    """Seconds of CPU time: in the program itself, and in the kernel on its behalf."""

    user: float
    system: float

    def __add__(self, other: "Cpu") -> "Cpu":
        return Cpu(self.user + other.user, self.system + other.system)

    def __sub__(self, other: "Cpu") -> "Cpu":
        return Cpu(self.user - other.user, self.system - other.system)

    @property
    def both(self) -> float:
        """Return the sum."""
        return self.user + self.system


NONE = Cpu(0.0, 0.0)


def cpu_of(place: Path) -> Cpu:
    """Return what a process or thread has used, by its folder in /proc; nothing when it has ended."""
    try:
        fields = (place / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return NONE
    return Cpu(int(fields[11]) / TICK, int(fields[12]) / TICK)


def threads_of(pid: int) -> dict[int, Cpu]:
    """Return what each thread of a process has used."""
    return {int(place.name): cpu_of(place) for place in Path(f"/proc/{pid}/task").glob("*")}


def peak_mb(pid: int) -> float:
    """Return the most memory that a process ever held (VmHWM), in MB of 1,000,000 bytes."""
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def children_of(pid: int) -> dict[int, str]:
    """Return the children of a process, each with the words of its command line."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            fields = (place / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            if int(fields[1]) == pid:
                found[int(place.name)] = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found


def postgres_cpu(postmaster: int) -> dict[str, Cpu]:
    """Return what PostgreSQL's processes have used: those that serve connections, and those that write to the disk."""
    found: dict[str, Cpu] = {}
    for pid, words in children_of(postmaster).items():
        what = words.partition("postgres: ")[2]
        keeps = what.startswith(("checkpointer", "background writer", "walwriter", "autovacuum", "io worker"))
        name = "PostgreSQL, in the background" if keeps else "PostgreSQL, for its clients"
        found[name] = found.get(name, NONE) + cpu_of(Path(f"/proc/{pid}"))
    return found


def machine_cpu() -> tuple[float, float]:
    """Return the seconds that all cores together were busy, and idle, since the start of the machine."""
    fields = [int(word) / TICK for word in Path("/proc/stat").read_text("ascii").partition("\n")[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return sum(fields) - idle, idle


@dataclass(frozen=True, slots=True)
class Groups:
    """The processes that a measurement looks at, by what they are to it."""

    pids: Mapping[str, Sequence[int]]
    postmaster: int

    def used(self) -> dict[str, Cpu]:
        """Return what each group has used until now."""
        found = {name: sum((cpu_of(Path(f"/proc/{pid}")) for pid in pids), NONE) for name, pids in self.pids.items()}
        return found | postgres_cpu(self.postmaster)


@dataclass(slots=True)
class Course:
    """How a count grew: (monotonic time, count), in order."""

    points: list[tuple[float, int]] = field(default_factory=list)

    def reached(self, count: float) -> float:
        """Return when the count was reached, between two looks by a straight line."""
        before = self.points[0]
        for point in self.points:
            if point[1] >= count:
                if point[1] == before[1]:
                    return point[0]
                return before[0] + (point[0] - before[0]) * (count - before[1]) / (point[1] - before[1])
            before = point
        return self.points[-1][0]

    def rate(self, low: float, high: float) -> float:
        """Return the count a second between two counts."""
        elapsed = self.reached(high) - self.reached(low)
        return (high - low) / elapsed if elapsed > 0 else 0.0

    def between(self, start: float, end: float) -> float:
        """Return the count a second between two times."""
        inside = [point for point in self.points if start <= point[0] <= end]
        if len(inside) < 2 or inside[-1][0] == inside[0][0]:
            return 0.0
        return (inside[-1][1] - inside[0][1]) / (inside[-1][0] - inside[0][0])


@contextmanager
def course_of(counted: Callable[[], Counted]) -> Iterator[Course]:
    """Look at a sink's count again and again while the block runs."""
    course, over = Course(), threading.Event()

    def look() -> None:
        while not over.wait(EVERY_S):
            course.points.append((time.monotonic(), counted().taken))

    thread = threading.Thread(target=look, name="course", daemon=True)
    thread.start()
    try:
        yield course
    finally:
        over.set()
        thread.join()
        course.points.append((time.monotonic(), counted().taken))
