"""What a person sees while it runs: one line that is written anew, with an estimate of how long it takes."""

import sys
import time


class Progress:
    """The progress of one step, said every second at a terminal, and every 15 seconds in a log."""

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._started = time.monotonic()
        self._said = self._started
        self._every = 1.0 if sys.stdout.isatty() else 15.0

    def at(self, count: int) -> None:
        """Say how far it is, if it is time to."""
        now = time.monotonic()
        if now - self._said < self._every:
            return
        self._said = now
        rate = count / (now - self._started)
        left = f", {max(0, self._total - count) / rate:,.0f} s to go" if count else ""
        self._line(f"  {self._what}: {count:,} of {self._total:,}, {rate:,.0f}/s{left}")

    def done(self, words: str) -> None:
        """Say what came out."""
        self._line(f"  {self._what}: {words} ({time.monotonic() - self._started:.0f} s)")
        if sys.stdout.isatty():
            print(flush=True)

    @staticmethod
    def _line(text: str) -> None:
        if sys.stdout.isatty():
            print(f"\r\x1b[K{text}", end="", flush=True)
        else:
            print(text, flush=True)
