"""The page that a full proof writes: what was claimed, on what it was run, and what was counted."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path


def _commit() -> str:
    described = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return described.stdout.strip() or "unknown"


STARTED_AT = _commit()
"""The commit whose code a proof runs: looked up before it starts, since a long one may see the next commit come."""
FOLDER = Path(__file__).resolve().parents[2] / "docs" / "proofs"


def write(
    name: str, *, title: str, claim: str, rows: Mapping[str, object], faults: Sequence[str], seed: int | None = None
) -> None:
    """Write docs/proofs/<name>.md, and say on the terminal what it says."""
    drawn = "" if seed is None else f"seed {seed}, "
    verdict = "The proof holds." if not faults else "The proof FAILED: " + "; ".join(faults) + "."
    table = "\n".join(f"| {what} | {count} |" for what, count in rows.items())
    text = (
        f"# {title}\n\n{claim}\n\n**{verdict}**\n\n"
        f"| counted | |\n|---|---|\n{table}\n\n"
        f"Run on {datetime.now(UTC):%Y-%m-%d} at commit {STARTED_AT}, {drawn}"
        f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}. "
        f"Again: `make proof-{name}`.\n"
    )
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.md").write_text(text, "utf-8")
    sys.stdout.write(text)
