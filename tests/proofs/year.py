"""The proof of the composing: a year simulated, and judged by a model that shares no code with the product.

`make proof-year` plays seeds on both databases, takes guards out of copies of the product to see the model notice, and
writes docs/proofs/year.md. One seed again, and what the model says of it:
`python -m tests.proofs.year --seed 5 --days 45 --readers 9 --only sqlite`.
"""

import argparse
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from tests import servers
from tests.chaos.guards import Edit, copy
from tests.proofs import page, year_oracle, year_play, year_script

STORIES = 6
"""About so many a day."""
LENGTHS = {"sqlite": (365, 12), "postgresql": (28, 16)}
"""How many days, with how many readers: on PostgreSQL, where the code is the same but for how rows are written, a part
of the year."""
GUARDED = (14, 10)
TRIES = 4
"""So many seeds may pass by a guard that is missing until the model has seen it."""
AT_ONCE = max(1, (os.cpu_count() or 1) - 1)

GUARDS: dict[str, Edit] = {
    "what a reader had does not come again": Edit(
        "digests/selection.py",
        "    if known is None or (wish.repeat is Repeat.RECAP and",
        "    if known is None or (wish.repeat is not Repeat.UPDATED and",
    ),
    "no breaking mail in quiet hours": Edit(
        "digests/alarm.py", "at, hours, urgent=article.urgent)", "at, hours, urgent=True)"
    ),
    "who waits for a fuller mail waits two slots": Edit("digests/sorting.py", "MOST_WAITS = 2\n", "MOST_WAITS = 3\n"),
    "the front page is every reader's": Edit(
        "digests/selection.py", "    if front and known is None:\n", "    if front and known is None and False:\n"
    ),
    "at most three of a topic": Edit("digests/selection.py", "MOST_OF_TOPIC = 3\n", "MOST_OF_TOPIC = 4\n"),
}
"""What is taken out of a copy of the product, and the words that make it."""


@dataclass(frozen=True, slots=True)
class Run:
    """One seed on one database, on the product or on a copy without a guard."""

    seed: int
    days: int
    readers: int
    database: str
    guard: str = ""
    begin: datetime = year_script.BEGIN

    @property
    def again(self) -> str:
        """Return the command that plays it once more."""
        length = f"--begin {self.begin:%Y-%m-%d} --days {self.days} --readers {self.readers}"
        return f"python -m tests.proofs.year --seed {self.seed} {length} --only {self.database}"


def play(run: Run) -> list[year_play.Fact]:
    """Play a run in this process, on a database made for it; return what happened."""
    script = year_script.write(run.seed, days=run.days, readers=run.readers, stories=STORIES, begin=run.begin)
    with tempfile.TemporaryDirectory(prefix="year-") as name:
        if run.database == "sqlite":
            return year_play.play(script, database_url=f"sqlite:///{name}/year.db")
        with servers.postgres_server() as server, server.database() as url:
            return year_play.play(script, database_url=url)


def judged(run: Run) -> year_oracle.Oracle:
    """Play a run in a process of its own, on a copy where a guard is taken out; return what the model says of it."""
    edits = [GUARDS[run.guard]] if run.guard else []
    with tempfile.TemporaryDirectory(prefix="year-") as name, copy(Path(name), edits) as tree:
        facts = Path(name) / "facts.jsonl"
        command = [sys.executable, *run.again.split()[1:], "--facts", str(facts)]
        subprocess.run(command, cwd=tree, check=False, capture_output=True)
        return year_oracle.judge(json.loads(line) for line in facts.read_text("utf-8").splitlines())


def without(guard: str, seed: int) -> str:
    """Return what the model says first of the product without a guard; nothing, if it sees nothing in some seeds."""
    for tried in range(seed, seed + TRIES):
        faults = judged(Run(tried, *GUARDED, "sqlite", guard)).faults
        if faults:
            return f"{len(faults)} faults, the first: {faults[0]} (seed {tried})"
    return ""


