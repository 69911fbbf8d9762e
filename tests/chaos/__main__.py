"""Run seeds of the chaos proof: `python -m tests.chaos --subject kill --database sqlite --seed 7`.

The status is an error when an invariant does not hold; the files of such a run are kept in var/chaos/.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.chaos import ground, outcome
from tests.chaos.disturbances import SUBJECTS

DATABASES = ("sqlite", "postgresql")
COUNT = 120


def main() -> int:
    """Run the seeds that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--subject", choices=[*SUBJECTS], default="mixed")
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--count", type=int, default=COUNT, help="mails in each run, more or less")
    parser.add_argument("--keep", action="store_true", help="keep the files of a good run too")
    parser.add_argument("--json", action="store_true", help="print JSON for a script")
    options = parser.parse_args()
    good = True
    with (
        tempfile.TemporaryDirectory(prefix="chaos-ground-") as folder,
        ground.prepared(options.database, Path(folder), with_redis=True) as prepared,
    ):
        for seed in options.seed:
            found = outcome.of_run(prepared, subject=options.subject, seed=seed, count=options.count, keep=options.keep)
            good = good and not found.faults
            sys.stdout.write(f"{json.dumps(found.to_json()) if options.json else found}\n")
            sys.stdout.flush()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
