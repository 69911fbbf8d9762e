"""The proof that the chaos proof can fail: each guard in turn is taken out of a copy of the product, and it must.

`make proof-guards` takes out all of them on both databases and writes docs/proofs/guards.md.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.chaos import guards
from tests.chaos.__main__ import COUNT, DATABASES
from tests.chaos.guards import GUARDS, Guard
from tests.proofs import page

TRIES = 8
"""So many seeds may pass by a guard that is missing until the proof has failed."""


def prove(guard: Guard, database: str, first: int, count: int) -> tuple[str, str | None]:
    """Take a guard out and run seeds until the checker sees it; return what it saw, and what is wrong, if anything."""
    with tempfile.TemporaryDirectory(prefix="guards-") as name, guards.copy(Path(name), guard.edits) as tree:
        for seed in range(first, first + TRIES):
            outcome = guards.run(tree, subject=guard.subject, database=database, seed=seed, count=count)
            broken = sorted(guard.breaks & outcome.faults.keys())
            if broken:
                break
        else:
            return "nothing", f"without {guard.name} on {database} nothing broke in {TRIES} runs from seed {first}"
    with tempfile.TemporaryDirectory(prefix="guards-") as name, guards.copy(Path(name)) as tree:
        whole = guards.run(tree, subject=guard.subject, database=database, seed=seed, count=count)
    saw = f"{', '.join(broken)} (run {seed - first + 1}, seed {seed}): {outcome.faults[broken[0]][0]}"
    return saw, f"with every guard, seed {seed} on {database} broke {', '.join(whole.faults)}" if whole.faults else None


def main() -> int:
    """Run the proof in full and write its page; the exit status says whether it holds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="the first one")
    parser.add_argument("--count", type=int, default=COUNT, help="mails in each run, more or less")
    parser.add_argument("--guards", nargs="+", choices=[one.name for one in GUARDS], help="only these")
    options = parser.parse_args()
    rows: dict[str, object] = {}
    faults = []
    for guard in [one for one in GUARDS if not options.guards or one.name in options.guards]:
        for database in DATABASES:
            saw, fault = prove(guard, database, options.seed, options.count)
            sys.stdout.write(f"{guard.name} on {database}: {saw}\n")
            sys.stdout.flush()
            rows[f"without *{guard.name}* ({guard.told}), {database}, disturbances *{guard.subject}*"] = saw
            faults += [fault] if fault else []
    page.write(
        "guards",
        title="Without its guards it breaks, and the checker sees it",
        claim=(
            "Each guard of the ledger in turn is taken out of a copy of the product, and the chaos proof is run on the "
            "copy: the checker must name an invariant that the guard is there for. The same seed on a copy that has "
            "all its guards must hold."
        ),
        seed=options.seed,
        rows=rows,
        faults=faults,
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
