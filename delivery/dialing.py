"""Opening lines and saying goodbye on them: both wait for the relay, so both happen beside the loop."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait

from delivery import smtp
from delivery.pools import Slot
from delivery.smtp import Line

_AT_ONCE = 16
GOODBYES_S = 2.0
"""How long all goodbyes together may take when the sender ends: what it claimed is given back after them."""

Dialed = tuple[Slot, smtp.Opened | smtp.RelayTrouble]
"""The slot a line was opened for, with the line or what came in the way."""


class Dialer:
    """Threads that wait, so that the loop does not. `ring` is called when a line stands, or cannot."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._dialers: dict[str, ThreadPoolExecutor] = {}
        self._goodbyes = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="goodbye")
        self._parting: dict[Future[None], Line] = {}
        self._dialed: deque[Dialed] = deque()

    def dial(self, slot: Slot) -> None:
        """Open a line for a slot. Each relay has threads of its own: one that is silent keeps no other waiting."""
        slot.pool.dialing += 1
        relay = slot.pool.relay.name
        if relay not in self._dialers:
            self._dialers[relay] = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix=f"dialer {relay}")
        self._dialers[relay].submit(self._open, slot)

    def _open(self, slot: Slot) -> None:
        try:
            self._dialed.append((slot, smtp.open_line(slot.pool.relay)))
        except smtp.RelayTrouble as error:
            self._dialed.append((slot, error))
        except Exception as error:  # noqa: BLE001 - a slot that is never answered would be lost
            self._dialed.append((slot, smtp.RelayTrouble(repr(error))))
        self._ring()

    def dialed(self) -> Iterator[Dialed]:
        """Yield the answers there are."""
        while self._dialed:
            slot, opened = self._dialed.popleft()
            slot.pool.dialing -= 1
            yield slot, opened

    def part(self, line: Line) -> None:
        """Say goodbye on a line, and close it."""
        goodbye = self._goodbyes.submit(line.part)
        self._parting[goodbye] = line
        goodbye.add_done_callback(lambda done: self._parting.pop(done, None))

    def end(self) -> None:
        """Open no more lines, and wait a moment for the goodbyes; what a silent relay does not answer is closed."""
        for dialers in self._dialers.values():
            dialers.shutdown(wait=False, cancel_futures=True)
        parting = dict(self._parting)
        for goodbye in wait(parting, GOODBYES_S).not_done:
            if goodbye.cancel():
                parting[goodbye].sock.close()
        self._goodbyes.shutdown(wait=False)
        for _slot, opened in self.dialed():
            if isinstance(opened, smtp.Opened):
                opened.sock.close()
