"""Some days of the simulated year, around a night on which clocks change; `make proof-year` plays all of it."""

import ast
import random
import sys
from datetime import UTC, datetime

import pytest

from core.settings import ROOT
from tests.proofs import year, year_oracle, year_script
from tests.proofs.year import Run

MODEL = ("oracle", "choice", "state", "clock", "mail", "rules", "breaking")
NIGHTS = {
    "Rome and Troll, forward": datetime(2026, 3, 28, tzinfo=UTC),
    "Lord Howe and Chatham, back": datetime(2026, 4, 4, tzinfo=UTC),
    "Rome and Troll, back": datetime(2026, 10, 24, tzinfo=UTC),
    "Havana and New York, back": datetime(2026, 10, 31, tzinfo=UTC),
}


@pytest.mark.parametrize(("database", "days"), [("sqlite", 4), ("postgresql", 2)])
def test_readers_get_just_what_the_model_foretells(database, days):
    seed = random.SystemRandom().randrange(10**6)
    night = random.Random(seed).choice(sorted(NIGHTS))
    run = Run(seed, days=days, readers=6, database=database, begin=NIGHTS[night])
    oracle = year_oracle.judge(year.play(run))
    assert oracle.faults == [], f"{night}: {run.again}"
    # Some days may have no story for anybody; but without readers nothing was played at all.
    assert oracle.counts["join"] > 0, run.again


def test_the_model_imports_nothing_of_the_product():
    ours = {f"tests.proofs.year_{name}" for name in MODEL}
    for name in MODEL:
        tree = ast.parse((ROOT / "tests" / "proofs" / f"year_{name}.py").read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found = {one.name for one in node.names}
            elif isinstance(node, ast.ImportFrom):
                module = node.module or ""
                found = {f"{module}.{one.name}" for one in node.names} if module == "tests.proofs" else {module}
            else:
                continue
            assert all(one in ours or one.partition(".")[0] in sys.stdlib_module_names for one in found), (name, found)


def test_one_seed_is_one_year():
    assert year_script.write(5, days=9, readers=5, stories=4) == year_script.write(5, days=9, readers=5, stories=4)
    assert year_script.write(5, days=9, readers=5, stories=4) != year_script.write(6, days=9, readers=5, stories=4)
