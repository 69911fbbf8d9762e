"""What a stranger's file could make of the process that reads it; the file's text says which."""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from itertools import repeat

from core import apart


def work_for_ever() -> None:
    """Use the processor, and nothing else."""
    while True:
        pass


MADE: Mapping[str, Callable[[], object]] = {
    "good": lambda: sys.stdout.write(json.dumps(dict(os.environ))),
    "eats": lambda: bytearray(apart.MEMORY),
    "writes for ever": lambda: sys.stdout.writelines(repeat("x" * 1_000_000)),
    "sleeps": lambda: time.sleep(60),
    "works for ever": work_for_ever,
    "crashes": os.abort,
}

if __name__ == "__main__":
    apart.CPU_S = 1
    apart.bound()
    MADE[sys.stdin.read()]()
