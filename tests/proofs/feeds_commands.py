"""The service's commands, started from outside many times over: the program is loaded once, and forked for each call.

`python -m tests.proofs.feeds_commands` loads the shipped `flask` program and reads words to run, one JSON list a line.
Each call is a process of its own, as at a terminal; what it printed, its status and its peak of memory are the answer.
"""

import importlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended: its exit status, what it printed on both streams, its peak of memory in bytes."""

    status: int
    out: str
    err: str
    peak: int

    @property
    def text(self) -> str:
        """Return all that it printed."""
        return self.out + self.err


@dataclass
class Commands:
    """The program, loaded and waiting. Several may be had, to have commands run at the same time."""

    process: subprocess.Popen[str]
    said: list[Said] = field(default_factory=list)
    turn: threading.Lock = field(default_factory=threading.Lock)

    def run(self, *words: str) -> Said:
        """Run `flask` with these words; after `task`, a task by its name."""
        with self.turn:
            assert self.process.stdin
            assert self.process.stdout
            self.process.stdin.write(json.dumps(words) + "\n")
            self.process.stdin.flush()
            answer = Said(**json.loads(self.process.stdout.readline()))
        self.said.append(answer)
        return answer

    def close(self) -> None:
        """End the program."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(30)


def loaded(environment: Mapping[str, str]) -> Commands:
    """Load the program in an environment."""
    command = [sys.executable, "-m", "tests.proofs.feeds_commands"]
    pipe = subprocess.PIPE
    return Commands(subprocess.Popen(command, cwd=ROOT, env=dict(environment), text=True, stdin=pipe, stdout=pipe))


def _forked(words: list[str]) -> dict[str, object]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            _become(words, out.fileno(), err.fileno())
        _child, status, used = os.wait4(child, 0)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode("utf-8", "replace"))
    return {
        "status": os.waitstatus_to_exitcode(status),
        "out": texts[0],
        "err": texts[1],
        "peak": used.ru_maxrss * 1024,
    }


def _become(words: list[str], out: int, err: int) -> None:
    """Be the `flask` program, to the end."""
    os.dup2(out, 1)
    os.dup2(err, 2)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    status = 1
    try:
        if words[0] == "task":
            _work(words[1])
            status = 0
            return
        sys.argv[:] = ["flask", "--app", "app", *words]
        flask.cli.main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _work(task: str) -> None:
    """Run a task, as a worker would."""
    module, _dot, name = task.rpartition(".")
    with app.create_app().app_context():
        getattr(importlib.import_module(module), name)()


if __name__ == "__main__":
    # Here alone: whoever imports the class above does not load the product.
    import flask.cli

    import app

    for line in sys.stdin:
        sys.stdout.write(json.dumps(_forked(json.loads(line))) + "\n")
        sys.stdout.flush()
