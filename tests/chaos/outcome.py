"""What one run came to, as numbers that add up, and the line that a failed one leaves."""

import shutil
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos import checker
from tests.chaos.evidence import DISTURBING, Evidence
from tests.chaos.ground import Ground
from tests.chaos.house import ROOT
from tests.chaos.orchestrator import Run

KEPT = ROOT / "var" / "chaos"
"""Where the files of a run that failed are kept."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The counts of one run, and what each broken invariant has found."""

    subject: str
    database: str
    seed: int
    mails: int
    accepted: int
    doubts: int
    duplicates: int
    most_copies: int
    bound: int
    disturbances: dict[str, int]
    ends: dict[str, int]
    faults: dict[str, list[str]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as it is handed to another process."""
        return asdict(self)

    @property
    def again(self) -> str:
        """Return the command that runs the same once more."""
        return f"python -m tests.chaos --subject {self.subject} --database {self.database} --seed {self.seed}"

    def __str__(self) -> str:
        counts = (
            f"{self.subject:9} {self.database:10} seed {self.seed}: {self.mails} mails, {self.doubts} doubts, "
            f"{self.duplicates} duplicates, bound {self.bound}, {self.ends}"
        )
        broken = [f"  {name}: {len(found)}: {'; '.join(found[:4])}" for name, found in self.faults.items()]
        return "\n".join([counts, *broken, *([f"  Again: {self.again}"] if broken else [])])


def of_run(ground: Ground, *, subject: str, seed: int, count: int, keep: bool = False) -> Outcome:
    """Run one seed, check it, and keep its files when it failed."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        folder = Path(name)
        with ground.database(folder) as url:
            run = Run(ground, folder, url, subject=subject, seed=seed, count=count)
            evidence = run.to_the_end()
        outcome = _counted(evidence)
        if outcome.faults or keep:
            place = KEPT / f"{subject}-{outcome.database}-{seed}"
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(folder, place)
    return outcome


def _counted(run: Evidence) -> Outcome:
    done = Counter(line["k"] for line in run.said(*DISTURBING, "redis", "term") if line["k"] != "fault")
    done.update(line["k"] for line in run.lines("cut", "shut"))
    done.update(line["fault"].partition(":")[0] for line in run.said("started") if line["fault"])
    return Outcome(
        subject=run.settings["subject"],
        database=run.settings["database"],
        seed=run.settings["seed"],
        mails=len(run.plan),
        accepted=len(run.lines("accepted")),
        doubts=run.doubts,
        duplicates=run.duplicates,
        most_copies=max(map(len, run.copies.values()), default=0),
        bound=run.bound,
        disturbances=dict(done),
        ends=dict(Counter(row["state"] for row in run.rows.values())),
        faults=checker.check(run),
    )
