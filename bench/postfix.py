"""Postfix' own test programs, smtp-source and smtp-sink: found, or taken out of Debian's package, not installed."""

import contextlib
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.ground import BenchError, listens, wait_until
from core.settings import ROOT
from tests import servers

FOLDER = ROOT / "var" / "bench" / "postfix"
CURE = (
    "Postfix' smtp-source and smtp-sink are not here and could not be had. Install the package that has them (Debian: "
    "postfix; elsewhere often postfix-tests), or let make bench fetch Debian's package: it needs apt-get and dpkg, and "
    "package lists that are not too old (apt-get update). All but the comparison with them is measured without."
)
SESSIONS = 32
BYTES = 30_000


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the two programs are, and what they need in the environment."""

    source: str
    sink: str
    environment: Mapping[str, str]
    version: str


def find() -> Programs:
    """Return the programs of the machine, else those of Debian's package. Raises BenchError, which names the cure."""
    source, sink = shutil.which("smtp-source"), shutil.which("smtp-sink")
    if source and sink:
        return Programs(source, sink, dict(os.environ), "of this machine")
    if not (FOLDER / "usr" / "sbin" / "smtp-source").exists():
        _fetch()
    version = (FOLDER / "version").read_text("ascii") if (FOLDER / "version").exists() else "unknown"
    environment = {**os.environ, "LD_LIBRARY_PATH": str(FOLDER / "usr" / "lib" / "postfix")}
    place = FOLDER / "usr" / "sbin"
    return Programs(str(place / "smtp-source"), str(place / "smtp-sink"), environment, version)


def _fetch() -> None:
    """Take Debian's package apart in var/bench; nothing of it is installed."""
    if platform.system() != "Linux" or not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise BenchError(CURE)
    FOLDER.mkdir(parents=True, exist_ok=True)
    fetched = subprocess.run(["apt-get", "download", "-qq", "postfix"], cwd=FOLDER, capture_output=True, text=True)
    packages = sorted(FOLDER.glob("postfix_*.deb"))
    if fetched.returncode or not packages:
        raise BenchError(f"{CURE} apt-get said: {fetched.stderr.strip()[-300:]}")
    subprocess.run(["dpkg", "-x", str(packages[-1]), str(FOLDER)], check=True)
    (FOLDER / "version").write_text(packages[-1].name.split("_")[1], "ascii")
    packages[-1].unlink()


@contextlib.contextmanager
def sink(found: Programs) -> Iterator[int]:
    """Run smtp-sink; give its port."""
    port = servers.free_port()
    as_nobody = ["-u", "nobody"] if os.geteuid() == 0 else []
    command = [found.sink, *as_nobody, "-4", f"127.0.0.1:{port}", "1000"]
    process = subprocess.Popen(command, env=found.environment, stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: listens(port), within_s=20, otherwise="smtp-sink does not listen.")
        yield port
    finally:
        process.terminate()
        process.wait(10)


def source_rate(found: Programs, port: int, count: int, *, keep: bool) -> float:
    """Return the messages a second that smtp-source hands over; `keep` has it keep its connections."""
    options = [*(["-d"] if keep else []), "-s", str(SESSIONS), "-m", str(count), "-l", str(BYTES)]
    started = time.monotonic()
    done = subprocess.run([found.source, *options, f"127.0.0.1:{port}"], env=found.environment, timeout=600)
    if done.returncode:
        raise BenchError(f"smtp-source ended with status {done.returncode}.")
    return count / (time.monotonic() - started)


def version(path: Path = FOLDER) -> str:
    """Return which Postfix was measured with."""
    return (path / "version").read_text("ascii") if (path / "version").exists() else "of this machine"
