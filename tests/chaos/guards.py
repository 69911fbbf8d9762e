"""The guards that the ledger stands on, each as the words of the product that make it, and a copy of the tree without.

What the checker says of such a copy shows what the checker is worth: without a guard, an invariant must break.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.house import ROOT
from tests.chaos.outcome import Outcome

LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "var", "docs")


@dataclass(frozen=True, slots=True)
class Edit:
    """Words of one file, and what stands there when the guard is gone."""

    path: str
    guarded: str
    bare: str

    def apply(self, tree: Path) -> None:
        """Take the guard out of a copy. Raises ValueError when the words do not stand there exactly once."""
        file = tree / self.path
        text = file.read_text("utf-8")
        if text.count(self.guarded) != 1:
            raise ValueError(f"{self.path} has these words {text.count(self.guarded)} times: {self.guarded}")
        file.write_text(text.replace(self.guarded, self.bare), "utf-8")


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard by name, what it is in words, the disturbances that need it, and which invariants break without it."""

    name: str
    told: str
    subject: str
    breaks: frozenset[str]
    edits: tuple[Edit, ...]


GUARDS = (
    Guard(
        "intent",
        "a row is durably `sending` before its message leaves",
        "kill",
        frozenset({"I4", "I5"}),
        (
            Edit(
                "delivery/moves.py",
                "            state=verdict.c.state,\n",
                "            state=case((goes, State.CLAIMED.value), else_=verdict.c.state),\n",
            ),
            Edit("delivery/moves.py", "if row.state == State.SENDING]", 'if row.state in ("claimed", "sending")]'),
            Edit(
                "delivery/states.py",
                "        {State.SENDING, State.PLANNED, State.SUPPRESSED, State.CANCELLED, State.EXPIRED},\n",
                "        set(State) - {State.CLAIMED},\n",
            ),
        ),
    ),
    Guard(
        "epoch",
        "a result counts for the claim that it belongs to, and for no later one",
        "fence",
        frozenset({"I2", "I3", "I4", "I11"}),
        (Edit("delivery/recording.py", "Delivery.epoch == result.c.epoch, or_(*arrows)", "or_(*arrows)"),),
    ),
    Guard(
        "lease",
        "what a living sender holds is nobody else's until its lease ends",
        "none",
        frozenset({"I7", "I8"}),
        (
            Edit(
                "delivery/sweeping.py",
                "return Delivery.lease_until.is_not(None) if alone else Delivery.lease_until < now",
                "return Delivery.lease_until.is_not(None)",
            ),
        ),
    ),
    Guard(
        "suppression",
        "who left gets nothing: decided in the statement of the intent",
        "gates",
        frozenset({"I2", "I10"}),
        (Edit("delivery/moves.py", "                (_suppressed(now), State.SUPPRESSED.value),\n", ""),),
    ),
    Guard(
        "control",
        "a pause and a cancel hold: decided in the statement of the intent",
        "gates",
        frozenset({"I10"}),
        (
            Edit(
                "delivery/moves.py",
                'or_(Mailing.state == "cancelled", Content.recall == "ended")',
                'Content.recall == "ended"',
            ),
            Edit(
                "delivery/moves.py",
                'or_(Mailing.state != "running", Content.recall == "held", _gated(now), _held())',
                'or_(Content.recall == "held", _gated(now))',
            ),
        ),
    ),
    Guard(
        "gate",
        "nothing leaves for a provider that is closed: decided in the statement of the intent",
        "gates",
        frozenset({"I12"}),
        (Edit("delivery/moves.py", '"held", _gated(now), _held())', '"held", _held())'),),
    ),
    Guard(
        "policy",
        "a doubt of a mailing that skips doubts is not sent again",
        "kill",
        frozenset({"I6"}),
        (Edit("delivery/sweeping.py", '            Mailing.doubt_policy == "resend",\n', ""),),
    ),
)


@contextmanager
def copy(folder: Path, edits: Sequence[Edit] = ()) -> Iterator[Path]:
    """Make a copy of the tree in a folder, with these edits; give it, and remove it."""
    tree = folder / "tree"
    shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
    try:
        for edit in edits:
            edit.apply(tree)
        yield tree
    finally:
        shutil.rmtree(tree)


def run(tree: Path, *, subject: str, database: str, seed: int, count: int) -> Outcome:
    """Run one seed in a tree, with the harness and the checker of that tree."""
    command = [sys.executable, "-m", "tests.chaos", "--json", "--subject", subject, "--database", database]
    command += ["--seed", str(seed), "--count", str(count)]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if len(lines) != 1:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return Outcome(**json.loads(lines[0]))
