"""Named points where a proof may set off a fault. Nothing happens unless POSTRIDER_FAULT names the point.

`POSTRIDER_FAULT=after_intent:kill:3` kills the process the third time it passes there; several are separated by
commas. The actions are kill and stop (the signals), raise, and sleep=SECONDS.
"""

import os
import signal
import threading
import time
from dataclasses import dataclass, field

POINTS = (
    "before_claim",
    "after_claim",
    "before_intent",
    "after_intent",
    "before_body",
    "mid_body",
    "after_dot",
    "before_result",
    "after_result",
)
"""In the order in which a mail passes them."""


class FaultSet(Exception):
    """The fault that was asked for."""


@dataclass(slots=True)
class _Fault:
    action: str
    after: int
    lock: threading.Lock = field(default_factory=threading.Lock)

    def passed(self) -> bool:
        with self.lock:
            self.after -= 1
            return self.after == 0

    def set_off(self, point: str) -> None:
        name, _equals, seconds = self.action.partition("=")
        if name == "sleep":
            time.sleep(float(seconds))
        elif name == "raise":
            raise FaultSet(point)
        else:
            os.kill(os.getpid(), {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[name])


def _read(text: str) -> dict[str, _Fault]:
    found = {}
    for one in filter(None, text.split(",")):
        point, action, *times = one.split(":")
        if point not in POINTS:
            raise ValueError(f"POSTRIDER_FAULT: there is no point {point!r}; there are {', '.join(POINTS)}.")
        found[point] = _Fault(action, int(times[0]) if times else 1)
    return found


_faults = _read(os.environ.get("POSTRIDER_FAULT", ""))


def at(point: str) -> None:
    """Pass a point."""
    if _faults and (fault := _faults.get(point)) is not None and fault.passed():
        fault.set_off(point)