def _sorted(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted((str(what), count) for what, count in counts.items() if what not in ("offer", "left"))


def only(run: Run, facts_to: Path | None) -> int:
    """Play and judge one run, and say on the terminal what came of it."""
    facts = play(run)
    if facts_to is not None:
        facts_to.write_text("".join(f"{json.dumps(fact)}\n" for fact in facts), "utf-8")
    oracle = year_oracle.judge(facts)
    counted = [f"{what}: {count}" for what, count in (*_sorted(oracle.counts), *_sorted(oracle.fates))]
    sys.stdout.write("\n".join([*counted, *oracle.faults, f"{len(oracle.faults)} faults", ""]))
    return 1 if oracle.faults else 0


def _utc(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def main() -> int:
    """Run the proof in full and write its page; the exit status says whether it holds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--begin", type=_utc, default=year_script.BEGIN, help="its first day, if not 20 March 2026")
    parser.add_argument("--days", type=int, help="how long, if not a year")
    parser.add_argument("--readers", type=int, help="how many, if not as many as for the page")
    parser.add_argument("--only", choices=tuple(LENGTHS), help="only this database, no guard taken out, and no page")
    parser.add_argument("--facts", type=Path, help="write down what happened, one fact a line")
    options = parser.parse_args()
    runs = [
        Run(options.seed, options.days or days, options.readers or readers, database, begin=options.begin)
        for database, (days, readers) in LENGTHS.items()
        if options.only in (None, database)
    ]
    if options.only:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        return only(runs[0], options.facts)
    rows: dict[str, object] = {}
    faults: list[str] = []
    with ThreadPoolExecutor(AT_ONCE) as at_once:
        whole = [at_once.submit(judged, run) for run in runs]
        seen = {guard: at_once.submit(without, guard, options.seed) for guard in GUARDS}
        for run, future in zip(runs, whole, strict=True):
            oracle, told = future.result(), f"{run.days} days of {run.readers} readers on {run.database}"
            rows |= {f"{told}: {what}": count for what, count in _sorted(oracle.counts)}
            rows |= {f"{told}: of stories, {fate}": count for fate, count in _sorted(oracle.fates)}
            faults += [*oracle.faults[:20], f"again: {run.again}"] if oracle.faults else []
        for guard, first in seen.items():
            rows[f"without the guard *{guard}*"] = first.result() or "nothing seen"
            faults += [] if first.result() else [f"without “{guard}” the model saw nothing in {TRIES} seeds"]
    title = "A year of readers, stories and outages, judged by a model"
    page.write("year", title=title, claim=CLAIM, seed=options.seed, rows=rows, faults=faults)
    return 1 if faults else 0


CLAIM = (
    "Random readers (zones with and without changes of the clock, rhythms, hours, topics, countries, pauses and "
    "what comes after them, languages, *each story once*, form and length, changes of mind, leaving and coming "
    "back) and random stories (topics, ranks, updates, marks, withdrawals, embargoes, flags, front pages, pins and "
    "drops, two languages) meet five digests, one for each `repeat` rule and one in a second language, for a year "
    "with outages and with hours in which no mail leaves. What people do goes through the rooms, and what the beat "
    "does through the tasks, with their clock set forward.\n\n"
    "A model that shares no code with the product (`tests/proofs/year_oracle.py`; a test holds that it imports "
    "nothing of it) reads what people did and the mails as they came out of the ledger. It foretells each mail to "
    "the letter: which stories stand in full, in which order and with which mark, which as headlines, how many more "
    "there would have been, and to whom nothing comes. Of every story that matched and was fresh it says one of: "
    "sent in full, headline, outranked, waiting, quiet hours, had (also: in another language, of who wants each "
    "story once); of breaking news also: as many as the reader wants a day. Whatever the model foretells, the mails "
    "are held against the rules: no story in full twice within a digest's rule, but for a marked update and for "
    "what came as an alert; no empty mail; one regular edition of a digest and local date.\n\n"
    "Not simulated, and proved by tests of their own: corrections, specials, flashes, what is given back when a "
    "mail ends unsent, the desk's notes and holds.\n\n"
    "In the last rows one guard at a time is taken out of a copy of the product, and the model must notice."
)


if __name__ == "__main__":
    sys.exit(main())
