"""The chaos proof in full: hundreds of seeds, each with its disturbances, on both databases.

`make proof-chaos` runs it and writes docs/proofs/chaos.md. One seed again: `python -m tests.chaos --help`.
"""

import argparse
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.chaos.__main__ import COUNT, DATABASES
from tests.chaos.house import ROOT
from tests.chaos.outcome import Outcome
from tests.proofs import page

AT_ONCE = 4
"""Seeds of one process: its servers are started once for them."""
TOLD = {
    "none": "nothing but the relay's own moods",
    "kill": "`kill -9` of senders",
    "stop": "SIGSTOP, shorter and longer than a lease",
    "fault": "killed, stopped, failing or delayed at a named point of the code",
    "database": "PostgreSQL stopped at once and restarted; SQLite's write lock held by somebody else",
    "redis": "Redis emptied, killed or stopped under Celery workers",
    "clock": "the clock of the senders jumps by up to hours, forwards and backwards",
    "beats": "two beats and two workers open and compose one edition; both kinds are killed",
    "gates": "a large provider puts mails off, while several senders have many of its mails claimed",
    "fence": "a sender is stopped with replies in hand, and wakes when another one is sending the same mails again",
    "rolling": "SIGTERM to one sender after the other",
    "full": "no room to write (a file limit on SQLite's senders; PostgreSQL's own error)",
    "relay": "the relay drops every connection, or is away",
    "mixed": "three of these together",
}


@dataclass(frozen=True, slots=True)
class Batch:
    """Some seeds of one subject on one database: what one process runs."""

    subject: str
    database: str
    seeds: tuple[int, ...]

    def run(self, count: int) -> list[Outcome]:
        """Run them; a process that ends badly is an outcome too."""
        command = [sys.executable, "-m", "tests.chaos", "--json", "--subject", self.subject]
        command += ["--database", self.database, "--count", str(count), "--seed", *map(str, self.seeds)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        found = [Outcome(**json.loads(line)) for line in done.stdout.splitlines() if line.startswith("{")]
        if len(found) < len(self.seeds):
            words = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
            seed = self.seeds[len(found)]
            found.append(Outcome(self.subject, self.database, seed, 0, 0, 0, 0, 0, 0, {}, {}, {"harness": words}))
        for outcome in found:
            sys.stdout.write(f"{outcome}\n")
            sys.stdout.flush()
        return found


def in_time(batch: Batch, count: int, until: float) -> list[Outcome]:
    """Run a batch that can still begin before the time is over."""
    return batch.run(count) if time.monotonic() < until else []


def batches(subjects: Sequence[str], seeds: int, first: int) -> Iterator[Batch]:
    """Share `seeds` runs out over subjects and databases, the next seed for each run."""
    kinds = [(subject, database) for subject in subjects for database in DATABASES]
    numbers = {kind: [first + run for run in range(seeds) if kinds[run % len(kinds)] == kind] for kind in kinds}
    for begin in range(0, seeds, AT_ONCE):
        for (subject, database), mine in numbers.items():
            if some := mine[begin : begin + AT_ONCE]:
                yield Batch(subject, database, tuple(some))


def rows(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """Return what the page counts: totals, each class, each kind of disturbance."""
    disturbances, ends = Counter[str](), Counter[str]()
    for one in outcomes:
        disturbances.update(one.disturbances)
        ends.update(one.ends)
    counted: dict[str, object] = {
        "runs, each with a seed of its own": len(outcomes),
        "on SQLite / on PostgreSQL": " / ".join(
            str(sum(one.database == name for one in outcomes)) for name in DATABASES
        ),
        "mails": f"{sum(one.mails for one in outcomes):,}",
        "copies that the relay accepted": f"{sum(one.accepted for one in outcomes):,}",
        "how the mails ended": ", ".join(f"{count:,} {state}" for state, count in ends.most_common()),
        "disturbances": ", ".join(f"{count:,} × {name}" for name, count in disturbances.most_common()),
        "doubts ever, and what they may be at most": _against(outcomes, "doubts"),
        "second copies, and what they may be at most": _against(outcomes, "duplicates"),
        "most copies that anybody got": max(one.most_copies for one in outcomes),
        "mails handed over that the relay has not, or taken that the ledger does not know of (I3, I4)": sum(
            len(one.faults.get(name, [])) for one in outcomes for name in ("I3", "I4")
        ),
    }
    for subject, told in TOLD.items():
        own = [one for one in outcomes if one.subject == subject]
        if own:
            counted[f"{subject}: {told}"] = (
                f"{len(own)} runs, {sum(one.mails for one in own):,} mails: {_against(own, 'doubts')} doubts, "
                f"{_against(own, 'duplicates')} second copies, {sum(bool(one.faults) for one in own)} runs failed"
            )
    return counted


def _against(outcomes: Sequence[Outcome], name: str) -> str:
    return f"{sum(getattr(one, name) for one in outcomes):,} of {sum(one.bound for one in outcomes):,}"


def faults(outcomes: Sequence[Outcome]) -> list[str]:
    """Return what must not be, in words, each with its seed."""
    return [
        f"{name} on {one.database}, {one.subject}, seed {one.seed}: {found[0]}"
        for one in outcomes
        for name, found in one.faults.items()
    ]


def main() -> int:
    """Run the proof in full and write its page; the exit status says whether it holds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=240, help="how many runs")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="the first one's")
    parser.add_argument("--minutes", type=float, default=120, help="after so long no further runs are begun")
    parser.add_argument("--jobs", type=int, default=2, help="how many runs at a time")
    parser.add_argument("--count", type=int, default=COUNT, help="mails in each run, more or less")
    parser.add_argument("--subjects", nargs="+", choices=[*TOLD], default=[*TOLD])
    options = parser.parse_args()
    sys.stdout.write(f"First seed: {options.seed}\n")
    until = time.monotonic() + options.minutes * 60
    planned = batches(options.subjects, options.seeds, options.seed)
    with ThreadPoolExecutor(options.jobs) as jobs:
        done = jobs.map(lambda batch: in_time(batch, options.count, until), planned)
        outcomes = [outcome for some in done for outcome in some]
    found = faults(outcomes)
    page.write(
        "chaos",
        title="Killed, stopped, cut off, and every mail accounted for",
        claim=(
            "Whatever happens to the senders, the database, Redis, the clock or the relay: nobody is silently lost; at "
            "most one mail for each open connection is put in doubt, and each doubt is named; nobody gets more than "
            "two copies, and no second one where the mailing says so; nothing personal reaches another reader. The "
            "relay writes down what it accepts before it says so, and a checker that shares no code with the product "
            "compares that with the ledger, by thirteen invariants."
        ),
        seed=options.seed,
        rows=rows(outcomes),
        faults=found,
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
