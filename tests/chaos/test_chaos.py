"""A sample of the chaos proof on both databases; `make proof-chaos` is the whole of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos import disturbances, ground, house, outcome, plan, scripts

PRODUCT = {path.parent.name for path in house.ROOT.glob("[a-z]*/__init__.py")} - {"tests", "tools", "bench"}
PRODUCT |= {path.stem for path in house.ROOT.glob("*.py")}
KNOW_THE_PRODUCT = {"seed", "readers"}
"""What puts mails into the ledger has to know it."""
ALL = [path.stem for path in sorted(Path(__file__).parent.glob("[a-z]*.py"))]
ALL = [name for name in ALL if name not in KNOW_THE_PRODUCT and not name.startswith("test_")]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_whatever_happens_to_the_senders_every_mail_is_accounted_for(tmp_path: Path, database: str) -> None:
    with ground.prepared(database, tmp_path) as prepared:
        found = outcome.of_run(prepared, subject="sample", seed=7, count=60)
    assert found.faults == {}, str(found)
    assert {"kill", "stopped"} <= found.disturbances.keys(), str(found)


@pytest.mark.parametrize("modules", [["checker"], ["sink"], ALL], ids=["checker", "sink", "all"])
def test_the_relay_the_harness_and_the_checker_know_nothing_of_the_product(modules: list[str]) -> None:
    imports = "".join(f"import tests.chaos.{name}; " for name in modules)
    listing = f"import sys; {imports}print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", listing], cwd=house.ROOT, capture_output=True, text=True, check=True)
    loaded = {module.partition(".")[0] for module in done.stdout.split()}
    assert "tests" in loaded
    assert not loaded & PRODUCT


def test_a_seed_says_all_that_will_be_done_and_mailed() -> None:
    for subject in disturbances.SUBJECTS:
        first, second = (disturbances.make(subject, 7, "sqlite") for _time in range(2))
        assert first == second
        assert first != disturbances.make(subject, 8, "sqlite")
    assert plan.make(7, count=50) == plan.make(7, count=50) != plan.make(8, count=50)


def test_every_address_of_a_plan_says_what_the_relay_is_to_do() -> None:
    for one in plan.recipients(plan.make(3, count=400)):
        assert str(scripts.read(one["to"])) == one["to"].partition(".")[0]
