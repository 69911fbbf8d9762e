"""Where the sender's time goes: the shipped `flask delivery pump` with the standard library's profiler in each thread.

The clock is the CPU time of the thread, so waiting costs nothing in it. The profiler itself costs much: shares are
what to read, not sums; code in Python looks dearer than it is, code in C cheaper.

    python -m bench.profile        in the environment of an installation; SIGTERM ends it and writes the profile
"""

import cProfile
import os
import pstats
import runpy
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from delivery import pump

INTO = "BENCH_PROFILE"
"""The name in the environment of the file that the profile is written to."""
GROUPS = (
    ("/delivery/message.py", "making the mail: headers"),
    ("/delivery/content.py", "making the mail: filling in"),
    ("/delivery/smtp", "SMTP"),
    ("/delivery/phases", "SMTP"),
    ("/delivery/repl", "SMTP"),
    ("/smtplib.py", "SMTP"),
    ("/socket.py", "SMTP"),
    ("/ssl.py", "SMTP"),
    ("/core/tokens.py", "making the mail: tokens"),
    ("/core/links.py", "making the mail: tokens"),
    ("/delivery/verp.py", "making the mail: tokens"),
    ("/hmac.py", "making the mail: tokens"),
    ("/base64.py", "making the mail: tokens"),
    ("/core/addresses.py", "making the mail: unsealing"),
    ("/delivery/recipes.py", "reading recipes"),
    ("/json/", "reading recipes"),
    ("/sqlalchemy/", "the ledger: SQLAlchemy"),
    ("/psycopg", "the ledger: psycopg"),
    ("/threading.py", "handing over between threads"),
    ("/queue.py", "handing over between threads"),
    ("/selectors.py", "handing over between threads"),
    ("/structlog/", "logging"),
    ("/logging/", "logging"),
    ("/delivery/", "the sender's own steps"),
    ("/core/", "the sender's own steps"),
)
OTHERS = "everything else"
Stats = dict[
    tuple[str, int, str], tuple[int, int, float, float, Mapping[tuple[str, int, str], tuple[int, int, float, float]]]
]


def group_of(file: str) -> str | None:
    """Return what a file of code is for; None for what is built in, which belongs to whoever calls it."""
    if file.startswith(("~", "<")):
        return None
    return next((group for part, group in GROUPS if part in file), OTHERS)


def shares(path: Path, *, most: int = 25) -> dict[str, Any]:
    """Return the share of each group in a profile, in per cent, and the dearest functions with theirs."""
    stats: Stats = pstats.Stats(str(path)).stats  # type: ignore[attr-defined]
    groups: dict[str, float] = defaultdict(float)
    lines: list[tuple[float, int, str]] = []
    for (file, line, name), (_primitive, calls, own, _all, callers) in stats.items():
        lines.append((own, calls, f"{_short(file)}:{line} {name}" if line else name))
        group = group_of(file)
        if group is not None:
            groups[group] += own
            continue
        for (caller, _line, _name), (_calls, _primitive, spent, _below) in callers.items():
            groups[group_of(caller) or OTHERS] += spent
    total = sum(own for own, _calls, _what in lines) or 1.0
    return {
        "seconds": total,
        "groups": {name: spent / total for name, spent in sorted(groups.items(), key=lambda one: -one[1])},
        "functions": [(what, calls, own / total) for own, calls, what in sorted(lines, reverse=True)[:most]],
    }


def _short(file: str) -> str:
    return "/".join(Path(file).parts[-2:])


class Profiled:
    """A profiler for each thread of the sender; what they saw comes together in one file at the end."""

    def __init__(self) -> None:
        self._all: list[cProfile.Profile] = []
        self._turn = threading.Lock()

    def call(self, what: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call something in this thread under a profiler of its own."""
        profile = cProfile.Profile(time.thread_time)
        with self._turn:
            self._all.append(profile)
        return profile.runcall(what, *arguments, **named)

    def write(self, path: Path) -> None:
        """Put everything into one file for pstats."""
        stats = pstats.Stats(*self._all[:1])
        for profile in self._all[1:]:
            stats.add(profile)
        stats.dump_stats(path)


def main() -> None:
    """Run the shipped command; from where the sender begins, it and the threads it starts are profiled."""
    profiled = Profiled()
    run, run_thread = pump.run, threading.Thread.run

    def profiled_run(*arguments: Any, **named: Any) -> None:
        threading.Thread.run = lambda thread: profiled.call(run_thread, thread)  # type: ignore[method-assign]
        try:
            profiled.call(run, *arguments, **named)
        finally:
            profiled.write(Path(os.environ[INTO]))

    pump.run = profiled_run
    sys.argv = ["flask", "--app", "app", "delivery", "pump"]
    runpy.run_module("flask", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
