"""Work on what strangers made, in a process of its own: with bounds on memory and time, and without any of our secrets.

What reads pictures and pages is large, and is fed by anybody. If it crashes, hangs or eats memory there, the worker
goes on, with the sender beside it.
"""

import os
import resource
import subprocess
import sys
import threading
from pathlib import Path
from tempfile import TemporaryFile

ROOT = Path(__file__).resolve().parent.parent
MEMORY = 1_000_000_000
"""Bytes of address space, the interpreter's own included."""
MOST_ANSWER = 8_000_000
"""Bytes that it may write: its answer is memory of ours."""
CPU_S = 20
WALL_S = 40.0
_ONE = threading.Lock()
"""One at a time in each worker: what bounds one bounds all."""


class FailedApart(Exception):
    """It ended without an answer: it crashed, or ran into a bound. The text says which, for operators."""


def run(module: str, work: bytes) -> bytes:
    """Have `python -m module` read the bytes of `work` and return what it writes. Raises FailedApart.

    The module's first call is `bound()`.
    """
    with _ONE, TemporaryFile() as answer, TemporaryFile() as said:
        try:
            done = subprocess.run(
                [sys.executable, "-m", module],
                input=work,
                stdout=answer,
                stderr=said,
                cwd=ROOT,
                # No DATABASE_URL, no SECRET_KEY: what breaks out of it finds nothing to take along.
                env={name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
                timeout=WALL_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise FailedApart(f"it took longer than {WALL_S:g} seconds") from error
        if done.returncode:
            said.seek(0)
            last = said.read().decode("utf-8", "replace").strip().rpartition("\n")[2][:200]
            raise FailedApart(last or f"it ended with {done.returncode}")
        answer.seek(0)
        return answer.read()


def bound() -> None:
    """Take the bounds upon this process, which is one of its own."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_ANSWER, MOST_ANSWER))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
