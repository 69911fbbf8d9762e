"""Moves the clock of a process that is started with this folder on its PYTHONPATH: Python reads this file first.

The one module that asks the time, core.clock, is answered with as many seconds more as stand in the file that CLOCK
names; that may change while the process runs.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from datetime import timedelta


class _Clock(importlib.abc.MetaPathFinder):
    """Finds core.clock as it is, and has its answers moved."""

    def find_spec(self, name, path=None, target=None):
        """Return how to load core.clock; any other module is somebody else's to find."""
        if name != "core.clock":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_move(module):
                load(module)
                asked = module.utc_now
                module.utc_now = lambda: asked() + timedelta(seconds=_seconds())

            spec.loader.exec_module = load_and_move  # type: ignore[method-assign]
        return spec


def _seconds():
    try:
        with open(os.environ["CLOCK"], encoding="ascii") as file:
            return float(file.read() or 0)
    except FileNotFoundError:
        return 0.0


if "CLOCK" in os.environ:
    sys.meta_path.insert(0, _Clock())
