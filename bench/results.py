"""What was measured, kept part by part as JSON, so that a run that is broken off loses nothing."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from core import clock
from core.settings import ROOT

FORM = 3
"""Raised when what a part keeps changes; results of another form are forgotten."""
PACKAGES = ("SQLAlchemy", "psycopg", "celery", "Jinja2", "Flask")


@dataclass
class Results:
    """The file of results. Each part says when it was measured, in which run, and at which commit."""

    path: Path
    sync_us: float = 0.0
    run: str = field(default_factory=lambda: clock.utc_now().isoformat(timespec="seconds"))
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path) -> "Results":
        """Read what earlier runs left in a file, if there is one."""
        made = cls(path)
        if path.exists():
            known = json.loads(path.read_text("utf-8"))
            made.parts = known["parts"] if known.get("form") == FORM else {}
        return made

    def keep(self, part: str, values: Mapping[str, object], *, readers: int, whole: bool) -> None:
        """Write down what a part has found so far."""
        self.parts[part] = {
            "run": self.run,
            "commit": commit(),
            "machine": machine(self.sync_us),
            "readers": readers,
            "whole": whole,
            "values": dict(values),
        }
        self._write()

    def failed(self, part: str, reason: str) -> None:
        """Write down that a part could not be measured to its end, and why."""
        kept = self.parts.get(part, {})
        if kept.get("run") != self.run:
            kept = {"run": self.run, "commit": commit(), "machine": machine(self.sync_us), "readers": 0, "values": {}}
        self.parts[part] = kept | {"whole": False, "why": reason}
        self._write()

    def of(self, part: str) -> dict[str, Any]:
        """Return what a part found, or an empty table."""
        values: dict[str, Any] = self.parts.get(part, {}).get("values", {})
        return values

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(
            json.dumps({"form": FORM, "parts": self.parts}, indent=1, ensure_ascii=False) + "\n", "utf-8"
        )


def commit() -> str:
    """Return the commit of the code, and whether something was changed since."""
    head = _git("rev-parse", "--short", "HEAD") or "unknown"
    changed = [line for line in _git("status", "--porcelain").splitlines() if "docs/bench." not in line]
    return f"{head} with changes" if changed else head


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def machine(sync_us: float) -> dict[str, str]:
    """Return on what and with what it was measured."""
    return {
        "cores": f"{os.cpu_count()} x {_of_file('/proc/cpuinfo', 'model name')}",
        "memory": f"{int(_of_file('/proc/meminfo', 'MemTotal').split()[0]) // 1_000_000} GB",
        "disk": f"{sync_us:,.0f} µs until 8 kB are on it",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def _of_file(path: str, name: str) -> str:
    for line in Path(path).read_text("utf-8").splitlines():
        title, _colon, value = line.partition(":")
        if title.strip() == name:
            return value.strip()
    return "0 unknown"
